"""Recorded traffic around the roles of an event."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from scenegen.events import Pinned
from scenegen.layout.drivers import draw_driver
from scenegen.scene import AgentKind, AgentPlans, AgentStates, Conditions, Control


def add_recorded(
    pinned: Pinned,
    log: AgentStates,
    steps: int,
    conditions: Conditions,
    rng: np.random.Generator,
) -> tuple[AgentStates, AgentPlans]:
    """Put recorded traffic around pinned roles; each vehicle follows its log until disturbed.

    Args:
        pinned: The roles; log agents they replace are left out.
        log: Recorded states at 10 Hz, leading shape (T, M).
        steps: Instants of the scenario; the recording may be shorter or longer.
        conditions: Weather, for how a disturbed driver goes on.
        rng: Random numbers for the drivers.

    Returns:
        Agents of leading shape (N,) and their plans; only agents that ever appear are kept.
    """
    kept = np.setdiff1d(np.flatnonzero(log.valid[:steps].any(0)), pinned.replaces)
    if not len(kept):
        return pinned.agents, pinned.plans
    cut = log[:steps, kept]
    plans = AgentPlans.reactive(len(kept))
    for i in range(len(kept)):
        seen = cut.valid[:, i]
        usual = float(cut.speed[seen, i].max())
        kind = AgentKind(int(cut.kind[seen, i][0]))
        draw_driver(plans, i, kind, max(usual, 3.0), conditions, rng)
    plans.control[...] = Control.LOG
    plans = replace(plans, log=cut)
    return (
        AgentStates.concatenate([pinned.agents, cut[0]]),
        AgentPlans.concatenate([pinned.plans, plans]),
    )

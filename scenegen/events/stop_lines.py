"""Stop lines: who crosses one, and how long its signal has been red."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.events.tracks import Tracks
from scenegen.scene.scenario import STEP
from scenegen.scene.signals import SignalState

NEVER = -10.0
"""Margin of an instant at which no stop line is crossed."""
SLACK = 1.0
"""A front bumper this far beyond an end of the stop line still crosses it [m]."""
LONGEST = 5.0
"""Margins of a crossing are cut to this many seconds."""


def red_crossing(view: Tracks, agent: int) -> FloatArray:
    """How red the signal was at the instants when an agent's front crossed its stop line.

    Args:
        view: The scenario.
        agent: Index of the agent.

    Returns:
        Margin, shape (T,): at a crossing the time the signal has been red so far, at least one
        step, or minus the time it still is not red [s], within +-LONGEST; NEVER elsewhere.
    """
    margin = np.full(view.steps, NEVER)
    s = view.states
    ahead = np.stack([np.cos(s.yaw[:, agent]), np.sin(s.yaw[:, agent])], -1)
    front = s.position[:, agent] + 0.5 * s.size[:, agent, :1] * ahead
    there = view.valid[1:, agent] & view.valid[:-1, agent]
    for number, signal in enumerate(view.roadmap.signals):
        if not signal.lanes:
            continue
        line = np.asarray(signal.stop_line, np.float64)
        span = np.linalg.norm(line[1] - line[0])
        across = (line[1] - line[0]) / max(span, 1e-9)
        entry = view.roadmap.lanes[signal.lanes[0]].centerline
        into = entry[1] - entry[0]
        normal = np.array([-across[1], across[0]])
        normal = normal if normal @ into > 0 else -normal
        beyond, side = (front - line[0]) @ normal, (front - line[0]) @ across
        over = (beyond[:-1] <= 0) & (beyond[1:] > 0) & there
        over &= (side[1:] > -SLACK) & (side[1:] < span + SLACK)
        for t in np.flatnonzero(over) + 1:
            margin[t] = max(margin[t], _redness(view.signal_states[:, number], int(t)))
    return margin


def _redness(states: np.ndarray, t: int) -> float:
    red = states == SignalState.RED
    if red[t]:
        before = np.flatnonzero(~red[:t])
        since = t - (int(before[-1]) + 1 if len(before) else 0)
        return float(np.clip((since + 1) * STEP, STEP, LONGEST))
    later = np.flatnonzero(red[t:])
    until = int(later[0]) * STEP if len(later) else LONGEST
    return -float(np.clip(until, STEP, LONGEST))

"""What makes a simulated scenario unusable, whatever the query says."""

from __future__ import annotations

import numpy as np

from scenegen.arrays import BoolArray
from scenegen.geometry.boxes import boxes_overlap
from scenegen.scene import EGO, AgentKind, AgentStates, Composition, Control
from scenegen.sim import Rollout


def defect(composition: Composition, rollout: Rollout) -> str:
    """Name the first thing that disqualifies a rollout, or "" if it is sound.

    Collisions between the ego and the roles may be what was asked for and are left to the query;
    collisions of bystanders are not. Vehicles whose recorded boxes overlap already in the log
    are known noise of the recording and do not count.

    Args:
        composition: How the scenario began.
        rollout: How it developed.

    Returns:
        A reason fit for counting, or the empty string.
    """
    start = rollout.agents[0]
    if not start.valid[EGO]:
        return "had no ego"
    if _touching(start)[~_recorded(composition)].any():
        return "began in contact"
    bystanders = np.ones(start.count, np.bool_)
    bystanders[[EGO, *composition.roles.values()]] = False
    bystanders &= ~_noisy(composition)
    if rollout.collided[:, bystanders].any():
        return "had a collision among bystanders"
    on_road = bystanders & (start.kind <= AgentKind.CYCLIST) & ~_recorded(composition)
    on_road &= composition.plans.control == Control.REACTIVE
    if rollout.offroad[:, on_road].any():
        return "had a bystander leave the road"
    if rollout.offroad[:, EGO].any():
        return "had the ego leave the road"
    return ""


def _touching(states: AgentStates) -> BoolArray:
    """Whether each agent touches another one, shape (..., N)."""
    a, b = (np.newaxis, slice(None)), (slice(None), np.newaxis)
    lead = (Ellipsis,)
    hits = boxes_overlap(
        states.position[(*lead, *a, slice(None))],
        states.yaw[(*lead, *a)],
        states.size[(*lead, *a, slice(None))],
        states.position[(*lead, *b, slice(None))],
        states.yaw[(*lead, *b)],
        states.size[(*lead, *b, slice(None))],
    )
    both = states.valid[..., :, None] & states.valid[..., None, :]
    apart = ~np.eye(states.count, dtype=np.bool_)
    return np.asarray((hits & both & apart).any(-1))


def _recorded(composition: Composition) -> BoolArray:
    return np.asarray(composition.plans.control == Control.LOG)


def _noisy(composition: Composition) -> BoolArray:
    """Agents whose boxes overlap another's in the log itself, shape (N,)."""
    log = composition.plans.log
    if log is None:
        return np.zeros(composition.plans.count, np.bool_)
    return np.asarray(_touching(log).any(0))

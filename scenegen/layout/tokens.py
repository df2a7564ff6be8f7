"""A scene as numbers a network reads: one token per agent, in the frame of the ego.

Slot 0 is the ego, slots 1 to 3 are the roles of the event in their order, and the rest is the
background by distance to the ego. Positions and headings are relative to the ego (x forward, y
left), so that moving the whole scene changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from scenegen.arrays import FloatArray, IntArray, check_shape
from scenegen.errors import ShapeError
from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.transforms import to_local, to_map
from scenegen.layout.motion import YAW_RATE_LIMIT, fit_knots
from scenegen.scene import EGO, AgentKind, AgentStates, Scenario, Scene
from scenegen.scene.agents import SIZE
from scenegen.scene.plans import KNOTS

SLOTS = 24
"""Agents of a scene that have a token, the ego included."""
ROLE_SLOTS = 3
"""Slots after the ego that belong to the roles of an event; without roles they stay empty."""

POSE, DYNAMICS = slice(0, 4), slice(4, 6)
MOTION = slice(6, 6 + 2 * KNOTS)
BOX = slice(MOTION.stop, MOTION.stop + 3)
KIND = slice(BOX.stop, BOX.stop + len(AgentKind))
PRESENCE = KIND.stop
CHANNELS = PRESENCE + 1
"""Numbers per agent: x, y, cos, sin; speed, acceleration; knots (accelerations, then yaw rates);
log length, width, height; kind bits; presence. 38 with ten knots and eight kinds.

Mean and deviation of agents in a corpus of 2,748 everyday and 2,871 staged scenes on roads of all
kinds, in the scales below:

    channel                everyday                    staged
    x                     -0.04  1.65                  0.06  1.38
    y                      0.06  0.49                  0.07  0.49
    cos, sin          0.13 -0.01  0.94 0.33      0.08 0.00  0.93 0.36
    speed                  0.21  1.18                  0.35  1.24
    acceleration          -0.30  0.84                 -0.17  0.42
    acceleration knots  -0.31 to 0.01  0.91 to 0.44   -0.64 to -0.03  1.37 to 0.78
    yaw rate knots      -0.04 to -0.01 1.03 to 1.23   -0.13 to 0.02   0.80 to 1.03
    length              0.16  1.00                     0.17  1.06
    width               0.16  1.00                     0.15  1.01
    height              0.16  1.00                     0.20  1.29
"""

POSITION_SCALE = 50.0
"""Positions are in units of this [m]; along the ego's heading those of simulated traffic, which is
placed within 140 m and spreads meanwhile, deviate by 71 to 85 m, across it by 25 m."""
SPEED_MEAN, SPEED_SCALE = 10.0, 8.0
"""Speeds [m/s]: round figures between town and motorway; simulated traffic on all kinds of road
alike has mean 12 and deviation 9.5."""
ACCELERATION_SCALE = 1.0
"""Accelerations [m/s^2]: deviation 0.4 to 0.9 per knot over fitted everyday traffic, 0.8 to 1.4
where events are staged; also the unit of VBD (Huang et al. 2024)."""
YAW_RATE_KNEE, YAW_RATE_SCALE = 0.05, 0.6
"""Yaw rates are asinh(r / knee) / scale: half of all knots are below 0.001 rad/s, one in forty is
above 0.2, and their deviation, 0.07 to 0.09, is that of few. The scale is the deviation of their
asinh, 0.5 to 0.7 over fitted traffic."""
BOX_SCALE = {kind: 0.5 if kind is AgentKind.STATIC else 0.05 for kind in AgentKind}
"""Deviation of the logarithm of a size around that typical of its kind; the heuristic layout draws
0.92 to 1.1 times the typical size, things that lie on the road vary freely."""
BIT = 0.5
"""Kind bits are +-BIT: analog bits (Chen et al. 2023) at half amplitude, so that eight of them do
not outweigh the pose."""

_TYPICAL = np.log(np.array([SIZE[kind] for kind in AgentKind]))
_SPREAD = np.array([BOX_SCALE[kind] for kind in AgentKind])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgentTokens:
    """The agents of one scene as tokens.

    Attributes:
        values: Channels as in CHANNELS, shape (A, CHANNELS), float32; an empty slot is zero with
            presence -1.
        agents: Index of the agent in each slot, -1 where empty, shape (A,).
        frame: x [m], y [m] and yaw [rad] of the ego in the map frame, shape (3,), float64.
    """

    values: FloatArray
    agents: IntArray
    frame: FloatArray

    def __post_init__(self) -> None:
        """Check the shapes."""
        sizes = check_shape("values", self.values, "A", CHANNELS)
        check_shape("agents", self.agents, sizes["A"])
        check_shape("frame", self.frame, 3)


def encode(
    scene: Scene,
    knots: FloatArray,
    acceleration: FloatArray,
    roles: Mapping[str, int],
    slots: int = SLOTS,
) -> AgentTokens:
    """Turn the agents of a scene and their motion codes into tokens.

    Agents beyond the last slot, the farthest ones, are left out.

    Args:
        scene: The scene.
        knots: Motion codes, shape (N, KNOTS, 2).
        acceleration: Accelerations now [m/s^2], shape (N,).
        roles: Agent index of each role, the order of the slots; those beyond ROLE_SLOTS and the
            ego are treated as background.
        slots: Number of slots A.

    Raises:
        ShapeError: The ego is absent, there are too few slots, or shapes disagree.
    """
    agents = scene.agents
    check_shape("knots", knots, agents.count, KNOTS, 2)
    check_shape("acceleration", acceleration, agents.count)
    if agents.count == 0 or not agents.valid[EGO]:
        raise ShapeError("encode: expected an ego in slot 0 of the agents, got an empty slot")
    if slots <= ROLE_SLOTS:
        raise ShapeError(f"encode: expected more than {ROLE_SLOTS} slots, got {slots}")
    frame = np.array([*agents.position[EGO], agents.yaw[EGO]], np.float64)
    local = to_local(agents.position.astype(np.float64), frame[:2], frame[2])
    order = _order(agents, local, roles, slots)
    filled = order >= 0
    at = order[filled]
    values = np.zeros((slots, CHANNELS), np.float32)
    values[:, PRESENCE] = np.where(filled, 1.0, -1.0)
    values[filled, :PRESENCE] = _channels(
        agents[at], local[at], frame[2], knots[at], acceleration[at]
    )
    return AgentTokens(values=values, agents=order, frame=frame)


def encode_scenario(scenario: Scenario, slots: int = SLOTS) -> AgentTokens:
    """Turn the opening of a scenario and what followed into tokens; motion codes are fitted."""
    knots = fit_knots(scenario.agents)
    states = scenario.agents[:2]
    # Who is gone at the next instant has no speed there, and so no acceleration.
    stays = states.valid.all(0)
    change = np.diff(states.speed.astype(np.float64), axis=0)[0] / np.diff(scenario.times[:2])
    return encode(scenario.at(0), knots, np.where(stays, change, 0.0), scenario.roles, slots)


def start_of(values: torch.Tensor) -> torch.Tensor:
    """Give x, y, yaw and speed in the ego frame from tokens (..., CHANNELS); shape (..., 4)."""
    pose = values[..., POSE]
    speed = values[..., DYNAMICS.start] * SPEED_SCALE + SPEED_MEAN
    yaw = torch.atan2(pose[..., 3], pose[..., 2])
    place = pose[..., :2] * POSITION_SCALE
    return torch.cat([place, torch.stack([yaw, speed], -1)], -1)


def knots_of(values: torch.Tensor) -> torch.Tensor:
    """Give the motion codes [m/s^2, rad/s] from tokens (..., CHANNELS); shape (..., KNOTS, 2).

    Yaw rates stay below motion.YAW_RATE_LIMIT whatever the token, so that the exponential growth
    of the inverse never makes a loss explode.
    """
    code = values[..., MOTION]
    most = float(np.arcsinh(YAW_RATE_LIMIT / YAW_RATE_KNEE))
    bent = (code[..., KNOTS:] * YAW_RATE_SCALE).clamp(-most, most)
    return torch.stack([code[..., :KNOTS] * ACCELERATION_SCALE, YAW_RATE_KNEE * bent.sinh()], -1)


def agents_of(values: FloatArray, frame: FloatArray) -> tuple[AgentStates, FloatArray, IntArray]:
    """Read agents and motion codes from the tokens of one scene.

    Args:
        values: Tokens, shape (A, CHANNELS). The slot of the ego counts as filled.
        frame: x [m], y [m] and yaw [rad] of the ego in the map frame, shape (3,).

    Returns:
        States of the agents that are present, leading shape (N,), the ego first; their motion
        codes, shape (N, KNOTS, 2), float32; and the slot of each, shape (N,).
    """
    check_shape("values", values, "A", CHANNELS)
    present = values[:, PRESENCE] > 0.0
    present[EGO] = True
    chosen = np.flatnonzero(present)
    tokens = torch.from_numpy(values[chosen].astype(np.float64))
    start, knots = start_of(tokens).numpy(), knots_of(tokens).numpy()
    kind = values[chosen, KIND].argmax(-1)
    size = np.exp(_TYPICAL[kind] + values[chosen, BOX] * _SPREAD[kind, None])
    states = AgentStates(
        position=to_map(start[:, :2], frame[:2], frame[2]).astype(np.float32),
        yaw=wrap_angle(start[:, 2] + frame[2]).astype(np.float32),
        speed=start[:, 3].astype(np.float32),
        size=size.astype(np.float32),
        kind=kind.astype(np.int8),
        valid=np.ones(len(chosen), np.bool_),
    )
    return states, knots.astype(np.float32), chosen


def _order(
    agents: AgentStates, local: FloatArray, roles: Mapping[str, int], slots: int
) -> IntArray:
    """Agent index of each slot, -1 where empty; ties are broken by place, never by index."""
    order = np.full(slots, -1, np.int64)
    order[0] = EGO
    acting = [k for k in dict.fromkeys(roles.values()) if k != EGO and agents.valid[k]]
    acting = acting[:ROLE_SLOTS]
    order[1 : 1 + len(acting)] = acting
    rest = np.setdiff1d(np.flatnonzero(agents.valid), [EGO, *acting])
    distance = np.hypot(*local[rest].T)
    keys = (local[rest, 1], local[rest, 0], distance)
    nearest = rest[np.lexsort([np.round(key, 3) for key in keys])]
    kept = nearest[: slots - 1 - ROLE_SLOTS]
    order[1 + ROLE_SLOTS : 1 + ROLE_SLOTS + len(kept)] = kept
    return order


def _channels(
    agents: AgentStates,
    local: FloatArray,
    ego_yaw: float,
    knots: FloatArray,
    acceleration: FloatArray,
) -> FloatArray:
    """Channels before presence of agents in the order of their slots, shape (n, PRESENCE)."""
    yaw = agents.yaw.astype(np.float64) - ego_yaw
    kind = agents.kind.astype(np.int64)
    out = np.zeros((agents.count, PRESENCE))
    out[:, POSE] = np.stack([*(local.T / POSITION_SCALE), np.cos(yaw), np.sin(yaw)], -1)
    out[:, DYNAMICS.start] = (agents.speed - SPEED_MEAN) / SPEED_SCALE
    out[:, DYNAMICS.start + 1] = acceleration / ACCELERATION_SCALE
    bent = np.arcsinh(knots[..., 1] / YAW_RATE_KNEE) / YAW_RATE_SCALE
    out[:, MOTION] = np.concatenate([knots[..., 0] / ACCELERATION_SCALE, bent], -1)
    size = np.maximum(agents.size.astype(np.float64), 1e-2)
    out[:, BOX] = (np.log(size) - _TYPICAL[kind]) / _SPREAD[kind, None]
    out[:, KIND] = -BIT
    out[np.arange(len(kind)), KIND.start + kind] = BIT
    return out

"""Compositions prepared for the simulator: openings and plans as stacked arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.errors import ShapeError
from scenegen.scene import AgentPlans, AgentStates, Composition, Control, RoadMap
from scenegen.scene.roadmap import NO_LANE
from scenegen.sim import fields
from scenegen.sim.kernel import step_worlds
from scenegen.sim.lists import lane_lists
from scenegen.sim.logs import log_routes
from scenegen.sim.map_bank import MapBank

_PARAMETERS = (
    "desired_speed",
    "time_headway",
    "minimum_gap",
    "acceleration",
    "deceleration",
    "politeness",
    "reaction_time",
)


class StartTables(NamedTuple):
    """What does not change while a world runs, per start S; worlds read it and copy nothing."""

    map: IntArray  # (S,)
    friction: FloatArray  # (S,)
    parameters: FloatArray  # (S, N, 7), columns of sim.fields
    ignores: IntArray  # (S, N)
    routes: IntArray  # (S, N, ROUTE_LENGTH)
    maneuvers: FloatArray  # (S, N, MANEUVER_SLOTS, MANEUVER_WIDTH)
    knots: FloatArray  # (S, N, KNOTS, 2)
    knots_duration: FloatArray  # (S,)
    logs: FloatArray  # (T of all logs, N, 4): x, y, yaw, speed
    log_valid: BoolArray  # (T of all logs, N)
    log_begin: IntArray  # (S + 1,)


class Opening(NamedTuple):
    """State blocks at time 0, stacked over starts."""

    floats: FloatArray
    ints: IntArray
    flags: BoolArray
    signals: IntArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StartBank:
    """S prepared starts of N agents; their maps are baked once and shared.

    Attributes:
        agents: Agents per start N.
        maps: The baked maps.
        tables: Plans, as compiled code reads them.
        opening: States at time 0.
        height: Height of every agent [m], shape (S, N).
    """

    agents: int
    maps: MapBank
    tables: StartTables
    opening: Opening
    height: FloatArray

    @property
    def count(self) -> int:
        """Number of starts S."""
        return len(self.tables.map)

    @property
    def signals(self) -> int:
        """Largest number of signals of a map."""
        return self.maps.most_signals

    @classmethod
    def of(cls, compositions: Sequence[Composition], agents: int | None = None) -> Self:
        """Prepare compositions.

        Args:
            compositions: What shall be simulated; at least one.
            agents: Agents per world N; smaller scenes get empty slots. Default: the largest scene.

        Raises:
            ValueError: There is no composition.
            ShapeError: A scene has more than `agents` agents, or a log of other agents.
        """
        if not compositions:
            raise ValueError("StartBank.of: expected at least one composition, got none")
        most = max(c.scene.agents.count for c in compositions)
        count = most if agents is None else agents
        if count < most:
            raise ShapeError(
                f"StartBank.of: expected at most {count} agents, got a scene of {most}"
            )
        roadmaps = list({id(c.scene.roadmap): c.scene.roadmap for c in compositions}.values())
        index = {id(roadmap): k for k, roadmap in enumerate(roadmaps)}
        maps = MapBank.of(roadmaps)
        states = [c.scene.agents.padded(count) for c in compositions]
        plans = [c.plans.padded(count) for c in compositions]
        tables = _tables(
            compositions, plans, maps, [index[id(c.scene.roadmap)] for c in compositions]
        )
        opening = _opening(states, plans, maps)
        _complete(opening, tables, maps, count)
        return cls(
            agents=count,
            maps=maps,
            tables=tables,
            opening=opening,
            height=np.stack([s.size[:, 2] for s in states]).astype(np.float32),
        )


def _complete(opening: Opening, tables: StartTables, maps: MapBank, agents: int) -> None:
    """Fill in places, paths and leaders at time 0, by the kernel that steps worlds."""
    count = len(opening.floats)
    steps = np.full(count, -1, np.int32)
    state = (*opening, np.arange(count, dtype=np.int32), steps)
    scratch = (lane_lists(maps.most_lanes, agents), lane_lists(maps.most_lanes, agents))
    no_actions = np.zeros((count, 0, 2), np.float32)
    step_worlds(0, count, state, (tables, maps.tables), no_actions, scratch)


def _tables(
    compositions: Sequence[Composition],
    plans: Sequence[AgentPlans],
    maps: MapBank,
    chosen: Sequence[int],
) -> StartTables:
    logs = [_log(plan) for plan in plans]
    rows = [_routes(plan, c.scene.roadmap) for plan, c in zip(plans, compositions, strict=True)]
    return StartTables(
        map=np.array(chosen, np.int32),
        friction=np.array([c.scene.conditions.friction for c in compositions], np.float32),
        parameters=np.stack(
            [np.stack([getattr(p, n) for n in _PARAMETERS], -1) for p in plans]
        ).astype(np.float32),
        ignores=np.stack([p.ignores for p in plans]).astype(np.int32),
        routes=np.stack(rows).astype(np.int32),
        maneuvers=np.stack([p.maneuvers for p in plans]).astype(np.float32),
        knots=np.stack([p.knots for p in plans]).astype(np.float32),
        knots_duration=np.array([p.knots_duration for p in plans], np.float32),
        logs=np.concatenate([states for states, _ in logs]),
        log_valid=np.concatenate([valid for _, valid in logs]),
        log_begin=np.cumsum([0, *(len(valid) for _, valid in logs)]).astype(np.int64),
    )


def _routes(plan: AgentPlans, roadmap: RoadMap) -> IntArray:
    """Give the routes; agents that replay a log and have none get the lanes their log visits."""
    route = plan.route.astype(np.int64)
    wrong = (route < NO_LANE) | (route >= 2 * len(roadmap.lanes))
    if wrong.any():
        raise ShapeError(
            f"route: expected lane indices below {2 * len(roadmap.lanes)} on map"
            f" {roadmap.name!r}, got {route[wrong][0]}"
        )
    if plan.log is None:
        return route
    missing = (plan.control == Control.LOG) & (route[:, 0] == NO_LANE)
    return np.where(missing[:, None], log_routes(roadmap, plan.log), route)


def _log(plan: AgentPlans) -> tuple[FloatArray, BoolArray]:
    if plan.log is None:
        return np.zeros((0, plan.count, 4), np.float32), np.zeros((0, plan.count), np.bool_)
    log = plan.log
    states = np.concatenate([log.position, log.yaw[..., None], log.speed[..., None]], -1)
    return states.astype(np.float32), log.valid


def _opening(states: Sequence[AgentStates], plans: Sequence[AgentPlans], maps: MapBank) -> Opening:
    lead = (len(states), states[0].count)
    floats = np.zeros((lead[0], len(fields.FLOATS), lead[1]), np.float32)
    ints = np.zeros((lead[0], len(fields.INTS), lead[1]), np.int32)
    flags = np.zeros((lead[0], len(fields.FLAGS), lead[1]), np.bool_)
    all_states = AgentStates.stack(states)
    floats[:, fields.X], floats[:, fields.Y] = np.moveaxis(all_states.position, -1, 0)
    floats[:, fields.YAW], floats[:, fields.SPEED] = all_states.yaw, all_states.speed
    floats[:, fields.COS], floats[:, fields.SIN] = np.cos(all_states.yaw), np.sin(all_states.yaw)
    floats[:, fields.HALF_LENGTH] = all_states.size[..., 0] / 2
    floats[:, fields.HALF_WIDTH] = all_states.size[..., 1] / 2
    ints[:, fields.KIND] = all_states.kind
    ints[:, fields.MODE] = np.stack([plan.control for plan in plans])
    ints[:, fields.COLLIDED_WITH] = -1
    ints[:, fields.PATH : fields.PATH + fields.PATHS] = NO_LANE
    flags[:, fields.VALID] = all_states.valid
    signals = np.zeros((lead[0], maps.most_signals), np.int8)
    return Opening(floats=floats, ints=ints, flags=flags, signals=signals)

"""A scenario made ready for questions: derived quantities, computed once, in float64."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.events.lane_frames import LaneFrame, lane_frame
from scenegen.events.sight import EYE_AHEAD, visible_fraction
from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.boxes import box_distance, boxes_overlap
from scenegen.geometry.transforms import to_local
from scenegen.scene.agents import EGO, AgentKind, AgentStates
from scenegen.scene.conditions import Conditions
from scenegen.scene.lanes import LanePlace, locate
from scenegen.scene.roadmap import NO_LANE, RoadMap
from scenegen.scene.scenario import Scenario

LOOK_AROUND = 80.0
"""Agents farther than this from both ends of a line of sight never block it [m]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tracks:
    """What detectors and queries read of a scenario with T instants and N agents.

    Everything is computed on first use and kept. Values of agents where `valid` is False mean
    nothing but are finite.

    Attributes:
        scenario: The scenario.
    """

    scenario: Scenario
    _frames: dict[int, LaneFrame] = field(default_factory=dict, init=False, repr=False)
    _halves: dict[tuple[int, bool], FloatArray] = field(
        default_factory=dict, init=False, repr=False
    )
    _sight: dict[tuple[int, tuple[int, ...] | None], FloatArray] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def roadmap(self) -> RoadMap:
        """The road."""
        return self.scenario.roadmap

    @property
    def conditions(self) -> Conditions:
        """Light and weather."""
        return self.scenario.conditions

    @property
    def count(self) -> int:
        """Number of agents N."""
        return self.scenario.agents.count

    @property
    def steps(self) -> int:
        """Number of instants T."""
        return self.scenario.steps

    @cached_property
    def times(self) -> FloatArray:
        """Time since the begin [s], shape (T,)."""
        return np.asarray(self.scenario.times, np.float64)

    @cached_property
    def states(self) -> AgentStates:
        """All states in float64, leading shape (T, N)."""
        agents = self.scenario.agents
        return AgentStates(
            position=agents.position.astype(np.float64),
            yaw=agents.yaw.astype(np.float64),
            speed=agents.speed.astype(np.float64),
            size=agents.size.astype(np.float64),
            kind=agents.kind,
            valid=agents.valid,
        )

    @property
    def valid(self) -> BoolArray:
        """Whether an agent is there, shape (T, N)."""
        return self.scenario.agents.valid

    @cached_property
    def kind(self) -> IntArray:
        """AgentKind of each agent, shape (N,); -1 for a slot that is never filled."""
        return np.where(self.valid, self.scenario.agents.kind, -1).max(0, initial=-1)

    @cached_property
    def velocity(self) -> FloatArray:
        """Velocity in the map frame [m/s], shape (T, N, 2)."""
        return self.states.velocity

    @cached_property
    def acceleration(self) -> FloatArray:
        """Change of speed [m/s^2], shape (T, N), central differences between valid instants."""
        return self._rate(np.diff(self.states.speed, axis=0))

    @cached_property
    def yaw_rate(self) -> FloatArray:
        """Change of heading [rad/s], shape (T, N), central differences between valid instants."""
        return self._rate(wrap_angle(np.diff(self.states.yaw, axis=0)))

    @cached_property
    def place(self) -> LanePlace:
        """Place of every agent on the road, leading shape (T, N)."""
        return locate(self.roadmap, self.states.position, self.states.yaw)

    @cached_property
    def in_junction(self) -> BoolArray:
        """Whether the agent's lane crosses a junction, shape (T, N)."""
        crosses = np.array([*(lane.in_junction for lane in self.roadmap.lanes), False])
        return crosses[self.place.lane] & (self.place.lane != NO_LANE)

    @cached_property
    def turn(self) -> IntArray:
        """Turn of the agent's lane: +1 left, -1 right, 0 straight or none, shape (T, N)."""
        turns = np.array([*(lane.turn for lane in self.roadmap.lanes), 0])
        return turns[self.place.lane]

    @cached_property
    def signal_states(self) -> IntArray:
        """SignalState of each signal of the map over time, shape (T, number of signals)."""
        shown = [self.roadmap.signal_states(float(t)) for t in self.times]
        return np.array(shown, np.int8).reshape(self.steps, len(self.roadmap.signals))

    @property
    def ego_path(self) -> LaneFrame:
        """Everybody's place relative to the ego's lane path."""
        return self.lane_frame(EGO)

    def lane_frame(self, reference: int) -> LaneFrame:
        """Everybody's place relative to the lane path of an agent; see LaneFrame."""
        if reference not in self._frames:
            self._frames[reference] = lane_frame(self.roadmap, self.states, self.place, reference)
        return self._frames[reference]

    def both(self, i: int, j: int) -> BoolArray:
        """Whether both agents are there, shape (T,)."""
        return self.valid[:, i] & self.valid[:, j]

    def relative(self, i: int, j: int) -> FloatArray:
        """Centre of agent j in the frame of agent i: forward, left [m], shape (T, 2)."""
        s = self.states
        return to_local(s.position[:, j], s.position[:, i], s.yaw[:, i])

    def half_lateral(self, i: int) -> FloatArray:
        """Half the extent of every box across the lane path of agent i [m], shape (T, N)."""
        return self._half(i, across=True)

    def half_longitudinal(self, i: int) -> FloatArray:
        """Half the extent of every box along the lane path of agent i [m], shape (T, N)."""
        return self._half(i, across=False)

    def gap(self, i: int, j: int) -> FloatArray:
        """Bumper-to-bumper distance along the lane path of agent i, whatever the lateral offset.

        Returns:
            Distance [m], shape (T,): positive while j is ahead; negative from the moment the boxes
            are level, and when j is behind.
        """
        half = self.half_longitudinal(i)
        return self.lane_frame(i).ahead[:, j] - half[:, i] - half[:, j]

    def closing(self, i: int, j: int) -> FloatArray:
        """Rate at which i comes nearer to j along i's lane path [m/s], shape (T,)."""
        error, speed = self.lane_frame(i).heading_error, self.states.speed
        return speed[:, i] * np.cos(error[:, i]) - speed[:, j] * np.cos(error[:, j])

    def lateral_speed(self, i: int, j: int) -> FloatArray:
        """Speed of j across the lane path of i [m/s], shape (T,), positive to the left."""
        return self.states.speed[:, j] * np.sin(self.lane_frame(i).heading_error[:, j])

    def intrusion(self, i: int, j: int) -> FloatArray:
        """How deep the box of j reaches into the lane of i [m], shape (T,).

        Negative: distance by which it stays out; the largest value is the width of the lane
        plus the part of the box beyond its centre.
        """
        frame = self.lane_frame(i)
        reach = frame.half_width[:, j] + self.half_lateral(i)[:, j]
        return reach - np.abs(frame.offset[:, j])

    def distance(self, i: int, j: int) -> FloatArray:
        """Shortest distance between two boxes [m], shape (T,), 0 where they touch."""
        s = self.states
        a = (s.position[:, i], s.yaw[:, i], s.size[:, i])
        return box_distance(*a, s.position[:, j], s.yaw[:, j], s.size[:, j])

    def encroachment(self, i: int, j: int) -> float:
        """Least time between two agents' boxes covering a common place [s] (Allen et al. 1978).

        Equal to the post-encroachment time up to the 0.1 s between instants; 0 for a contact,
        inf if no place is covered by both.
        """
        return abs(self.encroachment_lead(i, j))

    def encroachment_lead(self, i: int, j: int) -> float:
        """The same with a sign [s]: positive if agent i was there first, inf if nobody was."""
        s, rows_i, rows_j = self.states, self.valid[:, i], self.valid[:, j]
        a = (s.position[rows_i, None, i], s.yaw[rows_i, None, i], s.size[rows_i, None, i])
        b = (s.position[None, rows_j, j], s.yaw[None, rows_j, j], s.size[None, rows_j, j])
        lead = self.times[None, rows_j] - self.times[rows_i, None]
        lead = lead[boxes_overlap(*a, *b)]
        return float(lead[np.abs(lead).argmin()]) if len(lead) else float(np.inf)

    def visible_fraction(self, agent: int, by: tuple[int, ...] | None = None) -> FloatArray:
        """Share of an agent that the ego sees past the others, 0-1, shape (T,).

        Args:
            agent: Who is looked at.
            by: Occluders that count; None for everybody else.
        """
        key = (agent, by)
        if key not in self._sight:
            self._sight[key] = self._look(agent, by)
        return self._sight[key]

    def of_kind(self, *kinds: AgentKind) -> IntArray:
        """Indices of the agents of some kinds, without the ego, shape (K,)."""
        found = np.flatnonzero(np.isin(self.kind, kinds))
        return found[found != EGO]

    def motor_vehicles(self) -> IntArray:
        """Indices of the motor vehicles, without the ego, shape (K,)."""
        return self.of_kind(*(k for k in AgentKind if k.is_motor_vehicle))

    def _half(self, i: int, *, across: bool) -> FloatArray:
        if (i, across) not in self._halves:
            error, size = self.lane_frame(i).heading_error, self.states.size
            sin, cos = np.abs(np.sin(error)), np.abs(np.cos(error))
            lengthwise, sideways = (sin, cos) if across else (cos, sin)
            self._halves[i, across] = 0.5 * (lengthwise * size[..., 0] + sideways * size[..., 1])
        return self._halves[i, across]

    def _rate(self, change: FloatArray) -> FloatArray:
        valid = self.valid
        usable = valid[1:] & valid[:-1]
        step = np.where(usable, change, 0.0) / np.diff(self.times)[:, None]
        total, count = np.zeros(valid.shape), np.zeros(valid.shape)
        for rows in (slice(1, None), slice(None, -1)):
            total[rows] += step
            count[rows] += usable
        return total / np.maximum(count, 1)

    def _look(self, agent: int, by: tuple[int, ...] | None) -> FloatArray:
        s = self.states
        ego = np.stack([np.cos(s.yaw[:, EGO]), np.sin(s.yaw[:, EGO])], -1)
        eye = s.position[:, EGO] + EYE_AHEAD * s.size[:, EGO, :1] * ego
        others = np.arange(self.count) if by is None else np.array(by, np.int64)
        others = others[(others != EGO) & (others != agent)]
        away = np.hypot(*np.moveaxis(s.position[:, others] - eye[:, None], -1, 0))
        reach = np.hypot(*(s.position[:, agent] - eye).T)[:, None] + LOOK_AROUND
        near = self.valid[:, others] & (away < reach)
        box = np.concatenate([s.position, s.yaw[..., None], s.size], -1)
        return visible_fraction(eye, box[:, agent, :5], s.size[:, agent, 2], box[:, others], near)

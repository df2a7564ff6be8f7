"""Road users: what kinds exist, and their states as one struct of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any, Self

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray, check_shape

EGO = 0
"""Index of the ego vehicle among the agents."""


class AgentKind(IntEnum):
    """Kinds of road users; the numbers are stored in datasets and never change."""

    CAR = 0
    TRUCK = 1
    BUS = 2
    MOTORCYCLE = 3
    CYCLIST = 4
    PEDESTRIAN = 5
    ANIMAL = 6
    STATIC = 7

    @property
    def is_motor_vehicle(self) -> bool:
        """Whether it drives under its own power on the carriageway."""
        return self <= AgentKind.MOTORCYCLE

    @property
    def is_holonomic(self) -> bool:
        """Whether it can step in any direction: on foot or on paws."""
        return self in {AgentKind.PEDESTRIAN, AgentKind.ANIMAL}


SIZE: dict[AgentKind, tuple[float, float, float]] = {
    AgentKind.CAR: (4.5, 1.85, 1.5),
    AgentKind.TRUCK: (9.0, 2.5, 3.4),
    AgentKind.BUS: (12.0, 2.55, 3.1),
    AgentKind.MOTORCYCLE: (2.2, 0.8, 1.5),
    AgentKind.CYCLIST: (1.8, 0.65, 1.75),
    AgentKind.PEDESTRIAN: (0.5, 0.6, 1.75),
    AgentKind.ANIMAL: (1.4, 0.5, 1.1),
    AgentKind.STATIC: (1.0, 1.0, 1.0),
}
"""Typical length, width and height per kind [m]."""

CHILD_HEIGHT = 1.35
"""A pedestrian lower than this [m] counts as a child; Euro NCAP's child dummy is 1.154 m tall."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgentStates:
    """Poses and sizes of N road users in the map frame; index EGO is the ego vehicle.

    All arrays share the leading shape (..., N): (N) in a scene, (T, N) in a scenario, (W, N) in
    a batch of worlds. A slot whose `valid` is False is empty: its other values are zero and mean
    nothing.

    Attributes:
        position: Box centre [m], shape (..., N, 2).
        yaw: Heading [rad], counter-clockwise from map x, in (-pi, pi], shape (..., N).
        speed: Signed speed along the heading [m/s], shape (..., N).
        size: Length, width and height [m], shape (..., N, 3).
        kind: AgentKind, shape (..., N).
        valid: Whether the slot is filled, shape (..., N).
    """

    position: FloatArray
    yaw: FloatArray
    speed: FloatArray
    size: FloatArray
    kind: IntArray
    valid: BoolArray

    def __post_init__(self) -> None:
        """Check that all arrays agree on the leading shape."""
        lead = self.valid.shape
        check_shape("position", self.position, *lead, 2)
        check_shape("size", self.size, *lead, 3)
        for name in ("yaw", "speed", "kind"):
            check_shape(name, getattr(self, name), *lead)

    @property
    def count(self) -> int:
        """Number of slots N, filled or not."""
        return int(self.valid.shape[-1])

    @property
    def velocity(self) -> FloatArray:
        """Velocity in the map frame [m/s], shape (..., N, 2)."""
        return np.stack([np.cos(self.yaw), np.sin(self.yaw)], -1) * self.speed[..., None]

    def __getitem__(self, key: Any) -> Self:  # noqa: ANN401 - anything numpy indexes with
        """Index the leading axes of every array alike."""
        return replace(self, **{f.name: getattr(self, f.name)[key] for f in fields(self)})

    @classmethod
    def empty(cls, *shape: int) -> Self:
        """Give only empty slots, float32, leading shape `shape`."""
        return cls(
            position=np.zeros((*shape, 2), np.float32),
            yaw=np.zeros(shape, np.float32),
            speed=np.zeros(shape, np.float32),
            size=np.zeros((*shape, 3), np.float32),
            kind=np.zeros(shape, np.int8),
            valid=np.zeros(shape, np.bool_),
        )

    @classmethod
    def of(cls, rows: Sequence[tuple[AgentKind, float, float, float, float]]) -> Self:
        """Build a scene's agents of typical size from rows (kind, x, y, yaw, speed)."""
        states = cls.empty(len(rows))
        for i, (kind, x, y, yaw, speed) in enumerate(rows):
            states.position[i] = x, y
            states.yaw[i], states.speed[i], states.kind[i] = yaw, speed, kind
            states.size[i] = SIZE[AgentKind(kind)]
            states.valid[i] = True
        return states

    @classmethod
    def concatenate(cls, parts: Sequence[AgentStates]) -> Self:
        """Join along the agent axis; the parts share the other leading axes."""
        axis = parts[0].valid.ndim - 1
        names = [f.name for f in fields(cls)]
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts], axis) for n in names})

    @classmethod
    def stack(cls, parts: Sequence[AgentStates]) -> Self:
        """Stack along a new first axis: scenes to a scenario, worlds to a batch."""
        names = [f.name for f in fields(cls)]
        return cls(**{n: np.stack([getattr(p, n) for p in parts]) for n in names})

    def padded(self, count: int) -> Self:
        """Give the same agents in `count` slots, the new ones empty.

        Raises:
            ValueError: There are more agents than slots.
        """
        if count < self.count:
            raise ValueError(f"padded: expected count >= {self.count}, got {count}")
        rest = type(self).empty(*self.valid.shape[:-1], count - self.count)
        return type(self).concatenate([self, rest])

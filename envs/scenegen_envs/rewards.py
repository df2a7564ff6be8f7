"""The reward: progress against harm, discomfort and speeding."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.errors import UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardConfig:
    """Weights of the terms; the reward of a step of 0.1 s is their weighted sum.

    Attributes:
        progress: Per metre driven along the lane's direction.
        collision: Taken off in every step in which the box touches another one.
        off_road: Taken off in every step in which the box leaves the drivable area.
        comfort: Taken off times ``((a / 4)^2 + (v yaw_rate / 4)^2) / 2``: longitudinal and
            lateral acceleration against 4 m/s^2, a hard but unexceptional manoeuvre.
        speed: Taken off times the share by which the speed exceeds the limit.
    """

    progress: float = 0.02
    collision: float = 5.0
    off_road: float = 3.0
    comfort: float = 0.01
    speed: float = 0.05

    def __post_init__(self) -> None:
        """Check that the weights are numbers of the expected sign."""
        for name, value in asdict(self).items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"RewardConfig.{name}: expected a finite weight >= 0, got {value}")

    @classmethod
    def of(cls, given: RewardConfig | Mapping[str, Any] | None) -> RewardConfig:
        """Read weights from a mapping, as JSON holds them; missing ones keep their default.

        Raises:
            UnknownNameError: The mapping names a term that does not exist.
        """
        if isinstance(given, RewardConfig):
            return given
        known = {field.name for field in fields(cls)}
        values: dict[str, Any] = {} if given is None else dict(given)
        for name in values:
            if name not in known:
                raise UnknownNameError("reward term", name, known)
        return cls(**{name: float(value) for name, value in values.items()})

    def weights(self) -> FloatArray:
        """Give the weights in the order of the fields, shape (5,), float32."""
        return np.array([getattr(self, field.name) for field in fields(self)], np.float32)

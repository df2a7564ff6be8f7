"""Many scenes at once, as every metric reads them: tokens, motion and road in the ego's frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from scenegen.arrays import BoolArray, FloatArray, IntArray, check_shape
from scenegen.errors import ShapeError
from scenegen.layout.map_tokens import ATTRIBUTES, MapTokens, encode_map
from scenegen.layout.motion import DURATION, integrate
from scenegen.layout.tokens import (
    BOX,
    BOX_SCALE,
    CHANNELS,
    KIND,
    PRESENCE,
    ROLE_SLOTS,
    encode_scenario,
    knots_of,
    start_of,
)
from scenegen.scene import EGO, AgentKind, AgentStates, Scenario
from scenegen.scene.agents import SIZE
from scenegen.scene.scenario import STEP

STEPS = round(DURATION / STEP)
"""Steps of a motion code."""
CHUNK = 512
"""Scenes that are integrated at a time."""

_TYPICAL = np.log(np.array([SIZE[kind] for kind in AgentKind]))
_SPREAD = np.array([BOX_SCALE[kind] for kind in AgentKind])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SceneSet:
    """S scenes of A slots with their motion over T instants.

    Generated and reference scenes take the same way: both are tokens whose motion codes are
    integrated, so that no metric can tell them apart by how they were stored.

    Attributes:
        values: Tokens, shape (S, A, tokens.CHANNELS), float32.
        agents: States in the frame of the ego at the opening, leading shape (S, T, A).
        road: Polylines of the same frame, leading shape (S,).
        family: 0 for everyday traffic, else 1 + index of the event family, shape (S,).
        site: Scenes of one site share their road and are not independent, shape (S,).
    """

    values: FloatArray
    agents: AgentStates
    road: MapTokens
    family: IntArray
    site: IntArray

    def __post_init__(self) -> None:
        """Check that all parts are about the same scenes."""
        sizes = check_shape("values", self.values, "S", "A", CHANNELS)
        check_shape("agents.valid", self.agents.valid, sizes["S"], "T", sizes["A"])
        check_shape("road.valid", self.road.valid, sizes["S"], "M")
        check_shape("family", self.family, sizes["S"])
        check_shape("site", self.site, sizes["S"])

    @classmethod
    def of_tokens(
        cls,
        values: FloatArray,
        road: MapTokens,
        family: IntArray | None = None,
        site: IntArray | None = None,
    ) -> Self:
        """Read scenes from tokens; the slot of the ego counts as filled, as in decoding.

        Args:
            values: Tokens, shape (S, A, tokens.CHANNELS).
            road: Map tokens, leading shape (S,).
            family: Event family of each scene, shape (S,); everyday traffic where None.
            site: Site of each scene, shape (S,); each of its own where None.

        Raises:
            ShapeError: The parts disagree, or tokens are not finite.
        """
        values = np.ascontiguousarray(values, np.float32)
        if not np.isfinite(values).all():
            bad = int((~np.isfinite(values).all(axis=(1, 2))).sum())
            raise ShapeError(f"SceneSet: expected finite tokens, {bad} scenes have others")
        count = len(values)
        return cls(
            values=values,
            agents=_states(values),
            road=_single(road),
            family=np.zeros(count, np.int64) if family is None else np.asarray(family, np.int64),
            site=np.arange(count) if site is None else np.asarray(site, np.int64),
        )

    @classmethod
    def of_scenarios(
        cls,
        scenarios: Sequence[Scenario],
        family: IntArray | None = None,
        site: IntArray | None = None,
    ) -> Self:
        """Encode scenarios as tokens, motion codes fitted, and read these.

        Raises:
            ShapeError: There are no scenarios, or one has no ego.
        """
        if not scenarios:
            raise ShapeError("SceneSet.of_scenarios: expected at least one scenario, got none")
        tokens = [encode_scenario(scenario) for scenario in scenarios]
        roads = [
            encode_map(scenario.roadmap, token.frame)
            for scenario, token in zip(scenarios, tokens, strict=True)
        ]
        road = MapTokens(
            points=np.stack([r.points for r in roads]),
            attributes=np.stack([r.attributes for r in roads]),
            valid=np.stack([r.valid for r in roads]),
        )
        return cls.of_tokens(np.stack([t.values for t in tokens]), road, family, site)

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.values)

    def __getitem__(self, rows: IntArray | BoolArray | slice) -> SceneSet:
        """Choose scenes."""
        return SceneSet(
            values=self.values[rows],
            agents=self.agents[rows],
            road=MapTokens(
                points=self.road.points[rows],
                attributes=self.road.attributes[rows],
                valid=self.road.valid[rows],
            ),
            family=self.family[rows],
            site=self.site[rows],
        )

    @property
    def present(self) -> BoolArray:
        """Which slots are filled at the opening, shape (S, A)."""
        return self.agents.valid[:, 0]

    @property
    def opening(self) -> AgentStates:
        """States at the opening, leading shape (S, A)."""
        return self.agents[:, 0]

    @property
    def vehicles(self) -> BoolArray:
        """Which slots hold a motor vehicle at the opening, shape (S, A)."""
        return self.present & (self.agents.kind[:, 0] <= AgentKind.MOTORCYCLE)

    @property
    def acceleration(self) -> FloatArray:
        """Acceleration over each step [m/s^2], shape (S, T - 1, A)."""
        return np.diff(self.agents.speed, axis=1) / np.float32(STEP)

    @property
    def yaw_rate(self) -> FloatArray:
        """Yaw rate over each step [rad/s], shape (S, T - 1, A); yaws are stored unwrapped."""
        return np.diff(self.agents.yaw, axis=1) / np.float32(STEP)

    @property
    def bystanders(self) -> BoolArray:
        """Filled slots that are neither ego nor role: the background, shape (S, A)."""
        slots = np.arange(self.values.shape[1]) > ROLE_SLOTS
        return self.present & slots


def _states(values: FloatArray) -> AgentStates:
    """States at every instant; what does not change is broadcast, not copied."""
    count, slots = values.shape[:2]
    present = values[..., PRESENCE] > 0.0
    if count:
        present[:, EGO] = True
    kind = values[..., KIND].argmax(-1)
    size = np.exp(_TYPICAL[kind] + values[..., BOX] * _SPREAD[kind][..., None])
    moved = np.zeros((count, STEPS + 1, slots, 4), np.float32)
    for first in range(0, count, CHUNK):
        part = torch.from_numpy(values[first : first + CHUNK].astype(np.float64))
        path = integrate(start_of(part), knots_of(part), STEPS)  # (s, A, T, 4)
        moved[first : first + CHUNK] = path.permute(0, 2, 1, 3).numpy()
    moved[~np.broadcast_to(present[:, None], moved.shape[:-1])] = 0.0
    lead = (count, STEPS + 1, slots)
    return AgentStates(
        position=moved[..., :2],
        yaw=moved[..., 2],
        speed=moved[..., 3],
        size=np.broadcast_to((size * present[..., None])[:, None].astype(np.float32), (*lead, 3)),
        kind=np.broadcast_to((kind * present)[:, None].astype(np.int8), lead),
        valid=np.broadcast_to(present[:, None], lead),
    )


def _single(road: MapTokens) -> MapTokens:
    """The same tokens in single precision; shards hold half floats."""
    check_shape("road.attributes", road.attributes, "S", "M", ATTRIBUTES)
    return MapTokens(
        points=np.asarray(road.points, np.float32),
        attributes=np.asarray(road.attributes, np.float32),
        valid=np.asarray(road.valid, np.bool_),
    )

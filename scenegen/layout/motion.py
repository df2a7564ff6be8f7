"""The motion code: ten knots of acceleration and yaw rate that a unicycle integrates.

Over a step of 0.1 s the acceleration and the yaw rate of the code are constant, taken at the middle
of the step, linear between the knots; the box centre then moves on an arc. This is what the
simulator does with Control.KNOTS. Speed, heading and distance are linear in the knots, so that a
whole trajectory is a few matrix products and one cumulative sum, and its Jacobian is closed-form.

Road users on foot have the same code: their heading is where they walk, and turning on the spot
costs nothing because they do not move meanwhile.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch

from scenegen.arrays import FloatArray
from scenegen.errors import ShapeError
from scenegen.scene.agents import AgentKind, AgentStates
from scenegen.scene.plans import KNOTS
from scenegen.scene.scenario import STEP

DURATION = 8.0
"""Time a motion code covers [s]."""
ACCELERATION_LIMITS = (-12.0, 8.0)
"""Range of the acceleration of a knot [m/s^2]: a little beyond what tyres hold, for overshoot."""
YAW_RATE_LIMIT = 4.0
"""Largest yaw rate of a knot [rad/s]; only people on foot turn that fast."""
LEVER, LEAD = 0.3, 0.2
"""Distances that a heading error [m per rad] and a speed error [m per m/s] weigh like."""
ROUGHNESS, RIDGE = 0.02, 0.003
"""Weight of second differences of the knots, and of the knots themselves, against metres."""
ITERATIONS = 7
"""Damped Gauss-Newton steps."""


class Operators(NamedTuple):
    """Matrices from the knots of one quantity to what they cause, each of shape (steps, KNOTS).

    Attributes:
        rate: The quantity in the middle of each step.
        total: Its integral up to the end of each step.
        middle: Its integral up to the middle of each step.
        twice: Its double integral over each step alone: distance from an acceleration.
    """

    rate: FloatArray
    total: FloatArray
    middle: FloatArray
    twice: FloatArray


@lru_cache(maxsize=16)
def operators(steps: int, duration: float = DURATION) -> Operators:
    """Give the matrices of a motion code.

    Args:
        steps: Number of steps of 0.1 s.
        duration: Time between the first and the last knot [s]; beyond it the last one holds.
    """
    place = np.clip((np.arange(steps) + 0.5) * STEP / duration, 0.0, 1.0) * (KNOTS - 1)
    rate = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(KNOTS)))
    total = np.cumsum(rate, 0) * STEP
    before = total - rate * STEP
    middle = before + 0.5 * STEP * rate
    return Operators(rate, total, middle, STEP * middle)


def integrate(
    start: torch.Tensor, knots: torch.Tensor, steps: int = 80, duration: float = DURATION
) -> torch.Tensor:
    """Drive along motion codes; differentiable, and equal to the simulator's Control.KNOTS.

    Args:
        start: x [m], y [m], yaw [rad] and speed [m/s], shape (..., 4).
        knots: Acceleration [m/s^2] and yaw rate [rad/s], shape (..., KNOTS, 2).
        steps: Number of steps of 0.1 s.
        duration: Time the code covers [s].

    Returns:
        The same four numbers at every instant, the start included, shape (..., steps + 1, 4); the
        yaw is not wrapped.

    Raises:
        ShapeError: The shapes do not fit each other.
    """
    if start.shape[-1] != 4 or tuple(knots.shape[-2:]) != (KNOTS, 2):
        raise ShapeError(
            f"integrate: expected start (..., 4) and knots (..., {KNOTS}, 2), got"
            f" {tuple(start.shape)} and {tuple(knots.shape)}"
        )
    matrices = operators(steps, duration)
    rate, total, middle, twice = (torch.as_tensor(m).to(knots) for m in matrices)
    x, y, yaw, speed = (column.unsqueeze(-1) for column in start.unbind(-1))
    acceleration, yaw_rate = knots[..., 0], knots[..., 1]
    way = speed * STEP + acceleration @ twice.T
    turn = STEP * (yaw_rate @ rate.T)
    chord = way * torch.sinc(turn / (2.0 * torch.pi))
    heading = yaw + yaw_rate @ middle.T
    moved = torch.stack(
        [
            x + torch.cumsum(chord * torch.cos(heading), -1),
            y + torch.cumsum(chord * torch.sin(heading), -1),
            yaw + yaw_rate @ total.T,
            speed + acceleration @ total.T,
        ],
        -1,
    )
    return torch.cat([start.unsqueeze(-2).expand(*moved.shape[:-2], 1, 4), moved], -2)


def fit_knots(states: AgentStates, duration: float = DURATION) -> FloatArray:
    """Find the motion codes that reproduce trajectories best.

    Damped Gauss-Newton (Levenberg, 1944) on positions, headings and speeds, started from the
    linear least-squares fit of heading and speed. Instants at which an agent is absent do not
    count; knots that nothing is known about are smooth and small.

    Args:
        states: Trajectories at 10 Hz, leading shape (T, N); what lies beyond `duration` is not
            looked at.
        duration: Time the code covers [s].

    Returns:
        Knots, shape (N, KNOTS, 2), float32: zero for agents absent at the first instant and for
        kinds that never move.

    Raises:
        ShapeError: The states are not trajectories.
    """
    if states.valid.ndim != 2 or len(states.valid) < 2:
        raise ShapeError(
            f"fit_knots: expected states of shape (T, N) with T >= 2, got {states.valid.shape}"
        )
    states = states[: round(duration / STEP) + 1]
    moves = states.valid[0] & (states.kind[0] != AgentKind.STATIC)
    knots = np.zeros((states.count, KNOTS, 2), np.float32)
    if moves.any():
        problem = _Problem(states[:, moves], duration)
        knots[moves] = problem.solve()
    return knots


class _Problem:
    """Least squares over N agents at once; unknowns are (N, 2 KNOTS), accelerations first."""

    def __init__(self, states: AgentStates, duration: float) -> None:
        self.ops = operators(len(states.valid) - 1, duration)
        # The agent's own frame keeps the numbers small.
        place = (states.position - states.position[:1]).astype(np.float64)
        self.place = np.moveaxis(place[1:], 1, 0)  # (N, T, 2)
        self.speed = states.speed.astype(np.float64).T
        self.yaw = _unwrapped(states)
        self.seen = states.valid[1:].T.astype(np.float64)
        on_foot = np.isin(states.kind[0], [k for k in AgentKind if k.is_holonomic])
        certain = np.where(on_foot[:, None], np.minimum(np.abs(self.speed[:, 1:]), 1.0), 1.0)
        self.turn_weight = LEVER * certain * self.seen
        self.smooth = _smoothness()

    def solve(self) -> FloatArray:
        x = self._linear()
        error, damping = self._error(x), np.full(len(x), 1e-3)
        for _ in range(ITERATIONS):
            jacobian, residual = self._jacobian(x), self._residual(x)
            normal = np.swapaxes(jacobian, 1, 2) @ jacobian + self.smooth
            slope = (np.swapaxes(jacobian, 1, 2) @ residual[..., None])[..., 0] + x @ self.smooth
            damped = normal + damping[:, None, None] * np.eye(2 * KNOTS)
            moved = self._within(x - np.linalg.solve(damped, slope[..., None])[..., 0])
            reached = self._error(moved)
            better = reached < error
            x = np.where(better[:, None], moved, x)
            error = np.where(better, reached, error)
            damping = np.where(better, damping / 4.0, damping * 8.0)
        return np.stack([x[:, :KNOTS], x[:, KNOTS:]], -1)

    def _linear(self) -> FloatArray:
        total, parts = self.ops.total, []
        for k, (wanted, weight) in enumerate(
            ((self.speed, self.seen * LEAD), (self.yaw, self.turn_weight))
        ):
            weighted = weight[..., None] * total  # (N, T, KNOTS)
            normal = np.swapaxes(weighted, 1, 2) @ weighted
            normal += self.smooth[k * KNOTS : (k + 1) * KNOTS, k * KNOTS : (k + 1) * KNOTS]
            aim = weight * (wanted[:, 1:] - wanted[:, :1])
            slope = np.swapaxes(weighted, 1, 2) @ aim[..., None]
            parts.append(np.linalg.solve(normal, slope)[..., 0])
        return self._within(np.concatenate(parts, -1))

    def _moved(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Heading in the middle of each step, its chord over its distance, and its distance."""
        turn = STEP * (x[:, KNOTS:] @ self.ops.rate.T)
        way = self.speed[:, :1] * STEP + x[:, :KNOTS] @ self.ops.twice.T
        heading = self.yaw[:, :1] + x[:, KNOTS:] @ self.ops.middle.T
        return heading, np.sinc(turn / (2.0 * np.pi)), way

    def _residual(self, x: FloatArray) -> FloatArray:
        heading, shortening, way = self._moved(x)
        chord = way * shortening
        ahead = np.cumsum(chord * np.cos(heading), -1) - self.place[..., 0]
        aside = np.cumsum(chord * np.sin(heading), -1) - self.place[..., 1]
        speed = self.speed[:, :1] + x[:, :KNOTS] @ self.ops.total.T - self.speed[:, 1:]
        yaw = self.yaw[:, :1] + x[:, KNOTS:] @ self.ops.total.T - self.yaw[:, 1:]
        seen = self.seen
        return np.concatenate(
            [seen * ahead, seen * aside, seen * LEAD * speed, self.turn_weight * yaw], -1
        )

    def _jacobian(self, x: FloatArray) -> FloatArray:
        """Derivatives of the residuals, shape (N, 4 T, 2 KNOTS); that of the sinc is left out."""
        heading, shortening, way = self._moved(x)
        cos, sin = shortening * np.cos(heading), shortening * np.sin(heading)
        steps, seen = heading.shape[1], self.seen[..., None]
        out = np.zeros((len(x), 4, steps, 2 * KNOTS))
        out[:, 0, :, :KNOTS] = seen * np.cumsum(cos[..., None] * self.ops.twice, 1)
        out[:, 1, :, :KNOTS] = seen * np.cumsum(sin[..., None] * self.ops.twice, 1)
        out[:, 0, :, KNOTS:] = -seen * np.cumsum((way * sin)[..., None] * self.ops.middle, 1)
        out[:, 1, :, KNOTS:] = seen * np.cumsum((way * cos)[..., None] * self.ops.middle, 1)
        out[:, 2, :, :KNOTS] = LEAD * seen * self.ops.total
        out[:, 3, :, KNOTS:] = self.turn_weight[..., None] * self.ops.total
        return out.reshape(len(x), 4 * steps, 2 * KNOTS)

    def _error(self, x: FloatArray) -> FloatArray:
        return (self._residual(x) ** 2).sum(-1) + np.einsum("ni,ij,nj->n", x, self.smooth, x)

    @staticmethod
    def _within(x: FloatArray) -> FloatArray:
        low = np.repeat([ACCELERATION_LIMITS[0], -YAW_RATE_LIMIT], KNOTS)
        high = np.repeat([ACCELERATION_LIMITS[1], YAW_RATE_LIMIT], KNOTS)
        return np.clip(x, low, high)


def _unwrapped(states: AgentStates) -> FloatArray:
    """Headings without jumps, absent instants filled with the last known one, shape (N, T)."""
    last = np.maximum.accumulate(np.where(states.valid, np.arange(len(states.valid))[:, None], 0))
    known = np.take_along_axis(states.yaw.astype(np.float64), last, 0)
    return np.unwrap(known, axis=0).T


def _smoothness() -> FloatArray:
    """Quadratic form of second differences and sizes of both halves, (2 KNOTS, 2 KNOTS)."""
    bend = np.diff(np.eye(KNOTS), 2, axis=0)
    one = ROUGHNESS**2 * bend.T @ bend + RIDGE**2 * np.eye(KNOTS)
    return np.kron(np.eye(2), one)

"""Margins as functions of trajectories: exact in value, with a gradient that leads somewhere.

The value of every atom is that of `scenegen.query.semantics`. The gradient is that of a formula
which is smooth everywhere: a time to collision below its threshold, say, is approached by closing
in along the heading and by coming into the corridor, also where no contact is in sight and the
exact margin would say little. Events, visibility and the like have a value but no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from scenegen.query.atoms import Atom, Between, Compare
from scenegen.query.robustness import AtomMargins, atom_margins
from scenegen.query.terms import EGO_ROLE, Absolute, Arithmetic, Number, SignalOf, Term
from scenegen.query.trace import Trace
from scenegen.scene import EGO, Scenario

STEERED = frozenset(
    (
        *("speed", "accel", "jerk", "yaw_rate", "lat_accel", "heading", "lane_offset"),
        *("closing", "ahead", "left", "bearing", "distance", "gap", "ttc", "thw", "drac"),
    )
)
"""Signals with a gradient."""
NEAREST_GAP = 0.1
"""Least gap that a deceleration is calculated with [m], so that its gradient stays finite."""
LEAST_DIVISOR = 1e-9
"""What stands in for a zero that is divided by, so that gradients stay finite."""


def _divide(one: Tensor, other: Tensor) -> Tensor:
    return one / torch.where(other == 0, torch.full_like(other, LEAST_DIVISOR), other)


CALCULATE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": _divide,
}
"""Arithmetic on terms."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trajectories:
    """Motions of the agents of some scenarios, as tensors that a gradient can reach.

    Attributes:
        scenarios: What stays as it is: road, conditions, sizes, who is there; B of one length.
        position: Box centres [m], shape (B, T, N, 2).
        yaw: Headings [rad], shape (B, T, N).
        speed: Speeds along the heading [m/s], shape (B, T, N).
    """

    scenarios: Sequence[Scenario]
    position: Tensor
    yaw: Tensor
    speed: Tensor

    def margins(self, casts: Sequence[Mapping[str, int]]) -> AtomMargins:
        """Give the margins of atoms for some assignments of roles.

        Args:
            casts: Agent of each role in each scenario.

        Returns:
            The margins, shape (B, T), for `scenegen.query.robustness.Robustness`.
        """
        exact = atom_margins([Trace(self.moved(k)) for k in range(len(self.scenarios))], casts)

        found: dict[tuple[Atom, bool, bool], Tensor] = {}  # A formula asks for an atom repeatedly.

        def margin(atom: Atom, holds: bool) -> Tensor:
            key = (atom, holds, torch.is_grad_enabled())
            if key not in found:
                found[key] = self._margin(exact(atom, holds), atom, casts, holds)
            return found[key]

        return margin

    def _margin(
        self, value: Tensor, atom: Atom, casts: Sequence[Mapping[str, int]], holds: bool
    ) -> Tensor:
        if not isinstance(atom, Compare | Between) or not _is_steered(atom):
            return value
        slope = _Slopes(self, casts).margin(atom)
        slope = slope if holds else -slope
        return value.to(slope) + (slope - slope.detach())

    def moved(self, number: int) -> Scenario:
        """Give one of the scenarios with its agents where the tensors have them."""
        scenario = self.scenarios[number]
        position, yaw, speed = (
            x[number].detach().cpu().double().numpy() for x in (self.position, self.yaw, self.speed)
        )
        agents = replace(scenario.agents, position=position, yaw=yaw, speed=speed)
        return replace(scenario, agents=agents)


@dataclass(frozen=True, slots=True, eq=False)
class _Slopes:
    """Smooth stand-ins of the margins of comparisons."""

    of: Trajectories
    casts: Sequence[Mapping[str, int]]

    def margin(self, atom: Compare | Between) -> Tensor:
        if isinstance(atom, Between):
            above = self.margin(Compare(atom.term, ">=", atom.low))
            return torch.minimum(above, self.margin(Compare(atom.term, "<=", atom.high)))
        below = self._below(atom.left, atom.right)
        return below if atom.operator[0] == "<" else -below

    def _below(self, left: Term, right: Term) -> Tensor:
        for term, other, sign in ((left, right, 1.0), (right, left, -1.0)):
            if isinstance(term, SignalOf) and term.name in {"ttc", "thw"}:
                rate = self._signal("closing" if term.name == "ttc" else "speed", term.roles)
                return sign * (self.value(other) * rate - self._signal("gap", term.roles))
        return (self.value(right) - self.value(left)) / left.dimension.scale

    def value(self, term: Term) -> Tensor:
        match term:
            case Number():
                return torch.full_like(self.of.speed[..., 0], term.value)
            case Absolute(inner):
                return self.value(inner).abs()
            case Arithmetic(left, operator, right):
                return CALCULATE[operator](self.value(left), self.value(right))
            case SignalOf(name, roles):
                return self._signal(name, roles)

    def _signal(self, name: str, roles: Sequence[str]) -> Tensor:
        return self._own(name, roles[0]) if len(roles) == 1 else self._between(name, roles)

    def _own(self, name: str, role: str) -> Tensor:
        """Signal of one agent."""
        speed, yaw = self._take(self.of.speed, role), self._take(self.of.yaw, role)
        step = Trace(self.of.scenarios[0]).step
        match name:
            case "accel" | "jerk":
                (rate,) = torch.gradient(speed, spacing=step, dim=1)
                return rate if name == "accel" else torch.gradient(rate, spacing=step, dim=1)[0]
            case "yaw_rate" | "lat_accel":
                rate = _turn_rate(yaw, step)
                return rate if name == "yaw_rate" else speed * rate
            case "heading":
                return _wrapped(yaw - self._take(self.of.yaw, EGO_ROLE))
            case "lane_offset":
                return self._lane_offset(role)
            case _:
                return speed

    def _between(self, name: str, roles: Sequence[str]) -> Tensor:
        """Signal from one agent to another."""
        speed, yaw = self._take(self.of.speed, roles[0]), self._take(self.of.yaw, roles[0])
        turn = self._take(self.of.yaw, roles[1]) - yaw
        place, other = (self._take(self.of.position, role) for role in roles)
        x, y = (other - place).unbind(-1)
        ahead, left = x * yaw.cos() + y * yaw.sin(), y * yaw.cos() - x * yaw.sin()
        closing = speed - self._take(self.of.speed, roles[1]) * torch.cos(turn)
        match name:
            case "closing":
                return closing
            case "ahead" | "left":
                return ahead if name == "ahead" else left
            case "bearing":
                return torch.atan2(left, ahead)
            case "distance":
                return self._distance(roles)
        long, wide = self._reach(roles, turn)
        gap = ahead - long + torch.relu(left.abs() - wide)
        if name == "drac":
            return torch.relu(closing) ** 2 / (2.0 * gap.clamp(min=NEAREST_GAP))
        return gap

    def _lane_offset(self, role: str) -> Tensor:
        """Offset from the lane's middle; its slope is the step across the lane."""
        position, yaw = self._take(self.of.position, role), self._take(self.of.yaw, role)
        offset, direction = torch.zeros_like(yaw), torch.zeros_like(yaw)
        for k in range(len(self.of.scenarios)):
            at = Trace(self.of.moved(k)).tracks.place
            agent = self._agent(k, role)
            offset[k] = torch.from_numpy(at.offset[:, agent])
            direction[k] = yaw[k].detach() - torch.from_numpy(at.heading_error[:, agent])
        across = torch.stack([-direction.sin(), direction.cos()], -1)
        return offset.detach() + ((position - position.detach()) * across.detach()).sum(-1)

    def _distance(self, roles: Sequence[str]) -> Tensor:
        """Distance between two boxes: from the corners of each to the other, 0 on overlap."""
        found = []
        for one, two in (roles, tuple(reversed(roles))):
            half = self._sizes((two,))[:, 0, None, None] / 2.0  # (B, 1, 1, 2)
            corners = self._corners(one) - self._take(self.of.position, two)[..., None, :]
            cos, sin = (f(self._take(self.of.yaw, two))[..., None] for f in (torch.cos, torch.sin))
            x, y = corners.unbind(-1)
            local = torch.stack([x * cos + y * sin, y * cos - x * sin], -1)
            found.append(torch.linalg.vector_norm(torch.relu(local.abs() - half), dim=-1))
        return torch.cat(found, -1).amin(-1)

    def _corners(self, role: str) -> Tensor:
        """Corners of a box, shape (B, T, 4, 2)."""
        yaw = self._take(self.of.yaw, role)[..., None]
        signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0]]).to(yaw)
        long, wide = (self._sizes((role,))[:, 0, None, None] / 2.0 * signs).unbind(-1)
        turned = [long * yaw.cos() - wide * yaw.sin(), long * yaw.sin() + wide * yaw.cos()]
        return self._take(self.of.position, role)[..., None, :] + torch.stack(turned, -1)

    def _sizes(self, roles: Sequence[str]) -> Tensor:
        """Length and width of some agents, shape (B, len(roles), 2)."""
        sizes = [
            [s.agents.size.max(axis=0)[self._agent(k, role), :2] for role in roles]
            for k, s in enumerate(self.of.scenarios)
        ]
        return torch.from_numpy(np.array(sizes)).to(self.of.speed)

    def _reach(self, roles: Sequence[str], turn: Tensor) -> tuple[Tensor, Tensor]:
        """Half lengths and half widths of two boxes together, along the first one's heading."""
        sizes = self._sizes(roles)
        (length, width), (other_length, other_width) = (
            sizes[:, i, :, None].unbind(1) for i in (0, 1)
        )
        cos, sin = turn.cos().abs(), turn.sin().abs()
        long = length + other_length * cos + other_width * sin
        wide = width + other_length * sin + other_width * cos
        return long / 2, wide / 2

    def _take(self, values: Tensor, role: str) -> Tensor:
        return torch.stack([v[:, self._agent(k, role)] for k, v in enumerate(values)])

    def _agent(self, number: int, role: str) -> int:
        return EGO if role == EGO_ROLE else self.casts[number][role]


def _wrapped(angle: Tensor) -> Tensor:
    """The same direction in [-pi, pi); the slope stays 1."""
    return torch.remainder(angle + math.pi, 2.0 * math.pi) - math.pi


def _turn_rate(yaw: Tensor, step: float) -> Tensor:
    """Rate of a heading by central differences, one-sided at the ends, shape (B, T)."""
    turn = _wrapped(yaw[:, 1:] - yaw[:, :-1]) / step
    return torch.cat([turn[:, :1], (turn[:, 1:] + turn[:, :-1]) / 2.0, turn[:, -1:]], 1)


def _is_steered(atom: Compare | Between) -> bool:
    """Whether all signals of a comparison have a gradient."""
    terms = (atom.term,) if isinstance(atom, Between) else (atom.left, atom.right)
    names = {name for term in terms for name in term.signals}
    return bool(names) and names <= STEERED

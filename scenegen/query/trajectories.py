"""Margins as functions of trajectories: exact in value, with a gradient that leads somewhere.

The value of every atom is that of `scenegen.query.semantics`. The gradient is that of a formula
which is smooth everywhere: a time to collision below its threshold, say, is approached by closing
in along the heading and by coming into the corridor, also where no contact is in sight and the
exact margin would say little. Events, visibility and the like have a value but no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scenegen.query.atoms import Atom, Between, Compare
from scenegen.query.robustness import AtomMargins, atom_margins
from scenegen.query.terms import EGO_ROLE, Absolute, Arithmetic, Number, SignalOf, Term
from scenegen.query.trace import Trace
from scenegen.scene import EGO, Scenario

STEERED = frozenset(("speed", "accel", "closing", "ahead", "left", "gap", "ttc", "thw"))
"""Signals with a gradient."""
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
        exact = atom_margins([Trace(self._moved(k)) for k in range(len(self.scenarios))], casts)

        def margin(atom: Atom, holds: bool) -> Tensor:
            value = exact(atom, holds)
            if not isinstance(atom, Compare | Between) or not _is_steered(atom):
                return value
            slope = _Slopes(self, casts).margin(atom)
            slope = slope if holds else -slope
            return value.to(slope) + (slope - slope.detach())

        return margin

    def _moved(self, number: int) -> Scenario:
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
        speed, yaw = self._take(self.of.speed, roles[0]), self._take(self.of.yaw, roles[0])
        if name == "speed":
            return speed
        if name == "accel":
            (rate,) = torch.gradient(speed, spacing=Trace(self.of.scenarios[0]).step, dim=1)
            return rate
        turn = self._take(self.of.yaw, roles[1]) - yaw
        if name == "closing":
            return speed - self._take(self.of.speed, roles[1]) * torch.cos(turn)
        place, other = (self._take(self.of.position, role) for role in roles)
        x, y = (other - place).unbind(-1)
        ahead, left = x * yaw.cos() + y * yaw.sin(), y * yaw.cos() - x * yaw.sin()
        if name in {"ahead", "left"}:
            return ahead if name == "ahead" else left
        long, wide = self._reach(roles, turn)
        return ahead - long + torch.relu(left.abs() - wide)

    def _reach(self, roles: Sequence[str], turn: Tensor) -> tuple[Tensor, Tensor]:
        """Half lengths and half widths of two boxes together, along the first one's heading."""
        sizes = torch.stack(
            [
                torch.stack(
                    [
                        torch.as_tensor(s.agents.size.max(axis=0)[self._agent(k, role), :2])
                        for role in roles
                    ]
                )
                for k, s in enumerate(self.of.scenarios)
            ]
        ).to(turn)
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


def _is_steered(atom: Compare | Between) -> bool:
    """Whether all signals of a comparison have a gradient."""
    terms = (atom.term,) if isinstance(atom, Between) else (atom.left, atom.right)
    names = {name for term in terms for name in term.signals}
    return bool(names) and names <= STEERED

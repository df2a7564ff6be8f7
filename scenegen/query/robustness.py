"""Robustness in torch: batches of scenarios, exact or smooth, with gradients.

The exact margins are those of `scenegen.query.semantics`. Smooth ones put logsumexp in the place of
the maximum (Pant et al. 2017) and never differ from them by more than the logarithm of the number
of things compared, over beta; nothing is ever reported as satisfied by them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scenegen.errors import QueryError
from scenegen.events.windows import FAR
from scenegen.query.atoms import Atom, Interval
from scenegen.query.expression import (
    Always,
    And,
    At,
    Eventually,
    Formula,
    Not,
    Or,
    Then,
    Until,
)
from scenegen.query.semantics import Semantics
from scenegen.query.trace import Trace
from scenegen.query.windows import offsets

AtomMargins = Callable[[Atom, bool], Tensor]
"""Margin of an atom, or of its negation, shape (B, T), within +-FAR."""


def atom_margins(traces: Sequence[Trace], casts: Sequence[Mapping[str, int]]) -> AtomMargins:
    """Give exact atom margins of several scenarios of one length, without gradients.

    Args:
        traces: The scenarios.
        casts: Agent of each role in each of them; the same roles in all.

    Raises:
        QueryError: The scenarios differ in length or step.
    """
    if len({(trace.steps, round(trace.step, 9)) for trace in traces}) != 1:
        raise QueryError("robustness: expected scenarios of one length and step")
    each = [
        Semantics.of_cast(trace, tuple(cast), tuple(cast.values()))
        for trace, cast in zip(traces, casts, strict=True)
    ]

    def margins(atom: Atom, holds: bool) -> Tensor:
        over_time = [
            np.broadcast_to(m.reshape(len(m), -1)[:, 0], s.trace.steps)
            for s in each
            for m in [s.margin(atom, holds)]
        ]
        return torch.from_numpy(np.stack(over_time))

    return margins


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Robustness:
    """Margins of formulas from those of their atoms.

    Attributes:
        atoms: Margins of atoms; gradients flow through them.
        step: Time between instants [s].
        beta: Sharpness of the smooth maximum; None for the exact one.
    """

    atoms: AtomMargins
    step: float
    beta: float | None = None

    def satisfaction(self, formula: Formula) -> Tensor:
        """Largest margin over time, shape (B,): what a loss raises."""
        return self._largest(self.margin(formula), 1)

    def margin(self, formula: Formula, holds: bool = True) -> Tensor:
        """Margin of a formula, or of its negation, at every instant, shape (B, T)."""
        match formula:
            case Not(part):
                return self.margin(part, not holds)
            case And(parts) | Or(parts):
                each = torch.stack([self.margin(part, holds) for part in parts])
                pick = self._least if isinstance(formula, And) is holds else self._largest
                return pick(each, 0)
            case Eventually(part, interval) | Always(part, interval):
                margin = self.margin(part, holds)
                return self._window(margin, interval, isinstance(formula, Always) is holds)
            case Then() | Until() | At():
                return self._ordered(formula, holds)
            case _:
                return self.atoms(formula, holds)

    def _ordered(self, formula: Then | Until | At, holds: bool) -> Tensor:
        match formula:
            case Then(first, second, interval):
                later = self._later(self.margin(second, holds), interval, holds)
                return self._pair(self.margin(first, holds), later, holds)
            case Until(first, second, interval):
                sign = 1.0 if holds else -1.0
                meanwhile, then = (sign * self.margin(part, holds) for part in (first, second))
                steps = then.shape[1]
                ends = (0, steps) if interval is None else offsets(interval, self.step)
                beyond = -FAR if interval is None else -sign * FAR
                return sign * self._until(meanwhile, then, *ends, beyond)
            case At(condition, part):
                now, own = self.margin(condition), self.margin(condition, holds)
                then = torch.gather(self.margin(part, holds), 1, _begins(now > 0))
                return torch.where(now > 0, self._pair(own, then, holds), own)

    def _window(self, margin: Tensor, interval: Interval | None, all_of: bool) -> Tensor:
        pick = self._least if all_of else self._largest
        if interval is None:
            return pick(margin, 1)[:, None].expand_as(margin)
        return self._ahead(margin, *offsets(interval, self.step), -FAR, all_of)

    def _later(self, margin: Tensor, interval: Interval | None, holds: bool) -> Tensor:
        steps = margin.shape[1]
        if interval is None:
            return self._ahead(margin, 1, steps, -FAR if holds else FAR, not holds)
        first, last = offsets(interval, self.step)
        return self._ahead(margin, max(first, 1), last, -FAR, not holds)

    def _ahead(self, margin: Tensor, first: int, last: int, beyond: float, all_of: bool) -> Tensor:
        """Extreme over the instants `first` to `last` steps ahead, `beyond` after the end."""
        steps = margin.shape[1]
        if first > last:
            return torch.full_like(margin, beyond)
        first, last = min(first, steps), min(last, steps)
        padded = torch.nn.functional.pad(margin, (0, last), value=beyond)
        windows = padded.unfold(1, last - first + 1, 1)[:, first : first + steps]
        return self._least(windows, 2) if all_of else self._largest(windows, 2)

    def _until(
        self, meanwhile: Tensor, then: Tensor, first: int, last: int, beyond: float
    ) -> Tensor:
        if first > last:
            return torch.full_like(then, beyond)
        steps = then.shape[1]
        first, span = min(first, steps), min(last, steps)
        later, passed = (
            torch.nn.functional.pad(x, (0, span), value=beyond) for x in (then, meanwhile)
        )
        least = torch.full_like(then, FAR)
        found = []
        for k in range(span + 1):
            if k >= first:
                found.append(self._pair(later[:, k : k + steps], least, True))
            least = self._pair(least, passed[:, k : k + steps], True)
        return self._largest(torch.stack(found), 0)

    def _pair(self, one: Tensor, other: Tensor, all_of: bool) -> Tensor:
        both = torch.stack([one, other])
        return self._least(both, 0) if all_of else self._largest(both, 0)

    def _largest(self, values: Tensor, dim: int) -> Tensor:
        if self.beta is None:
            return values.amax(dim)
        return torch.logsumexp(self.beta * values, dim) / self.beta

    def _least(self, values: Tensor, dim: int) -> Tensor:
        return -self._largest(-values, dim)


def _begins(holds: Tensor) -> Tensor:
    """First instant of the run of True that each instant is in, itself outside, shape (B, T)."""
    steps = torch.arange(holds.shape[1], device=holds.device).expand(holds.shape)
    runs_on = holds & torch.nn.functional.pad(holds[:, :-1], (1, 0), value=False)
    return torch.where(runs_on, torch.zeros_like(steps), steps).cummax(1).values

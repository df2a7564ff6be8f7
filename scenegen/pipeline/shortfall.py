"""Shortfall: what each unmet part of a query lacks, at the instant at which it takes least.

The margin of a conjunction is that of its worst part, so that its slope knows one part at a time:
a pull on it goes to and fro between two wishes. Here every comparison counts by itself, and all of
them can be made up for together. All are zero exactly where everything has the wanted margin.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

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
from scenegen.query.robustness import AtomMargins
from scenegen.query.windows import offsets

MOST_MISSING = 10.0
"""Most that one comparison lacks: a margin of -100 says unknown, not how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shortfall:
    """Shortfalls of formulas from the margins of their atoms.

    Of `until` both parts are asked for as of `then` without a gap, of `at` both at one instant:
    what is aimed at is simpler than what the exact query decides.

    Attributes:
        atoms: Margins of atoms; gradients flow through them.
        step: Time between instants [s].
        target: Margin that is wanted.
    """

    atoms: AtomMargins
    step: float
    target: float

    def parts(self, formula: Formula) -> list[Tensor]:
        """What each comparison lacks at the instants at which the sum is least, (B,) each."""
        best = self.over_time(formula).argmin(1)
        return self._at(formula, best, True)

    def over_time(self, formula: Formula, holds: bool = True) -> Tensor:
        """What a formula, or its negation, lacks in all at every instant, shape (B, T)."""
        if isinstance(formula, Not):
            return self.over_time(formula.part, not holds)
        if isinstance(formula, And | Or):
            each = torch.stack([self.over_time(part, holds) for part in formula.parts])
            return each.sum(0) if isinstance(formula, And) is holds else each.amin(0)
        if isinstance(formula, Eventually | Always):
            return self._ahead(formula, holds)[0]
        if isinstance(formula, Then | Until | At):
            now, later = _sides(formula)
            first, second = self.over_time(now, holds), self._ahead(later, holds)[0]
            return first + second if holds else torch.minimum(first, second)
        return self._lacking(formula, holds).detach()

    def _at(self, formula: Formula, when: Tensor, holds: bool) -> list[Tensor]:
        """What each comparison of a formula lacks, seen from one instant per scene."""
        if isinstance(formula, Not):
            return self._at(formula.part, when, not holds)
        if isinstance(formula, And | Or):
            all_of = isinstance(formula, And) is holds
            return self._of_parts(formula.parts, when, holds, all_of)
        if isinstance(formula, Eventually | Always):
            then = _take(self._ahead(formula, holds)[1], when)
            return self._at(formula.part, then, holds)
        if isinstance(formula, Then | Until | At):
            return self._of_parts(_sides(formula), when, holds, holds)
        return [_take(self._lacking(formula, holds), when)]

    def _of_parts(
        self, parts: tuple[Formula, ...], when: Tensor, holds: bool, all_of: bool
    ) -> list[Tensor]:
        """Of all parts, or of the one that lacks least in each scene."""
        each = [self._at(part, when, holds) for part in parts]
        if all_of:
            return [one for found in each for one in found]
        lacking = torch.stack([_take(self.over_time(part, holds), when) for part in parts])
        chosen = lacking.argmin(0)
        return [torch.where(chosen == k, one, 0.0) for k, found in enumerate(each) for one in found]

    def _lacking(self, atom: Formula, holds: bool) -> Tensor:
        lacking = torch.relu(self.target - self.atoms(atom, holds))  # type: ignore[arg-type]
        # Cut in value alone: the slope leads on from afar as well.
        return lacking + (lacking.detach().clamp(max=MOST_MISSING) - lacking.detach())

    def _ahead(self, formula: Formula, holds: bool) -> tuple[Tensor, Tensor]:
        """Least, or most where all must hold, in the interval ahead, and when that is."""
        if not isinstance(formula, Eventually | Always):
            lacking = self.over_time(formula, holds)
            steps = torch.arange(lacking.shape[1], device=lacking.device)
            return lacking, steps.expand_as(lacking)
        lacking = self.over_time(formula.part, holds)
        all_of, count = isinstance(formula, Always) is holds, lacking.shape[1]
        if formula.interval is None:
            value, place = lacking.max(1) if all_of else lacking.min(1)
            return value[:, None].expand_as(lacking), place[:, None].expand_as(lacking)
        first, last = (min(end, count) for end in offsets(formula.interval, self.step))
        last = max(first, last)
        padded = torch.nn.functional.pad(lacking, (0, last), value=MOST_MISSING)
        windows = padded.unfold(1, last - first + 1, 1)[:, first : first + count]
        value, place = windows.max(2) if all_of else windows.min(2)
        place = place + first + torch.arange(count, device=place.device)
        return value, place.clamp(max=count - 1)


def _sides(formula: Then | Until | At) -> tuple[Formula, Formula]:
    """What is asked for now, and what later."""
    if isinstance(formula, At):
        return formula.part, formula.condition
    return formula.first, Eventually(formula.second, formula.interval)


def _take(values: Tensor, when: Tensor) -> Tensor:
    """Value of each scene at its instant, shape (B,)."""
    return torch.gather(values, 1, when[:, None])[:, 0]

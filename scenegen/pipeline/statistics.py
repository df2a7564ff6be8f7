"""Counts of what was tried, what was accepted, and why the rest was not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(slots=True, kw_only=True)
class Statistics:
    """Counts over one request; they are stored with the dataset.

    Attributes:
        accepted: Scenarios that satisfied the query.
        tries: Draws in all.
        reasons: How often each reason ended a try before the query was looked at.
        clauses: How often each clause failed in tries that were simulated and valid.
    """

    accepted: int = 0
    tries: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    clauses: Counter[str] = field(default_factory=Counter)

    @property
    def acceptance(self) -> float:
        """Accepted share of the tries, 0-1."""
        return self.accepted / self.tries if self.tries else 0.0

    def sentence(self) -> str:
        """Say how often each reason and each clause ended a try, most frequent first."""
        parts = [f"{count} {reason}" for reason, count in self.reasons.most_common()]
        parts += [f"{count} missed {clause}" for clause, count in self.clauses.most_common()]
        return ", ".join(parts) if parts else "nothing failed"

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Rebuild from `to_json`."""
        return cls(
            accepted=data["accepted"],
            tries=data["tries"],
            reasons=Counter(data["reasons"]),
            clauses=Counter(data["clauses"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Give the counts as plain JSON values."""
        return {
            "accepted": self.accepted,
            "tries": self.tries,
            "reasons": dict(self.reasons.most_common()),
            "clauses": dict(self.clauses.most_common()),
        }

"""Corpora as a layout model learns from them: rows with their conditions, as batches of scenes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenegen.arrays import IntArray
from scenegen.errors import RecordingError
from scenegen.layout.motion import ACCELERATION_LIMITS
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.shards import CorpusReader
from scenegen.layout.standardize import GROUPS
from scenegen.layout.tokens import ACCELERATION_SCALE
from scenegen.seeding import digest


class Corpus:
    """Rows of corpora with their conditions, as batches of scenes.

    Attributes:
        staged: Rows that stage an event.
    """

    def __init__(
        self, folders: Sequence[Path], split: str, events: Sequence[str], *, partial: bool = False
    ) -> None:
        """Read one split.

        Args:
            folders: Where the corpora are.
            split: Which split.
            events: Event families the model knows; none for those of the corpora.
            partial: Read the finished part of corpora that are still being built.

        Raises:
            RecordingError: A corpus is damaged, unfinished, or has no row in the split.
        """
        self.reader = CorpusReader(folders, split, partial=partial)
        self.events = tuple(events) or self.reader.families[1:]
        if not len(self.reader):
            raise RecordingError(f"{folders[0]}: expected rows in the split {split!r}, found none")
        self.condition, self.asked = self.reader.conditions(self.events)
        self.staged: IntArray = np.flatnonzero(self.reader.rows.family > 0)
        # An agent that leaves the world seems to stop within one step; no tyre brakes so hard.
        low, high = (limit / ACCELERATION_SCALE for limit in ACCELERATION_LIMITS)
        self.reader.rows.agents[..., GROUPS["acceleration"]].clamp_(low, high)

    def __len__(self) -> int:
        """Number of scenes."""
        return len(self.reader)

    def scenes(self, rows: Any) -> SceneBatch:  # noqa: ANN401 - anything numpy indexes with
        """Give scenes by number; all of the condition is asked."""
        at = np.asarray(rows)
        return SceneBatch.from_corpus(self.reader.batch(at), self.condition[at], self.asked[at])

    def digest(self) -> str:
        """Identity of the rows: their agents and where they came from."""
        rows = self.reader.rows
        parts = (rows.agents.numpy(), rows.index, rows.family, rows.road)
        return digest(
            [hashlib.sha256(np.ascontiguousarray(p).tobytes()).hexdigest() for p in parts]
        )


def held_out(corpora: Sequence[Path], events: Sequence[str], *, partial: bool) -> Corpus | None:
    """Read the validation split of corpora, None where they have none.

    Args:
        corpora: Folders of corpora.
        events: Event families the model knows.
        partial: Read the finished part of corpora that are still being built.
    """
    try:
        return Corpus(corpora, "val", events, partial=partial)
    except RecordingError:
        return None

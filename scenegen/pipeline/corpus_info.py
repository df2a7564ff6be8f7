"""What is in a corpus: rows per stratum, road and split, and how often events come unasked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenegen.arrays import BoolArray, IntArray
from scenegen.evaluate.intervals import Estimate, wilson
from scenegen.layout.shard_file import SPLITS
from scenegen.layout.shards import CorpusReader
from scenegen.scene import RoadKind


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyCount:
    """What a corpus holds of one event family.

    Attributes:
        name: The family.
        staged: Rows that stage it.
        attempts: Mean number of draws per staged row, nan without one.
        shown: Nominal rows in which it comes about by itself.
        asked: Nominal rows in which it was looked for.
        natural: Rate per nominal row, with a 95 % interval that knows of shared roads.
    """

    name: str
    staged: int
    attempts: float
    shown: int
    asked: int
    natural: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusInfo:
    """What corpora hold together.

    Attributes:
        rows: Rows.
        size: Bytes on disk.
        roads: Different roads.
        worlds: Different simulated worlds.
        nominal: Rows of everyday traffic.
        kinds: Rows per kind of road: everyday traffic, staged.
        splits: Rows per split: everyday traffic, staged.
        families: What there is of each event family, sorted by name.
    """

    rows: int
    size: int
    roads: int
    worlds: int
    nominal: int
    kinds: dict[str, tuple[int, int]]
    splits: dict[str, tuple[int, int]]
    families: tuple[FamilyCount, ...]

    def to_json(self) -> dict[str, Any]:
        """Give everything as plain JSON values."""
        pairs = {
            name: {key: {"nominal": n, "staged": s} for key, (n, s) in getattr(self, name).items()}
            for name in ("kinds", "splits")
        }
        return {
            "rows": self.rows,
            "bytes": self.size,
            "roads": self.roads,
            "worlds": self.worlds,
            "families": {"nominal": self.nominal, **{f.name: f.staged for f in self.families}},
            **pairs,
            "natural": {
                f.name: {
                    "rate": f.natural.value,
                    "low": f.natural.low,
                    "high": f.natural.high,
                    "shown": f.shown,
                    "rows": f.asked,
                }
                for f in self.families
                if f.asked
            },
        }


def corpus_info(folders: Sequence[Path], *, partial: bool = False) -> CorpusInfo:
    """Count what is in corpora.

    Args:
        folders: Where they are.
        partial: Count the finished shards of a corpus that is still being built.

    Raises:
        RecordingError: A corpus cannot be read; see CorpusReader.
    """
    reader = CorpusReader(folders, split=None, partial=partial)
    rows = reader.rows
    nominal = rows.family == 0
    kinds = np.array([str(kind) for kind in RoadKind])[rows.road_kind]
    splits = np.array(SPLITS)[rows.split]
    world = rows.corpus.astype(np.int64) * 2**48 + rows.world
    return CorpusInfo(
        rows=len(reader),
        size=sum(path.stat().st_size for f in folders for path in f.glob("*.safetensors")),
        roads=len(np.unique(rows.road)),
        worlds=len(np.unique(world)),
        nominal=int(nominal.sum()),
        kinds={
            str(k): _both(kinds == str(k), nominal) for k in RoadKind if (kinds == str(k)).any()
        },
        splits={name: _both(splits == name, nominal) for name in SPLITS},
        families=tuple(
            _family(reader, name) for name in sorted({*reader.families[1:], *reader.detectors})
        ),
    )


def rate_over_roads(hits: BoolArray, roads: IntArray) -> Estimate:
    """Share of rows with its Wilson interval, for rows that share roads.

    The number of rows is divided by the design effect (Kish, 1965): the variance of the share
    between roads over the variance that as many independent rows would have. Where nothing was
    hit each road counts once.

    Args:
        hits: Whether each row counts, shape (n,).
        roads: Road of each row, shape (n,).
    """
    count, total = len(hits), int(hits.sum())
    if count == 0:
        return wilson(0, 0)
    _, index = np.unique(roads, return_inverse=True)
    sizes = np.bincount(index)
    share = total / count
    if 0 < total < count:
        rest = np.bincount(index, weights=hits) - share * sizes
        between = float((rest**2).sum()) / count**2
        effect = max(1.0, between / (share * (1.0 - share) / count))
    else:
        effect = count / len(sizes)
    trials = max(1, round(count / effect))
    # A share of few effective rows is rarely a whole number of hits; the interval is that of the
    # two nearest ones, in proportion.
    low = int(np.floor(share * trials))
    part = share * trials - low
    ends = [wilson(n, trials) for n in (low, min(low + 1, trials))]
    return Estimate(
        value=share,
        low=min(share, (1.0 - part) * ends[0].low + part * ends[1].low),
        high=max(share, (1.0 - part) * ends[0].high + part * ends[1].high),
    )


def _family(reader: CorpusReader, name: str) -> FamilyCount:
    rows = reader.rows
    staged = np.zeros(len(reader), np.bool_)
    if name in reader.families:
        staged = rows.family == reader.families.index(name)
    asked = np.zeros(len(reader), np.bool_)
    shown = asked
    if name in reader.detectors:
        found = rows.occurs[:, reader.detectors.index(name)]
        asked = (rows.family == 0) & (found >= 0)
        shown = asked & (found == 1)
    return FamilyCount(
        name=name,
        staged=int(staged.sum()),
        attempts=float(rows.attempts[staged].mean()) if staged.any() else float("nan"),
        shown=int(shown.sum()),
        asked=int(asked.sum()),
        natural=rate_over_roads(shown[asked], rows.road[asked]),
    )


def _both(where: BoolArray, nominal: BoolArray) -> tuple[int, int]:
    return int((where & nominal).sum()), int((where & ~nominal).sum())

"""What a corpus is made of, and with which probability each of its cells is drawn."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version

from scenegen.errors import UnknownNameError
from scenegen.events import EVENTS
from scenegen.layout.shard_file import FORMAT, token_layout
from scenegen.maps import MAP_SOURCES
from scenegen.scene import RoadKind
from scenegen.seeding import Jsonable, digest

ROAD_KINDS = tuple(
    kind for kind in RoadKind if any(cls.kind is kind for cls in MAP_SOURCES.values())
)
"""Kinds of road that can be drawn."""
DETECTORS = tuple(sorted(EVENTS))
"""Every event family there is; all are looked for in every row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusSettings:
    """What a corpus is made of.

    Rows come in sites: one road with `worlds` times `windows` rows. A site is of the nominal
    stratum with probability `nominal_share`; its road is then of any kind with equal probability.
    Otherwise a family is drawn, each equally often, and a kind of road among those it happens on,
    each equally often. `chance` gives the product of these.

    Attributes:
        seed: Everything random follows from it.
        events: Families of the event stratum, sorted; none for everyday traffic only.
        nominal_share: Probability that a row is everyday traffic, where there are events.
        density: Range of the traffic, drawn uniformly [vehicles per lane kilometre].
        agents: Most agents in a simulated world, the ego included.
        duration: Length of a scenario [s].
        worlds: Simulated worlds of everyday traffic per site.
        windows: Rows cut from each of them, with different egos where it has them.
        spread: Latest instant of a world that a row opens with [s].
        tries: Draws per staged row before it is given up and counted as failed.
        held_out: Kind of road that is never trained on.
        rows_per_shard: Rows per file, failed ones included.
    """

    seed: int = 0
    events: tuple[str, ...] = tuple(sorted(EVENTS))
    nominal_share: float = 0.5
    density: tuple[float, float] = (5.0, 30.0)
    agents: int = 32
    duration: float = 8.0
    worlds: int = 2
    windows: int = 4
    spread: float = 6.0
    tries: int = 64
    held_out: str = RoadKind.ROUNDABOUT.value
    rows_per_shard: int = 256

    def __post_init__(self) -> None:
        """Check names and ranges."""
        for name in self.events:
            if name not in EVENTS:
                raise UnknownNameError("event", name, EVENTS)
        if tuple(sorted(set(self.events))) != self.events:
            raise ValueError(f"events: expected sorted names without repeats, got {self.events}")
        if not 0.0 < self.nominal_share < 1.0:
            raise ValueError(f"nominal_share: expected above 0, below 1, got {self.nominal_share}")
        if not 0.0 <= self.density[0] <= self.density[1]:
            raise ValueError(f"density: expected 0 <= low <= high, got {self.density}")
        if self.spread < 0.0:
            raise ValueError(f"spread: expected 0 s or more, got {self.spread}")
        for field in ("rows_per_shard", "worlds", "windows", "tries"):
            if getattr(self, field) < 1:
                raise ValueError(f"{field}: expected at least 1, got {getattr(self, field)}")
        if self.held_out not in set(RoadKind):
            raise UnknownNameError("road kind", self.held_out, list(RoadKind))

    @property
    def digest(self) -> str:
        """Identity of the rows: settings, detectors, format, scales and version of scenegen."""
        made_by: dict[str, Jsonable] = {
            "format": FORMAT,
            "tokens": token_layout(),
            "version": version("scenegen"),
        }
        return digest({**made_by, "detectors": list(DETECTORS), **asdict(self)})

    @property
    def rows_per_site(self) -> int:
        """Rows that share a road."""
        return self.worlds * self.windows

    def chance(self, event: str, kind: RoadKind) -> float:
        """Probability that a row is of a stratum ("" for everyday traffic) on a kind of road."""
        nominal = self.nominal_share if self.events else 1.0
        if not event:
            return nominal / len(ROAD_KINDS)
        kinds = kinds_of(event)
        return (1.0 - nominal) / len(self.events) / len(kinds) if kind in kinds else 0.0

    def families_on(self, kind: RoadKind) -> dict[str, float]:
        """Families that happen on a kind of road, with their probabilities; they sum to 1."""
        chances = {name: self.chance(name, kind) for name in self.events}
        total = sum(chances.values())
        return {name: chance / total for name, chance in chances.items() if chance > 0.0}


def kinds_of(event: str) -> tuple[RoadKind, ...]:
    """Kinds of road that can be drawn and that a family happens on."""
    return tuple(kind for kind in ROAD_KINDS if kind in EVENTS[event].road_kinds)

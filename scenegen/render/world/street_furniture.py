"""What clutters the pavements of towns, and what fences in the plots beside them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.geometry.angles import wrap_angle
from scenegen.render.meshes.clutter import CLUTTER, WIRE_SPAN
from scenegen.render.surfaces import SurfaceClass
from scenegen.render.world.ground import LAND_DEPTH, WALK_HEIGHT
from scenegen.render.world.roadside import Roadside, borders, walk

AT_KERB = (
    ("bin", 0.24),
    ("hydrant", 0.10),
    ("bollard", 0.24),
    ("post_box", 0.10),
    ("cabinet", 0.12),
    ("planter", 0.10),
    ("container", 0.10),
)
"""What stands near the kerb, and the odds of each."""
AT_WALL = (
    ("bench", 0.22),
    ("board", 0.24),
    ("container", 0.18),
    ("planter", 0.16),
    ("cabinet", 0.20),
)
"""What stands at the far edge of the pavement."""
PLOT_EDGES = ("hedge", "hedge", "fence_wood", "fence_metal", "garden_wall")
"""What a plot without a house is closed off with."""
PAINTS = (
    (0.035, 0.06, 0.045),
    (0.045, 0.048, 0.05),
    (0.10, 0.105, 0.11),
    (0.30, 0.30, 0.28),
    (0.03, 0.05, 0.10),
    (0.22, 0.03, 0.025),
    (0.38, 0.26, 0.04),
)
"""Paints of street furniture: greens, greys, blue, red and yellow; linear RGB."""
PIECE = 4.0
"""Length of a piece of hedge, fence or wall [m]."""


class _Taken:
    """Places that are taken already, so that nothing stands in a lamp or a tree."""

    def __init__(self, side: Roadside) -> None:
        """Read them off the placements."""
        small = {SurfaceClass.POLE, SurfaceClass.VEGETATION, SurfaceClass.SIGN}
        self._side = side
        self._places = [(p.x, p.y) for p in side.placements if p.surface in small]
        self._known = np.array(self._places or [(1e9, 1e9)])

    def is_free(self, at: FloatArray, away: float) -> bool:
        """Whether nothing is within a distance [m], and vehicles do not stand there."""
        if len(self._places) > len(self._known) + 32:
            self._known = np.array(self._places)
        near = np.abs(self._known - at).max(-1) < away
        fresh = self._places[len(self._known) :]
        return (
            not near.any()
            and all(max(abs(x - at[0]), abs(y - at[1])) >= away for x, y in fresh)
            and self._side.may_stand(at, away)
        )

    def take(self, at: FloatArray) -> None:
        """Note that a place is taken."""
        self._places.append((float(at[0]), float(at[1])))


def add_furniture(
    side: Roadside, paved: shapely.Geometry, road: shapely.Geometry, rng: np.random.Generator
) -> None:
    """Put furniture on the pavements, and fences, hedges and walls behind them.

    Args:
        side: What stands there already; things are added.
        paved: Road and pavements.
        road: Where vehicles drive.
        rng: Random numbers.
    """
    shapely.prepare(road)
    taken = _Taken(side)
    busy = float(rng.uniform(0.5, 1.5))
    if rng.random() < 0.45:
        _add_wires(side, taken, road, rng)
    if rng.random() < 0.4:
        _add_shelters(side, taken, road, rng)
    for away, choices, spacing in ((0.75, AT_KERB, 11.0), (2.55, AT_WALL, 16.0)):
        for ring in borders(road, away):
            for x, y, heading in walk(ring, spacing / busy, float(rng.uniform(0, spacing))):
                at = np.array([x, y]) + rng.normal(0, 0.08, 2)
                _add_piece(side, taken, road, (at, float(heading)), choices, rng)
    for ring in borders(paved, 0.35):
        _close_plots(side, ring, paved, rng)
    if rng.random() < 0.5:
        _add_billboards(side, paved, rng)


def _add_piece(
    side: Roadside,
    taken: _Taken,
    road: shapely.Geometry,
    place: tuple[FloatArray, float],
    choices: tuple[tuple[str, float], ...],
    rng: np.random.Generator,
) -> None:
    """Put one piece of furniture, facing the road on the right of the heading."""
    at, heading = place
    names = [name for name, _ in choices]
    odds = np.array([share for _, share in choices])
    name = str(rng.choice(names, p=odds / odds.sum()))
    along = np.array([np.cos(heading), np.sin(heading)])
    count = int(rng.integers(2, 6)) if name == "bollard" else 1
    for k in range(count):
        spot = at + 1.5 * k * along
        # A row of bollards is straight; where the kerb bends towards it, the row ends.
        if shapely.dwithin(road, shapely.Point(spot), 0.55):
            return
        if not taken.is_free(spot, 1.0 if k == 0 else 0.8):
            return
        taken.take(spot)
        tint = tuple(float(v) for v in PAINTS[int(rng.integers(len(PAINTS)))])
        if name == "planter":  # It is the leaves that take the tint.
            tint = (1.0, 1.0, 1.0)
        # The fronts of models face -x; the road is on the right, at heading - 90 degrees.
        side.put(name, CLUTTER[name][1], spot, yaw=heading + np.pi / 2, z=WALK_HEIGHT, tint=tint)


def _add_wires(
    side: Roadside, taken: _Taken, road: shapely.Geometry, rng: np.random.Generator
) -> None:
    """Lead wires from pole to pole along the kerbs."""
    for ring in borders(road, 1.15):
        places = walk(ring, WIRE_SPAN * 0.95, float(rng.uniform(0, WIRE_SPAN)))
        spots = [(p[:2], float(p[2])) for p in places if taken.is_free(p[:2], 0.9)]
        for at, heading in spots:
            side.put("wire_pole", SurfaceClass.POLE, at, yaw=heading)
            taken.take(at)
        for (at, heading), (to, turned) in pairwise(spots):
            away = float(np.hypot(*(to - at)))
            if away > 1.3 * WIRE_SPAN or abs(float(wrap_angle(np.asarray(turned - heading)))) > 0.5:
                continue
            yaw = float(np.arctan2(to[1] - at[1], to[0] - at[0]))
            scale = (away / WIRE_SPAN, 1.0, 1.0)
            side.put("wires", SurfaceClass.POLE, at, yaw=yaw, scale=scale)


def _add_shelters(
    side: Roadside, taken: _Taken, road: shapely.Geometry, rng: np.random.Generator
) -> None:
    """Put bus shelters a few hundred metres apart."""
    for ring in borders(road, 2.0):
        for x, y, heading in walk(ring, 180.0, float(rng.uniform(20, 180))):
            at = np.array([x, y])
            if taken.is_free(at, 2.6):
                side.put("shelter", SurfaceClass.BUILDING, at, yaw=float(heading) + np.pi / 2)
                taken.take(at)


def _close_plots(
    side: Roadside, ring: FloatArray, paved: shapely.Geometry, rng: np.random.Generator
) -> None:
    """Close the gaps between houses with hedges, fences and walls."""
    name, until = "", 0.0
    for k, (x, y, heading) in enumerate(walk(ring, PIECE, 0.5)):
        if k * PIECE >= until:
            name = str(rng.choice(PLOT_EDGES)) if rng.random() < 0.75 else ""
            until = k * PIECE + float(rng.uniform(8, 40))
        along = np.array([np.cos(heading), np.sin(heading)])
        at = np.array([x, y])
        line = shapely.LineString([at, at + PIECE * along])
        near = side.near(x, y, 30.0)
        if not name or any(shapely.dwithin(f, line, 0.45) for f in near):
            continue
        if shapely.dwithin(paved, line, 0.15) or not side.may_stand(at + 2.0 * along, 2.4):
            continue
        if name == "hedge":
            scale = (1.0, 1.0, float(rng.uniform(0.7, 1.6)))
            side.put(
                "hedge", SurfaceClass.VEGETATION, at, yaw=float(heading), z=LAND_DEPTH, scale=scale
            )
        else:
            side.put(name, CLUTTER[name][1], at, yaw=float(heading), z=LAND_DEPTH)


def _add_billboards(side: Roadside, paved: shapely.Geometry, rng: np.random.Generator) -> None:
    """Put billboards where no house stands."""
    for ring in borders(paved, 4.0):
        for x, y, heading in walk(ring, 110.0, float(rng.uniform(0, 110))):
            spot = shapely.Point(x, y)
            if any(shapely.dwithin(f, spot, 4.0) for f in side.near(x, y, 30.0)):
                continue
            if shapely.dwithin(paved, spot, 3.4):
                continue
            tint = tuple(float(v) for v in rng.uniform(0.05, 0.35, 3))
            yaw = float(heading) + np.pi / 2 + float(rng.choice([-0.6, 0.0, 0.6]))
            side.put("billboard", SurfaceClass.SIGN, np.array([x, y]), yaw=yaw, tint=tint)

"""The look-up grid lists what is near a cell, and lanes are simplified within their tolerance."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from scenegen.geometry import polylines
from scenegen.maps import MAP_SOURCES
from scenegen.seeding import stream
from scenegen.sim.near_cells import near_cells
from scenegen.sim.straights import LONGEST, TOLERANCE, straights

SIZE, SHAPE, ORIGIN = 5.0, (7, 9), (-12.0, 3.0)
inside = st.floats(-30.0, 60.0)


@given(st.lists(st.tuples(inside, inside, inside, inside), max_size=6), st.floats(0.1, 12.0))
def test_pairs_are_those_that_geometry_finds(
    lines: list[tuple[float, float, float, float]], reach: float
) -> None:
    """Every cell of the grid against every piece, points and diagonals among them."""
    room = np.array(lines).reshape(-1, 4)

    cells, pieces = near_cells(room, ORIGIN, SIZE, SHAPE, reach)

    found = set(zip(cells.tolist(), pieces.tolist(), strict=True))
    assert len(found) == len(cells)
    for row in range(SHAPE[0]):
        for column in range(SHAPE[1]):
            left, bottom = ORIGIN[0] + SIZE * column, ORIGIN[1] + SIZE * row
            box = shapely.box(left, bottom, left + SIZE, bottom + SIZE)
            for number, line in enumerate(room):
                apart = box.distance(shapely.LineString(line.reshape(2, 2)))
                if abs(apart - reach) > 1e-9:
                    assert ((row * SHAPE[1] + column, number) in found) == (apart < reach)


@pytest.mark.parametrize("name", MAP_SOURCES)
def test_straight_pieces_follow_the_centreline(name: str) -> None:
    """They join, keep the arc lengths, and leave no vertex farther off than the tolerance."""
    for lane in MAP_SOURCES[name]().draw(stream(3, name)).lanes:
        along = polylines.arc_length(lane.centerline)
        pieces = straights(lane.centerline, along, lane.width)
        ends = pieces[:, :2] + pieces[:, 2:4] * pieces[:, 4:5]
        np.testing.assert_allclose(ends[:-1], pieces[1:, :2], atol=1e-9)
        np.testing.assert_allclose(ends[-1], lane.centerline[-1], atol=1e-9)
        assert np.isin(pieces[:, 5], along).all()
        assert (pieces[:, 4] <= max(LONGEST, np.diff(along).max()) + 1e-9).all()
        simple = shapely.LineString(np.concatenate([pieces[:1, :2], ends]))
        away = shapely.distance(shapely.points(lane.centerline), simple)
        assert away.max() <= TOLERANCE + 1e-9


def test_a_point_has_no_pieces() -> None:
    """Vertices of one place leave nothing to drive along."""
    assert not len(straights(np.zeros((3, 2)), np.zeros(3), np.ones(3)))

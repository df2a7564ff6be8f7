"""The sky between houses is what their horizon leaves open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.render import SurfaceClass, Triangles
from scenegen.render.enclosure import LAYERS, enclosure, open_sky
from tests.render.builders import soup

UP = (0.0, 0.0, 1.0)
FORWARD = np.array([1.0, 0.0, 0.0])


def canyon(half: float, height: float) -> Triangles:
    """Build two long blocks with flat roofs along x, their walls `half` to both sides."""
    corners = []
    for side in (-1.0, 1.0):
        near, far = side * half, side * (half + 40.0)
        a, b = np.array([-300.0, near, height]), np.array([300.0, near, height])
        c, d = np.array([300.0, far, height]), np.array([-300.0, far, height])
        corners += [np.stack([a, b, c]), np.stack([a, c, d])]
    walls = soup(np.array(corners))
    return replace(walls, surface=np.full(4, SurfaceClass.BUILDING, np.uint8))


def share(triangles: Triangles, point: FloatArray, normal: tuple[float, float, float]) -> float:
    """Share of the sky that is open before a surface."""
    found = enclosure(triangles, np.zeros(3), FORWARD)
    return float(open_sky(tuple(point), normal, found.corner, found.cell, found.moments, LAYERS))


@pytest.mark.parametrize(("half", "height"), [(12.0, 6.0), (12.0, 12.0), (20.0, 18.0), (10.0, 3.0)])
def test_the_middle_of_a_street_sees_the_cosine_of_the_horizon(half: float, height: float) -> None:
    """In an endless street the sky view factor is cos(atan(height / half)) (Oke, 1987)."""
    expected = np.cos(np.arctan2(height, half))

    found = share(canyon(half, height), np.array([20.0, 0.0, 0.0]), UP)

    # The grid knows walls to a cell of 4 m.
    nearest, farthest = (np.cos(np.arctan2(height, half + off)) for off in (-4.0, 4.0))
    assert nearest - 0.05 <= found <= farthest + 0.05
    assert found == pytest.approx(expected, abs=0.15)


def test_open_country_sees_all_of_the_sky() -> None:
    """Whatever way a surface faces."""
    far = canyon(900.0, 5.0)

    for normal in (UP, (0.0, 1.0, 0.0), (-0.6, 0.0, 0.8)):
        assert share(far, np.array([30.0, 3.0, 1.0]), normal) == pytest.approx(1.0, abs=0.01)


def test_without_a_house_there_is_no_grid() -> None:
    """And the sky is open to the last bit."""
    nothing = replace(canyon(10.0, 5.0), surface=np.full(4, SurfaceClass.ROAD, np.uint8))

    assert enclosure(nothing, np.zeros(3), FORWARD).moments.shape == (len(LAYERS), 0, 0, 4)
    assert share(nothing, np.array([30.0, 3.0, 1.0]), UP) == 1.0


def test_higher_up_a_wall_there_is_more_sky() -> None:
    """And above the roofs there is all of it."""
    street = canyon(10.0, 18.0)
    toward = (0.0, 1.0, 0.0)

    rising = [share(street, np.array([20.0, -9.9, z]), toward) for z in (0.5, 4.0, 8.0, 13.0, 17.0)]

    assert rising == sorted(rising)
    assert rising[0] < 0.55
    assert rising[-1] > 0.75
    assert share(street, np.array([20.0, -9.9, 21.0]), toward) == 1.0


def test_the_side_that_faces_the_open_sees_more() -> None:
    """At the edge of a town a wall that faces the fields sees more than one that faces houses."""
    town = canyon(8.0, 12.0)
    place = np.array([20.0, 0.0, 2.0])

    along, across = share(town, place, (1.0, 0.0, 0.0)), share(town, place, (0.0, 1.0, 0.0))

    assert along > across + 0.1

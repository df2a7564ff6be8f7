"""Line of sight, against shapely and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from scenegen.events.sight import ACROSS, UP, visible_fraction
from scenegen.geometry.boxes import box_corners


def look(target: list[float], height: float, *boxes: list[float]) -> float:
    """Share of a target seen from the origin past some boxes."""
    occluders = np.array([boxes]).reshape(1, -1, 6)
    present = np.ones(occluders.shape[:2], np.bool_)
    seen = visible_fraction(
        np.zeros((1, 2)), np.array([target]), np.array([height]), occluders, present
    )
    return float(seen[0])


def test_nothing_in_between_leaves_a_full_view() -> None:
    """A box behind the target or beside the line does not hide it."""
    person = [20.0, 0.0, 0.0, 0.5, 0.6]

    assert look(person, 1.75) == 1.0
    assert look(person, 1.75, [30.0, 0.0, 0.0, 5.0, 2.0, 3.0]) == 1.0
    assert look(person, 1.75, [10.0, 4.0, 0.0, 5.0, 2.0, 3.0]) == 1.0


def test_a_tall_box_in_between_hides_all() -> None:
    """A van across the line of sight leaves nothing."""
    assert look([20.0, 0.0, 0.0, 0.5, 0.6], 1.75, [10.0, 0.0, 0.0, 5.0, 2.0, 2.4]) == 0.0


def test_a_low_box_hides_the_legs_only() -> None:
    """Behind a car lower than the eye an adult shows the upper part, a child nothing."""
    car = [10.0, 0.0, 0.0, 4.5, 1.8, 1.3]

    assert 0.0 < look([13.0, 0.0, 0.0, 0.5, 0.6], 1.9, car) < 1.0
    assert look([13.0, 0.0, 0.0, 0.35, 0.45], 1.15, car) == 0.0


def test_half_a_cover_hides_half() -> None:
    """A box that ends on the line of sight hides the half of the target on its side."""
    wide = [20.0, 0.0, 0.0, 1.0, 4.0]

    assert look(wide, 1.0, [10.0, 5.0, 0.0, 2.0, 10.0, 3.0]) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("seed", range(10))
def test_tall_boxes_hide_what_their_plan_hides(seed: int) -> None:
    """With boxes of any height the fraction is that of the rays that shapely says are free."""
    rng = np.random.default_rng(seed)
    target = [25.0, rng.uniform(-4, 4), rng.uniform(-3, 3), 4.5, 1.8]
    boxes = [
        [rng.uniform(6, 18), rng.uniform(-4, 4), rng.uniform(-3, 3), 3.0, 1.5, 99.0]
        for _ in range(3)
    ]
    angle = np.arctan2(target[1], target[0])
    turn = angle - target[2]
    half = 0.5 * (abs(np.sin(turn)) * 4.5 + abs(np.cos(turn)) * 1.8)
    side = half * np.linspace(-0.95, 0.95, ACROSS)
    ends = np.array(target[:2]) + side[:, None] * [-np.sin(angle), np.cos(angle)]
    shapes = [
        shapely.Polygon(box_corners(np.array(b[:2]), np.array(b[2]), np.array(b[3:5])))
        for b in boxes
    ]
    free = [not any(s.intersects(shapely.LineString([(0, 0), e])) for s in shapes) for e in ends]

    assert look(target, 1.5, *boxes) == pytest.approx(np.mean(free), abs=1e-9)
    assert UP > 1

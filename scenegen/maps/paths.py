"""Smooth paths: from a curvature profile (clothoids), and as the turn from one pose to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray, check_shape
from scenegen.errors import MapError
from scenegen.geometry import polylines
from scenegen.geometry.angles import wrap_angle

CLOTHOID_SHARE = 0.2
"""Share of a turn's length that each of its two clothoids takes."""
TURN_STEP = 0.25
"""Spacing of the points in a turn [m]; at a radius of 6 m a step turns by less than 2.4 deg."""
COMFORTABLE_LATERAL_ACCELERATION = 3.0
"""Design value for curve speeds at junctions [m/s^2]: about 0.3 g, of the order of the side
friction that street design allows at low speed (AASHTO Green Book, chapter 3)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Path:
    """Points with exact headings, so that offsets of neighbouring pieces meet to the bit.

    Attributes:
        points: Positions [m], shape (P, 2).
        heading: Tangent directions [rad], shape (P,).
        along: Arc lengths [m], shape (P,).
    """

    points: FloatArray
    heading: FloatArray
    along: FloatArray

    def __post_init__(self) -> None:
        """Check that all arrays agree on the number of points."""
        size = check_shape("points", self.points, "P", 2)["P"]
        check_shape("heading", self.heading, size)
        check_shape("along", self.along, size)

    def offset(self, distance: FloatArray | float) -> FloatArray:
        """Points shifted to the left by a distance [m], one number or shape (P,)."""
        normal = np.stack([-np.sin(self.heading), np.cos(self.heading)], -1)
        return self.points + normal * np.broadcast_to(distance, len(self.points))[:, None]

    def index(self, along: float) -> int:
        """Index of the point nearest to an arc length [m]."""
        return int(np.abs(self.along - along).argmin())

    def across(self, index: int, first: float, last: float) -> FloatArray:
        """Straight line across the path from one lateral offset [m] to another, shape (2, 2)."""
        heading = float(self.heading[index])
        normal = np.array([-np.sin(heading), np.cos(heading)])
        return self.points[index] + np.array([[first], [last]]) * normal


def path_from_curvature(curvature: FloatArray, step: float, heading: float = 0.0) -> Path:
    """Integrate a curvature profile from the origin; linear pieces give clothoids.

    Args:
        curvature: Curvature at equidistant places [1/m], shape (P,), positive to the left.
        step: Distance between the places [m].
        heading: Direction at the begin [rad].

    Returns:
        The path, P points.
    """
    turned = np.concatenate([[0.0], np.cumsum((curvature[:-1] + curvature[1:]) / 2 * step)])
    direction = heading + turned
    middle = (direction[:-1] + direction[1:]) / 2
    moves = step * np.stack([np.cos(middle), np.sin(middle)], -1)
    points = np.concatenate([np.zeros((1, 2)), np.cumsum(moves, 0)])
    return Path(points=points, heading=direction, along=np.arange(len(points)) * step)


def winding_path(rng: np.random.Generator, length: float, step: float, radius: float) -> Path:
    """Draw a gently winding path whose curvature runs linearly between random knots.

    Args:
        rng: Where the randomness comes from.
        length: Arc length [m].
        step: Spacing of the points [m].
        radius: Least radius [m].

    Returns:
        The path; its heading starts at 0.
    """
    count = int(np.ceil(length / step)) + 1
    knots = max(4, int(np.ceil(length / 180.0)))
    values = rng.uniform(-1.0, 1.0, knots) / radius
    places = np.linspace(0.0, length, knots)
    return path_from_curvature(np.interp(np.arange(count) * step, places, values), step)


def turn_path(start: FloatArray, end: FloatArray, radius: float = np.inf) -> FloatArray:
    """Turn smoothly from one pose into another: straight, clothoid, arc, clothoid, straight.

    The two tangents meet in a corner; the turn is symmetric about it and takes as much of the
    tangents as the shorter one allows, or as much as an arc of `radius` would take.

    Args:
        start: x, y [m] and heading [rad] of the begin, shape (3,).
        end: x, y [m] and heading [rad] of the end, shape (3,).
        radius: Radius of the arc that would round the corner alike [m].

    Returns:
        Points [m], shape (P, 2), from the begin to the end exactly.

    Raises:
        MapError: The end lies beside the begin or behind it, so that no such turn exists.
    """
    angle = float(wrap_angle(np.asarray(end[2] - start[2])))
    if abs(angle) < 1e-6:
        return polylines.resample(np.stack([start[:2], end[:2]]), 4.0)
    ahead, back = _direction(start[2]), _direction(end[2])
    reach = np.linalg.solve(np.stack([ahead, back], -1), end[:2] - start[:2])
    tangent = float(min(reach.min(), radius * np.tan(abs(angle) / 2)))
    if tangent <= 0:
        raise MapError(f"turn: no smooth way from {start.tolist()} to {end.tolist()}")
    corner = start[:2] + reach[0] * ahead
    bend = _bend(corner - tangent * ahead, float(start[2]), angle, tangent)
    bend[-1] = corner + tangent * back
    lead_in = _lead(start[:2], bend[0], float(reach[0] - tangent))
    lead_out = _lead(end[:2], bend[-1], float(reach[1] - tangent))[::-1]
    points = np.concatenate([lead_in, bend, lead_out])
    points[0], points[-1] = start[:2], end[:2]
    return points


def least_radius(points: FloatArray) -> float:
    """Least radius of curvature of a polyline, from the turn per length at its vertices [m]."""
    step = np.diff(points, axis=0)
    turned = np.abs(wrap_angle(np.diff(np.arctan2(step[:, 1], step[:, 0]))))
    length = np.hypot(*step.T)
    curvature = turned / ((length[:-1] + length[1:]) / 2)
    return float(1.0 / max(curvature.max(initial=0.0), 1e-9))


def curve_speed(points: FloatArray, limit: float) -> float:
    """Speed limit of a curve [m/s]: the road's, or less where comfort asks for less."""
    return float(min(limit, np.sqrt(COMFORTABLE_LATERAL_ACCELERATION * least_radius(points))))


def _direction(heading: float) -> FloatArray:
    return np.array([np.cos(heading), np.sin(heading)])


def _lead(outer: FloatArray, inner: FloatArray, length: float) -> FloatArray:
    """Straight points from `outer` towards `inner`, without `inner` itself."""
    if length < 1e-6:
        return np.zeros((0, 2))
    return polylines.resample(np.stack([outer, inner]), 2.0)[:-1]


def _bend(start: FloatArray, heading: float, angle: float, tangent: float) -> FloatArray:
    """Clothoid, arc, clothoid that uses `tangent` metres of both tangents."""
    rough = tangent * abs(angle) / np.tan(abs(angle) / 2)
    count = max(8, int(np.ceil(1.2 * rough / TURN_STEP))) + 1
    place = np.linspace(0.0, 1.0, count)
    shape = np.clip(np.minimum(place, 1 - place) / CLOTHOID_SHARE, 0.0, 1.0)
    area = ((shape[:-1] + shape[1:]) / 2).sum() / (count - 1)
    unit = path_from_curvature(shape / area * angle, 1.0 / (count - 1)).points
    # The corner of the unit turn lies on the x axis, where the end's tangent meets it.
    unit_tangent = unit[-1, 0] - unit[-1, 1] / np.tan(angle)
    scaled = unit * (tangent / unit_tangent)
    cos, sin = _direction(heading)
    return start + scaled @ np.array([[cos, sin], [-sin, cos]])

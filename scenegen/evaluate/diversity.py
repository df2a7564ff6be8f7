"""Diversity: how much of what can happen a set of scenes holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import StrEnum
from itertools import combinations

import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.errors import ShapeError
from scenegen.evaluate.scene_set import SceneSet
from scenegen.evaluate.two_sample import squared_distances
from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.transforms import to_local
from scenegen.scene import EGO

NEIGHBOURS = 5
"""Neighbours that make the ball around a scene."""
SAME, OPPOSITE = math.radians(45.0), math.radians(135.0)
"""Headings differing by less than SAME are one direction, by more than OPPOSITE the other."""


class CollisionType(StrEnum):
    """How the ego and another road user meet: by the side of the ego and by direction.

    STRIVE (Rempe et al. 2022, sec. 5) clusters impact angle and relative heading into ten
    groups; these are ten named regions of the same two angles, and what is left over.
    """

    REAR_END = "ego runs into the rear"
    STRUCK_FROM_BEHIND = "ego is struck from behind"
    HEAD_ON = "head-on"
    SIDE_SWIPE_LEFT = "side-swipe on the left"
    SIDE_SWIPE_RIGHT = "side-swipe on the right"
    ONCOMING_LEFT = "oncoming along the left side"
    FRONT_FROM_LEFT = "front into crossing from the left"
    FRONT_FROM_RIGHT = "front into crossing from the right"
    STRUCK_LEFT = "struck on the left by crossing"
    STRUCK_RIGHT = "struck on the right by crossing"
    OTHER = "other"


def knn_radii(features: FloatArray, k: int = NEIGHBOURS) -> FloatArray:
    """Distance from each row to its k-th nearest other row, shape (n,).

    Raises:
        ShapeError: There are not more than k rows.
    """
    if len(features) <= k:
        raise ShapeError(f"knn_radii: expected more than {k} rows, got {len(features)}")
    apart = squared_distances(features, features)
    np.fill_diagonal(apart, np.inf)
    return np.sqrt(np.partition(apart, k - 1, axis=1)[:, k - 1])


def recall(reference: FloatArray, found: FloatArray, k: int = NEIGHBOURS) -> float:
    """Share of reference scenes inside the k-NN ball of a generated one.

    Improved recall of Kynkaanniemi et al. (2019, eq. 2): does what happens in reality happen
    here too? Nan where a set is not larger than k.
    """
    return _inside(reference, found, k, around_reference=False)


def precision(reference: FloatArray, found: FloatArray, k: int = NEIGHBOURS) -> float:
    """Share of generated scenes inside the k-NN ball of a reference one (same source)."""
    return recall(found, reference, k)


def coverage(reference: FloatArray, found: FloatArray, k: int = NEIGHBOURS) -> float:
    """Share of reference scenes whose own k-NN ball holds a generated one (Naeem et al. 2020).

    Unlike recall it is not fooled by outliers among the generated scenes, whose balls are vast.
    """
    return _inside(reference, found, k, around_reference=True)


def vendi_score(features: FloatArray, bandwidth: float) -> float:
    """Effective number of different scenes (Friedman and Dieng, 2023).

    ``exp(-sum l log l)`` over the eigenvalues l of K / n with the Gaussian kernel K: 1 for n
    copies of one scene, n for n scenes that have nothing in common. 0 without scenes.
    """
    if len(features) == 0:
        return 0.0
    kernel = np.exp(-squared_distances(features, features) / (2.0 * bandwidth**2))
    values = np.linalg.eigvalsh(kernel / len(features))
    kept = values[values > 1e-12]
    return float(np.exp(-(kept * np.log(kept)).sum()))


def collision_types(scenes: SceneSet, contacts: IntArray) -> dict[CollisionType, int]:
    """Count how the ego's first collisions happen.

    Args:
        scenes: The scenes.
        contacts: From contacts.first_contacts.

    Returns:
        Number of scenes of each type, types that do not occur included.
    """
    out = dict.fromkeys(CollisionType, 0)
    steps = contacts[:, EGO].astype(np.int64)
    first = np.where(steps >= 0, steps, np.iinfo(np.int64).max)
    for scene in np.flatnonzero((steps >= 0).any(-1)):
        other = int(first[scene].argmin())
        states = scenes.agents[scene, first[scene, other]]
        local = to_local(
            states.position[other].astype(np.float64), states.position[EGO], states.yaw[EGO]
        )
        turn = float(wrap_angle(np.array(float(states.yaw[other]) - float(states.yaw[EGO]))))
        # In units of the half sizes the sides of the ego are the quarters of a square.
        ahead, left = local / np.maximum(states.size[EGO, :2] / 2, 0.1)
        out[_type(float(ahead), float(left), turn)] += 1
    return out


def t_way_coverage(
    samples: Mapping[str, FloatArray],
    feasible: Mapping[str, FloatArray],
    cells: int = 4,
    strength: int = 3,
) -> float:
    """Share of the feasible t-way cells of parameters that the samples fall into.

    Combinatorial coverage (Kuhn, Kacker and Lei, 2010): each parameter's range is cut into
    cells of equal probability under the reference; of every t parameters, each combination of
    cells that the reference shows is feasible.

    Args:
        samples: Values of each parameter, each of shape (n,).
        feasible: Values of the reference, the same names, each of shape (m,).
        cells: Cells per parameter.
        strength: Number of parameters t that are combined.

    Returns:
        Share, 0-1; nan where there are fewer parameters than t or nothing is feasible.

    Raises:
        ShapeError: The names differ.
    """
    if set(samples) != set(feasible):
        raise ShapeError(
            f"t_way_coverage: expected parameters {sorted(feasible)}, got {sorted(samples)}"
        )
    names = sorted(feasible)
    if len(names) < strength or len(feasible[names[0]]) == 0:
        return math.nan
    quantiles = np.linspace(0.0, 1.0, cells + 1)[1:-1]
    edges = {name: np.quantile(feasible[name], quantiles) for name in names}
    ours = {name: np.searchsorted(edges[name], samples[name], "right") for name in names}
    theirs = {name: np.searchsorted(edges[name], feasible[name], "right") for name in names}
    hit = possible = 0
    powers = cells ** np.arange(strength)
    for chosen in combinations(names, strength):
        known = set((np.stack([theirs[n] for n in chosen], -1) @ powers).tolist())
        shown = set((np.stack([ours[n] for n in chosen], -1) @ powers).tolist())
        hit += len(known & shown)
        possible += len(known)
    return hit / possible


def scene_parameters(scenes: SceneSet) -> dict[str, FloatArray]:
    """Six numbers that say what a scene is like, for t-way coverage; each of shape (S,)."""
    speed = scenes.opening.speed.astype(np.float64)
    present = scenes.present
    number = np.maximum(present.sum(-1), 1)
    away = np.hypot(scenes.opening.position[..., 0], scenes.opening.position[..., 1])
    others = present.copy()
    others[:, EGO] = False
    nearest = np.where(others, away, 200.0).min(-1, initial=200.0)
    return {
        "agents": present.sum(-1).astype(np.float64),
        "ego speed": speed[:, EGO],
        "mean speed": (speed * present).sum(-1) / number,
        "nearest": nearest.astype(np.float64),
        "ego change of speed": scenes.agents.speed[:, -1, EGO] - speed[:, EGO],
        "ego turn": np.abs(scenes.agents.yaw[:, -1, EGO] - scenes.agents.yaw[:, 0, EGO]),
    }


def _inside(reference: FloatArray, found: FloatArray, k: int, *, around_reference: bool) -> float:
    if min(len(reference), len(found)) <= k:
        return math.nan
    apart = np.sqrt(squared_distances(reference, found))
    if around_reference:
        return float((apart <= knn_radii(reference, k)[:, None]).any(1).mean())
    return float((apart <= knn_radii(found, k)[None]).any(1).mean())


def _type(ahead: float, left: float, turn: float) -> CollisionType:
    """Name the region of impact side and relative heading."""
    side = "front" if ahead >= abs(left) else "rear" if -ahead >= abs(left) else "left"
    if side == "left" and left < 0:
        side = "right"
    if abs(turn) < SAME:
        direction = "same"
    elif abs(turn) > OPPOSITE:
        direction = "opposite"
    else:
        direction = "from right" if turn > 0 else "from left"  # Heading left, it comes from there.
    return _TYPES.get((side, direction), CollisionType.OTHER)


_TYPES = {
    ("front", "same"): CollisionType.REAR_END,
    ("rear", "same"): CollisionType.STRUCK_FROM_BEHIND,
    ("front", "opposite"): CollisionType.HEAD_ON,
    ("left", "same"): CollisionType.SIDE_SWIPE_LEFT,
    ("right", "same"): CollisionType.SIDE_SWIPE_RIGHT,
    ("left", "opposite"): CollisionType.ONCOMING_LEFT,
    ("front", "from left"): CollisionType.FRONT_FROM_LEFT,
    ("front", "from right"): CollisionType.FRONT_FROM_RIGHT,
    ("left", "from left"): CollisionType.STRUCK_LEFT,
    ("right", "from right"): CollisionType.STRUCK_RIGHT,
}

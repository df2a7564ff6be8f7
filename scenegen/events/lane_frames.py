"""The road as one agent meets it: everybody's place along and beside its lane path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numba as nb
import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.events.paths import Path, straight_on
from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.polylines import arc_length
from scenegen.scene.agents import AgentStates
from scenegen.scene.lanes import LanePlace
from scenegen.scene.roadmap import NO_LANE, RoadMap

AHEAD, BACK = 250.0, 150.0
"""How far a lane path is followed beyond the lanes that were driven on [m]."""
HOPS = 4
"""Lanes that may lie between two lanes an agent was seen on without a lane change."""
ROAMING_HALF_WIDTH = 1.75
"""Half width of the path of an agent that is on no lane [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LaneFrame:
    """Everybody's place relative to the lane path of one agent, the reference.

    The path runs through the lanes the reference drives on, before and after them straight on.
    When the reference changes lanes the path changes too: `group` numbers the paths, and values
    of different groups must not be compared.

    Attributes:
        ahead: Arc length on the path minus that of the reference, centre to centre [m],
            shape (T, N).
        offset: Signed distance from the path [m], positive to its left, shape (T, N).
        heading_error: Heading minus the path's direction [rad], in (-pi, pi], shape (T, N).
        half_width: Half the lane's width at the place [m], shape (T, N).
        along: Arc length of the reference on its path [m], shape (T,).
        group: Number of the path in use, shape (T,).
        paths: The path of each group; None where the reference was on no lane.
    """

    ahead: FloatArray
    offset: FloatArray
    heading_error: FloatArray
    half_width: FloatArray
    along: FloatArray
    group: IntArray
    paths: tuple[Path | None, ...]


def lane_frame(
    roadmap: RoadMap, states: AgentStates, place: LanePlace, reference: int
) -> LaneFrame:
    """Build the frame of one agent.

    Args:
        roadmap: The road.
        states: Everybody, leading shape (T, N).
        place: Their places on the road, leading shape (T, N).
        reference: Index of the agent whose path counts.

    Returns:
        The frame; rows where the reference is not valid are those of its nearest valid instant.
    """
    chains, group = lane_chains(roadmap, place.lane[:, reference], states.valid[:, reference])
    shape = states.valid.shape
    ahead, offset, error, half = (np.zeros(shape) for _ in range(4))
    own = np.zeros(shape[0])
    paths: list[Path | None] = []
    for number, chain in enumerate(chains):
        rows = group == number
        path = _long_path(roadmap, chain) if chain else None
        paths.append(path)
        points, width = (
            _roaming(states, reference, rows) if path is None else (path.points, path.width)
        )
        found = _project(
            np.ascontiguousarray(points, np.float64),
            arc_length(points),
            np.ascontiguousarray(width, np.float64),
            np.ascontiguousarray(states.position[rows].reshape(-1, 2), np.float64),
        )
        along, side, yaw, wide = (v.reshape(-1, shape[1]) for v in found)
        own[rows] = along[:, reference]
        ahead[rows] = along - along[:, reference, None]
        offset[rows], half[rows] = side, wide / 2.0
        error[rows] = wrap_angle(states.yaw[rows] - yaw)
    return LaneFrame(
        ahead=ahead,
        offset=offset,
        heading_error=error,
        half_width=half,
        along=own,
        group=group,
        paths=tuple(paths),
    )


def lane_chains(
    roadmap: RoadMap, lane: IntArray, valid: BoolArray
) -> tuple[list[tuple[int, ...]], IntArray]:
    """Split what an agent drove on into chains of linked lanes, one per lane change.

    In a junction lanes overlap and the nearest one may be wrong; so lanes outside junctions are
    the anchors, and the lanes between two anchors follow from the links.

    Args:
        roadmap: The road.
        lane: Lane over time, NO_LANE where none, shape (T,).
        valid: Whether the agent is there, shape (T,).

    Returns:
        The chains, each a tuple of lanes (empty: on no lane at all), and the number of the chain
        in use at each instant, shape (T,).
    """
    on_lane = np.flatnonzero(valid & (lane != NO_LANE))
    if not len(on_lane):
        return [()], np.zeros(len(lane), np.int64)
    anchored = [t for t in on_lane if not roadmap.lanes[lane[t]].in_junction]
    steps = anchored or [on_lane[len(on_lane) // 2]]
    if anchored and on_lane[-1] > steps[-1]:
        steps = [*steps, on_lane[-1]]  # it ends inside a junction: the last guess is the best
    if anchored and on_lane[0] < steps[0]:
        steps = [on_lane[0], *steps]
    chains: list[list[int]] = [[int(lane[steps[0]])]]
    changes: list[int] = []
    for t in steps[1:]:
        link = _linked(roadmap, chains[-1][-1], int(lane[t]))
        if link is None:
            chains.append([int(lane[t])])
            changes.append(int(t))
        else:
            chains[-1] += [k for k in link if k not in chains[-1]]
    group = np.searchsorted(np.array(changes, np.int64), np.arange(len(lane)), side="right")
    return [tuple(c) for c in chains], group


def _linked(roadmap: RoadMap, start: int, end: int) -> Sequence[int] | None:
    """Lanes that lead from one lane to another, without the first; None if HOPS are too few."""
    if start == end:
        return ()
    front: list[tuple[int, ...]] = [(start,)]
    for _ in range(HOPS):
        front = [(*way, k) for way in front for k in roadmap.lanes[way[-1]].successors]
        for way in front:
            if way[-1] == end:
                return way[1:]
    return None


def _long_path(roadmap: RoadMap, chain: tuple[int, ...]) -> Path:
    before = straight_on(roadmap, chain[0], 0.0, BACK).lanes[:-1]
    after = straight_on(roadmap, chain[-1], AHEAD + roadmap.lanes[chain[-1]].length).lanes[1:]
    seen = set(chain)
    return Path.through(
        roadmap,
        (
            *(k for k in before if k not in seen),
            *chain,
            *(k for k in after if k not in seen and k not in before),
        ),
    )


def _roaming(states: AgentStates, reference: int, rows: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Its own track as a path, for an agent that is on no lane."""
    use = rows & states.valid[:, reference]
    track = states.position[use, reference].astype(np.float64)
    yaw = states.yaw[use, reference] if use.any() else np.zeros(1)
    if not len(track):
        track = np.zeros((1, 2))
    kept = [track[0]]
    for point in track[1:]:
        if np.hypot(*(point - kept[-1])) > 0.5:
            kept.append(point)
    last = kept[-1] + np.array([np.cos(yaw[-1]), np.sin(yaw[-1])])
    points = np.stack([*kept, last])
    return points, np.full(len(points), 2.0 * ROAMING_HALF_WIDTH)


@nb.njit(cache=True)
def _pieces(points):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Begin, direction and length of each piece of a path, shape (P - 1, 5)."""
    out = np.zeros((len(points) - 1, 5))
    for k in range(len(points) - 1):
        sx, sy = points[k + 1, 0] - points[k, 0], points[k + 1, 1] - points[k, 1]
        length = max(np.sqrt(sx * sx + sy * sy), 1e-9)
        out[k, 0], out[k, 1] = points[k, 0], points[k, 1]
        out[k, 2], out[k, 3], out[k, 4] = sx / length, sy / length, length
    return out


@nb.njit(cache=True)
def _nearest(pieces, x, y):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Piece nearest to a point, and its distance; the first and the last one go on for ever."""
    last, nearest, square, best = len(pieces) - 1, 0, np.inf, np.inf
    for k in range(last + 1):
        dx, dy = x - pieces[k, 0], y - pieces[k, 1]
        ux, uy = pieces[k, 2], pieces[k, 3]
        forward, side = dx * ux + dy * uy, ux * dy - uy * dx
        low = -np.inf if k == 0 else 0.0
        high = np.inf if k == last else pieces[k, 4]
        beyond = forward - min(max(forward, low), high)
        apart = beyond * beyond + side * side
        # Compared as lengths, but the root is taken only where it can matter.
        if apart < square and np.sqrt(apart) < best:
            nearest, square, best = k, apart, np.sqrt(apart)
    return nearest, best


@nb.njit(cache=True)
def _project(points, grid, width, queries):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    """Arc length, offset, direction and width of the nearest place; straight on beyond the ends."""
    count, pieces = len(queries), _pieces(points)
    last = len(pieces) - 1
    along, side = np.zeros(count), np.zeros(count)
    yaw, wide = np.zeros(count), np.zeros(count)
    for q in range(count):
        k, apart = _nearest(pieces, queries[q, 0], queries[q, 1])
        dx, dy = queries[q, 0] - pieces[k, 0], queries[q, 1] - pieces[k, 1]
        ux, uy, length = pieces[k, 2], pieces[k, 3], pieces[k, 4]
        low = -np.inf if k == 0 else 0.0
        high = np.inf if k == last else length
        on = min(max(dx * ux + dy * uy, low), high)
        along[q] = grid[k] + on
        side[q] = apart if ux * dy - uy * dx >= 0 else -apart
        yaw[q] = np.arctan2(uy, ux)
        ratio = min(max(on / length, 0.0), 1.0)
        wide[q] = width[k] + ratio * (width[k + 1] - width[k])
    return along, side, yaw, wide

"""Who drives on which kind of junction lane, when it entered, and how it pointed then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.events.tracks import Tracks
from scenegen.events.windows import FAR, all_of, known
from scenegen.geometry.polylines import heading_at
from scenegen.scene.roadmap import Lane


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Passage:
    """An agent's way through junction lanes of some kind.

    Attributes:
        inside: How far the box is on such a lane [m], negative where it is not, shape (T,).
        entry: Direction in which the lane begins [rad], shape (T,); 0 where it is on none.
        entered: Whether the front bumper passed the begin of the lane since the instant before,
            shape (T,).
    """

    inside: FloatArray
    entry: FloatArray
    entered: BoolArray


def passage(view: Tracks, agent: int, suits: Callable[[int, Lane], bool]) -> Passage:
    """Follow an agent through the junction lanes that suit.

    Args:
        view: The scenario.
        agent: Index of the agent.
        suits: Whether a junction lane, given with its index, is meant.

    Returns:
        The passage.
    """
    frame = view.lane_frame(agent)
    inside, entry = np.full(view.steps, -FAR), np.zeros(view.steps)
    entered = np.zeros(view.steps, np.bool_)
    half = view.states.size[:, agent, 0] / 2
    for number, path in enumerate(frame.paths):
        rows = frame.group == number
        for k, lane in enumerate(path.lanes if path is not None else ()):
            road = view.roadmap.lanes[lane]
            if path is None or not road.in_junction or not suits(lane, road):
                continue
            begin, end = path.starts[k], path.starts[k + 1]
            front = frame.along + half - begin
            into = all_of(front, end + half - frame.along)
            better = rows & (into > inside)
            inside[better] = into[better]
            entry[better] = heading_at(path.points, np.array(begin + 0.01))
            entered[1:] |= rows[1:] & rows[:-1] & (front[:-1] <= 0) & (front[1:] > 0)
    return Passage(
        inside=known(view.valid[:, agent], inside),
        entry=entry,
        entered=entered & view.valid[:, agent],
    )

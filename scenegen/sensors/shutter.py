"""Rolling shutter and motion blur, along the exact motion of what each pixel shows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from scenegen.arrays import FloatArray, IntArray
from scenegen.geometry.transforms import se3_inverse
from scenegen.render.lens import Lens
from scenegen.render.lens_views import Still
from scenegen.scene import EGO
from scenegen.sensors.motion import pose_after
from scenegen.sensors.sensor import WorldView

_MET = 0.6
"""A place is seen at a pixel if it is no farther from its centre than this [pixels]."""
_ROUNDS = 5
"""Steps of the search for the source of a pixel; each gains a digit or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutter:
    """When the rows of a picture are exposed; by default all at once, and for no time.

    The middle row is exposed around the instant of the frame.

    Attributes:
        readout: Time from the first row to the last [s]; 20 to 30 ms on automotive sensors.
        exposure: Time for which each row is exposed [s].
        samples: Moments of the exposure that are averaged.
        subframes: Pictures that are rendered over the readout. What comes out from behind
            something within the readout is filled from the nearest of them, so that each halves
            what is wrong at outlines; everything else is exact with one.
    """

    readout: float = 0.0
    exposure: float = 0.0
    samples: int = 8
    subframes: int = 1

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.readout < 0 or self.exposure < 0 or self.samples < 1 or self.subframes < 1:
            raise ValueError(
                "Shutter: expected times of 0 or more and at least one sample and sub-frame, got"
                f" readout {self.readout}, exposure {self.exposure}, samples {self.samples},"
                f" subframes {self.subframes}"
            )

    @property
    def is_instant(self) -> bool:
        """Whether all is exposed at one moment."""
        return self.readout == 0.0 and self.exposure == 0.0

    @property
    def moments(self) -> FloatArray:
        """Times of the sub-frames against the frame [s], shape (subframes,)."""
        step = (np.arange(self.subframes) + 0.5) / self.subframes - 0.5
        return np.asarray(self.readout * step)

    def row_time(self, row: FloatArray, height: int) -> FloatArray:
        """Time of image rows against the frame [s]; row 0.5 is the middle of the first."""
        return np.asarray((row / height - 0.5) * self.readout)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Movement:
    """How a camera and what it sees move around an instant.

    Attributes:
        map_from_ego: Pose of the ego at the instant, shape (4, 4).
        ego_from_sensor: Pose of the camera on it, shape (4, 4).
        twist: Twist of the ego in map axes, shape (3,).
        motions: Velocity, yaw rate and place of every agent: vx, vy, rate, x, y in the map
            frame; row 0 stands for what is no agent, row i + 1 for agent i; shape (N + 1, 5).
    """

    map_from_ego: FloatArray
    ego_from_sensor: FloatArray
    twist: FloatArray
    motions: FloatArray

    @classmethod
    def of(cls, view: WorldView, ego_from_sensor: FloatArray) -> Movement:
        """Read the movement off a view of the world."""
        place = view.stage.agents.position.astype(np.float64)
        return cls(
            map_from_ego=view.stage.map_from_ego,
            ego_from_sensor=ego_from_sensor,
            twist=view.twists[EGO],
            motions=np.vstack([np.zeros(5), np.column_stack([view.twists, place])]),
        )

    def pose(self, time: FloatArray | float) -> FloatArray:
        """Pose of the camera in the map frame at times, shape (..., 4, 4)."""
        return pose_after(self.map_from_ego, self.twist, time) @ self.ego_from_sensor

    def carried(self, points: FloatArray, number: IntArray, time: FloatArray) -> FloatArray:
        """Move map-frame points with the agents they belong to.

        Args:
            points: Places [m], shape (n, 3).
            number: Instance number of each, 0 for what stands, shape (n,).
            time: For how long [s], shape (n,).
        """
        m = self.motions[number]
        angle = m[:, 2] * time
        cos, sin = np.cos(angle), np.sin(angle)
        x, y = points[:, 0] - m[:, 3], points[:, 1] - m[:, 4]
        return np.column_stack(
            [
                m[:, 3] + cos * x - sin * y + m[:, 0] * time,
                m[:, 4] + sin * x + cos * y + m[:, 1] * time,
                points[:, 2],
            ]
        )

    def seen(
        self, points: FloatArray, number: IntArray, time: FloatArray, since: float = 0.0
    ) -> FloatArray:
        """Places in the camera frame, at times, of what was in the map at another time.

        Args:
            points: Places in the map frame at `since` [m], shape (n, 3).
            number: Instance number of each, shape (n,).
            time: Times [s], shape (n,).
            since: When the points are where they are [s].
        """
        if since == 0.0:
            then = self.carried(points, number, time)
        else:
            start = self.carried_back(points, number, since)
            then = self.carried(start, number, time)
        inverse = se3_inverse(self.pose(time))
        return np.asarray(np.einsum("nij,nj->ni", inverse[:, :3, :3], then) + inverse[:, :3, 3])

    def carried_back(self, points: FloatArray, number: IntArray, since: float) -> FloatArray:
        """Undo `carried` over a time."""
        m = self.motions[number]
        cos, sin = np.cos(m[:, 2] * since), np.sin(m[:, 2] * since)
        x = points[:, 0] - m[:, 0] * since - m[:, 3]
        y = points[:, 1] - m[:, 1] * since - m[:, 4]
        return np.column_stack(
            [m[:, 3] + cos * x + sin * y, m[:, 4] + cos * y - sin * x, points[:, 2]]
        )


def expose(
    stills: list[Still], moments: FloatArray, shutter: Shutter, lens: Lens, movement: Movement
) -> Still:
    """Put together what a shutter sees from pictures at one or several moments.

    Labels are those of the middle of each row's exposure.

    Args:
        stills: Pictures through the lens.
        moments: When each was taken against the frame [s], shape (len(stills),).
        shutter: When rows are exposed.
        lens: The lens.
        movement: How camera and agents move.
    """
    height, width = lens.height_px, lens.width_px
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([columns + 0.5, rows + 0.5], -1).reshape(-1, 2)
    time = shutter.row_time(pixels[:, 1], height)
    middle = _warped(stills, moments, time, pixels, lens, movement)
    if shutter.exposure == 0.0:
        return middle
    light = np.zeros_like(middle.radiance)
    for step in (np.arange(shutter.samples) + 0.5) / shutter.samples - 0.5:
        then = time + step * shutter.exposure
        light += _warped(stills, moments, then, pixels, lens, movement).radiance
    return Still(
        radiance=light / np.float32(shutter.samples),
        range=middle.range,
        semantic=middle.semantic,
        instance=middle.instance,
    )


def _warped(
    stills: list[Still],
    moments: FloatArray,
    time: FloatArray,
    pixels: FloatArray,
    lens: Lens,
    movement: Movement,
) -> Still:
    """Give the picture whose pixels are each seen at a time of their own."""
    nearest = np.abs(time[:, None] - moments).argmin(1)
    size = (lens.height_px, lens.width_px)
    out = Still(
        radiance=np.zeros((*size, 3), np.float32),
        range=np.zeros(size, np.float32),
        semantic=np.zeros(size, np.uint8),
        instance=np.zeros(size, np.uint16),
    )
    for number, picture in enumerate(stills):
        chosen = np.flatnonzero(nearest == number)
        if len(chosen):
            since = float(moments[number])
            _pull(out, picture, since, chosen, (time[chosen], pixels[chosen]), lens, movement)
    return out


def _pull(
    out: Still,
    picture: Still,
    since: float,
    chosen: IntArray,
    wanted: tuple[FloatArray, FloatArray],
    lens: Lens,
    movement: Movement,
) -> None:
    """Find the place in a picture that is seen at each pixel at its time, and copy it.

    Two searches begin where the pixel is and where what moves there comes from; of two places
    that are seen at the pixel, the nearer thing hides the other.
    """
    time, pixels = wanted
    if not np.any(time != since):
        source: FloatArray = pixels
        far: FloatArray = picture.range.reshape(-1)[chosen].astype(np.float64)
    else:
        pose = movement.pose(since)
        found = [
            _search(picture, start, wanted, since, pose, lens, movement)
            for start in (pixels, _origins(picture, wanted, since, pose, lens, movement))
        ]
        source, far, miss = found[0]
        other, beyond, error = found[1]
        better = np.where(
            (miss < _MET) & (error < _MET), beyond < far - 0.05, (error < _MET) & (miss >= _MET)
        )
        source = np.where(better[:, None], other, source)
        far = np.where(better, beyond, far)
    size = np.array([lens.width_px, lens.height_px])
    column, row = np.clip(np.rint(source - 0.5).astype(np.int64), 0, size - 1).T
    moved = cv2.remap(
        picture.radiance,
        (source[:, 0] - 0.5).reshape(-1, lens.width_px).astype(np.float32),
        (source[:, 1] - 0.5).reshape(-1, lens.width_px).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    out.radiance.reshape(-1, 3)[chosen] = moved.reshape(-1, 3)
    out.semantic.reshape(-1)[chosen] = picture.semantic[row, column]
    out.instance.reshape(-1)[chosen] = picture.instance[row, column]
    out.range.reshape(-1)[chosen] = np.where(picture.range[row, column] == 0, 0.0, far)


def _origins(
    picture: Still,
    wanted: tuple[FloatArray, FloatArray],
    since: float,
    pose: FloatArray,
    lens: Lens,
    movement: Movement,
) -> FloatArray:
    """Where what each pixel shows may come from, by following all of the picture forward."""
    time, pixels = wanted
    first, last = int(pixels[0, 1]), int(pixels[-1, 1])
    size = np.array([lens.width_px, lens.height_px])
    rows, columns = np.mgrid[0 : lens.height_px, 0 : lens.width_px]
    place = np.stack([columns + 0.5, rows + 0.5], -1).reshape(-1, 2)
    by_row = time.reshape(-1, lens.width_px)[:, 0]
    there: FloatArray = place
    for _ in range(3):
        row = np.clip(np.nan_to_num(there[:, 1], nan=-1.0).astype(np.int64), first, last)
        there, reach = _land(picture, place, by_row[row - first], since, pose, lens, movement)
    out = np.full((lens.height_px, lens.width_px, 2), np.nan)
    landed = np.flatnonzero(np.isfinite(there).all(-1) & ((there >= 0) & (there < size)).all(-1))
    landed = landed[np.argsort(-reach[landed], kind="stable")]
    column, row = np.floor(there[landed]).astype(np.int64).T
    out[row, column] = place[landed]
    found = out[first : last + 1].reshape(-1, 2)
    return np.where(np.isfinite(found), found, pixels)


def _search(
    picture: Still,
    start: FloatArray,
    wanted: tuple[FloatArray, FloatArray],
    since: float,
    pose: FloatArray,
    lens: Lens,
    movement: Movement,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Improve places until what is there is seen at the pixels; gives places, ranges, misses."""
    time, pixels = wanted
    size = np.array([lens.width_px, lens.height_px])
    source, far, miss = start.copy(), np.zeros(len(start)), np.full(len(start), np.inf)
    todo = np.arange(len(start))
    for _ in range(_ROUNDS):
        there, reach = _land(picture, source[todo], time[todo], since, pose, lens, movement)
        error = pixels[todo] - there
        length = np.where(np.isfinite(error).all(-1), np.abs(error).max(-1), np.inf)
        far[todo], miss[todo] = reach, length
        going = (length > 0.02) & np.isfinite(length)
        todo = todo[going]
        if not len(todo):
            break
        source[todo] = np.clip(source[todo] + error[going], 0.5, size - 0.5)
    return source, far, miss


def _land(
    picture: Still,
    source: FloatArray,
    time: FloatArray,
    since: float,
    pose: FloatArray,
    lens: Lens,
    movement: Movement,
) -> tuple[FloatArray, FloatArray]:
    """Where what a picture shows at some places is seen at other times, and at what range."""
    size = np.array([lens.width_px, lens.height_px])
    column, row = np.clip(np.rint(source - 0.5).astype(np.int64), 0, size - 1).T
    reach, number = picture.range[row, column].astype(np.float64), picture.instance[row, column]
    ray = lens.unproject(source)
    sky = reach == 0
    # The sky is so far away that only turning moves it.
    points = ray * np.where(sky, 1e7, reach)[:, None] @ pose[:3, :3].T + pose[:3, 3]
    local = movement.seen(points, np.where(sky, 0, number), time, since)
    return lens.project(local), np.linalg.norm(local, axis=1)

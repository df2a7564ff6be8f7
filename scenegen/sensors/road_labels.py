"""Labels of the road before a camera: where there is free space, and where the lane lines are."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import Array, BoolArray, FloatArray, IntArray, check_shape
from scenegen.geometry.transforms import se3_inverse
from scenegen.render import CLASS_NAMES, PinholeCamera, SurfaceClass
from scenegen.render.world.ground import has_yellow_centers
from scenegen.scene import ArraySpec
from scenegen.sensors.camera import camera_pose
from scenegen.sensors.lane_lines import COLORS, MARKINGS, LaneLines, gather_lines
from scenegen.sensors.sensor import Sensor, WorldView

_FREE = (SurfaceClass.ROAD, SurfaceClass.MARKING)
_GROUND = (*_FREE, SurfaceClass.SIDEWALK, SurfaceClass.TERRAIN)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RoadLabels(Sensor):
    """Free space and lane lines as a camera of the same name and pose sees them.

    Free space is the carriageway in sight that nothing stands on: in each column of the picture
    the pixels of road and markings from the lower edge up to the first other thing. Lane lines
    are the painted lines of the map within reach, dashes joined; a point is visible where its
    pixel shows the ground.

    Attributes:
        name: Name of the camera.
        ego_from_sensor: Its pose in the ego frame, shape (4, 4).
        optics: Its size and field of view.
        reach: Lines are given up to this distance from the ego [m].
    """

    name: str = "front"
    ego_from_sensor: FloatArray = field(default_factory=lambda: camera_pose(0.5, 0.0, 1.5))
    optics: PinholeCamera = field(default_factory=PinholeCamera)
    reach: float = 80.0

    def __post_init__(self) -> None:
        """Check the pose."""
        check_shape("ego_from_sensor", self.ego_from_sensor, 4, 4)

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce free space and lane lines."""
        return (*_free_specs(self.name, self.optics), *_line_specs(self.name))

    def sense(self, view: WorldView) -> dict[str, Array]:
        """Label the road in sight."""
        size = (self.optics.height_px, self.optics.width_px)
        buffer = view.buffer(self.optics, self.ego_from_sensor)
        surface = buffer.semantic.reshape(size)
        free, edge, ends_at = free_space(surface, buffer.depth.reshape(size))
        spots = self._ground_points(edge, buffer.depth.reshape(size))
        base = f"camera/{self.name}"
        lines = gather_lines(
            view.road,
            se3_inverse(view.stage.map_from_ego),
            self.reach,
            yellow_centers=has_yellow_centers(view.stage.seed),
        )
        return {
            f"{base}/free_space": free.astype(np.uint8),
            f"{base}/free_edge": spots.astype(np.float32),
            f"{base}/free_distance": np.where(
                edge < size[0], np.hypot(*(spots - self.ego_from_sensor[:2, 3]).T), 0.0
            ).astype(np.float32),
            f"{base}/free_end": ends_at.astype(np.uint8),
            **self._line_arrays(lines, surface),
        }

    def _ground_points(self, edge: IntArray, depth: FloatArray) -> FloatArray:
        """Ego-frame places of the last free pixel of each column, shape (W, 2).

        A column without free space gives the place below the camera.
        """
        columns = np.arange(len(edge))
        row = np.minimum(edge, depth.shape[0] - 1)
        far = depth[row, columns].astype(np.float64)
        x = (columns + 0.5 - self.optics.width_px / 2) / self.optics.focal_px
        y = (row + 0.5 - self.optics.height_px / 2) / self.optics.focal_px
        ray = np.stack([x, y, np.ones(len(edge))], -1) * far[:, None]
        ray[edge >= depth.shape[0]] = 0.0
        return np.asarray(
            (ray @ self.ego_from_sensor[:3, :3].T + self.ego_from_sensor[:3, 3])[:, :2]
        )

    def _line_arrays(self, lines: LaneLines, surface: IntArray) -> dict[str, Array]:
        """Project the lines into the picture and tell which of their points are seen."""
        count = len(lines.points)
        inside = np.column_stack([lines.points, np.zeros(count)]) - self.ego_from_sensor[:3, 3]
        local = inside @ self.ego_from_sensor[:3, :3]
        ahead = local[:, 2] > 0.1
        pixel = np.full((count, 2), np.nan)
        pixel[ahead] = self.optics.project(local[ahead])
        size = np.array([self.optics.width_px, self.optics.height_px])
        shown = ahead & (np.nan_to_num(pixel, nan=-1.0) >= 0).all(-1)
        shown &= (np.nan_to_num(pixel, nan=np.inf) < size).all(-1)
        column, row = np.floor(pixel[shown]).astype(int).T
        visible = np.zeros(count, np.bool_)
        visible[shown] = np.isin(surface[row, column], _GROUND)
        base = f"lane_lines/{self.name}"
        return {
            f"{base}/points": lines.points.astype(np.float32),
            f"{base}/pixel": pixel.astype(np.float32),
            f"{base}/visible": visible.astype(np.uint8),
            f"{base}/line": lines.line.astype(np.uint16),
            f"{base}/marking": lines.marking.astype(np.uint8),
            f"{base}/color": lines.color.astype(np.uint8),
            f"{base}/position": lines.position.astype(np.int8),
            f"{base}/visibility": _share(visible, lines.line, len(lines.marking)),
        }


def free_space(surface: IntArray, depth: FloatArray) -> tuple[BoolArray, IntArray, IntArray]:
    """Find the free space of a picture.

    Args:
        surface: Semantic mask, shape (H, W).
        depth: Depth, 0 for sky, shape (H, W) [m].

    Returns:
        Mask, shape (H, W); row of the last free pixel of each column, H where there is none,
        shape (W,); class that ends the free space of each column, shape (W,).
    """
    height = len(surface)
    open_road = np.isin(surface, _FREE) & (depth > 0)
    free = np.logical_and.accumulate(open_road[::-1], axis=0)[::-1]
    count = free.sum(0)
    edge = np.where(count > 0, height - count, height)
    above = np.maximum(height - count - 1, 0)
    ends_at = surface[above, np.arange(surface.shape[1])]
    return free, edge, ends_at


def _share(visible: BoolArray, line: IntArray, count: int) -> FloatArray:
    """Share of the points of each line that are visible, shape (count,), float32."""
    total = np.bincount(line, minlength=count)
    return (np.bincount(line, visible, minlength=count) / np.maximum(total, 1)).astype(np.float32)


def _free_specs(camera: str, optics: PinholeCamera) -> tuple[ArraySpec, ...]:
    base, columns = f"camera/{camera}", optics.width_px
    return (
        ArraySpec(
            name=f"{base}/free_space",
            dims=("y", "x"),
            shape=(optics.height_px, columns),
            dtype="uint8",
            units="",
            long_name="1 where free carriageway is seen, connected to the lower edge",
            codec="mask",
        ),
        ArraySpec(
            name=f"{base}/free_edge",
            dims=("x", "ground_axis"),
            shape=(columns, 2),
            dtype="float32",
            units="m",
            long_name="where free space ends in each column: ego-frame x and y, a polygon",
        ),
        ArraySpec(
            name=f"{base}/free_distance",
            dims=("x",),
            shape=(columns,),
            dtype="float32",
            units="m",
            long_name="distance over ground from the camera to the end of free space, 0 for none",
        ),
        ArraySpec(
            name=f"{base}/free_end",
            dims=("x",),
            shape=(columns,),
            dtype="uint8",
            units="",
            long_name="class of what ends free space in each column",
            codec="mask",
            classes=CLASS_NAMES,
        ),
    )


def _line_specs(camera: str) -> tuple[ArraySpec, ...]:
    base = f"lane_lines/{camera}"

    def column(
        name: str, rows: str, dtype: str, what: str, classes: tuple[str, ...] = ()
    ) -> ArraySpec:
        return ArraySpec(
            name=f"{base}/{name}",
            dims=(rows,),
            shape=(None,),
            dtype=dtype,
            units="1" if dtype == "float32" else "",
            long_name=what,
            codec="points",
            classes=classes,
        )

    def pair(name: str, units: str, what: str) -> ArraySpec:
        return ArraySpec(
            name=f"{base}/{name}",
            dims=("lane_point", "ground_axis"),
            shape=(None, 2),
            dtype="float32",
            units=units,
            long_name=what,
            codec="points",
        )

    return (
        pair("points", "m", "points of the lines on the ground, ego-frame x and y"),
        pair("pixel", "pixel", "their column and row in the picture, NaN behind the camera"),
        column("visible", "lane_point", "uint8", "1 where the pixel shows the ground"),
        column("line", "lane_point", "uint16", "row of the line each point belongs to"),
        column("marking", "lane_line", "uint8", "how the line is painted", MARKINGS),
        column("color", "lane_line", "uint8", "colour of the paint", COLORS),
        column("position", "lane_line", "int8", "1 first on the left of the ego, -1 on its right"),
        column("visibility", "lane_line", "float32", "share of the line's points that are visible"),
    )

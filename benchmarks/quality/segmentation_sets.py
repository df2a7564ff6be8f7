"""Pictures with classes for the segmentation benchmark: real ones, and ours for the same camera.

Classes are those of CamVid (Brostow et al., 2009, in the eleven classes of Badrinarayanan et al.,
2017). Ours are mapped so: lane markings are road, terrain is tree as in that reduction, traffic
signals are signs, barriers are fence, every car, truck and bus is car, motorcycles and bicycles
with their riders are bicyclist; animals and debris have no counterpart and are left out.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.quality.real_sets import data_folder
from scenegen.appearance.camera_runtime import Renderer
from scenegen.arrays import Array
from scenegen.errors import UnsatisfiedError
from scenegen.pipeline import Generator, Request
from scenegen.pipeline.marking import with_renderer
from scenegen.query import parse
from scenegen.render import PinholeCamera, SurfaceClass
from scenegen.scene import Conditions
from scenegen.sensors import Camera, Rig, camera_pose

CLASSES = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign", "fence", "car", "pedestrian", "bicyclist"),
)
"""Names of the classes in the order of CamVid's numbers."""
IGNORED = len(CLASSES)
"""Number of pixels without a class."""
RARE = ("pole", "sign", "pedestrian", "bicyclist")
"""Classes of which the lift is asked for (C6)."""
CLASS_OF = {
    SurfaceClass.SKY: "sky",
    SurfaceClass.ROAD: "road",
    SurfaceClass.MARKING: "road",
    SurfaceClass.SIDEWALK: "pavement",
    SurfaceClass.TERRAIN: "tree",
    SurfaceClass.BUILDING: "building",
    SurfaceClass.BARRIER: "fence",
    SurfaceClass.POLE: "pole",
    SurfaceClass.SIGNAL: "sign",
    SurfaceClass.SIGN: "sign",
    SurfaceClass.VEGETATION: "tree",
    SurfaceClass.CAR: "car",
    SurfaceClass.TRUCK: "car",
    SurfaceClass.BUS: "car",
    SurfaceClass.MOTORCYCLE: "bicyclist",
    SurfaceClass.CYCLIST: "bicyclist",
    SurfaceClass.PEDESTRIAN: "pedestrian",
}
SIZE = (176, 240)
"""Rows and columns that are learned and judged: half of CamVid's, less four rows at each end."""
OPTICS = PinholeCamera(width_px=480, height_px=352, fov=float(np.radians(50.0)))
"""A camera like CamVid's; its field of view is not published, this is an estimate."""
POSE = camera_pose(0.6, 0.0, 1.4, pitch=0.02)
QUERIES = (
    "day and urban and jaywalker(p)",
    "day and urban and cyclist_crossing(c)",
    "day and urban and occluded_pedestrian(p)",
    "day and urban and cyclist_dooring(c, d)",
    "day and intersection and turning_pedestrian(p)",
    "day and intersection and unprotected_left(t)",
    "day and urban and cut_in(c)",
    "dusk and urban and jaywalker(p)",
)
"""What our pictures show: streets as CamVid's, rare road users more often."""
FRAMES_APART = 10
"""Instants between pictures of one scenario: 1 s."""
Weathering = Callable[[int, Conditions], Conditions]
"""From the number of a scenario and its conditions to other ones."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledSet:
    """Pictures and classes.

    Attributes:
        rgb: Pictures, uint8, shape (N, H, W, 3).
        classes: Class of each pixel, IGNORED for none, uint8, shape (N, H, W).
        group: Number of what follows each other in time: a drive or a scenario, shape (N,).
    """

    rgb: Array
    classes: Array
    group: Array

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.rgb)

    def taken(self, rows: Array) -> LabelledSet:
        """Give some of them."""
        return LabelledSet(rgb=self.rgb[rows], classes=self.classes[rows], group=self.group[rows])


def camvid(split: str) -> LabelledSet | None:
    """Read CamVid's pictures of a split, "train" or "test"; None where it is not there.

    Test follows train in time in each of the four drives; the order is that of time.
    """
    folder = data_folder() / "nc_eval_only" / "camvid"
    if not (folder / "split.csv").exists():
        return None
    with (folder / "split.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == split]
    rows.sort(key=lambda row: (row["sequence"], row["name"]))
    drives = sorted({row["sequence"] for row in rows})
    rgb, classes = [], []
    for row in rows:
        picture = cv2.imread(str(folder / "images" / f"{row['name']}.jpg"), cv2.IMREAD_COLOR_RGB)
        labels = cv2.imread(str(folder / "labels" / f"{row['name']}.png"), cv2.IMREAD_UNCHANGED)
        rgb.append(_halved(picture[4:-4]))
        classes.append(np.minimum(labels[4:-4][::2, ::2], IGNORED))
    return LabelledSet(
        rgb=np.stack(rgb),
        classes=np.stack(classes).astype(np.uint8),
        group=np.array([drives.index(row["sequence"]) for row in rows]),
    )


def ours(
    folder: Path,
    renderer: Renderer,
    scenarios: int,
    queries: tuple[str, ...] = QUERIES,
    *,
    weather: Weathering | None = None,
) -> LabelledSet:
    """Generate pictures of our scenarios, or read those that lie in a folder already.

    Args:
        folder: One file per scenario and renderer; made if it is not there.
        renderer: What makes the pictures; the scenes do not depend on it.
        scenarios: Number of scenarios, the queries in turn.
        queries: What is asked for.
        weather: Gives other conditions to the scenario of a number, everything else left as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made_by = f"{renderer.name}_{renderer.sha256[:12]}" if renderer.sha256 else renderer.name
    parts = []
    for number in range(scenarios):
        change = partial(weather, number) if weather else None
        seed, kind = divmod(number, len(queries))
        path = folder / f"{made_by}_{number:04d}.npz"
        make = partial(_pictures, renderer, queries[kind], seed, change)
        rgb, classes = _stored(path, make)
        parts.append(LabelledSet(rgb=rgb, classes=classes, group=np.full(len(rgb), number)))
    kept = [part for part in parts if len(part)]
    return LabelledSet(
        rgb=np.concatenate([part.rgb for part in kept]),
        classes=np.concatenate([part.classes for part in kept]),
        group=np.concatenate([part.group for part in kept]),
    )


def _stored(path: Path, make: Callable[[], Iterator[tuple[Array, Array]]]) -> tuple[Array, Array]:
    """Pictures and classes of one scenario, none where its query was not met."""
    if not path.exists():
        pictures = list(make())
        rgb = np.array([p[0] for p in pictures], np.uint8).reshape(-1, *SIZE, 3)
        classes = np.array([p[1] for p in pictures], np.uint8).reshape(-1, *SIZE)
        partly = path.with_suffix(".part.npz")
        np.savez_compressed(partly, rgb=rgb, classes=classes)
        partly.rename(path)
    with np.load(path, allow_pickle=False) as data:
        return data["rgb"], data["classes"]


def _pictures(
    renderer: Renderer, query: str, seed: int, change: Callable[[Conditions], Conditions] | None
) -> Iterator[tuple[Array, Array]]:
    duration = 8.0 if "(" in query else 1.0
    request = Request(
        query=parse(query), seed=seed, duration=duration, layout_model="heuristic", tries=200
    )
    try:
        scenario = Generator(request).scenario(0).scenario
    except UnsatisfiedError:
        return
    if change is not None:
        scenario = replace(scenario, conditions=change(scenario.conditions))
    camera = Camera(optics=OPTICS, ego_from_sensor=POSE)
    rig = with_renderer(Rig(name="camvid", sensors=(camera,)), renderer)
    for frame in rig.sense(scenario, seed, every=FRAMES_APART):
        semantic = np.asarray(frame.arrays["camera/front/semantic"])
        yield _halved(np.asarray(frame.arrays["camera/front/rgb"])), translated(semantic)[::2, ::2]


def translated(semantic: Array) -> Array:
    """Give our classes in CamVid's numbers, the shape of the argument, uint8."""
    table = np.full(len(SurfaceClass), IGNORED, np.uint8)
    for surface, name in CLASS_OF.items():
        table[surface] = CLASSES.index(name)
    return table[semantic]


def _halved(rgb: Array) -> Array:
    size = (rgb.shape[1] // 2, rgb.shape[0] // 2)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))

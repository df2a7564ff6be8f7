"""Whether simulated fog teaches a segmenter to see through real depth of fog (C7).

The same small segmenter learns from pictures of ours, once by clear air alone and once with the
same scenes in fog as well, alone and beside real pictures of clear days. It is judged on real
pictures that nothing here learned from, as they are and in fog: light of the picture fades with the
distance that a lidar measured, and light of the sky comes in its place (Koschmieder, 1924; the
protocol of Foggy Cityscapes, Sakaridis et al., 2018, with lidar in place of stereo). Only pixels
that a lidar point names count, and those have a measured distance.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.harness import ROOT, Report
from benchmarks.quality.real_sets import GROUPS, PANDASET_GROUP, data_folder
from benchmarks.quality.segmentation_cells import BLOCK, blocks, kept, mean_iou
from benchmarks.quality.segmentation_sets import IGNORED, LabelledSet, camvid, ours
from benchmarks.quality.segmentation_training import Schooling, judge, train
from scenegen.appearance.camera_runtime import renderer_of
from scenegen.arrays import Array
from scenegen.errors import StorageError
from scenegen.evaluate.intervals import Estimate, bootstrap
from scenegen.scene import Conditions
from scenegen.scene.conditions import Weather
from scenegen.seeding import digest, stream

CELLS, STEPS, SEEDS, SCENARIOS = (
    "SCENEGEN_SEGMENTATION_RUNS",
    "SCENEGEN_SEGMENTATION_STEPS",
    "SCENEGEN_SEGMENTATION_SEEDS",
    "SCENEGEN_SEGMENTATION_SCENARIOS",
)
"""Environment variables: folder of cells and pictures; steps; seeds; number of our scenarios."""
RENDERER = "base"
"""Renderer of our pictures: the one that never saw the pictures judged on."""
VISIBILITY = 150.0
"""Meteorological range of the fog that is judged in [m]."""
TRAINED = (100.0, 150.0, 250.0, 400.0)
"""Ranges of the fog of our scenarios, in turn [m]."""
GOAL = 0.5
"""Loss of mIoU in fog over that of the arm without fog that is aimed at."""
PREDICTED = 0.7
RESAMPLES = 1000
_LEAST = 0.1
"""Loss without fog that ratios take at least, so that no resample divides by nothing [points]."""
SIZE = (144, 256)
"""Rows and columns of the real pictures: half of those stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way to train.

    Attributes:
        name: What the table calls it.
        is_real: Whether real pictures of clear days take part.
        has_fog: Whether our scenes appear in fog, too.
    """

    name: str
    is_real: bool
    has_fog: bool


ARMS = (
    Arm(name="ours, clear", is_real=False, has_fog=False),
    Arm(name="ours, clear and fog", is_real=False, has_fog=True),
    Arm(name="real + ours, clear", is_real=True, has_fog=False),
    Arm(name="real + ours, clear and fog", is_real=True, has_fog=True),
)
"""Arms come in pairs: without and with fog."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """What is trained and judged.

    Attributes:
        folder: Where the cells lie.
        schooling: How segmenters are trained.
        seeds: Seeds of each.
        real: Real pictures of clear days, None to leave those arms out.
        clear: Our pictures by clear air.
        foggy: The same scenes in fog.
        test: Real pictures that are judged on.
        test_foggy: The same in fog.
    """

    folder: Path
    schooling: Schooling
    seeds: tuple[int, ...]
    real: LabelledSet | None
    clear: LabelledSet
    foggy: LabelledSet
    test: LabelledSet
    test_foggy: LabelledSet


def run(*, smoke: bool) -> Report:
    """Train each arm and judge it by clear air and in fog.

    Raises:
        StorageError: PandaSet's pictures are not there.
    """
    if not smoke:
        return _report(_plan(), smoke=False)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        renderer, queries = renderer_of(RENDERER), ("day and ego.speed > 1m/s",)
        clear = ours(folder / "clear", renderer, 1, queries)
        foggy = ours(folder / "fog", renderer, 1, queries, weather=in_fog)
        plan = Plan(
            folder=folder,
            schooling=Schooling(widths=(4, 8, 8), steps=2, batch=2, crop=(64, 64)),
            seeds=(0,),
            real=None,
            clear=clear,
            foggy=foggy,
            test=clear,
            test_foggy=foggy,
        )
        return _report(plan, smoke=True)


def _plan() -> Plan:
    test = pandaset(None)
    test_foggy = pandaset(VISIBILITY)
    if test is None or test_foggy is None:
        raise StorageError(
            "quality.fog: expected PandaSet in camera/pandaset_002 of the data folder, found none;"
            " set SCENEGEN_DATA to the folder, or run with --smoke"
        )
    folder = Path(os.environ.get(CELLS, ROOT / "runs" / "segmentation"))
    scenarios = int(os.environ.get(SCENARIOS, "64"))
    renderer = renderer_of(RENDERER)
    return Plan(
        folder=folder,
        schooling=Schooling(steps=int(os.environ.get(STEPS, "1500"))),
        seeds=tuple(int(part) for part in os.environ.get(SEEDS, "0,1").split(",")),
        real=camvid("train"),
        clear=ours(folder / "pictures", renderer, scenarios),
        foggy=ours(folder / "pictures_in_fog", renderer, scenarios, weather=in_fog),
        test=test,
        test_foggy=test_foggy,
    )


def in_fog(number: int, conditions: Conditions) -> Conditions:
    """Give the same light under fog; its range follows from the number of the scenario."""
    visibility = TRAINED[number % len(TRAINED)]
    return replace(conditions, weather=Weather.FOG, visibility=visibility, cloud_cover=1.0)


def pandaset(visibility: float | None) -> LabelledSet | None:
    """Read PandaSet's front pictures that have lidar, at half size; None where they are not there.

    Args:
        visibility: Range of the fog they are put into [m], None to leave them as they are.
    """
    folder = data_folder() / "camera" / "pandaset_002" / "front_camera"
    found = sorted(folder.glob("*_lidardepth.png"))
    if not found:
        return None
    to_class = np.full(256, IGNORED, np.uint8)
    for value, group in PANDASET_GROUP.items():
        to_class[value] = GROUPS.index(group)
    rgb, classes = [], []
    for path in found:
        stem = path.name.removesuffix("_lidardepth.png")
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) / 100.0
        picture = cv2.imread(str(folder / f"{stem}.jpg"), cv2.IMREAD_COLOR_RGB)
        labels = cv2.imread(str(folder / f"{stem}_lidarlabel.png"), cv2.IMREAD_UNCHANGED)
        if visibility is not None:
            picture = fogged(picture, filled(depth), visibility)
        rgb.append(cv2.resize(picture, SIZE[::-1], interpolation=cv2.INTER_AREA))
        known = np.where(depth > 0.0, to_class[labels], IGNORED)
        classes.append(known[::2, ::2].astype(np.uint8))
    group = np.zeros(len(rgb), np.int64)
    return LabelledSet(rgb=np.stack(rgb), classes=np.stack(classes), group=group)


def filled(depth: Array) -> Array:
    """Give every pixel a depth: that of the nearest that has one; above all of them is the sky.

    Columns without any take their horizon from those beside them.

    Args:
        depth: Depth [m], 0 where it is not known, shape (H, W); some must be known.

    Returns:
        Depth [m], infinite in the sky, shape (H, W).
    """
    known = depth > 0.0
    _, label = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    values = np.zeros(int(label.max()) + 1)
    values[label[known]] = depth[known]
    measured = np.flatnonzero(known.any(0))
    top = np.interp(np.arange(depth.shape[1]), measured, known.argmax(0)[measured])
    rows = np.arange(len(depth))[:, None]
    return np.asarray(np.where(rows < top[None], np.inf, values[label]))


def fogged(rgb: Array, depth: Array, visibility: float) -> Array:
    """Put a picture into fog.

    Args:
        rgb: sRGB picture, shape (H, W, 3), uint8.
        depth: Depth [m], infinite in the sky, shape (H, W).
        visibility: Range at which contrast falls to 5 % [m].

    Returns:
        sRGB picture, shape (H, W, 3), uint8; the light of the fog is the mean of the sky's.
    """
    light = _linear(rgb)
    sky = np.isinf(depth)
    air = light[sky].mean(0) if sky.any() else np.quantile(light.reshape(-1, 3), 0.95, axis=0)
    passed = np.exp(-np.log(20.0) / visibility * depth)[..., None]
    mixed = light * passed + air * (1.0 - passed)
    return np.asarray(np.rint(255.0 * _encoded(mixed)), np.uint8)


def _linear(rgb: Array) -> Array:
    """Undo the transfer of sRGB (IEC 61966-2-1), 0-1."""
    x = np.asarray(rgb) / 255.0
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _encoded(light: Array) -> Array:
    """Apply the transfer of sRGB."""
    x = np.clip(light, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def _report(plan: Plan, *, smoke: bool) -> Report:
    arms = [arm for arm in ARMS if plan.real is not None or not arm.is_real]
    cells = {arm: [_cell(plan, arm, seed) for seed in plan.seeds] for arm in arms}
    rows = []
    for number, arm in enumerate(arms):
        rows.append(_row(plan, arm, sum(cells[arm]), sum(cells[arms[number - number % 2]])))
    return Report(
        name="quality.fog",
        headline=f"in fog of {VISIBILITY:g} m the loss of mIoU is {rows[-1]['loss / without fog']}"
        f" of that without simulated fog ({rows[-1]['arm']}); the goal is {GOAL:g}",
        rows=rows,
        notes=[
            f"{len(plan.test)} PandaSet pictures of one street, {SIZE[1]} x {SIZE[0]} pixels, of"
            " which those count that a lidar point names; nothing was trained on them, ours are of"
            f" the renderer {RENDERER!r}",
            f"ours: {len(plan.clear)} pictures by clear air, {len(plan.foggy)} of the same scenes"
            f" in fog of {', '.join(f'{v:g}' for v in TRAINED)} m; real pictures give half of a"
            f" batch; {plan.schooling.steps} steps in all arms, seeds {list(plan.seeds)}",
            f"intervals: 95 %, {RESAMPLES} bootstrap samples of blocks of {BLOCK} frames",
            f"predicted: {PREDICTED:g}",
        ],
        smoke=smoke,
    )


def _cell(plan: Plan, arm: Arm, seed: int) -> Array:
    """Confusions of one training by clear air and in fog, shape (N, 2, classes, classes)."""
    pictures = [len(plan.clear), int(plan.clear.rgb[::7, ::5, ::5].sum()), len(plan.foggy)]
    schooling = json.dumps(asdict(plan.schooling))
    identity = digest([arm.name, schooling, seed, len(plan.test), VISIBILITY, *pictures])

    def make() -> Array:
        origins = [plan.real] if arm.is_real and plan.real is not None else []
        origins.append(together(plan.clear, plan.foggy) if arm.has_fog else plan.clear)
        model = train(origins, plan.schooling, seed)
        return np.stack([judge(model, plan.test), judge(model, plan.test_foggy)], 1)

    name = arm.name.replace(" ", "_").replace(",", "").replace("+", "and")
    return kept(plan.folder / "fog" / f"{name}_s{seed}_{identity[:8]}.npz", make)


def together(first: LabelledSet, second: LabelledSet) -> LabelledSet:
    """Put two sets of pictures into one."""
    return LabelledSet(
        rgb=np.concatenate([first.rgb, second.rgb]),
        classes=np.concatenate([first.classes, second.classes]),
        group=np.concatenate([first.group, second.group]),
    )


def _row(plan: Plan, arm: Arm, own: Array, without: Array) -> dict[str, Any]:
    """One line: mIoU by clear air and in fog, what is lost, and that over the arm without fog."""
    groups = blocks(plan.test)

    def lost(counts: Array, rows: Array) -> float:
        return mean_iou(counts[rows, 0]) - mean_iou(counts[rows, 1])

    def estimate(figure: Any) -> Estimate:  # noqa: ANN401 - a function of rows
        return bootstrap(figure, groups, stream(0, "fog", "bootstrap"), RESAMPLES)

    share = "-"
    if arm.has_fog and lost(without, np.arange(len(groups))) > 0.0:
        share = estimate(lambda rows: lost(own, rows) / max(lost(without, rows), _LEAST)).text()
    return {
        "arm": arm.name,
        "clear [mIoU %]": estimate(lambda rows: mean_iou(own[rows, 0])).text(),
        "fog [mIoU %]": estimate(lambda rows: mean_iou(own[rows, 1])).text(),
        "lost [points]": estimate(lambda rows: lost(own, rows)).text(),
        "loss / without fog": share,
        "goal": GOAL if arm.has_fog else "-",
    }

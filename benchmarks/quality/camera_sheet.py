"""The sheet that sets the shaded base and the learned camera beside the path tracer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from scenegen.appearance.camera_develop import CameraAppearance
from scenegen.appearance.camera_inputs import camera_inputs
from scenegen.arrays import FloatArray, IntArray
from scenegen.errors import RecordingError, StorageError
from scenegen.pipeline.teacher import TeacherScene, TeacherSettings, draw_scene
from scenegen.render import Picture, look
from scenegen.render.picture import photograph
from scenegen.seeding import stream
from scenegen.view.lettering import draw_text
from scenegen.view.video import BAR, INK, QUIET

HEADINGS = ("shaded base", "learned camera", "path tracer")
GROUPS = 2
"""Triples side by side."""
WIDTH = 336
"""Columns of a picture on the sheet."""
MARGIN, GAP, WIDE_GAP, CAPTION = 28, 4, 22, 24
"""Margin of the sheet, space between pictures and between groups, height of a caption [px]."""
TITLE_PX, LINE_PX, SMALL_PX = 28, 16, 13
"""Sizes of letters."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Triple:
    """A traced view of a scene.

    Attributes:
        scene: The scene; its first view is shown.
        number: Its number within the set.
        traced: Linear RGB without air, shape (H, W, 3).
    """

    scene: TeacherScene
    number: int
    traced: FloatArray

    @property
    def caption(self) -> str:
        """Light, weather and number."""
        conditions = self.scene.stage.conditions
        told = f"{conditions.light.value}, {conditions.weather.value}"
        return f"{told}   scene {self.number}"


def traced_triples(pairs: Path, count: int) -> list[Triple]:
    """Draw the held-out scenes of a folder of traced pairs again, one per condition.

    Args:
        pairs: The folder.
        count: Most scenes to give.

    Raises:
        RecordingError: No held-out scene is drawn by this version as it was when it was traced.
    """
    settings = TeacherSettings(**json.loads((pairs / "settings.json").read_bytes()))
    found: dict[str, Triple] = {}
    for path in sorted(pairs.glob("[0-9]*.json")):
        told = json.loads(path.read_bytes())
        if not told["is_held_out"] or len(found) == count:
            continue
        scene = draw_scene(settings, told["index"])
        conditions = scene.stage.conditions
        key = f"{conditions.light.value} {conditions.weather.value}"
        if scene.digest != told["digest"] or key in found:
            continue
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as traced:
            radiance = traced["radiance"][0].astype(np.float32)
        found[key] = Triple(scene=scene, number=told["index"], traced=radiance)
    if not found:
        raise RecordingError(
            f"{pairs}: holds no held-out scene that this version still draws as it was traced"
        )
    return [found[key] for key in sorted(found)]


def three_pictures(triple: Triple, appearance: CameraAppearance) -> list[IntArray]:
    """Photograph a view: shaded, learned and traced, with the same air, rain and noise."""
    scene = triple.scene
    picture = look(scene.stage, scene.triangles, scene.views[0], None, with_light=True)
    learned = appearance.develop(picture, scene.stage, triple.number)
    depth = picture.gbuffer.depth.reshape(picture.radiance.shape[:2])
    radiances = (picture.radiance, learned, _behind_air(triple, picture))
    return [
        photograph(radiance, depth, scene.stage, stream(triple.number, "sheet"))
        for radiance in radiances
    ]


def _behind_air(triple: Triple, picture: Picture) -> FloatArray:
    """Put the traced picture behind the air of the shaded one."""
    if picture.clear is None:
        raise RecordingError("camera sheet: expected a picture with its light")
    passed = camera_inputs(picture, triple.scene.stage, triple.number).passed[..., None]
    scattered = picture.radiance - passed * picture.clear
    return np.asarray(np.maximum(passed * triple.traced + scattered, 0.0), np.float32)


def draw_sheet(triples: Sequence[Triple], appearance: CameraAppearance, weights: str) -> IntArray:
    """Draw the sheet.

    Args:
        triples: What is shown.
        appearance: The learned camera.
        weights: What to call its weights.

    Returns:
        RGB, shape (H, W, 3), uint8.
    """
    camera = triples[0].scene.views[0].camera
    height = round(WIDTH * camera.height_px / camera.width_px)
    group = 3 * WIDTH + 2 * GAP
    rows = -(-len(triples) // GROUPS)
    head = MARGIN + round(1.6 * TITLE_PX) + 2 * round(1.5 * LINE_PX) + GAP
    size = (
        head + rows * (height + CAPTION) + MARGIN,
        2 * MARGIN + GROUPS * group + (GROUPS - 1) * WIDE_GAP,
    )
    sheet = np.full((*size, 3), BAR, np.uint8)
    _write_head(sheet, f"{len(triples)} held-out scenes; weights {weights}", head, group)
    for number, triple in enumerate(triples):
        top = head + number // GROUPS * (height + CAPTION)
        left = MARGIN + number % GROUPS * (group + WIDE_GAP)
        for place, rgb in enumerate(three_pictures(triple, appearance)):
            column = left + place * (WIDTH + GAP)
            shown = cv2.resize(rgb, (WIDTH, height), interpolation=cv2.INTER_AREA)
            sheet[top : top + height, column : column + WIDTH] = shown
        draw_text(sheet, triple.caption, left, top + height + 3, size_px=SMALL_PX, colour=INK)
    return sheet


def _write_head(sheet: IntArray, line: str, head: int, group: int) -> None:
    draw_text(sheet, "The learned camera", MARGIN, MARGIN, size_px=TITLE_PX, colour=INK)
    top = MARGIN + round(1.6 * TITLE_PX)
    draw_text(sheet, line, MARGIN, top, size_px=LINE_PX, colour=QUIET)
    for k in range(GROUPS):
        for place, heading in enumerate(HEADINGS):
            left = MARGIN + k * (group + WIDE_GAP) + place * (WIDTH + GAP)
            top = head - round(1.5 * LINE_PX)
            draw_text(sheet, heading, left, top, size_px=LINE_PX, colour=QUIET)


def write_sheet(path: Path, sheet: IntArray) -> None:
    """Write a sheet as PNG, JPEG or WebP, as the name says.

    Raises:
        StorageError: It could not be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR)):
        raise StorageError(f"{path}: could not be written; name a .png, .jpg or .webp")

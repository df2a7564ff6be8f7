"""Traced pairs, ready to learn from: inputs and target of every view in files that stay on disk.

A cache lies beside the pairs it was made from: per scene one array of half floats, mapped into
memory, and one JSON that says what its rows are. A row is the stack of `camera_inputs` and, below
it, the tone of the traced picture; or, for a view that was moved a step ahead without tracing, the
motion of the pixels towards it and whether they are seen there.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from scenegen.appearance.camera_condition import CONDITION_NAMES
from scenegen.appearance.camera_inputs import CHANNEL, CHANNELS, VERSION, camera_inputs
from scenegen.appearance.camera_tone import to_tone
from scenegen.arrays import FloatArray, IntArray
from scenegen.errors import RecordingError
from scenegen.render import Stage, Triangles, View, look
from scenegen.render.flow import optical_flow
from scenegen.seeding import digest, stream
from scenegen.training.checkpoint import write_atomically

FOLDER = f"camera_inputs_v{VERSION}"
"""Folder of the cache, beside the pairs."""
STEP_AHEAD = 1.2
"""How far the moved view is ahead [m]: 0.1 s at 12 m/s."""
MOVED_EVERY = 4
"""Every so many scenes the first view is also looked at a step ahead."""
LEAST_AGREEMENT = 0.9
"""Least share of pixels that path tracer and rasteriser give to the same thing."""
PLANES = len(CHANNELS) + 3
"""Planes of a row: the stack, and three of target or motion."""

SUN_RIGHT = CONDITION_NAMES.index("sun_right")
"""The number of a condition code that changes sign in a mirror."""


class DrawnScene(Protocol):
    """A scene of a set of pairs, drawn again from its number."""

    @property
    def stage(self) -> Stage:
        """What there is."""

    @property
    def triangles(self) -> Triangles:
        """The stage, assembled."""

    @property
    def views(self) -> tuple[View, ...]:
        """The cameras."""

    @property
    def is_held_out(self) -> bool:
        """Whether it must never be trained on."""

    @property
    def digest(self) -> str:
        """Identity of geometry, bitmaps and cameras."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One view of the cache.

    Attributes:
        scene: Number of the scene.
        place: Row in the file of the scene.
        moved: Whether it is a view a step ahead, with motion in place of a target.
        is_held_out: Whether it must never be trained on.
        condition: Numbers of the condition code.
        exposure: Exposure that its tones are made with.
        light: Time of day.
        weather: Dominant weather.
    """

    scene: int
    place: int
    moved: bool
    is_held_out: bool
    condition: tuple[float, ...]
    exposure: float
    light: str
    weather: str


def build_cache(
    pairs: Path,
    draw: Callable[[int], DrawnScene],
    on_scene: Callable[[int, bool], None] | None = None,
) -> tuple[int, int]:
    """Lay out all traced scenes of a folder that are not laid out yet.

    Args:
        pairs: Folder of traced pairs: `000012.npz` and `000012.json` per scene.
        draw: Draws the scene of a number again.
        on_scene: Called after each scene with its number and whether it fits.

    Returns:
        Scenes that fit, and scenes that were left out because another version of the world drew
        them: their geometry is not ours any more.

    Raises:
        RecordingError: There is no pair, none fits, or the tracer saw another scene than we do.
    """
    numbers = sorted(int(path.stem) for path in pairs.glob("[0-9]*.json"))
    if not numbers:
        raise RecordingError(f"{pairs}: expected traced pairs (000000.npz, .json), found none")
    folder = pairs / FOLDER
    folder.mkdir(exist_ok=True)
    fitting = 0
    for number in numbers:
        path = folder / f"{number:06d}.json"
        fits = path.exists() or _lay_out(pairs, folder, number, draw)
        fitting += fits
        if on_scene is not None:
            on_scene(number, fits)
    if not fitting:
        raise RecordingError(
            f"{pairs}: none of its {len(numbers)} scenes is drawn by this version any more; trace"
            " them again with `scenegen teacher render`"
        )
    return fitting, len(numbers) - fitting


def _lay_out(pairs: Path, folder: Path, number: int, draw: Callable[[int], DrawnScene]) -> bool:
    """Lay out one scene; gives whether it is still the one that was traced."""
    told = json.loads((pairs / f"{number:06d}.json").read_bytes())
    scene = draw(number)
    if scene.digest != told["digest"]:
        return False
    with np.load(pairs / f"{number:06d}.npz", allow_pickle=False) as traced:
        radiance, seen = traced["radiance"].astype(np.float32), traced["number"]
    write_scene_rows(folder, number, scene, radiance, seen)
    return True


def write_scene_rows(
    folder: Path,
    number: int,
    scene: DrawnScene,
    radiance: FloatArray,
    traced_number: IntArray | None = None,
) -> None:
    """Write the rows of one scene.

    Args:
        folder: The cache.
        number: Number of the scene; also the seed of the noise on its surfaces.
        scene: The scene.
        radiance: Traced linear RGB without air of each view, shape (V, H, W, 3).
        traced_number: Instance numbers that the tracer saw, (V, H, W); None to trust it.

    Raises:
        RecordingError: The tracer saw another scene.
    """
    stage, triangles = scene.stage, scene.triangles
    rng = stream(number, "camera", "cache")
    views = list(scene.views)
    if number % MOVED_EVERY == 0:
        views.append(replace(views[0], eye=views[0].eye + STEP_AHEAD * views[0].turn[2]))
    rows, entries, first = [], [], None
    for place, view in enumerate(views):
        picture = look(stage, triangles, view, rng, with_light=True)
        inputs = camera_inputs(picture, stage, number)
        moved = place >= len(scene.views)
        first = picture if first is None else first
        if moved:
            flow = optical_flow(first.gbuffer, stage, picture.gbuffer, stage)
            below = np.concatenate([flow.motion.transpose(2, 0, 1), flow.seen[None]])
        else:
            below = to_tone(radiance[place].transpose(2, 0, 1), inputs.exposure)
            if traced_number is not None:
                seen = picture.gbuffer.instance.reshape(traced_number[place].shape)
                _check_agreement(number, float((seen == traced_number[place]).mean()))
        rows.append(np.concatenate([inputs.stack, below]).astype(np.float16))
        entries.append(
            {
                "scene": number,
                "place": place,
                "moved": moved,
                "is_held_out": scene.is_held_out,
                "condition": [float(x) for x in inputs.condition],
                "exposure": inputs.exposure,
                "light": stage.conditions.light.value,
                "weather": stage.conditions.weather.value,
            }
        )
    buffer = io.BytesIO()
    np.save(buffer, np.stack(rows), allow_pickle=False)
    write_atomically(folder / f"{number:06d}.npy", buffer.getvalue())
    write_atomically(folder / f"{number:06d}.json", json.dumps(entries).encode())


def _check_agreement(number: int, share: float) -> None:
    if share < LEAST_AGREEMENT:
        raise RecordingError(
            f"traced scene {number}: expected tracer and rasteriser to agree on at least"
            f" {LEAST_AGREEMENT:.0%} of the pixels, got {share:.1%}; trace it again"
        )


class CameraPairs:
    """Views of a cache, as arrays.

    Attributes:
        rows: The traced views of the split, in the order of their scenes.
        moved: Views a step ahead of the first view of their scene.
    """

    def __init__(self, pairs: Path, *, held_out: bool) -> None:
        """Find the rows of one split.

        Args:
            pairs: Folder of the pairs; its cache was built.
            held_out: Whether to give the scenes that must not be trained on, or the others.

        Raises:
            RecordingError: The cache has no row in the split.
        """
        self.folder = pairs / FOLDER
        every = [row for row in _rows(self.folder) if row.is_held_out == held_out]
        self.rows = [row for row in every if not row.moved]
        self.moved = [row for row in every if row.moved]
        if not self.rows:
            kind = "held-out" if held_out else "training"
            raise RecordingError(f"{pairs}: expected {kind} views in its cache, found none")
        self._files: dict[int, FloatArray] = {}

    def __len__(self) -> int:
        """Number of traced views."""
        return len(self.rows)

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of a picture."""
        height, width = self._of(self.rows[0].scene).shape[-2:]
        return int(height), int(width)

    def planes(
        self, row: Row, top: int = 0, left: int = 0, size: tuple[int, int] | None = None
    ) -> FloatArray:
        """Read a window of a view: (PLANES, h, w), float32."""
        height, width = self.size if size is None else size
        window = self._of(row.scene)[row.place, :, top : top + height, left : left + width]
        return np.asarray(window, np.float32)

    def view(self, index: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Give a whole view: stack (C, H, W), condition (K,), target tone (3, H, W)."""
        row = self.rows[index]
        planes = self.planes(row)
        condition = np.array(row.condition, np.float32)
        return planes[: len(CHANNELS)], condition, planes[len(CHANNELS) :]

    def digest(self) -> str:
        """Identity of the rows: their scenes, conditions and exposures."""
        return digest([[r.scene, r.place, list(r.condition), r.exposure] for r in self.rows])

    def _of(self, scene: int) -> FloatArray:
        if scene not in self._files:
            path = self.folder / f"{scene:06d}.npy"
            try:
                array = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise RecordingError(f"{path}: cannot be read ({error})") from error
            if array.ndim != 4 or array.shape[1] != PLANES:
                raise RecordingError(
                    f"{path}: expected (rows, {PLANES}, H, W), got {array.shape}; delete the folder"
                )
            self._files[scene] = array
        return self._files[scene]


def mirrored(planes: FloatArray, condition: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Swap left and right of a view, with everything that points to the right.

    Args:
        planes: Stack and target, shape (PLANES, h, w).
        condition: Numbers of the condition code.
    """
    flipped = planes[..., ::-1].copy()
    flipped[CHANNEL["normal_right"]] *= -1.0
    turned = condition.copy()
    turned[SUN_RIGHT] *= -1.0
    return flipped, turned


def _rows(folder: Path) -> Iterator[Row]:
    for path in sorted(folder.glob("[0-9]*.json")):
        entries: Sequence[dict[str, Any]] = json.loads(path.read_bytes())
        for entry in entries:
            yield Row(**{**entry, "condition": tuple(entry["condition"])})

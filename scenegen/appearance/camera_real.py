"""Real pictures as a domain without pairs: crops whose layout is like that of a drawn picture.

A folder holds pictures, in folders of its own if need be. Beside a picture `0012.jpg` there may be
a picture of its classes, `0012_label.png`. A file `labels.json` in the folder says what the labels
mean: `{"suffix": "_label.png", "classes": {"7": "road", "8": "vegetation"}}`, the numbers of the
pictures and the names of our classes; numbers it does not name are unknown. Without the file the
numbers are those of SurfaceClass and 255 is unknown.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from scenegen.appearance.camera_inputs import CHANNEL, CLASS_SCALE
from scenegen.arrays import FloatArray, IntArray
from scenegen.errors import RecordingError, UnknownNameError
from scenegen.render.surfaces import CLASS_NAMES
from scenegen.seeding import digest

SUFFIXES = (".jpg", ".jpeg", ".png")
"""Endings of pictures."""
LABELS = "labels.json"
"""What the numbers of the label pictures mean."""
UNKNOWN = 255
"""Class of pixels whose class is not known."""
CANDIDATES = 8
"""Crops to choose from for every drawn one."""
LEAST_KNOWN = 0.05
"""Share of a crop that must be labelled for its classes to count."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealPicture:
    """One real picture.

    Attributes:
        rgb: sRGB, shape (3, H, W), uint8.
        classes: SurfaceClass or UNKNOWN of each pixel, shape (H, W), uint8.
    """

    rgb: IntArray
    classes: IntArray

    @property
    def tone(self) -> FloatArray:
        """The picture as a tone from 0 to 1, shape (3, H, W), float32."""
        return _toned(self.rgb)


class RealPictures:
    """The real pictures of a folder, scaled to the width of the drawn ones.

    Attributes:
        paths: The files, in the order of their names.
        pictures: The pictures, alike.
    """

    def __init__(self, folder: Path, width_px: int, least_height: int) -> None:
        """Read the pictures.

        Args:
            folder: Where they are.
            width_px: Columns they are scaled to.
            least_height: Rows that crops take; flatter pictures are scaled up to it.

        Raises:
            RecordingError: There is no picture, or one cannot be read.
            UnknownNameError: `labels.json` names a class that we do not have.
        """
        suffix, table = _label_table(folder)
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        names = {p.with_suffix("") for p in found}
        # What is named after a picture beside it (labels, depth) is no picture of its own.
        self.paths = [p for p in found if not _is_extra(p, suffix, names)]
        if not self.paths:
            raise RecordingError(f"{folder}: expected pictures (.jpg, .png), found none")
        self.pictures = [_read(p, suffix, table, width_px, least_height) for p in self.paths]

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self.pictures)

    def digest(self) -> str:
        """Identity of the pictures."""
        return digest([hashlib.sha256(p.rgb.tobytes()).hexdigest() for p in self.pictures])

    def matched(self, stack: FloatArray, top: int, rng: np.random.Generator) -> FloatArray:
        """Draw a crop whose layout is like that of a drawn crop.

        Of CANDIDATES crops at about the same height in the picture the one is taken whose shares
        of classes are nearest; crops that are hardly labelled count as far as the mean one.

        Args:
            stack: Inputs of the drawn crop, shape (C, h, w).
            top: Row of the drawn crop's upper edge.
            rng: Random numbers.

        Returns:
            Tone, shape (3, h, w), float32.
        """
        height, width = stack.shape[-2:]
        drawn = np.rint(stack[CHANNEL["surface_class"]] * CLASS_SCALE).astype(np.uint8)
        wanted, _ = class_shares(drawn)
        crops, apart = [], []
        for _ in range(CANDIDATES):
            picture = self.pictures[int(rng.integers(len(self.pictures)))]
            rows, columns = np.subtract(picture.classes.shape, (height, width))
            first = int(np.clip(top + rng.integers(-height // 8, height // 8 + 1), 0, rows))
            left = int(rng.integers(columns + 1))
            window = (slice(first, first + height), slice(left, left + width))
            shares, known = class_shares(picture.classes[window])
            crops.append(picture.rgb[(slice(None), *window)])
            apart.append(float(np.abs(shares - wanted).sum()) if known >= LEAST_KNOWN else np.nan)
        distances = np.array(apart)
        unknown = np.isnan(distances)
        distances[unknown] = 1.0 if unknown.all() else distances[~unknown].mean()
        return _toned(crops[int(np.argmin(distances))])


def class_shares(classes: IntArray) -> tuple[FloatArray, float]:
    """Share of each class among the pixels whose class is known, and the share of those.

    Args:
        classes: SurfaceClass or UNKNOWN, shape (H, W).

    Returns:
        Shares, shape (classes,), summing to one unless nothing is known; share that is known.
    """
    known = classes[classes < len(CLASS_NAMES)]
    counts = np.bincount(known.reshape(-1), minlength=len(CLASS_NAMES)).astype(np.float64)
    return counts / max(counts.sum(), 1.0), float(known.size / max(classes.size, 1))


def _label_table(folder: Path) -> tuple[str, IntArray]:
    """Ending of the label pictures, and our class of each of their numbers, shape (256,)."""
    table = np.full(256, UNKNOWN, np.uint8)
    path = folder / LABELS
    if not path.exists():
        table[: len(CLASS_NAMES)] = np.arange(len(CLASS_NAMES))
        return "_label.png", table
    try:
        told = json.loads(path.read_text())
        suffix, classes = str(told["suffix"]), dict(told["classes"])
        numbers = {int(number): str(name) for number, name in classes.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise RecordingError(
            f'{path}: expected {{"suffix": "_label.png", "classes": {{"7": "road"}}}} ({error})'
        ) from error
    for number, name in numbers.items():
        if name not in CLASS_NAMES:
            raise UnknownNameError("surface class", name, CLASS_NAMES)
        table[number] = CLASS_NAMES.index(name)
    return suffix, table


def _is_extra(path: Path, suffix: str, names: set[Path]) -> bool:
    stem = path.stem.rpartition("_")[0]
    return path.name.endswith(suffix) or (bool(stem) and path.with_name(stem) in names)


def _read(
    path: Path, suffix: str, table: IntArray, width_px: int, least_height: int
) -> RealPicture:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if picture is None:
        raise RecordingError(f"{path}: is not a picture that can be read")
    scale = max(width_px / picture.shape[1], least_height / picture.shape[0])
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    small = cv2.cvtColor(cv2.resize(picture, size, interpolation=way), cv2.COLOR_BGR2RGB)
    classes = np.full(size[::-1], UNKNOWN, np.uint8)
    labels = path.with_name(path.stem + suffix)
    if labels.exists():
        numbers = cv2.imread(str(labels), cv2.IMREAD_GRAYSCALE)
        if numbers is None:
            raise RecordingError(f"{labels}: is not a picture that can be read")
        classes = table[cv2.resize(numbers, size, interpolation=cv2.INTER_NEAREST)]
    return RealPicture(rgb=np.ascontiguousarray(small.transpose(2, 0, 1)), classes=classes)


def _toned(rgb: IntArray) -> FloatArray:
    return np.asarray(rgb, np.float32) / np.float32(255.0)

"""The command that says whether pictures come from scenegen, and from which scenario."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from scenegen.appearance.credential_files import read_statement
from scenegen.appearance.credentials import Statement
from scenegen.appearance.watermark import (
    FALSE_POSITIVES,
    PAYLOAD_DIGITS,
    Detection,
    detect_watermark,
)
from scenegen.arrays import IntArray
from scenegen.cli.arguments import resolve
from scenegen.cli.terminal import out
from scenegen.data import Dataset
from scenegen.data.commits import HEADER
from scenegen.errors import StorageError
from scenegen.pipeline.marking import credentials_of

NO_SIGN = 2
"""Exit code when a picture bears no sign of ours, or signs that contradict each other."""
CAMERA = "camera/front/rgb"
"""The array of a dataset that is looked at unless one is named."""


class Finding(StrEnum):
    """What watermark and credentials say together."""

    BOTH = "from scenegen: watermark and credentials agree"
    WATERMARK = "from scenegen: watermark, no credentials of ours"
    CREDENTIALS = "says it is from scenegen: credentials of a picture without watermark"
    LOST = "doubtful: credentials promise a watermark, none is found"
    CONTRADICTION = "doubtful: watermark and credentials name different scenarios"
    FOREIGN = "not from scenegen: says that it is synthetic, but no watermark of ours"
    NOTHING = "no sign of scenegen"

    @property
    def is_ours(self) -> bool:
        """Whether the signs say without contradiction that the picture is from scenegen."""
        return self in {Finding.BOTH, Finding.WATERMARK, Finding.CREDENTIALS}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What one picture shows.

    Attributes:
        name: The file, or the place in a dataset.
        statement: What it says of itself.
        detection: What its pixels show.
    """

    name: str
    statement: Statement | None
    detection: Detection

    @property
    def finding(self) -> Finding:
        """Weigh watermark and credentials."""
        ours = self.statement.credentials if self.statement is not None else None
        if self.detection.found:
            if ours is None:
                return Finding.WATERMARK
            read = self.detection.payload_text
            agree = read is None or read == ours.scenario[:PAYLOAD_DIGITS]
            return Finding.BOTH if agree else Finding.CONTRADICTION
        if ours is not None:
            return Finding.LOST if ours.is_watermarked else Finding.CREDENTIALS
        says = self.statement is not None and self.statement.says_synthetic
        return Finding.FOREIGN if says else Finding.NOTHING

    def to_json(self) -> dict[str, object]:
        """Give everything as plain JSON values."""
        statement, detection = self.statement, self.detection
        ours = statement.credentials if statement is not None else None
        return {
            "file": self.name,
            "verdict": self.finding.name.lower(),
            "is_ours": self.finding.is_ours,
            "watermark": {
                "found": detection.found,
                "payload": detection.payload_text,
                "p_value": detection.p_value,
                "payload_error": detection.payload_error,
                "scale": detection.scale,
            },
            "digital_source_type": statement.source_type if statement is not None else None,
            "credentials": None if ours is None else ours.to_json(),
        }


def verify_image(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="pictures, or a dataset: its frame")
    ],
    recording: Annotated[str, typer.Option(help="dataset: id or number of a recording")] = "0",
    array: Annotated[str, typer.Option(help="dataset: name of the pictures")] = CAMERA,
    frame: Annotated[int, typer.Option(min=0, help="dataset: number of the frame")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of text")] = False,
) -> None:
    """Look for watermark and credentials; exit code 0 if every picture is ours, else 2."""
    seen = []
    for path in files:
        stored = (path / HEADER).exists()
        seen.append(_of_dataset(path, recording, array, frame) if stored else _of_file(path))
    if as_json:
        out.print_json(json.dumps([item.to_json() for item in seen]))
    else:
        for item in seen:
            _print(item)
    if not all(item.finding.is_ours for item in seen):
        raise typer.Exit(NO_SIGN)


def _of_file(path: Path) -> _Seen:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error})") from error
    image = None
    if data:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if image is None:
        raise StorageError(f"{path}: expected a picture such as PNG, JPEG or WebP, got none")
    return _Seen(
        name=str(path), statement=read_statement(data), detection=detect_watermark(_bytes(image))
    )


def _of_dataset(path: Path, recording: str, array: str, frame: int) -> _Seen:
    store = Dataset(path)
    identity, announced = resolve(store, recording), store.spec(array).shape
    picture = store.read_dense(identity, array, frame, frame + 1)
    if len(picture) != 1 or picture.ndim != 4 or picture.shape[-1] != 3:
        raise StorageError(
            f"{path}: expected a picture in frame {frame} of {array!r}, which has"
            f" {store.frame_count(identity)} frames of shape {announced}"
        )
    credentials = credentials_of(store, identity, array, frame)
    return _Seen(
        name=f"{path} {identity} {array} {frame}",
        statement=Statement(source_type=credentials.source_type.value, credentials=credentials),
        detection=detect_watermark(picture[0]),
    )


def _bytes(image: np.ndarray) -> IntArray:
    """Grey levels of a picture with more than 8 bits, rounded down."""
    return np.asarray(image if image.dtype == np.uint8 else image >> 8, np.uint8)


def _print(item: _Seen) -> None:
    colour = "green" if item.finding.is_ours else "yellow"
    detection, statement = item.detection, item.statement
    out.print(f"[bold]{item.name}[/]", soft_wrap=True)
    if detection.found:
        read = detection.payload_text
        whose = f"scenario {read}..." if read else "its payload cannot be read"
        out.print(
            f"  watermark    {whose}, p < {detection.p_value:.0e}, scale {detection.scale:.2f}"
        )
    else:
        out.print(f"  watermark    none (p = {detection.p_value:.2g}, bound {FALSE_POSITIVES:.0e})")
    if statement is None:
        out.print("  credentials  none")
    else:
        ours = statement.credentials
        by = "" if ours is None else f", scenegen {ours.version}, renderer {ours.renderer}"
        whose = "" if ours is None else f", scenario {ours.scenario}"
        out.print(f"  credentials  {statement.source_type}{by}{whose}", soft_wrap=True)
    out.print(f"  [{colour}]{item.finding}[/]")

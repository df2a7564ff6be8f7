"""Films of scenarios: frames with caption and margin, written as GIF or MP4."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from scenegen.arrays import FloatArray, check_shape
from scenegen.errors import StorageError
from scenegen.scene import Scenario
from scenegen.view.bev import draw_bev
from scenegen.view.lettering import draw_text, text_mask
from scenegen.view.palette import RGB, mix
from scenegen.view.viewport import SHIFT

BAR: RGB = (15, 19, 26)
INK: RGB = (232, 235, 240)
QUIET: RGB = (137, 147, 162)
GOOD: RGB = (60, 207, 124)
BAD: RGB = (255, 107, 98)
TRAIL_STEPS = 15
"""Instants that a trail goes back."""
LARGEST_MARGIN = 3.0
"""Margins are drawn up to this size."""


def film(
    scenario: Scenario,
    *,
    size_px: tuple[int, int] = (480, 480),
    metres_per_px: float = 0.2,
    ego_up: bool = True,
    roles: dict[str, int] | None = None,
    camera_frames: Sequence[np.ndarray] | None = None,
    caption: str = "",
    margin: FloatArray | None = None,
) -> Iterator[np.ndarray]:
    """Draw every instant of a scenario, with camera, caption and margin where they are given.

    Args:
        scenario: What happens.
        size_px: Rows and columns of the view from above.
        metres_per_px: Size of a pixel on the ground [m].
        ego_up: Whether the ego's heading points up.
        roles: Agents to name; the scenario's roles if None.
        camera_frames: One RGB image per instant, uint8.
        caption: Line of text under the picture.
        margin: Robustness of the query over time, shape (T,).

    Yields:
        RGB images of one size, uint8.
    """
    for step in range(scenario.steps):
        bev = draw_bev(
            scenario.at(step),
            size_px=size_px,
            metres_per_px=metres_per_px,
            ego_up=ego_up,
            roles=scenario.roles if roles is None else roles,
            trails=scenario.agents[max(0, step - TRAIL_STEPS) : step],
        )
        if camera_frames is None and not caption and margin is None:
            yield bev
            continue
        camera = None if camera_frames is None else camera_frames[step]
        yield compose_frame(bev, camera, caption=caption, margin=margin, step=step)


def compose_frame(
    bev: np.ndarray,
    camera: np.ndarray | None = None,
    *,
    caption: str = "",
    margin: FloatArray | None = None,
    step: int = 0,
) -> np.ndarray:
    """Put the camera picture beside the view from above, caption and margin curve below.

    Args:
        bev: RGB image, uint8, shape (H, W, 3).
        camera: RGB image, uint8, any size; scaled to the same height.
        caption: Line of text; shortened where it does not fit.
        margin: Robustness of the query over time, shape (T,), positive where it is satisfied.
        step: Index of this instant.

    Returns:
        RGB image, uint8.
    """
    pictures = [bev]
    if camera is not None:
        width = round(camera.shape[1] * bev.shape[0] / camera.shape[0])
        seam = np.full((bev.shape[0], 4, 3), BAR, np.uint8)
        how = cv2.INTER_AREA if width < camera.shape[1] else cv2.INTER_CUBIC
        pictures += [seam, cv2.resize(camera, (width, bev.shape[0]), interpolation=how)]
    rows = [np.concatenate(pictures, 1)]
    width = rows[0].shape[1]
    if caption:
        rows.append(_caption_bar(caption, width))
    if margin is not None:
        rows.append(_margin_bar(margin, step, width))
    return np.concatenate(rows)


def _caption_bar(caption: str, width: int) -> np.ndarray:
    size_px = int(np.clip(width // 44, 12, 17))
    bar = np.full((2 * size_px, width, 3), BAR, np.uint8)
    room = width - 2 * size_px
    text = caption
    while text_mask(text, size_px).shape[1] > room and len(text) > 2:
        text = text[:-2].rstrip() + "\u2026"
    draw_text(bar, text, size_px, round(0.35 * size_px), size_px=size_px, colour=INK)
    return bar


def _margin_bar(margin: FloatArray, step: int, width: int) -> np.ndarray:
    """Curve of the margin: the past in colour, the future pale, the present as a dot."""
    check_shape("margin", margin, "T")
    height, pad = 44, 14
    bar = np.full((height, width, 3), BAR, np.uint8)
    values = np.nan_to_num(np.asarray(margin, np.float64), nan=0.0)
    reach = float(
        np.clip(np.abs(values[np.isfinite(values)]).max(initial=0.1), 0.1, LARGEST_MARGIN)
    )
    number = f"{values[step]:+.2f}" if np.isfinite(values[step]) else "-"
    colour = GOOD if values[step] > 0 else BAD
    right = width - pad - text_mask("+00.00", 14).shape[1] - 8
    draw_text(bar, number, right + 8, height // 2 - 10, size_px=14, colour=colour)
    x = np.linspace(pad, right - 6, len(values))
    y = height / 2 - np.clip(values / reach, -1, 1) * (height / 2 - 8)
    middle = height // 2
    cv2.line(bar, (pad, middle), (right - 6, middle), mix(BAR, QUIET, 0.4), 1)
    points = np.round(np.stack([x, y], -1) * (1 << SHIFT)).astype(np.int32)
    for k, (a, b) in enumerate(pairwise(points)):
        ink = GOOD if values[k + 1] > 0 else BAD
        ink = ink if k < step else mix(BAR, ink, 0.32)
        cv2.line(bar, a.tolist(), b.tolist(), ink, 2, cv2.LINE_AA, SHIFT)
    dot = points[step].tolist()
    cv2.circle(bar, dot, 5 << SHIFT, BAR, -1, cv2.LINE_AA, SHIFT)
    cv2.circle(bar, dot, 4 << SHIFT, colour, -1, cv2.LINE_AA, SHIFT)
    return bar


def write_gif(
    path: str | Path,
    frames: Sequence[np.ndarray],
    fps: float = 10.0,
    *,
    max_bytes: int = 4_000_000,
) -> Path:
    """Write an endless GIF with one palette of 255 colours, made smaller until it fits.

    Args:
        path: Where to write.
        frames: RGB images of one size, uint8; equal neighbours are stored once, shown longer.
        fps: Frames per second; GIF rounds the time of a frame to 10 ms.
        max_bytes: Largest size of the file.

    Returns:
        The path written.

    Raises:
        ValueError: There are no frames, their sizes differ, or fps is not positive.
        StorageError: The file could not be written, or cannot be made small enough.
    """
    height, width = _check_frames("write_gif", frames, fps)
    scale, smallest = 1.0, 0
    for _ in range(6):
        size = max(1, round(width * scale)), max(1, round(height * scale))
        encoded = _encode_gif(frames, size, fps)
        if len(encoded) <= max_bytes:
            return _store(Path(path), encoded)
        smallest = len(encoded)
        scale *= min(0.9, 0.97 * (max_bytes / len(encoded)) ** 0.5)
    raise StorageError(
        f"write_gif: {len(frames)} frames of {width} x {height} px take {smallest} bytes even at"
        f" {size[0]} x {size[1]} px, more than max_bytes = {max_bytes}; give fewer frames"
    )


def _encode_gif(frames: Sequence[np.ndarray], size: tuple[int, int], fps: float) -> bytes:
    small = [
        np.asarray(cv2.resize(f, size, interpolation=cv2.INTER_AREA))
        if size != (f.shape[1], f.shape[0])
        else f
        for f in frames
    ]
    sample = small[:: max(1, len(small) // 8)]
    montage = Image.fromarray(np.concatenate(sample))
    palette = montage.quantize(255, method=Image.Quantize.MEDIANCUT, kmeans=1)
    plain = Image.Dither.NONE  # dithering flickers between frames and defeats compression
    pages = [Image.fromarray(f).quantize(palette=palette, dither=plain) for f in small]
    out = io.BytesIO()
    pages[0].save(
        out,
        format="GIF",
        save_all=True,
        append_images=pages[1:],
        duration=round(1000 / fps),
        loop=0,
        optimize=False,
        disposal=1,
    )
    return out.getvalue()


def write_mp4(
    path: str | Path,
    frames: Sequence[np.ndarray],
    fps: float = 10.0,
    *,
    codec: Literal["mp4v", "vp09", "avc1"] = "mp4v",
) -> Path:
    """Write an MP4 with OpenCV.

    Args:
        path: Where to write.
        frames: RGB images of one size, uint8; odd sizes lose their last row or column.
        fps: Frames per second.
        codec: "mp4v" is fast and plays in players and slides; "vp09" (VP9) also plays in browsers
            and takes about a tenth of a second per frame; "avc1" (H.264) is in few OpenCV builds.

    Returns:
        The path written.

    Raises:
        ValueError: There are no frames, their sizes differ, or fps is not positive.
        StorageError: OpenCV lacks the codec, or the file could not be written.
    """
    height, width = (side - side % 2 for side in _check_frames("write_mp4", frames, fps))
    path = Path(path)
    code = cv2.VideoWriter.fourcc(*codec)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, fps, (width, height))
    if writer.isOpened():
        for frame in frames:
            writer.write(cv2.cvtColor(frame[:height, :width], cv2.COLOR_RGB2BGR))
        writer.release()
    if not path.is_file() or not path.stat().st_size:
        raise StorageError(
            f"write_mp4: could not write {path}: the folder is missing or not writable, or"
            f" OpenCV {cv2.__version__} has no codec {codec!r}; try another codec or write_gif"
        )
    return path


def _check_frames(name: str, frames: Sequence[np.ndarray], fps: float) -> tuple[int, int]:
    shapes = {frame.shape for frame in frames}
    if len(shapes) != 1 or fps <= 0:
        raise ValueError(
            f"{name}: expected frames of one size and fps > 0, got {len(frames)} frames of"
            f" shapes {sorted(shapes)[:3]} at {fps} fps"
        )
    height, width, _ = shapes.pop()
    return height, width


def _store(path: Path, content: bytes) -> Path:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise StorageError(f"write_gif: could not write {path}: {error}") from error
    return path

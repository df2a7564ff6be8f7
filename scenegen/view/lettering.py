"""Letters in pictures: anti-aliased text and name tags, drawn with Pillow's built-in font."""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scenegen.view.palette import RGB, WHITE
from scenegen.view.viewport import SHIFT


@lru_cache(maxsize=32)
def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size_px)


@lru_cache(maxsize=512)
def text_mask(text: str, size_px: int) -> np.ndarray:
    """Coverage of a line of text, uint8, shape (H, W); all texts of one size share a baseline."""
    font = _font(size_px)
    width = max(1, round(font.getlength(text)) + 2)
    image = Image.new("L", (width, round(1.35 * size_px)))
    ImageDraw.Draw(image).text((1, size_px), text, fill=255, font=font, anchor="ls")
    return np.asarray(image)


def draw_text(
    image: np.ndarray, text: str, left: int, top: int, *, size_px: int, colour: RGB
) -> int:
    """Write a line of text.

    Args:
        image: RGB image, changed in place, shape (H, W, 3).
        text: What to write.
        left: Column of its left end.
        top: Row of its top.
        size_px: Size of the font.
        colour: Colour of the letters.

    Returns:
        Width of the text [px].
    """
    mask = text_mask(text, size_px)
    paint(image, mask, left, top, colour)
    return int(mask.shape[1])


def paint(image: np.ndarray, mask: np.ndarray, left: int, top: int, colour: RGB) -> None:
    """Blend a colour through a coverage mask, cut at the borders of the image.

    Args:
        image: RGB image, changed in place, shape (H, W, 3).
        mask: Coverage 0-255, shape (h, w).
        left: Column of the mask's left edge.
        top: Row of the mask's top edge.
        colour: The colour.
    """
    height, width = image.shape[:2]
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + mask.shape[1], width), min(top + mask.shape[0], height)
    if x0 >= x1 or y0 >= y1:
        return
    part = mask[y0 - top : y1 - top, x0 - left : x1 - left, None].astype(np.float32) / 255
    region = image[y0:y1, x0:x1]
    region[:] = np.round(region + (np.array(colour, np.float32) - region) * part).astype(np.uint8)


@lru_cache(maxsize=128)
def _pill(width: int, height: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    radius = (height - 1) / 2
    ends = np.array([[radius, radius], [width - 1 - radius, radius]])
    points = np.round(ends * (1 << SHIFT)).astype(np.int32)
    for x, y in points.tolist():
        cv2.circle(mask, (x, y), round(radius * (1 << SHIFT)), 255, -1, cv2.LINE_AA, SHIFT)
    mask[:, round(ends[0, 0]) : round(ends[1, 0]) + 1] = 255
    return mask


def draw_tag(
    image: np.ndarray,
    text: str,
    x: float,
    y: float,
    colour: RGB,
    size_px: int,
    held: Literal["left", "below"],
) -> None:
    """Write a name in a coloured pill, kept inside the image.

    Args:
        image: RGB image, changed in place, shape (H, W, 3).
        text: The name.
        x: Column of the point that the pill is held at.
        y: Row of that point.
        colour: Colour of the pill; the letters are white.
        size_px: Size of the font.
        held: Which side of the pill touches the point in its middle.
    """
    letters = text_mask(text, size_px)
    height = round(1.5 * size_px)
    pill = _pill(max(height, letters.shape[1] + round(0.8 * size_px)), height)
    width = pill.shape[1]
    left, top = (x, y - height / 2) if held == "left" else (x - width / 2, y - height)
    column = int(np.clip(round(left), 2, max(2, image.shape[1] - width - 2)))
    row = int(np.clip(round(top), 2, max(2, image.shape[0] - height - 2)))
    paint(image, pill, column, row, colour)
    inset = (width - letters.shape[1]) // 2
    paint(image, letters, column + inset, row + round(0.17 * size_px), WHITE)

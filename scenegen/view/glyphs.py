"""How road users look from above: a few polygons per kind, true to the box in length and width."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.scene import AgentKind
from scenegen.scene.agents import SIZE


class Paint(IntEnum):
    """What a part of a glyph is coloured by."""

    BODY = 0
    ROOF = 1
    GLASS = 2
    DARK = 3
    HEADLIGHT = 4
    TAIL = 5


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One polygon of a glyph: its colour and its corners [m], shape (K, 2), x forward, y left."""

    paint: Paint
    outline: FloatArray


@lru_cache(maxsize=1024)
def glyph(kind: AgentKind, length: float, width: float) -> tuple[Part, ...]:
    """Parts of an agent seen from above, the lowest first; the first part is its outline.

    Args:
        kind: What it is.
        length: Length of its box [m].
        width: Width of its box [m].

    Returns:
        Polygons in the agent's frame.
    """
    return _DRAWN[kind](length, width)


@lru_cache(maxsize=1024)
def outline_points(kind: AgentKind, length: float, width: float) -> FloatArray:
    """Corners of all parts of a glyph, one after the other [m], shape (M, 2)."""
    return np.concatenate([part.outline for part in glyph(kind, length, width)])


def unit_glyphs() -> list[list[tuple[int, list[float]]]]:
    """Glyph of every kind at its typical size, scaled to a box of 1 x 1, as JSON values.

    Returns:
        Per AgentKind its parts: Paint and the corners x0, y0, x1, y1, ...
    """
    kinds = []
    for kind in AgentKind:
        length, width, _ = SIZE[kind]
        parts = glyph(kind, length, width)
        box = np.array([length, width])
        scaled = [np.round(part.outline / box, 3).reshape(-1) for part in parts]
        corners = [[float(value) for value in values] for values in scaled]
        kinds.append([(int(p.paint), c) for p, c in zip(parts, corners, strict=True)])
    return kinds


@lru_cache(maxsize=256)
def rounded_box(length: float, width: float, radius: float) -> FloatArray:
    """Rectangle with round corners about the origin [m], shape (20, 2)."""
    radius = min(radius, length / 2, width / 2)
    turn = np.linspace(0.0, math.pi / 2, 5)
    corners = []
    for quarter in range(4):
        angle = turn + quarter * math.pi / 2
        sign = np.sign([math.cos(angle[2]), math.sin(angle[2])])
        middle = sign * (np.array([length, width]) / 2 - radius)
        corners.append(middle + radius * np.stack([np.cos(angle), np.sin(angle)], -1))
    return np.concatenate(corners)


def _ellipse(x: float, length: float, width: float) -> FloatArray:
    angle = np.linspace(0.0, 2 * math.pi, 14, endpoint=False)
    return np.stack([x + length / 2 * np.cos(angle), width / 2 * np.sin(angle)], -1)


def _trapezoid(x0: float, width0: float, x1: float, width1: float) -> FloatArray:
    half0, half1 = width0 / 2, width1 / 2
    return np.array([[x0, -half0], [x1, -half1], [x1, half1], [x0, half0]])


def _lights(length: float, width: float) -> tuple[Part, ...]:
    parts = []
    for side in (-1.0, 1.0):
        y = side * (width / 2 - 0.16 * width)
        half = 0.11 * width
        for paint, x0, x1 in (
            (Paint.HEADLIGHT, length / 2 - 0.34, length / 2 - 0.06),
            (Paint.TAIL, -length / 2 + 0.04, -length / 2 + 0.3),
        ):
            corners = [[x0, y - half], [x1, y - half], [x1, y + half], [x0, y + half]]
            parts.append(Part(paint, np.array(corners)))
    return tuple(parts)


def _car(length: float, width: float) -> tuple[Part, ...]:
    return (
        Part(Paint.BODY, rounded_box(length, width, 0.3 * width)),
        Part(Paint.GLASS, _trapezoid(0.1 * length, 0.72 * width, 0.26 * length, 0.86 * width)),
        Part(Paint.GLASS, _trapezoid(-0.4 * length, 0.8 * width, -0.3 * length, 0.7 * width)),
        Part(Paint.ROOF, _trapezoid(-0.3 * length, 0.76 * width, 0.1 * length, 0.76 * width)),
        *_lights(length, width),
    )


def _truck(length: float, width: float) -> tuple[Part, ...]:
    cab = min(2.3, 0.28 * length)
    front = length / 2
    box = _trapezoid(-front, width, front - cab - 0.35, width)
    return (
        Part(Paint.DARK, rounded_box(length, 0.8 * width, 0.2)),
        Part(Paint.BODY, box),
        Part(Paint.ROOF, box * np.array([[0.97, 0.86]])),
        Part(Paint.BODY, rounded_box(cab, width, 0.3) + np.array([front - cab / 2, 0.0])),
        Part(Paint.GLASS, _trapezoid(front - 0.75, 0.78 * width, front - 0.25, 0.88 * width)),
        *_lights(length, width),
    )


def _bus(length: float, width: float) -> tuple[Part, ...]:
    front = length / 2
    hatches = [
        Part(Paint.DARK, _trapezoid(x - 0.5, 0.36 * width, x + 0.5, 0.36 * width))
        for x in (-0.22 * length, 0.12 * length)
    ]
    return (
        Part(Paint.BODY, rounded_box(length, width, 0.35)),
        Part(Paint.ROOF, rounded_box(0.9 * length, 0.78 * width, 0.3)),
        *hatches,
        Part(Paint.GLASS, _trapezoid(front - 0.8, 0.8 * width, front - 0.2, 0.9 * width)),
        *_lights(length, width),
    )


def _two_wheeler(length: float, width: float) -> tuple[Part, ...]:
    return (
        Part(Paint.DARK, rounded_box(length, 0.26 * width, 0.1)),
        Part(Paint.DARK, _trapezoid(0.2 * length, width, 0.27 * length, 0.9 * width)),
        Part(Paint.BODY, _ellipse(-0.04 * length, 0.56 * length, 0.94 * width)),
        Part(Paint.DARK, _ellipse(0.03 * length, 0.17 * length, 0.42 * width)),
    )


def _pedestrian(length: float, width: float) -> tuple[Part, ...]:
    return (
        Part(Paint.BODY, _ellipse(0.0, 0.8 * length, width)),
        Part(Paint.GLASS, _ellipse(0.06 * length, 0.5 * length, 0.44 * width)),
    )


def _animal(length: float, width: float) -> tuple[Part, ...]:
    return (
        Part(Paint.BODY, _ellipse(-0.1 * length, 0.78 * length, width)),
        Part(Paint.BODY, _ellipse(0.36 * length, 0.28 * length, 0.6 * width)),
        Part(Paint.DARK, _trapezoid(0.3 * length, 0.7 * width, 0.36 * length, 0.6 * width)),
    )


def _static(length: float, width: float) -> tuple[Part, ...]:
    inner = rounded_box(0.72 * length, 0.72 * width, 0.08)
    return (Part(Paint.DARK, rounded_box(length, width, 0.12)), Part(Paint.BODY, inner))


_DRAWN: dict[AgentKind, Callable[[float, float], tuple[Part, ...]]] = {
    AgentKind.CAR: _car,
    AgentKind.TRUCK: _truck,
    AgentKind.BUS: _bus,
    AgentKind.MOTORCYCLE: _two_wheeler,
    AgentKind.CYCLIST: _two_wheeler,
    AgentKind.PEDESTRIAN: _pedestrian,
    AgentKind.ANIMAL: _animal,
    AgentKind.STATIC: _static,
}

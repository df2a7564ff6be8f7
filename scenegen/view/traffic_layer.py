"""Agents in the picture: bodies, lights, trails, rings around the ego and the roles, name tags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate, pairwise

import cv2
import numpy as np

from scenegen.arrays import FloatArray
from scenegen.scene import EGO, AgentKind, AgentStates
from scenegen.scene.scenario import STEP
from scenegen.view.glyphs import Paint, glyph, outline_points, rounded_box
from scenegen.view.lettering import draw_tag
from scenegen.view.palette import BLACK, BRAKE, RGB, WHITE, Palette, mix
from scenegen.view.viewport import SHIFT, Viewport, fixed_point

BRAKING = -1.0
"""Brake lights are drawn below this acceleration [m/s^2]; UN R13-H requires them above 1.3."""
SMALLEST_PX = 9.0
"""People and two-wheelers are drawn at least this long, so that they can be seen."""
FADES = 5
"""Number of steps in which a trail fades."""
HIDDEN_REACH = 15.0
"""Agents farther than this outside the picture are not drawn [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cast:
    """Who is who: colours and names of the agents that matter.

    Attributes:
        colours: Colour of each agent with a part to play.
        names: Name tag of each of them.
    """

    colours: Mapping[int, RGB] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, roles: Mapping[str, int], palette: Palette) -> Cast:
        """Give the ego and each role its colour; an agent with two roles keeps both names."""
        colours: dict[int, RGB] = {EGO: palette.ego}
        names: dict[int, str] = {EGO: "ego"}
        for order, (name, agent) in enumerate(roles.items()):
            colours.setdefault(agent, palette.of_role(order))
            if name != names.get(agent):
                names[agent] = f"{names[agent]}, {name}" if agent in names else name
        return cls(colours=colours, names=names)


def draw_trails(
    image: np.ndarray, frame: Viewport, trails: AgentStates, cast: Cast, palette: Palette
) -> None:
    """Draw where agents came from, fading into the asphalt.

    Args:
        image: RGB image, changed in place, shape (H, W, 3).
        frame: The part of the map that the image shows.
        trails: Past states, the oldest first, leading shape (K, N).
        cast: Who has a colour of his own.
        palette: The colours.
    """
    last = trails.valid[-1] if len(trails.valid) else np.zeros(trails.count, np.bool_)
    near = frame.contains(trails.position, 0.0) & trails.valid
    for i in np.flatnonzero(last & near.any(0)).tolist():
        path = trails.position[:, i][trails.valid[:, i]]
        if float(np.hypot(*(path[-1] - path[0]))) < 0.5:
            continue
        special = i in cast.colours
        colour = cast.colours.get(i, palette.paint)
        points = fixed_point(frame.to_px(path))
        fades = FADES if special else 2
        begins = np.linspace(0, len(points) - 1, fades + 1).round().astype(int).tolist()
        for k, (first, end) in enumerate(pairwise(begins)):
            ink = mix(palette.asphalt, colour, (0.85 if special else 0.32) * (k + 1) / fades)
            stroke, wide = points[first : end + 1], 2 if special else 1
            cv2.polylines(image, [stroke], False, ink, wide, cv2.LINE_AA, SHIFT)


def braking(agents: AgentStates, trails: AgentStates | None) -> np.ndarray:
    """Whether each agent slows down, judged by its speed one STEP before, shape (N,)."""
    if trails is None or not len(trails.valid):
        return np.zeros(agents.count, np.bool_)
    slower = (agents.speed - trails.speed[-1]) / STEP < BRAKING
    return slower & agents.valid & trails.valid[-1]


def draw_agents(
    image: np.ndarray,
    frame: Viewport,
    agents: AgentStates,
    cast: Cast,
    palette: Palette,
    brakes: np.ndarray,
) -> None:
    """Draw every agent in the picture; the ego and the roles last, with a bright ring.

    Args:
        image: RGB image, changed in place, shape (H, W, 3).
        frame: The part of the map that the image shows.
        agents: States, leading shape (N,).
        cast: Who has a colour of his own.
        palette: The colours.
        brakes: Whose brake lights are lit, shape (N,).
    """
    seen = np.flatnonzero(agents.valid & frame.contains(agents.position, HIDDEN_REACH))
    for i in sorted(seen.tolist(), key=lambda i: (i in cast.colours, i)):
        kind = AgentKind(int(agents.kind[i]))
        length, width = _drawn_size(agents.size[i], kind, frame)
        pose = agents.position[i].astype(np.float64), float(agents.yaw[i])
        colour = cast.colours.get(i, palette.of_kind(kind))
        if i in cast.colours:
            _draw_ring(image, frame, pose, (length, width), colour, palette)
        elif kind.is_holonomic or kind in {AgentKind.CYCLIST, AgentKind.MOTORCYCLE}:
            _draw_halo(image, frame, pose, (length, width), palette)
        _draw_glyph(image, frame, pose, kind, (length, width), colour, palette, bool(brakes[i]))


def draw_tags(image: np.ndarray, frame: Viewport, agents: AgentStates, cast: Cast) -> None:
    """Write the names of the ego and the roles beside them.

    Args:
        image: RGB image, changed in place, shape (H, W, 3).
        frame: The part of the map that the image shows.
        agents: States, leading shape (N,).
        cast: Names and colours.
    """
    size_px = int(np.clip(image.shape[0] // 38, 11, 20))
    for i, name in cast.names.items():
        if not (agents.valid[i] and frame.contains(agents.position[i], 0.0)):
            continue
        x, y = frame.to_px(agents.position[i]).tolist()
        turn = float(agents.yaw[i]) - frame.up
        length, width = (agents.size[i, :2] / frame.metres_per_px).tolist()
        along, across = abs(math.cos(turn)), abs(math.sin(turn))
        if (
            along > across and agents.kind[i] <= AgentKind.BUS
        ):  # beside what drives up or down, so that the lead stays in view
            reach = (across * length + along * width) / 2 + 7
            draw_tag(image, name, x + reach, y, cast.colours[i], size_px, "left")
        else:
            reach = (along * length + across * width) / 2 + 7
            draw_tag(image, name, x, y - reach, cast.colours[i], size_px, "below")


def _drawn_size(size: FloatArray, kind: AgentKind, frame: Viewport) -> tuple[float, float]:
    length, width = float(size[0]), float(size[1])
    small = kind.is_holonomic or kind in {AgentKind.CYCLIST, AgentKind.MOTORCYCLE}
    scale = SMALLEST_PX * frame.metres_per_px / max(length, width, 1e-3) if small else 1.0
    return round(length * max(scale, 1.0), 2), round(width * max(scale, 1.0), 2)


def _draw_ring(
    image: np.ndarray,
    frame: Viewport,
    pose: tuple[FloatArray, float],
    size: tuple[float, float],
    colour: RGB,
    palette: Palette,
) -> None:
    grow = 2 * max(0.35, 2.2 * frame.metres_per_px)
    ring = rounded_box(size[0] + grow, size[1] + grow, 0.4 * (size[1] + grow))
    soft = mix(palette.asphalt, colour, 0.55)
    cv2.fillPoly(image, [frame.stamp(ring, *pose)], soft, cv2.LINE_AA, SHIFT)
    ring = rounded_box(size[0] + 0.5 * grow, size[1] + 0.5 * grow, 0.36 * (size[1] + grow))
    cv2.fillPoly(image, [frame.stamp(ring, *pose)], WHITE, cv2.LINE_AA, SHIFT)


def _draw_halo(
    image: np.ndarray,
    frame: Viewport,
    pose: tuple[FloatArray, float],
    size: tuple[float, float],
    palette: Palette,
) -> None:
    grow = 3.0 * frame.metres_per_px
    ring = rounded_box(size[0] + grow, size[1] + grow, size[0] + grow)
    ink = mix(palette.asphalt, palette.glass, 0.6)
    cv2.fillPoly(image, [frame.stamp(ring, *pose)], ink, cv2.LINE_AA, SHIFT)


def _draw_glyph(
    image: np.ndarray,
    frame: Viewport,
    pose: tuple[FloatArray, float],
    kind: AgentKind,
    size: tuple[float, float],
    colour: RGB,
    palette: Palette,
    brake: bool,
) -> None:
    parts = glyph(kind, *size)
    night = palette.darkness
    inks = {
        Paint.BODY: colour,
        Paint.ROOF: mix(colour, WHITE, 0.3 - 0.16 * night),
        Paint.GLASS: palette.glass,
        Paint.DARK: mix(palette.glass, BLACK, 0.2),
        Paint.HEADLIGHT: mix(mix(colour, WHITE, 0.5), (255, 244, 214), night),
        Paint.TAIL: BRAKE if brake else mix(mix(colour, BLACK, 0.35), (170, 26, 26), night),
    }
    points = frame.stamp(outline_points(kind, *size), *pose)
    ends = list(accumulate(len(part.outline) for part in parts))
    shapes = [points[begin:end] for begin, end in pairwise([0, *ends])]
    if kind.is_motor_vehicle:
        drop = np.array([1, 2]) * round((1 << SHIFT) * 0.12 / frame.metres_per_px)
        shadow = mix(palette.asphalt, BLACK, 0.45)
        cv2.fillPoly(image, [shapes[0] + drop], shadow, cv2.LINE_AA, SHIFT)
    for part, shape in zip(parts, shapes, strict=True):
        cv2.fillPoly(image, [shape], inks[part.paint], cv2.LINE_AA, SHIFT)
        if brake and part.paint is Paint.TAIL:
            x, y = shape.mean(0).round().astype(int).tolist()
            radius = max(2.0, 0.45 / frame.metres_per_px) * (1 << SHIFT)
            cv2.circle(image, (x, y), round(radius), BRAKE, -1, cv2.LINE_AA, SHIFT)

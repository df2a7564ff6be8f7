"""A scene from above: road, signals, agents, weather and names in one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import cv2
import numpy as np

from scenegen.scene import EGO, AgentStates, Scene, SignalState
from scenegen.view.atmosphere import draw_beams, draw_fog, draw_precipitation, is_hazy
from scenegen.view.lettering import paint, text_mask
from scenegen.view.palette import DARK, SIGNAL, WHITE, palette_of
from scenegen.view.road_layer import road_picture
from scenegen.view.traffic_layer import Cast, braking, draw_agents, draw_tags, draw_trails
from scenegen.view.viewport import SHIFT, Viewport, fixed_point


def draw_bev(
    scene: Scene,
    *,
    size_px: tuple[int, int] = (480, 480),
    metres_per_px: float = 0.2,
    center: Literal["ego"] | tuple[float, float] = "ego",
    ego_up: bool = True,
    roles: Mapping[str, int] | None = None,
    trails: AgentStates | None = None,
    labels: bool = True,
) -> np.ndarray:
    """Draw a scene seen from above.

    The road is drawn once per map, palette and scale and kept, so that the frames of one
    scenario cost only their agents.

    Args:
        scene: The instant.
        size_px: Rows and columns of the picture.
        metres_per_px: Size of a pixel on the ground [m].
        center: Map point in the middle of the picture [m], or the ego's position.
        ego_up: Whether the ego's heading points up; otherwise north (map y) does.
        roles: Agent index of each role; roles get colours and, with `labels`, name tags.
        trails: States before this instant, the oldest first, STEP apart, leading shape (K, N):
            drawn as fading tails, and the last one tells who brakes.
        labels: Whether to write name tags and a scale bar.

    Returns:
        RGB image, uint8, shape (H, W, 3).

    Raises:
        ValueError: The size is empty, or a role names an agent that the scene does not have.
    """
    roles = roles or {}
    _check_roles(roles, scene.agents.count)
    frame = _viewport(scene.agents[EGO], size_px, metres_per_px, center, ego_up)
    palette = palette_of(scene.conditions)
    cast = Cast.of(roles, palette)
    image = road_picture(scene.roadmap, palette, frame)
    if palette.darkness > 0:
        image = draw_beams(image, frame, scene.agents, palette)
    draw_signals(image, frame, scene)
    if trails is not None:
        draw_trails(image, frame, trails, cast, palette)
    brakes = braking(scene.agents, trails)
    draw_agents(image, frame, scene.agents, cast, palette, brakes)
    if is_hazy(scene.conditions.visibility, frame):
        visibility = scene.conditions.visibility
        image = draw_fog(image, frame, scene.agents, visibility, palette.haze)
    image = draw_precipitation(image, frame, scene.conditions, scene.time, palette)
    if labels:
        draw_tags(image, frame, scene.agents, cast)
        draw_scale(image, frame)
    return image


def _check_roles(roles: Mapping[str, int], count: int) -> None:
    for name, agent in roles.items():
        if not 0 <= agent < count:
            raise ValueError(
                f"draw_bev: role {name!r} names agent {agent}, but the scene has agents"
                f" 0 to {count - 1}"
            )


def _viewport(
    ego: AgentStates,
    size_px: tuple[int, int],
    metres_per_px: float,
    center: Literal["ego"] | tuple[float, float],
    ego_up: bool,
) -> Viewport:
    middle = ego.position if isinstance(center, str) else center
    return Viewport(
        height_px=size_px[0],
        width_px=size_px[1],
        metres_per_px=metres_per_px,
        centre=(float(middle[0]), float(middle[1])),
        up=float(ego.yaw) if ego_up else math.pi / 2,
    )


def draw_signals(image: np.ndarray, frame: Viewport, scene: Scene) -> None:
    """Draw every stop line in the colour its signal shows, and a lamp where the pole stands.

    Args:
        image: RGB image, changed in place, shape (H, W, 3).
        frame: The part of the map that the image shows.
        scene: The instant.
    """
    thick = max(2, round(0.4 / frame.metres_per_px))
    radius = max(3.0, 0.75 / frame.metres_per_px) * (1 << SHIFT)
    for signal in scene.roadmap.signals:
        state = signal.state(scene.time)
        points = np.concatenate([signal.stop_line, signal.position[None]])
        if state is SignalState.NONE or not frame.contains(points, 2.0).any():
            continue
        left, right, pole = fixed_point(frame.to_px(points)).tolist()
        cv2.line(image, left, right, SIGNAL[state], thick, cv2.LINE_AA, SHIFT)
        cv2.circle(image, pole, round(1.5 * radius), DARK, -1, cv2.LINE_AA, SHIFT)
        cv2.circle(image, pole, round(radius), SIGNAL[state], -1, cv2.LINE_AA, SHIFT)


def draw_scale(image: np.ndarray, frame: Viewport) -> None:
    """Draw a bar of a round length with its number in the lower left corner.

    Args:
        image: RGB image, changed in place, shape (H, W, 3).
        frame: The part of the map that the image shows.
    """
    wanted = 0.2 * frame.width_px * frame.metres_per_px
    power = 10.0 ** math.floor(math.log10(wanted))
    metres = max(m * power for m in (1, 2, 5) if m * power <= wanted)
    bar = round(metres / frame.metres_per_px)
    y, size_px = frame.height_px - 12, int(np.clip(frame.height_px // 42, 10, 18))
    ends = np.array([[12, y - 4], [12, y], [12 + bar, y], [12 + bar, y - 4]])
    letters = text_mask(f"{metres:g} m", size_px)
    left = 12 + max(0, (bar - letters.shape[1]) // 2)
    top = y - 5 - round(1.25 * size_px)
    paint(image, cv2.dilate(letters, np.ones((3, 3), np.uint8)), left, top, DARK)
    for ink, wide in ((DARK, 4), (WHITE, 2)):
        cv2.polylines(image, [ends], False, ink, wide, cv2.LINE_AA)
    paint(image, letters, left, top, WHITE)

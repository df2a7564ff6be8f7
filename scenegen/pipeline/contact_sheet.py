"""Contact sheets: many scenarios of one kind on one picture, each at the instant that matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np

from scenegen.arrays import FloatArray
from scenegen.errors import ShapeError
from scenegen.scene import EGO, Conditions, Scenario
from scenegen.sim import pairs
from scenegen.view import draw_bev
from scenegen.view.lettering import draw_text, text_mask
from scenegen.view.palette import RGB, Palette, mix, palette_of
from scenegen.view.video import BAD, BAR, GOOD, INK, QUIET
from scenegen.view.viewport import SHIFT, Viewport, fixed_point

SPAN = 62.0
"""Road that a picture shows in both directions [m]."""
AHEAD = 0.16
"""Share of the picture by which its middle lies ahead of the ego."""
PAST, FUTURE = 30, 40
"""Instants that trails go back, and that paths of ego and roles go on."""
GAP, CAPTION, MARGIN = 8, 24, 28
"""Space between pictures, height of the line under each, and margin of the sheet [px]."""
TITLE_PX, LINE_PX, SMALL_PX = 30, 17, 12
"""Sizes of letters."""
EDGE: RGB = (52, 60, 72)
"""Thin line around each picture: a night is as dark as the sheet."""
SO_SO: RGB = (240, 190, 30)
"""Colour of what is sound, but not as asked."""


class Mark(Enum):
    """What became of a scenario."""

    HIT = GOOD
    """It is what was asked for."""
    MISS = SO_SO
    """It is sound, but not what was asked for."""
    FAULT = BAD
    """It is not sound."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tile:
    """One picture of a sheet.

    Attributes:
        scenario: What happens; None where there is nothing to draw.
        mark: What became of it.
        time: Instant to draw [s]; None for the one at which ego and roles come nearest.
        note: Words in place of the caption, for example why it is not sound.
    """

    scenario: Scenario | None
    mark: Mark
    time: float | None = None
    note: str = ""


def contact_sheet(
    tiles: Sequence[Tile],
    title: str,
    lines: Sequence[str] = (),
    *,
    columns: int = 8,
    size_px: int = 224,
) -> np.ndarray:
    """Draw many scenarios on one sheet, the ego heading up, roles in colour.

    Trails show the last 3 s of everybody, thin lines the next 4 s of ego and roles.

    Args:
        tiles: What to draw, row by row.
        title: Headline.
        lines: Smaller lines under it.
        columns: Pictures per row.
        size_px: Rows and columns of one picture.

    Returns:
        RGB image, uint8.

    Raises:
        ShapeError: There are no tiles, or no columns.
    """
    if not tiles or columns < 1:
        raise ShapeError(
            f"contact_sheet: expected tiles and columns, got {len(tiles)} and {columns}"
        )
    rows = -(-len(tiles) // columns)
    roles = _role_names(tiles)
    head = MARGIN + round(1.5 * TITLE_PX) + round(1.5 * LINE_PX) * (len(lines) + 1) + GAP
    height = head + rows * (size_px + CAPTION + GAP) + MARGIN
    width = 2 * MARGIN + columns * (size_px + GAP) - GAP
    sheet = np.full((height, width, 3), BAR, np.uint8)
    _write_head(sheet, title, lines, roles)
    for number, tile in enumerate(tiles):
        top = head + number // columns * (size_px + CAPTION + GAP)
        left = MARGIN + number % columns * (size_px + GAP)
        sheet[top : top + size_px, left : left + size_px] = _picture(tile, size_px)
        corner = (left + size_px - 1, top + size_px - 1)
        cv2.rectangle(sheet, (left, top), corner, EDGE, 1)
        _write_caption(sheet, tile, left, top + size_px, size_px)
    return sheet


def critical_step(scenario: Scenario) -> int:
    """Instant at which the ego comes nearest to a role, or to anybody where there are no roles."""
    agents = scenario.agents
    others = sorted(set(scenario.roles.values()) - {EGO}) or list(range(1, agents.count))
    if not others:
        return 0
    apart = pairs.distance(agents, np.full(len(others), EGO), np.array(others))
    return int(apart.min(axis=1).argmin())


def _role_names(tiles: Sequence[Tile]) -> tuple[str, ...]:
    for tile in tiles:
        if tile.scenario is not None and tile.scenario.roles:
            return tuple(tile.scenario.roles)
    return ()


def _step(tile: Tile, scenario: Scenario) -> int:
    if tile.time is None:
        return critical_step(scenario)
    return int(np.abs(scenario.times - tile.time).argmin())


def _picture(tile: Tile, size_px: int) -> np.ndarray:
    scenario = tile.scenario
    if scenario is None:
        return np.full((size_px, size_px, 3), mix(BAR, QUIET, 0.12), np.uint8)
    step, metres = _step(tile, scenario), SPAN / size_px
    ego = scenario.agents[step, EGO]
    yaw = float(ego.yaw)
    middle = ego.position + AHEAD * SPAN * np.array([np.cos(yaw), np.sin(yaw)])
    centre = (float(middle[0]), float(middle[1]))
    image = draw_bev(
        scenario.at(step),
        size_px=(size_px, size_px),
        metres_per_px=metres,
        center=centre,
        roles=scenario.roles,
        trails=scenario.agents[max(0, step - PAST) : step],
        labels=False,
    )
    frame = Viewport(
        height_px=size_px, width_px=size_px, metres_per_px=metres, centre=centre, up=yaw
    )
    palette = palette_of(scenario.conditions)
    _draw_futures(image, frame, scenario, step, palette)
    return image


def _draw_futures(
    image: np.ndarray, frame: Viewport, scenario: Scenario, step: int, palette: Palette
) -> None:
    """Thin lines along which ego and roles go on, ending in a dot."""
    colours: dict[int, RGB] = {EGO: palette.ego}
    for order, agent in enumerate(scenario.roles.values()):
        colours.setdefault(agent, palette.of_role(order))
    for agent, colour in colours.items():
        part = scenario.agents[step : step + FUTURE + 1, agent]
        path: FloatArray = part.position[part.valid]
        if len(path) < 2 or float(np.hypot(*(path[-1] - path[0]))) < 1.0:
            continue
        points = fixed_point(frame.to_px(path))
        ink = mix(palette.asphalt, colour, 0.75)
        cv2.polylines(image, [points], False, ink, 1, cv2.LINE_AA, SHIFT)
        x, y = points[-1].tolist()
        cv2.circle(image, (x, y), 2 << SHIFT, ink, -1, cv2.LINE_AA, SHIFT)


def _write_head(sheet: np.ndarray, title: str, lines: Sequence[str], roles: Sequence[str]) -> None:
    top = MARGIN
    draw_text(sheet, title, MARGIN, top, size_px=TITLE_PX, colour=INK)
    top += round(1.5 * TITLE_PX)
    for line in lines:
        draw_text(sheet, line, MARGIN, top, size_px=LINE_PX, colour=QUIET)
        top += round(1.5 * LINE_PX)
    palette, left = palette_of(Conditions()), MARGIN
    people = [
        ("ego", palette.ego),
        *((f"role {r}", palette.of_role(k)) for k, r in enumerate(roles)),
    ]
    marks = [("as asked", GOOD), ("sound, but not as asked", SO_SO), ("not sound", BAD)]
    for name, colour in (*people, *marks):
        middle = top + round(0.62 * LINE_PX)
        cv2.circle(sheet, (left + 6, middle), 6, colour, -1, cv2.LINE_AA)
        left += 18 + draw_text(sheet, name, left + 18, top, size_px=LINE_PX, colour=QUIET) + 22


def _write_caption(sheet: np.ndarray, tile: Tile, left: int, top: int, size_px: int) -> None:
    sheet[top : top + 3, left : left + size_px] = tile.mark.value
    words = tile.note or (_told(tile, tile.scenario) if tile.scenario is not None else "")
    while text_mask(words, SMALL_PX).shape[1] > size_px - 4 and len(words) > 1:
        words = f"{words.rstrip('.')[:-1]}..."
    draw_text(sheet, words, left + 2, top + 5, size_px=SMALL_PX, colour=INK)


def _told(tile: Tile, scenario: Scenario) -> str:
    """Road, light, weather, the instant and the ego's speed then."""
    step, conditions = _step(tile, scenario), scenario.conditions
    speed = 3.6 * float(scenario.agents.speed[step, EGO])
    road = str(scenario.roadmap.kind).replace("_", " ")
    sky = f"{conditions.light.value}, {conditions.weather.value}"
    return f"{road}, {sky}  {scenario.times[step]:.1f} s  {speed:.0f} km/h"


def legend(counts: Mapping[Mark, int]) -> str:
    """Say how many scenarios became what."""
    asked = sum(counts.values())
    names = {Mark.HIT: "as asked", Mark.MISS: "sound, but not as asked", Mark.FAULT: "not sound"}
    parts = [f"{counts.get(mark, 0)} {name}" for mark, name in names.items()]
    return f"{asked} draws: {', '.join(parts)}"

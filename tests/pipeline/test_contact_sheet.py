"""Contact sheets show every scenario at its instant, framed by what became of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.errors import ShapeError
from scenegen.pipeline.contact_sheet import (
    CAPTION,
    GAP,
    MARGIN,
    Mark,
    Tile,
    contact_sheet,
    critical_step,
    legend,
)
from scenegen.scene import AgentKind, AgentStates, Scenario
from tests.builders import constant_speed_scenario, straight_road

SIZE = 48


def _approach() -> Scenario:
    """An ego at 20 m/s catches up with a car at 10 m/s, 30 m ahead: level after 3 s."""
    rows = [(AgentKind.CAR, 50.0, 3.5, 0.0, 20.0), (AgentKind.CAR, 80.0, 7.0, 0.0, 10.0)]
    road = straight_road(3, length=400.0)
    scenario = constant_speed_scenario(road, AgentStates.of(rows))
    return replace(scenario, roles={"c": 1})


def test_a_scene_is_drawn_when_ego_and_role_are_nearest() -> None:
    """Somewhere in the stretch in which both boxes are level."""
    scenario = _approach()

    step = critical_step(scenario)

    assert abs(float(scenario.times[step]) - 3.0) < 0.6


def test_without_anybody_else_the_opening_is_drawn() -> None:
    """An ego alone has no critical instant."""
    alone = AgentStates.of([(AgentKind.CAR, 50.0, 3.5, 0.0, 20.0)])

    assert critical_step(constant_speed_scenario(straight_road(3, length=400.0), alone)) == 0


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 4, 1), (4, 4, 1), (5, 4, 2), (9, 2, 5)])
def test_the_sheet_holds_every_picture(count: int, columns: int, rows: int) -> None:
    """Its size follows from the number of pictures."""
    tiles = [Tile(scenario=None, mark=Mark.FAULT, note="left out")] * count

    sheet = contact_sheet(tiles, "Cut in", columns=columns, size_px=SIZE)
    one = contact_sheet(tiles[:1], "Cut in", columns=columns, size_px=SIZE)

    assert sheet.shape[1] == 2 * MARGIN + columns * (SIZE + GAP) - GAP
    assert sheet.shape[0] - one.shape[0] == (rows - 1) * (SIZE + CAPTION + GAP)


@pytest.mark.parametrize("mark", list(Mark))
def test_a_line_tells_what_became_of_it(mark: Mark) -> None:
    """The line under a picture has the colour of its mark."""
    sheet = contact_sheet([Tile(scenario=None, mark=mark)], "x", columns=2, size_px=SIZE)

    below = sheet[-MARGIN - CAPTION - GAP, MARGIN : MARGIN + SIZE]

    assert (below == np.array(mark.value)).all()


def test_the_same_scenarios_give_the_same_sheet() -> None:
    """A sheet is a function of what it shows; the instant matters."""
    tile = Tile(scenario=_approach(), mark=Mark.HIT, time=2.0)

    first, again = (contact_sheet([tile], "Cut in", size_px=SIZE) for _ in range(2))
    later = contact_sheet([replace(tile, time=4.0)], "Cut in", size_px=SIZE)

    np.testing.assert_array_equal(first, again)
    assert (first != later).any()


def test_an_empty_sheet_is_refused() -> None:
    """Nothing to show is an error, not a picture of nothing."""
    with pytest.raises(ShapeError, match="expected tiles and columns"):
        contact_sheet([], "Cut in")


def test_the_legend_counts() -> None:
    """Draws are told by what became of them."""
    text = legend({Mark.HIT: 3, Mark.FAULT: 1})

    assert text == "4 draws: 3 as asked, 0 sound, but not as asked, 1 not sound"

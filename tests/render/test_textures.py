"""Bitmaps are seeded, tileable and mean what they say."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.render.bitmaps import PAINTERS
from scenegen.render.facades import CELL, FACADES, PANE
from scenegen.render.surfaces import MATERIALS
from scenegen.render.textures import EDGE, LEVEL_START, UNIT, draw_textures

TEXTURES = draw_textures(3, 0.2)


def test_the_same_seed_draws_the_same_bitmaps() -> None:
    """Colour and finish follow from the seed alone."""
    again, other = draw_textures(3, 0.2), draw_textures(4, 0.2)

    np.testing.assert_array_equal(TEXTURES.texels, again.texels)
    np.testing.assert_array_equal(TEXTURES.finish, again.finish)
    assert (TEXTURES.texels != other.texels).mean() > 0.2


def test_every_material_finds_its_bitmap() -> None:
    """No material refers to a bitmap that is not drawn."""
    assert {m.texture for m in MATERIALS.values() if m.texture} <= set(TEXTURES.names)


@pytest.mark.parametrize(
    "name", ["asphalt", "lane", "concrete", "paving", "gravel", "leaf", "bark"]
)
def test_bitmaps_keep_the_albedo_of_their_material(name: str) -> None:
    """On average the factor is one within a tenth, so that albedos are those of the table."""
    factor = TEXTURES.bitmap(name)[..., :3].astype(float).mean() / UNIT

    assert factor == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("name", PAINTERS)
def test_bitmaps_tile_without_a_seam(name: str) -> None:
    """The step across the border is no larger than steps inside, on average."""
    image = TEXTURES.bitmap(name)[..., :3].astype(float)

    for axis in (0, 1):
        steps = np.abs(np.diff(image, axis=axis)).mean((1 - axis, 2))
        seam = np.abs(np.take(image, 0, axis) - np.take(image, -1, axis)).mean()
        assert seam <= 1.6 * max(np.quantile(steps, 0.95), steps.max()) + 6.0


@pytest.mark.parametrize("name", FACADES)
def test_panes_lie_within_the_openings_of_the_table(name: str) -> None:
    """Glass is where near houses have their openings, and nowhere else; it is smooth."""
    alpha = TEXTURES.bitmap(f"facade_{name}")[..., 3]
    finish = TEXTURES.finish_bitmap(f"facade_{name}")[..., 0]
    left, right, low, high = FACADES[name].window
    row, column = np.nonzero(alpha > 0)

    assert len(row) > 500
    assert (column % CELL >= left).all()
    assert (column % CELL < right).all()
    assert (row % CELL >= low).all()
    assert (row % CELL < high).all()
    assert finish[alpha >= PANE].max() < 5 < finish[alpha == 0].min()


def test_mip_levels_keep_the_mean() -> None:
    """The last level is the mean of the bitmap."""
    first = TEXTURES.texels[:, : EDGE * EDGE].astype(float).mean(1)

    np.testing.assert_allclose(TEXTURES.texels[:, LEVEL_START[-2]], first, atol=1.0)


def test_water_gathers_in_wheel_tracks() -> None:
    """Ruts hold more water than the middle of the lane."""
    water = TEXTURES.finish_bitmap("lane")[..., 1].astype(float).mean(0)

    assert water[int(0.26 * EDGE)] > 1.5 * water[EDGE // 2]

"""The detector's chance of a false alarm is what it says, whatever the picture."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.appearance.watermark import FALSE_POSITIVES, detect_watermark
from scenegen.appearance.watermark_pattern import TILE_PX, tile, waves
from scenegen.appearance.watermark_search import all_scales, even_out, matches
from tests.appearance.pictures import pink, real_frames, street, through_jpeg

PICTURES = 1000
"""Clean pictures that are looked at."""


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0, 4.0, 6.0, 8.0])
def test_the_bound_on_chance_holds_for_random_keys(exponent: float) -> None:
    """For the weights of a real spectrum, S exceeds sqrt(N e) at most as often as exp(-e)."""
    match = next(matches(even_out(street()), np.ones(1)))
    weights = np.abs(match.phases[waves().sync])
    rng = np.random.default_rng(7)
    draws = 20_000

    sums = np.cos(rng.uniform(0, 2 * np.pi, (draws, len(weights)))) @ weights

    exceeded = int((sums >= np.sqrt(len(weights) * exponent)).sum())
    expected = draws * np.exp(-exponent)
    assert exceeded <= expected + 3.0 * np.sqrt(expected)


def test_clean_noise_never_shows_a_mark() -> None:
    """None of 1000 pictures is found, and p-values below 0.05 are rarer than 0.05."""
    found = [
        detect_watermark(pink(seed, 96, 128), lowest_scale=1.0, highest_scale=1.0)
        for seed in range(PICTURES)
    ]

    values = np.array([one.p_value for one in found])
    assert (values > FALSE_POSITIVES).all()
    assert (values < 0.05).mean() <= 0.05


def test_clean_real_frames_never_show_a_mark() -> None:
    """Crops of real frames, as they are and after JPEG, give no alarm at five scales."""
    values = []
    for frame in real_frames(84):
        for crop in (frame[:144, :256], frame[-144:, -256:], through_jpeg(frame[:, 128:384], 75)):
            for scale in (0.5, 1.0, 1.5, 2.0):
                found = detect_watermark(crop, lowest_scale=scale, highest_scale=scale)
                values.append(found.p_value)

    assert len(values) >= PICTURES
    assert min(values) > FALSE_POSITIVES
    assert np.mean(np.array(values) < 0.05) <= 0.05


@pytest.mark.parametrize("sky", ["day", "night", "fog"])
def test_an_unmarked_street_shows_no_mark_at_any_scale(sky: str) -> None:
    """The whole search over scales stays quiet."""
    assert not detect_watermark(street(sky)).found


@pytest.mark.parametrize("seed", range(5))
def test_a_period_of_a_tile_alone_is_no_mark(seed: int) -> None:
    """Wallpaper that repeats as the pattern does has other phases."""
    patch = pink(seed, TILE_PX, TILE_PX)
    paper = np.tile(patch, (2, 4, 1))

    assert not detect_watermark(paper, lowest_scale=1.0, highest_scale=1.0).found


@pytest.mark.parametrize("kind", ["even", "steps", "stripes", "noise"])
def test_degenerate_pictures_are_no_alarm_and_no_error(kind: str) -> None:
    """Pictures without detail, or with nothing but detail."""
    height, width = 128, 192
    column = np.indices((height, width))[1]
    grey = {
        "even": np.full((height, width), 128),
        "steps": 255 * (column > 90),
        "stripes": 255 * (column % 2),
        "noise": np.random.default_rng(0).integers(0, 256, (height, width)),
    }[kind]
    picture = np.repeat(grey[..., None], 3, 2).astype(np.uint8)

    assert not detect_watermark(picture, lowest_scale=0.9, highest_scale=1.1).found


def test_the_pattern_is_noise_of_unit_variance_without_mean() -> None:
    """The strength of the mark is what the mask says."""
    pattern = tile(12345)

    assert abs(float(pattern.mean())) < 1e-6
    assert float(pattern.std()) == pytest.approx(1.0, abs=1e-5)


def test_patterns_of_two_payloads_share_what_synchronises() -> None:
    """A third of the power is common, the rest is not."""
    first, second = tile(0), tile(2**40 - 1)

    assert float((first * second).mean()) == pytest.approx(0.33, abs=0.12)


@pytest.mark.parametrize("width", [128, 512, 1024])
def test_scales_lie_close_enough(width: int) -> None:
    """Between neighbours no pixel moves by more than a marked pixel against the pattern."""
    scales = all_scales(width, 0.5, 2.0)

    drift = np.diff(scales) / scales[:-1] * (width / scales[:-1]) / 2.0
    assert scales[0] == 0.5
    assert scales[-1] == 2.0
    assert drift.max() <= 1.0 + 1e-9

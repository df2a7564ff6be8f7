"""The losses have the values that can be worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from scenegen.appearance.camera_inputs import CHANNEL, CHANNELS
from scenegen.appearance.camera_losses import (
    SKY_WEIGHT,
    RandomFeatures,
    absolute_error,
    feature_error,
    gradient_penalty,
    gradient_ratio,
    high_pass,
    low_pass_error,
    moved_error,
    relativistic,
    warped,
)


def picture(seed: int, size: int = 32) -> torch.Tensor:
    """A random picture, shape (2, 3, size, size)."""
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


def test_sky_counts_a_quarter() -> None:
    """Half the picture is sky and wrong by one: the error is its share of the weight."""
    stack = torch.zeros(1, len(CHANNELS), 8, 8)
    stack[:, CHANNEL["sky_coverage"], :4] = 1.0
    drawn = torch.zeros(1, 3, 8, 8)
    drawn[:, :, :4] = 1.0

    error = absolute_error(drawn, torch.zeros(1, 3, 8, 8), stack)

    assert error.item() == pytest.approx(SKY_WEIGHT / (1.0 + SKY_WEIGHT))


def test_the_low_pass_does_not_see_fine_texture() -> None:
    """A checkerboard has the mean of its squares; a shift of all pixels counts in full."""
    flat = torch.full((1, 3, 16, 16), 0.5)
    board = flat + 0.2 * (1 - 2 * ((torch.arange(16)[:, None] + torch.arange(16)) % 2))

    assert low_pass_error(board, flat).item() == pytest.approx(0.0, abs=1e-6)
    assert low_pass_error(flat + 0.1, flat).item() == pytest.approx(0.1, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_equal_pictures_have_equal_features(seed: int) -> None:
    """No difference, no error; and the features are those of their seed, not of the moment."""
    features = RandomFeatures(5)

    assert feature_error(features, picture(seed), picture(seed)).item() == 0.0
    again = feature_error(RandomFeatures(5), picture(seed), picture(seed + 1))
    assert again == feature_error(features, picture(seed), picture(seed + 1))
    assert again.item() > 0.0


def test_features_keep_the_variance() -> None:
    """Layers are scaled so that no feature error is lost to the depth of its layer."""
    features = RandomFeatures(3)
    noise = 0.5 + 0.5 * torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))

    spreads = [maps.std().item() for maps in features(noise)]

    assert all(0.3 < spread < 3.0 for spread in spreads)


def test_equal_scores_cost_log_two() -> None:
    """Where nothing is told apart, both sides pay log 2; far apart, one pays the difference."""
    same = torch.zeros(2, 1, 4, 4)

    assert relativistic(same, same).item() == pytest.approx(math.log(2.0))
    assert relativistic(same + 30.0, same).item() == pytest.approx(0.0, abs=1e-6)
    assert relativistic(same, same + 30.0).item() == pytest.approx(30.0)


def test_the_penalty_of_a_linear_score_is_its_slope_squared() -> None:
    """A score w x has the gradient w: the penalty is |w|^2, at every picture."""
    slope = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(1))

    penalty = gradient_penalty(lambda x: [(x * slope).sum((1, 2, 3))[:, None]], picture(0, 8))

    assert penalty.item() == pytest.approx(slope.square().sum().item(), rel=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.6, 2.0])
def test_the_ratio_makes_gradients_as_long_as_asked(share: float) -> None:
    """Weighed, the second loss pulls `share` times as hard as the first."""
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    wanted, other = (weight * torch.tensor([3.0, 4.0])).sum(), 7.0 * weight.square().sum()

    factor = gradient_ratio(wanted, other, weight, share)

    length = (14.0 * weight.detach()).norm() * factor
    assert length.item() == pytest.approx(share * 5.0, rel=1e-5)


@pytest.mark.parametrize("shift", [(3.0, 0.0), (0.0, 2.0), (-4.0, 1.0)])
def test_a_shifted_picture_is_found_again(shift: tuple[float, float]) -> None:
    """Read where its pixels moved to, a shifted picture is the first one: no error."""
    here = picture(3)
    there = torch.roll(here, (int(shift[1]), int(shift[0])), (2, 3))
    motion = torch.tensor(shift)[None, :, None, None].expand(2, 2, 32, 32)
    seen = torch.ones(2, 32, 32, dtype=torch.bool)

    assert moved_error(here, there, motion, seen).item() == pytest.approx(0.0, abs=1e-5)
    assert moved_error(here, there, 0.0 * motion, seen).item() > 0.1


def test_half_a_pixel_is_half_of_both() -> None:
    """Between two pixels their mean is read; outside the picture nothing counts."""
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)

    read, inside = warped(ramp, torch.full((1, 2, 8, 8), 0.5))

    torch.testing.assert_close(read[0, 0, 0, :7], torch.arange(7.0) + 0.5)
    assert not inside[0, :, 7].any()
    assert not inside[0, 7].any()


def test_nothing_seen_is_no_error() -> None:
    """Without a pixel seen twice there is nothing to compare."""
    nothing = torch.zeros(2, 32, 32, dtype=torch.bool)

    error = moved_error(picture(0), picture(1), torch.zeros(2, 2, 32, 32), nothing)

    assert error.item() == 0.0


def test_the_high_pass_of_a_flat_picture_is_nothing() -> None:
    """Also at its borders; and what is fine stays."""
    flat = torch.full((1, 3, 12, 12), 0.4)
    spot = flat.clone()
    spot[0, 0, 6, 6] += 0.25

    torch.testing.assert_close(high_pass(flat), torch.zeros_like(flat), rtol=0.0, atol=1e-6)
    assert high_pass(spot)[0, 0, 6, 6].item() == pytest.approx(0.25 * 24 / 25, abs=1e-6)

"""Measures of lost echoes against brute force and hand-computed numbers."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.appearance.lidar_measures import (
    DropCounts,
    auc,
    bev_distance,
    bird_view,
    bootstrap,
    count_drops,
    joined,
    matched_iou,
)

SHAPE = (8, 40)


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and losses that follow them somewhat."""
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 64, SHAPE) / 64
    return score, rng.random(SHAPE) < 0.2 + 0.5 * score


def counted(seed: int, blocks: int = 4) -> DropCounts:
    """Count a drawn image."""
    score, lost = drawn(seed)
    return count_drops(score, lost, np.ones(SHAPE, np.bool_), blocks)


@pytest.mark.parametrize("seed", range(5))
def test_the_auc_is_how_often_a_lost_echo_scores_higher(seed: int) -> None:
    """Over all pairs of a lost and a returned one, ties counting half."""
    score, lost = drawn(seed)

    pairs = np.sign(score[lost][:, None] - score[~lost])
    assert auc(counted(seed)) == pytest.approx((pairs.mean() + 1) / 2, abs=1e-9)


def test_scores_that_know_nothing_have_an_auc_of_a_half() -> None:
    """So have equal scores."""
    lost = np.random.default_rng(0).random(SHAPE) < 0.3

    found = count_drops(np.full(SHAPE, 0.7), lost, np.ones(SHAPE, np.bool_), 1)

    assert auc(found) == 0.5


def test_scores_that_know_all_are_perfect() -> None:
    """AUC and overlap are one."""
    lost = np.random.default_rng(0).random(SHAPE) < 0.3

    found = count_drops(lost * 1.0, lost, np.ones(SHAPE, np.bool_), 1)

    assert auc(found) == 1.0
    assert matched_iou(found) == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_the_overlap_is_that_of_as_many_guesses_as_losses(seed: int) -> None:
    """With distinct scores it is the count of the highest ones."""
    rng = np.random.default_rng(seed)
    score = (rng.permutation(SHAPE[0] * SHAPE[1]) / (SHAPE[0] * SHAPE[1])).reshape(SHAPE)
    lost = rng.random(SHAPE) < 0.3

    guess = score >= np.sort(score.ravel())[-lost.sum()]
    found = matched_iou(count_drops(score, lost, np.ones(SHAPE, np.bool_), 2))

    assert found == pytest.approx((guess & lost).sum() / (guess | lost).sum())


def test_blocks_only_part_the_counts() -> None:
    """Blocks together are the whole, and scans can be joined."""
    one, four = counted(0, 1), counted(0, 4)

    np.testing.assert_array_equal(one.lost[0], four.lost.sum(0))
    assert auc(joined([one, one])) == pytest.approx(auc(one))


def test_an_interval_holds_its_value() -> None:
    """Of the AUC, and of no lead of a model over itself."""
    counts = joined([counted(k) for k in range(4)])

    low, high = bootstrap(counts, None, np.random.default_rng(0))
    none = bootstrap(counts, counts, np.random.default_rng(0))

    assert low < auc(counts) < high
    assert none == (0.0, 0.0)


def test_equal_sets_seen_from_above_are_not_apart() -> None:
    """And sets without a common cell are as far apart as can be: the root of ln 2."""
    near, far = np.array([[10.0, 10.0, 0.0]]), np.array([[-30.0, 20.0, 0.0]])
    one, two = bird_view(np.repeat(near, 9, 0)), bird_view(np.repeat(far, 5, 0))

    assert bev_distance([one, one], [one]) == (0.0, 0.0)
    jsd, mmd = bev_distance([one], [two])
    assert jsd == pytest.approx(np.sqrt(np.log(2.0)))
    assert mmd == pytest.approx(2 - 2 * np.exp(-2 / (2 * 0.25)))


def test_points_near_the_sensor_and_far_away_do_not_count() -> None:
    """Between 3 m and 70 m."""
    points = np.array([[1.0, 0.0, 0.0], [20.0, 0.0, 0.0], [75.0, 0.0, 0.0]])

    assert bird_view(points).sum() == 1

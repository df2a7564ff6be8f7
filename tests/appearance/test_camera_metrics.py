"""The measures of pictures know equal from different, and by how much."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scenegen.appearance.camera_losses import FEATURE_SEED
from scenegen.appearance.camera_metrics import (
    BANDS,
    NETS,
    band_distances,
    coverage,
    cut_up,
    domain_distance,
    gradient_energy,
    kernel_distance,
    matched_kernel_distance,
    peak_ratio,
    random_features,
    structural_similarity,
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Small pictures are faster on one thread."""
    torch.set_num_threads(1)


def pictures(seed: int, count: int = 6, grain: float = 0.1) -> np.ndarray:
    """Smooth pictures with grain, shape (count, 3, 48, 64)."""
    rng = np.random.default_rng(seed)
    smooth = rng.random((count, 3, 1, 1)) * np.linspace(0.2, 0.8, 64)
    noise = grain * rng.standard_normal((count, 3, 48, 64))
    return np.clip(smooth + noise, 0.0, 1.0).astype(np.float32)


def test_nothing_is_measured_by_what_was_trained_against() -> None:
    """A model must not be judged by the features that it was taught."""
    assert FEATURE_SEED not in NETS


@pytest.mark.parametrize("seed", range(3))
def test_the_kernel_distance_of_equal_laws_is_zero_on_average(seed: int) -> None:
    """Unbiased: over many draws of one law it averages to nothing, and moves with the mean."""
    rng = np.random.default_rng(seed)
    same = [
        kernel_distance(rng.standard_normal((20, 6)), rng.standard_normal((30, 6)))
        for _ in range(200)
    ]
    shifted = kernel_distance(rng.standard_normal((200, 6)) + 1.0, rng.standard_normal((200, 6)))

    assert abs(np.mean(same)) < 4.0 * np.std(same) / np.sqrt(200)
    assert shifted > 5.0 * np.std(same)


def test_the_kernel_distance_is_that_of_its_formula() -> None:
    """Two points against two: the sums can be written out."""
    x, y = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 1.0], [2.0, 0.0]])

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 2 + 1) ** 3)

    wanted = k(x[0], x[1]) + k(y[0], y[1]) - 0.5 * sum(k(a, b) for a in x for b in y)
    assert kernel_distance(x, y) == pytest.approx(wanted)


@pytest.mark.parametrize("seed", range(3))
def test_matched_pictures_are_told_apart_by_their_looks_alone(seed: int) -> None:
    """Equal ones are nought apart whatever they show; a shift of all is found in few scenes."""
    rng = np.random.default_rng(seed)
    shown, scenes = 2.0 * rng.standard_normal((24, 6)), np.arange(24) // 2
    shifted = shown + 0.3

    assert matched_kernel_distance(shown, shown, scenes) == pytest.approx(0.0, abs=1e-9)
    found = matched_kernel_distance(shifted, shown, scenes)
    again = matched_kernel_distance(shown, shifted, scenes)
    assert found == pytest.approx(again)
    assert found > 0.0


def test_the_matched_distance_estimates_the_unmatched_one() -> None:
    """For layouts without number both are the same discrepancy."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1500, 4))
    y = 0.6 * rng.standard_normal((1500, 4)) + 0.4

    matched = matched_kernel_distance(x, y, np.arange(1500))

    assert matched == pytest.approx(kernel_distance(x, y), rel=0.01)


def test_equal_pictures_have_no_distance() -> None:
    """Every band of a set against itself is nought; without its grain the fine band is not."""
    grainy, plain = pictures(0), pictures(0, grain=0.0)

    same, apart = band_distances(grainy, grainy), band_distances(plain, grainy)

    assert tuple(same) == BANDS
    assert max(same.values()) == 0.0
    assert apart["fine"] > 20.0
    assert apart["fine"] > 2.0 * apart["coarse"]


def test_blur_loses_gradient_energy() -> None:
    """White noise of variance v has gradient energy 2 v; a flat picture has none."""
    noise = 0.1 * np.random.default_rng(0).standard_normal((4, 3, 64, 64))

    assert gradient_energy(noise) == pytest.approx(0.02, rel=0.05)
    assert gradient_energy(np.zeros((1, 3, 8, 8))) == 0.0


def test_similarity_is_one_only_for_the_same() -> None:
    """SSIM of a picture with itself is one, PSNR of an error of a tenth is 20 dB."""
    first, other = pictures(1, 1)[0], pictures(2, 1)[0]

    assert structural_similarity(first, first) == pytest.approx(1.0)
    assert structural_similarity(first, other) < 0.9
    assert peak_ratio(np.zeros((3, 4, 4)), np.full((3, 4, 4), 0.1)) == pytest.approx(20.0)


def test_coverage_counts_what_is_reached() -> None:
    """All of the reference covers itself; one far picture covers none of it."""
    reference = np.random.default_rng(0).standard_normal((40, 4))

    assert coverage(reference, reference) == 1.0
    assert coverage(reference, np.full((10, 4), 50.0)) == 0.0
    assert coverage(reference, reference[:1]) < 0.5


def test_features_are_fixed() -> None:
    """A network is its seed: the same today and tomorrow, another for another seed."""
    crops = pictures(3, 2)

    np.testing.assert_array_equal(random_features(crops, 11), random_features(crops, 11))
    assert not np.allclose(random_features(crops, 11), random_features(crops, 12))


def test_a_domain_is_nearer_to_itself() -> None:
    """Two draws of one domain are nearer than a domain with other grain."""
    reference, like, unlike = pictures(4, 12), pictures(5, 12), pictures(6, 12, grain=0.02)

    near, far = (domain_distance(p, reference) for p in (like, unlike))

    assert near["kernel"] < far["kernel"]
    assert near["fine"] < far["fine"]
    assert near["energy"] == pytest.approx(1.0, abs=0.1)
    assert far["energy"] < 0.3


@pytest.mark.parametrize(("size", "count"), [((24, 32), 4), ((48, 64), 1), ((20, 30), 4)])
def test_crops_do_not_overlap(size: tuple[int, int], count: int) -> None:
    """As many whole crops as fit, every pixel in one at most."""
    numbered = np.arange(48 * 64, dtype=np.float32).reshape(1, 48, 64)

    crops = cut_up(numbered, size)

    assert len(crops) == count
    assert {crop.shape for crop in crops} == {(1, *size)}
    assert len(np.unique(np.stack(crops))) == count * size[0] * size[1]

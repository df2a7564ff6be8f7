"""ONNX Runtime gives what torch gives, for any size, alone or in company."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from scenegen.appearance.camera_condition import CONDITION_NAMES
from scenegen.appearance.camera_generator import CHANNEL, CHANNELS, STYLE_SIZE, padded, style_code
from scenegen.appearance.onnx_camera import SIZES_KEPT, OnnxAppearance, has_onnx
from tests.appearance.generators import tiny_generator

pytestmark = pytest.mark.skipif(not has_onnx(), reason="onnx or onnxruntime is not installed")
CLASSES = 8
Values = tuple[np.ndarray, np.ndarray, np.ndarray]


def inputs(seed: int, count: int, height: int, width: int) -> Values:
    """Draw stacks, conditions and styles."""
    rng = np.random.default_rng(seed)
    stack = rng.random((count, len(CHANNELS), height, width), np.float32)
    stack[:, CHANNEL["surface_class"]] = rng.integers(0, CLASSES, (count, height, width)) / 32.0
    condition = rng.random((count, len(CONDITION_NAMES)), np.float32)
    return stack, condition, np.stack([style_code(seed + k) for k in range(count)])


def by_torch(values: Values) -> np.ndarray:
    """Tone by the module itself."""
    stack, condition, style = (torch.from_numpy(v) for v in values)
    with torch.no_grad():
        return np.asarray(tiny_generator()(stack, condition, style))


@pytest.fixture(scope="module")
def runtime() -> OnnxAppearance:
    """Lay out the tiny generator once."""
    return OnnxAppearance(tiny_generator())


@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96), (128, 48)])
def test_both_agree(runtime: OnnxAppearance, height: int, width: int) -> None:
    """Tones differ by rounding alone; sizes need not be that of the export."""
    values = inputs(height, 1, height, width)

    np.testing.assert_allclose(runtime.tones(*values), by_torch(values), atol=2e-5)


@pytest.mark.parametrize(("height", "width"), [(37, 61), (50, 100)])
def test_odd_sizes_are_padded_and_cropped(runtime: OnnxAppearance, height: int, width: int) -> None:
    """Any picture fits."""
    stack, condition, style = inputs(1, 1, height, width)
    whole = by_torch((padded(stack), condition, style))

    tones = runtime.tones(stack, condition, style)

    assert tones.shape == (1, 3, height, width)
    np.testing.assert_allclose(tones, whole[:, :, :height, :width], atol=2e-5)


def test_company_changes_no_bit(runtime: OnnxAppearance) -> None:
    """A picture of a batch is the picture alone."""
    values = inputs(5, 3, 48, 64)
    stack, condition, style = values

    together = runtime.tones(*values)

    for k in range(3):
        one = slice(k, k + 1)
        alone = runtime.tones(stack[one], condition[one], style[one])
        np.testing.assert_array_equal(alone[0], together[k])


def test_threads_share_a_session(runtime: OnnxAppearance) -> None:
    """Frames that are made side by side are those made in turn, bit for bit."""
    jobs = [inputs(seed, 1, 48, 64) for seed in range(6)]
    in_turn = [runtime.tones(*job) for job in jobs]

    with ThreadPoolExecutor(3) as pool:
        beside = list(pool.map(lambda job: runtime.tones(*job), jobs))

    for first, second in zip(in_turn, beside, strict=True):
        np.testing.assert_array_equal(first, second)


def test_a_second_session_gives_the_same_bits(runtime: OnnxAppearance) -> None:
    """Export and run follow from the weights alone."""
    values = inputs(9, 1, 48, 64)

    np.testing.assert_array_equal(
        OnnxAppearance(tiny_generator()).tones(*values), runtime.tones(*values)
    )


def test_more_sizes_than_are_kept_change_no_bit(runtime: OnnxAppearance) -> None:
    """A size whose network was dropped in between is laid out anew, to the same bits."""
    values = inputs(3, 1, 32, 48)
    before = runtime.tones(*values)

    for k in range(SIZES_KEPT + 1):
        runtime.tones(*inputs(k, 1, 16, 16 * (k + 1)))

    np.testing.assert_array_equal(runtime.tones(*values), before)


def test_the_style_matters(runtime: OnnxAppearance) -> None:
    """Another scenario looks different."""
    stack, condition, style = inputs(2, 1, 48, 64)

    first = runtime.tones(stack, condition, style)
    second = runtime.tones(stack, condition, style + np.ones((1, STYLE_SIZE), np.float32))

    assert np.abs(first - second).max() > 1e-5

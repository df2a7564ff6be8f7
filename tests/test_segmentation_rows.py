"""The segmentation benchmark counts right, compares alike with alike, and goes on where it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load

from benchmarks.quality import segmentation
from benchmarks.quality.segmentation import ARMS, Plan
from benchmarks.quality.segmentation_cells import blocks
from benchmarks.quality.segmentation_sets import (
    CLASS_OF,
    CLASSES,
    IGNORED,
    LabelledSet,
    translated,
)
from benchmarks.quality.segmentation_training import (
    Schooling,
    UNet,
    class_weights,
    intersection_over_union,
    judge,
    train,
)
from scenegen.render import SurfaceClass

TINY = Schooling(widths=(4, 8), steps=2, batch=2, crop=(32, 32))
OPTIONAL = {SurfaceClass.ANIMAL, SurfaceClass.STATIC}


def drawn(seed: int, count: int = 7) -> LabelledSet:
    """Random pictures in two drives."""
    rng = np.random.default_rng(seed)
    return LabelledSet(
        rgb=rng.integers(0, 256, (count, 32, 48, 3)).astype(np.uint8),
        classes=rng.integers(0, IGNORED + 1, (count, 32, 48)).astype(np.uint8),
        group=np.repeat([0, 1], [count - 3, 3]),
    )


def test_every_surface_has_a_class_or_is_left_out_on_purpose() -> None:
    """Animals and debris have no counterpart; everything else has one."""
    assert set(CLASS_OF) == set(SurfaceClass) - OPTIONAL
    assert set(CLASS_OF.values()) == set(CLASSES)
    numbers = translated(np.array([SurfaceClass.MARKING, SurfaceClass.ANIMAL], np.uint8))
    assert numbers.tolist() == [CLASSES.index("road"), IGNORED]


def test_iou_is_hits_over_union() -> None:
    """Three pixels of class 0 of which one is taken for class 1: 2/3 and 1/2."""
    confusion = np.zeros((1, len(CLASSES), len(CLASSES)), np.int64)
    confusion[0, 0, 0], confusion[0, 0, 1], confusion[0, 1, 1] = 2, 1, 1

    values = intersection_over_union(confusion)

    np.testing.assert_allclose(values[:2], [2 / 3, 1 / 2])
    assert np.isnan(values[2:]).all()


def test_pixels_without_a_class_are_not_counted() -> None:
    """Each known pixel of each picture is counted once."""
    test = drawn(1)

    confusion = judge(train([drawn(0)], TINY, 0), test)

    assert confusion.sum((1, 2)).tolist() == (test.classes != IGNORED).sum((1, 2)).tolist()


@pytest.mark.parametrize("seed", range(2))
def test_training_follows_from_its_seed(seed: int) -> None:
    """The same seed gives the same verdicts."""
    first, second = (judge(train([drawn(0), drawn(2)], TINY, seed), drawn(1)) for _ in range(2))

    np.testing.assert_array_equal(first, second)


def test_rare_classes_weigh_more() -> None:
    """A class with few pixels has a larger weight."""
    classes = np.zeros((1, 10, 10), np.uint8)
    classes[0, 0, :2] = 3
    one = LabelledSet(rgb=np.zeros((1, 10, 10, 3), np.uint8), classes=classes, group=np.zeros(1))

    weights = class_weights([one])

    assert weights[3] > 5 * weights[0]


def test_smaller_shares_lie_in_larger_ones() -> None:
    """Ten percent of the real pictures are among the fifty."""
    real = drawn(0, 40)

    few, many = segmentation._share(real, 10), segmentation._share(real, 50)

    assert (len(few), len(many)) == (4, 20)
    assert all((many.rgb == picture).all((1, 2, 3)).any() for picture in few.rgb)


def test_blocks_stay_within_a_drive() -> None:
    """Frames of two drives are never resampled as one."""
    found = blocks(drawn(0, 10))

    assert len(set(found[:7])) == 2
    assert len(set(found[7:])) == 1
    assert not set(found[:7]) & set(found[7:])


@pytest.fixture(name="plan")
def tiny_plan(tmp_path: Path) -> Plan:
    """Everything of one size that takes no time."""
    return Plan(
        folder=tmp_path,
        schooling=TINY,
        percents=(100,),
        seeds=(0,),
        train=drawn(0),
        test=drawn(1),
        ours={"base": drawn(2)},
        notes=(),
    )


def test_real_pictures_go_on_from_what_ours_taught(plan: Plan) -> None:
    """Ours, then real: the same as two trainings by hand, the first of them kept for other shares.

    What is kept knows nothing of real pictures.
    """
    arm = next(arm for arm in ARMS if arm.name == "base, then real")

    found = segmentation._cell(plan, arm, 100, 0)

    taught = train([plan.ours["base"]], TINY, 0)
    (path,) = (plan.folder / "taught").iterdir()
    for name, value in load(path.read_bytes()).items():
        torch.testing.assert_close(value, taught.state_dict()[name], rtol=0.0, atol=0.0)
    expected = judge(train([plan.train], TINY, 0, taught), plan.test)
    np.testing.assert_array_equal(found, expected)


def test_a_cell_is_trained_once(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second call reads its file; other settings are another cell."""
    first = segmentation._cell(plan, ARMS[2], 100, 0)

    def refuse(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(segmentation, "train", refuse)

    np.testing.assert_array_equal(segmentation._cell(plan, ARMS[2], 100, 0), first)
    with pytest.raises(AssertionError, match="again"):
        segmentation._cell(replace(plan, schooling=replace(TINY, steps=3)), ARMS[2], 100, 0)


def test_every_arm_has_the_same_steps_but_one() -> None:
    """And that one has real pictures alone."""
    longer = [arm for arm in ARMS if arm.lengthening != 1]

    assert [(arm.lengthening, arm.real, arm.renderer) for arm in longer] == [(2, True, "")]


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (88, 120)])
def test_scores_are_as_large_as_the_picture(size: tuple[int, int]) -> None:
    """Whatever the size, each pixel has a score of each class."""
    network = UNet((4, 8, 8))

    assert network(torch.zeros(1, 3, *size)).shape == (1, len(CLASSES), *size)

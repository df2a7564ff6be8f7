"""Errors speak in sentences."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.arrays import check_shape
from scenegen.errors import ScenegenError, ShapeError, UnknownNameError


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    """A typo is answered with what was probably meant."""
    error = UnknownNameError("event", "cutin", ["cut_in", "jaywalker"])

    assert str(error) == "unknown event 'cutin'; known: cut_in, jaywalker. Did you mean 'cut_in'?"
    assert isinstance(error, KeyError)
    assert isinstance(error, ScenegenError)


def test_a_shape_error_says_what_was_expected() -> None:
    """The message holds the name, the wanted and the found shape."""
    with pytest.raises(
        ShapeError, match=r"corners: expected shape \(\.\.\., N, 4, 2\), got \(3,\)"
    ):
        check_shape("corners", np.zeros(3), "N", 4, 2)


def test_a_letter_binds_to_one_size() -> None:
    """The same letter twice must be the same number."""
    with pytest.raises(ShapeError):
        check_shape("square", np.zeros((2, 3)), "N", "N")

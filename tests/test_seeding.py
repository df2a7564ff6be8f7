"""Named streams: independent, repeatable."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.seeding import digest, stream


@pytest.mark.parametrize("seed", range(5))
def test_a_stream_repeats(seed: int) -> None:
    """The same seed and names give the same numbers."""
    first, second = stream(seed, "sim", 3), stream(seed, "sim", 3)

    np.testing.assert_array_equal(first.random(16), second.random(16))


def test_names_and_their_borders_matter() -> None:
    """Streams of different names differ, also when the names join to the same text."""
    draws = [stream(1, *names).random() for names in (("ab", "c"), ("a", "bc"), ("abc",), ("a", 1))]

    assert len(set(draws)) == len(draws)


def test_digest_ignores_the_order_of_keys() -> None:
    """A hash is of the meaning, not of how a mapping was built."""
    assert digest({"a": 1, "b": [2.5, None]}) == digest({"b": [2.5, None], "a": 1})


def test_digest_refuses_nan() -> None:
    """NaN has no canonical text."""
    with pytest.raises(ValueError, match="JSON"):
        digest(float("nan"))

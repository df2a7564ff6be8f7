"""Named random streams: one integer seed, one independent generator per purpose."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

import numpy as np

Jsonable = None | bool | int | float | str | Sequence["Jsonable"] | Mapping[str, "Jsonable"]


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Give the random generator of one purpose, independent of all other names.

    The names are hashed with SHA-256 into the entropy of a PCG64 generator, so that adding
    a consumer never changes the numbers another consumer draws.

    Args:
        seed: Any integer.
        *names: What the numbers are for, for example ``"layout", index``.

    Returns:
        A fresh generator; the same arguments always give the same sequence.

    >>> a, b = stream(7, "layout", 3), stream(7, "layout", 3)
    >>> bool(a.random() == b.random())
    True
    >>> bool(stream(7, "layout").random() == stream(7, "sensor").random())
    False
    """
    return np.random.Generator(np.random.PCG64(int(digest([int(seed), *names])[:32], 16)))


def digest(value: Jsonable) -> str:
    """Hash a JSON value: SHA-256 of its canonical text (sorted keys, no spaces, no NaN).

    >>> digest({"b": 1, "a": 2}) == digest({"a": 2, "b": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

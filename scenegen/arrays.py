"""Array types and the one way to check a shape."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scenegen.errors import ShapeError

Array = npt.NDArray[np.generic]
FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]


def check_shape(name: str, array: Array, *dims: str | int) -> dict[str, int]:
    """Check the trailing axes of an array: letters bind to a size, integers must match.

    Args:
        name: What the array is called in the message.
        array: The array to check, shape (..., *dims).
        *dims: One entry per trailing axis.

    Returns:
        The size bound to each letter.

    Raises:
        ShapeError: The array does not have the announced shape.

    >>> check_shape("corners", np.zeros((5, 3, 4, 2)), "N", 4, 2)
    {'N': 3}
    """
    found = array.shape[-len(dims) :] if dims else ()
    if found == dims:  # Numbers alone, which is what scenes are checked against by the thousand.
        return {}
    sizes: dict[str, int] = {}
    fits = len(found) == len(dims) and all(
        size == (dim if isinstance(dim, int) else sizes.setdefault(dim, size))
        for dim, size in zip(dims, found, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, dims))
        raise ShapeError(f"{name}: expected shape (..., {wanted}), got {array.shape}")
    return sizes

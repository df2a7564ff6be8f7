"""What a rig gives at one instant, and how a sensor announces its arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import Array
from scenegen.errors import ShapeError


@dataclass(frozen=True, slots=True, kw_only=True)
class ArraySpec:
    """Announcement of one array; writer, reader, loader and exporters are generic over it.

    Attributes:
        name: Path within the frame, for example ``camera/front/rgb`` or ``lidar/top/xyz``.
        dims: Name of each axis, without the frame axis, for example ("y", "x", "channel").
        shape: Size of each axis; None where it differs from frame to frame (ragged, at most one,
            and it comes first: points or boxes).
        dtype: Numpy dtype name.
        units: SI unit text, "1" for pure numbers, "" for ids and classes.
        long_name: What it is, in a few words.
        codec: "image" for photographs (lossy allowed), "mask" for ids and classes, "field" for
            smooth numbers, "points" for ragged numbers.
        scale: Stored integers times this give the quantity (CF scale_factor); 1 for none.
        classes: Meaning of each value, for class arrays.
        attributes: Further facts to store with it, names and texts.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int | None, ...]
    dtype: str
    units: str = "1"
    long_name: str = ""
    codec: str = "field"
    scale: float = 1.0
    classes: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Check that dims and shape agree and only the first axis is ragged."""
        if len(self.dims) != len(self.shape) or None in self.shape[1:]:
            raise ShapeError(
                f"{self.name}: expected one size per axis, ragged only in front, got"
                f" dims {self.dims} and shape {self.shape}"
            )

    @property
    def is_ragged(self) -> bool:
        """Whether its length differs from frame to frame."""
        return bool(self.shape) and self.shape[0] is None

    def check(self, array: Array) -> None:
        """Check that an array keeps the announcement.

        Raises:
            ShapeError: Shape or dtype differ.
        """
        fits = len(array.shape) == len(self.shape) and all(
            want is None or want == got for want, got in zip(self.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != np.dtype(self.dtype):
            raise ShapeError(
                f"{self.name}: expected {self.dtype} of shape {self.shape}, got"
                f" {array.dtype} of shape {array.shape}"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """Everything a rig gives at one instant.

    Attributes:
        time: Time since the scenario began [s].
        arrays: Array of each ArraySpec name.
    """

    time: float
    arrays: Mapping[str, Array] = field(default_factory=dict)

"""Every error scenegen raises on purpose.

ScenegenError
  ShapeError           an array does not have the shape it was announced with (also a ValueError)
  UnknownNameError     a name is in no registry (also a KeyError)
  QueryError           a query is malformed, or asks for what its event cannot give
  UnsatisfiedError     no scenario met the query within the tries allowed
  MapError             a map or recorded scene is damaged, missing or unsupported
  CheckpointError      a checkpoint is damaged, or made for another model
  RecordingError       a recording is incomplete, damaged, or of an unknown schema version
  EstimateError        a rate cannot be told from the scenes at hand
  StorageError         a dataset could not be written: disk full, no permission (also an OSError)
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ScenegenError(Exception):
    """Base of all errors scenegen raises on purpose."""


class ShapeError(ScenegenError, ValueError):
    """An array does not have the shape it was announced with."""


class UnknownNameError(ScenegenError, KeyError):
    """A name is in no registry; the message lists the known names and the nearest one."""

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        """Build the sentence: what was asked for, what exists, what was probably meant."""
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        self.nearest = close[0] if close else None
        self.message = f"unknown {what} {name!r}; known: {', '.join(names)}.{hint}"
        super().__init__(self.message)

    def __str__(self) -> str:
        """Give the sentence without the quotes that KeyError adds."""
        return self.message


class QueryError(ScenegenError, ValueError):
    """A query is malformed, or asks for what its event cannot give."""


class UnsatisfiedError(ScenegenError):
    """No scenario met the query within the tries allowed."""


class MapError(ScenegenError, ValueError):
    """A map or recorded scene is damaged, missing or unsupported."""


class CheckpointError(ScenegenError):
    """A checkpoint is damaged, or made for another model."""


class RecordingError(ScenegenError):
    """A recording is incomplete, damaged, or of an unknown schema version."""


class EstimateError(ScenegenError):
    """A rate cannot be told from the scenes at hand: their weights are too uneven, or too few."""


class StorageError(ScenegenError, OSError):
    """A dataset could not be written: the disk is full or the place is not writable."""

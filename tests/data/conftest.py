"""What all tests of this folder share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="package")
def _no_fsync() -> Iterator[None]:
    """Skip fsync: it guards against power loss, which no test can cause, and is slow.

    A killed process loses nothing that the system has already taken.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda fd: None)
        yield

"""How the kernels are compiled: one place for the settings."""

from __future__ import annotations

import numba as nb

kernel = nb.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # type: ignore[call-overload] # undocumented
"""Decorator of every kernel.

Kernels only look into arrays that Python owns, so they need no reference counts (`_nrt=False`),
which halves their time. Division follows IEEE 754. There is no fastmath: the same bits come out
whatever the batch. The cache notices a change of the file a kernel is in, but not of the kernels
it calls: after editing one, remove the `__pycache__` of this room.
"""

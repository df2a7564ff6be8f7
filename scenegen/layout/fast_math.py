"""Functions of single floats, compiled so that loops over them run in vector registers.

Each is exact to a few units in the last place, has no branches, and gives the same bits wherever
in a loop it stands.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba import types
from numba.core.cgutils import ir  # type: ignore[attr-defined]
from numba.extending import intrinsic

_F = np.float32
_LOG2E, _LN2_HIGH, _LN2_LOW = _F(1.44269504), _F(0.693359375), _F(-2.12194440e-4)
_LEAST, _MOST, _HALF, _ONE, _TWO = _F(-87.0), _F(88.0), _F(0.5), _F(1.0), _F(2.0)
_P0, _P1, _P2 = _F(1.9875691500e-4), _F(1.3981999507e-3), _F(8.3334519073e-3)
_P3, _P4, _P5 = _F(4.1665795894e-2), _F(1.6666665459e-1), _F(5.0000001201e-1)
_GELU, _CUBIC = _F(2.0 * 0.7978845608), _F(0.044715)


def _write_exponent(_context: Any, _number: Any) -> Any:  # noqa: ANN401
    """Build 2 to a whole number that is given as a float, by writing the exponent."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        bits = ir.IntType(32)
        number = builder.add(builder.fptosi(args[0], bits), ir.Constant(bits, 127))
        return builder.bitcast(builder.shl(number, ir.Constant(bits, 23)), ir.FloatType())

    return types.float32(types.float32), code


_power_of_two: Any = intrinsic(_write_exponent)


@nb.njit(cache=True, inline="always", error_model="numpy")
def exp(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Exponential of a float32 (range reduction and polynomial of Moshier's Cephes)."""
    x = min(max(x, _LEAST), _MOST)
    n = np.floor(x * _LOG2E + _HALF)
    x = x - n * _LN2_HIGH - n * _LN2_LOW
    y = ((((_P0 * x + _P1) * x + _P2) * x + _P3) * x + _P4) * x + _P5
    return (y * x * x + x + _ONE) * _power_of_two(n)


@nb.njit(cache=True, inline="always", error_model="numpy")
def silu(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Sigmoid linear unit."""
    return x / (_ONE + exp(-x))


@nb.njit(cache=True, inline="always", error_model="numpy")
def gelu(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Gaussian error linear unit in its tanh form (Hendrycks & Gimpel 2016)."""
    return x / (_ONE + exp(-_GELU * (x + _CUBIC * x * x * x)))


@nb.njit(cache=True, inline="always", error_model="numpy")
def tanh(x):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Hyperbolic tangent, exact to the last place of one."""
    return _ONE - _TWO / (_ONE + exp(_TWO * x))


@nb.njit(cache=True, error_model="numpy")
def silu_all(values):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Apply `silu` in place, shape (N,)."""
    for i in range(len(values)):
        values[i] = silu(values[i])


@nb.njit(cache=True, error_model="numpy")
def gelu_all(values):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Apply `gelu` in place, shape (N,)."""
    for i in range(len(values)):
        values[i] = gelu(values[i])

"""Monotone rational-quadratic splines: elementwise bijections with exact inverses (Durkan 2019)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch.nn import functional

LEAST_BIN, LEAST_SLOPE = 1e-3, 1e-3
"""Least width and height of a bin as a share of the range, and least slope at a knot."""

_ONE = math.log(math.expm1(1.0 - LEAST_SLOPE))


class Spline(NamedTuple):
    """Knots of splines from [-bound, bound] onto itself, K bins each; outside it is the identity.

    Attributes:
        x: Places of the knots, shape (..., K + 1).
        y: Values at the knots, shape (..., K + 1).
        slope: Slopes at the knots, shape (..., K + 1).
        bound: Half of the range.
    """

    x: torch.Tensor
    y: torch.Tensor
    slope: torch.Tensor
    bound: float


def spline_outputs(bins: int) -> int:
    """Give the number of outputs a spline is read from."""
    return 3 * bins


def spline_of(raw: torch.Tensor, bound: float, *, circular: bool) -> Spline:
    """Read splines from the outputs of a network; zeros give the identity.

    Args:
        raw: Shape (..., 3 K): widths, heights and slopes.
        bound: Half of the range.
        circular: Whether the ends are the same point and have one slope (Rezende et al. 2020);
            otherwise the slope at the ends is 1, that of the identity beyond.
    """
    widths, heights, slopes = raw.chunk(3, -1)
    slope = LEAST_SLOPE + functional.softplus(slopes + _ONE)
    one = torch.ones_like(slope[..., :1])
    if circular:
        slope = torch.cat([slope, slope[..., :1]], -1)
    else:
        slope = torch.cat([one, slope[..., 1:], one], -1)
    return Spline(_knots(widths, bound), _knots(heights, bound), slope, bound)


def spline_forward(spline: Spline, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the value and the logarithm of the slope at x (Durkan et al. 2019, eqs. 4 and 5).

    Args:
        spline: One spline per number.
        x: Numbers, shape (...).
    """
    inside = x.abs() < spline.bound
    held = x.clamp(-spline.bound, spline.bound)
    x0, y0, width, height, d0, d1 = _bin(spline, held, spline.x)
    s, t = height / width, ((held - x0) / width).clamp(0.0, 1.0)
    bend = s + (d1 + d0 - 2.0 * s) * t * (1.0 - t)
    y = y0 + height * (s * t.square() + d0 * t * (1.0 - t)) / bend
    return torch.where(inside, y, x), torch.where(inside, _log_slope(s, t, d0, d1), 0.0)


def spline_inverse(spline: Spline, y: torch.Tensor) -> torch.Tensor:
    """Give the place at which a spline has a value (Durkan et al. 2019, eqs. 6 to 8).

    Args:
        spline: One spline per number.
        y: Values, shape (...).
    """
    inside = y.abs() < spline.bound
    held = y.clamp(-spline.bound, spline.bound)
    x0, y0, width, height, d0, d1 = _bin(spline, held, spline.y)
    s, rise = height / width, held - y0
    common = rise * (d1 + d0 - 2.0 * s)
    a, b, c = height * (s - d0) + common, height * d0 - common, -s * rise
    root = (b.square() - 4.0 * a * c).clamp(min=0.0).sqrt()
    # Of the two forms of the root, the one without cancellation.
    t = (2.0 * c / (-b - root)).clamp(0.0, 1.0)
    return torch.where(inside, x0 + t * width, y)


def _knots(raw: torch.Tensor, bound: float) -> torch.Tensor:
    bins = raw.shape[-1]
    share = LEAST_BIN + (1.0 - LEAST_BIN * bins) * raw.softmax(-1)
    inner = share.cumsum(-1)[..., :-1]
    ends = torch.zeros_like(share[..., :1])
    return bound * (2.0 * torch.cat([ends, inner, ends + 1.0], -1) - 1.0)


def _bin(spline: Spline, value: torch.Tensor, knots: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Left ends, sizes and slopes of the bins that hold values along x or y."""
    index = (knots[..., 1:-1] <= value[..., None]).sum(-1, keepdim=True)
    left = [v.gather(-1, index)[..., 0] for v in (spline.x, spline.y, spline.slope)]
    right = [v.gather(-1, index + 1)[..., 0] for v in (spline.x, spline.y, spline.slope)]
    return left[0], left[1], right[0] - left[0], right[1] - left[1], left[2], right[2]


def _log_slope(
    s: torch.Tensor, t: torch.Tensor, d0: torch.Tensor, d1: torch.Tensor
) -> torch.Tensor:
    bend = s + (d1 + d0 - 2.0 * s) * t * (1.0 - t)
    top = d1 * t.square() + 2.0 * s * t * (1.0 - t) + d0 * (1.0 - t).square()
    return 2.0 * s.log() + top.log() - 2.0 * bend.log()

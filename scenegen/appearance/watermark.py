"""An invisible watermark that says "made by scenegen" and by which scenario, and its detector.

The mark survives JPEG and rescaling, see `watermark_pattern` for its form, `watermark_mask` for
its strength and `watermark_search` for the statistic. The key is public, as the detector ships
with the generator: the mark informs honest users and filters of training data, it is no proof
against those who set out to remove or to forge it. Turning, mirroring and unequal scaling of the
axes are not searched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.appearance.watermark_code import PAYLOAD_BITS, DecodedPayload, decode_payload
from scenegen.appearance.watermark_mask import add_pattern
from scenegen.appearance.watermark_pattern import tile, waves
from scenegen.appearance.watermark_search import (
    NEARBY,
    SHIFTS,
    USUAL_SCALES,
    Match,
    all_scales,
    even_out,
    matches,
    nearby_scales,
)
from scenegen.arrays import Array, FloatArray, IntArray, check_shape

ALGORITHM = "scenegen.watermark.v1"
"""Name of this form of mark; another form has another name."""
FALSE_POSITIVES = 1e-6
"""A watermark is found where chance alone would fit as well in at most this share of pictures."""
PAYLOAD_ERROR = 1e-3
"""A payload is told where its estimated chance to be wrong is below this."""
PAYLOAD_DIGITS = PAYLOAD_BITS // 4
"""Hexadecimal digits of a payload."""
LARGEST_PX = 1024
"""Edge of the middle part of a larger picture that is searched."""
SMALLEST_PX = 32
"""Pictures with a shorter edge hold too few waves to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What a picture shows of the watermark.

    Attributes:
        score: Exponent of the bound on chance at the best fit [nats], at least 0.
        p_value: Bound on the chance that a picture without the mark fits as well anywhere in the
            search, in [0, 1].
        payload: The payload, None where there is no mark or it cannot be read.
        payload_error: Estimated chance that the payload is wrong, 1 where there is no mark.
        scale: Size of the picture relative to the marked one, at the best fit.
    """

    score: float
    p_value: float
    payload: int | None
    payload_error: float
    scale: float

    @property
    def found(self) -> bool:
        """Whether there is a watermark, wrong in at most FALSE_POSITIVES of all pictures."""
        return self.p_value <= FALSE_POSITIVES

    @property
    def payload_text(self) -> str | None:
        """The payload in hexadecimal digits: how the id of its scenario begins."""
        return None if self.payload is None else f"{self.payload:0{PAYLOAD_DIGITS}x}"


def payload_of(identity: str) -> int:
    """Payload for a scenario: the first PAYLOAD_DIGITS digits of its id.

    Args:
        identity: A hexadecimal text with at least that many digits.

    Raises:
        ValueError: It is none.

    >>> hex(payload_of("3f2a91bc0400aa17"))
    '0x3f2a91bc04'
    """
    head = identity[:PAYLOAD_DIGITS]
    if len(head) < PAYLOAD_DIGITS:
        raise ValueError(
            f"payload_of: expected at least {PAYLOAD_DIGITS} hexadecimal digits, got {identity!r}"
        )
    return int(head, 16)


def embed_watermark(rgb: Array, payload: int) -> IntArray:
    """Give a picture with the watermark, at least 40 dB from the original.

    Args:
        rgb: Picture, uint8, shape (H, W, 3).
        payload: Integer of PAYLOAD_BITS bits, see `payload_of`.

    Returns:
        The marked picture; the same picture and payload give the same bytes. A picture of one
        colour stays as it is: there is nothing in it to mark.

    Raises:
        ShapeError: The picture has another shape.
        ValueError: The picture is not uint8, or the payload has more bits.
    """
    return add_pattern(rgb, tile(payload))


def detect_watermark(
    rgb: Array, *, lowest_scale: float = 0.5, highest_scale: float = 2.0
) -> Detection:
    """Look for the watermark at unknown scale and shift, and read its payload.

    Args:
        rgb: Picture, uint8, shape (H, W, 3); cropped and rescaled as it may be.
        lowest_scale: Smallest size relative to the marked picture that is searched.
        highest_scale: Largest; the same as the smallest for a known scale.

    Raises:
        ShapeError: The picture has another shape.
        ValueError: The scales are not positive and ascending.
    """
    check_shape("rgb", rgb, "H", "W", 3)
    if not 0 < lowest_scale <= highest_scale:
        raise ValueError(
            f"detect_watermark: expected 0 < lowest_scale <= highest_scale, got {lowest_scale}"
            f" and {highest_scale}"
        )
    part = _middle(rgb)
    if min(part.shape[:2]) < SMALLEST_PX:
        return Detection(score=0.0, p_value=1.0, payload=None, payload_error=1.0, scale=1.0)
    usual = [scale for scale in USUAL_SCALES if lowest_scale <= scale <= highest_scale]
    every = all_scales(max(part.shape[:2]), lowest_scale, highest_scale)
    scales = np.concatenate([usual, every])
    tried = (len(scales) + NEARBY) * SHIFTS * SHIFTS
    detail = even_out(part)
    best: Match | None = None
    for match in matches(detail, scales):
        best = match if best is None or match.exponent > best.exponent else best
        if _p_value(best, tried) <= FALSE_POSITIVES:
            break
    return _detection(_refined(detail, best, tried), tried)


def _refined(detail: FloatArray, best: Match | None, tried: int) -> Match:
    """Look more closely around a scale at which there is a mark."""
    if best is None:
        raise RuntimeError("detect_watermark: no scale was tried")
    if _p_value(best, tried) > FALSE_POSITIVES:
        return best
    near = matches(detail, nearby_scales(best.scale, max(detail.shape)))
    return max((best, *near), key=lambda match: match.exponent)


def _middle(rgb: Array) -> Array:
    height, width = rgb.shape[:2]
    top, left = max(height - LARGEST_PX, 0) // 2, max(width - LARGEST_PX, 0) // 2
    return rgb[top : top + LARGEST_PX, left : left + LARGEST_PX]


def _p_value(match: Match, tried: int) -> float:
    return float(min(1.0, np.exp(np.log(tried) - match.exponent)))


def _detection(match: Match, tried: int) -> Detection:
    p_value = _p_value(match, tried)
    decoded = _payload(match) if p_value <= FALSE_POSITIVES else None
    told = decoded is not None and decoded.error <= PAYLOAD_ERROR
    return Detection(
        score=match.exponent,
        p_value=p_value,
        payload=decoded.payload if decoded is not None and told else None,
        payload_error=1.0 if decoded is None else decoded.error,
        scale=match.scale,
    )


def _payload(match: Match) -> DecodedPayload:
    """Decode the waves that carry symbols.

    Where a wave's phase is spread around the right one by a von Mises distribution of mean
    resultant length c, its logarithmic likelihood is kappa cos(difference) with kappa about 2 c
    for small c (Mardia and Jupp, 2000, sec. 5.3); c is read off the waves that synchronise.
    """
    drawn = waves()
    kappa = 2.0 * np.sqrt(match.exponent / len(drawn.sync))
    rows: list[FloatArray] = []
    for index, book in zip(drawn.symbols, drawn.books, strict=True):
        rows.append(kappa * np.real(np.exp(-1j * book) @ match.phases[index]))
    return decode_payload(np.stack(rows))

"""The code that carries a watermark's payload: five bytes and two of parity, decoded softly.

A Reed-Solomon code over GF(256) (Reed and Solomon, 1960) of length 7 and dimension 5: any two
codewords differ in at least three of their symbols. The detector knows how well each of the 256
values of each symbol fits, so it takes the codeword that fits best as a whole instead of deciding
symbol by symbol.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scenegen.arrays import FloatArray, IntArray, check_shape

DATA_SYMBOLS, PARITY_SYMBOLS = 5, 2
SYMBOLS = DATA_SYMBOLS + PARITY_SYMBOLS
VALUES = 256
"""Values of a symbol: one byte."""
PAYLOAD_BITS = 8 * DATA_SYMBOLS
LIKELY = 6
"""Values of a symbol that the decoder considers, the best first."""
_POLYNOMIAL = 0x11D
"""x^8 + x^4 + x^3 + x^2 + 1, of which 2 is a primitive element."""


def _multiples(factor: int) -> IntArray:
    """Every byte times a factor in GF(256), shape (256,)."""
    out = np.zeros(VALUES, np.int64)
    for value in range(VALUES):
        product, left, right = 0, value, factor
        while right:
            product ^= left if right & 1 else 0
            left = (left << 1) ^ (_POLYNOMIAL if left & 0x80 else 0)
            right >>= 1
        out[value] = product
    return out


_TIMES = np.stack([_multiples(1 << k) for k in range(DATA_SYMBOLS)])
"""Every byte times the k-th power of 2 in GF(256), shape (DATA_SYMBOLS, 256)."""


def encode_payload(payload: int) -> IntArray:
    """Give the symbols of a payload, shape (SYMBOLS,), the most significant byte first.

    Args:
        payload: Integer of PAYLOAD_BITS bits.

    Raises:
        ValueError: It is negative or has more bits.

    >>> encode_payload(0x0102030405).tolist()[:5]
    [1, 2, 3, 4, 5]
    """
    if not 0 <= payload < 1 << PAYLOAD_BITS:
        raise ValueError(f"payload: expected 0 to 2**{PAYLOAD_BITS} - 1, got {payload}")
    data = np.frombuffer(payload.to_bytes(DATA_SYMBOLS, "big"), np.uint8).astype(np.int64)
    return np.concatenate([data, _parity(data)])


def _parity(data: IntArray) -> IntArray:
    """Parity symbols of data symbols in the last axis: their sum, and the sum weighted by 2^k."""
    weighted = _TIMES[np.arange(DATA_SYMBOLS), data]
    both = np.stack([data, weighted], axis=-1)
    return np.bitwise_xor.reduce(both, axis=-2)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedPayload:
    """The payload that fits best.

    Attributes:
        payload: Integer of PAYLOAD_BITS bits.
        error: Estimated chance that it is another one, given that there is a watermark.
    """

    payload: int
    error: float


def decode_payload(evidence: FloatArray) -> DecodedPayload:
    """Find the codeword that fits best as a whole.

    Args:
        evidence: Logarithm of the likelihood of each value of each symbol, up to a constant per
            symbol, shape (SYMBOLS, 256).
    """
    check_shape("evidence", evidence, SYMBOLS, VALUES)
    words = _candidates(np.argsort(-evidence, axis=1, kind="stable")[:, :LIKELY])
    total = evidence[np.arange(SYMBOLS), words].sum(axis=1)
    best = int(total.argmax())
    chances = np.exp(total - total[best])
    payload = int.from_bytes(bytes(words[best, :DATA_SYMBOLS].astype(np.uint8)), "big")
    return DecodedPayload(payload=payload, error=float(1.0 - 1.0 / chances.sum()))


def _candidates(likely: IntArray) -> IntArray:
    """Codewords of likely values; one of the first six symbols may have any value.

    Args:
        likely: Likely values of each symbol, shape (SYMBOLS, LIKELY).

    Returns:
        Different codewords, shape (C, SYMBOLS).
    """
    checked = DATA_SYMBOLS + 1  # the data and their plain sum: any five of them give the sixth
    choices = np.indices((LIKELY,) * DATA_SYMBOLS).reshape(DATA_SYMBOLS, -1).T
    found: list[IntArray] = []
    for missing in range(checked):
        others = np.delete(np.arange(checked), missing)
        known = likely[others, choices]
        rest = np.bitwise_xor.reduce(known, axis=1)
        found.append(np.insert(known, missing, rest, axis=1)[:, :DATA_SYMBOLS])
    data = np.concatenate(found)
    key = data @ (VALUES ** np.arange(DATA_SYMBOLS))
    data = data[np.unique(key, return_index=True)[1]]
    return np.concatenate([data, _parity(data)], axis=1)

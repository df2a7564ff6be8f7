"""The watermark cannot be seen, comes back from what people do to pictures, and never lies."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.appearance.watermark import (
    PAYLOAD_DIGITS,
    detect_watermark,
    embed_watermark,
    payload_of,
)
from scenegen.appearance.watermark_code import (
    PAYLOAD_BITS,
    SYMBOLS,
    VALUES,
    decode_payload,
    encode_payload,
)
from scenegen.errors import ShapeError
from tests.appearance.pictures import (
    SKIES,
    pink,
    psnr,
    real_frames,
    rescaled,
    street,
    through_jpeg,
)

PAYLOAD = payload_of("3f2a91bc0400aa17")


@pytest.mark.parametrize("sky", SKIES)
def test_a_marked_picture_stays_forty_decibels_near(sky: str) -> None:
    """The bound holds in light, in the dark and in fog."""
    marked = embed_watermark(street(sky), PAYLOAD)

    assert psnr(marked, street(sky)) >= 40.0


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_holds_in_any_texture(seed: int) -> None:
    """White noise, in which the mark is strongest, is changed no more either."""
    rng = np.random.default_rng(seed)
    noise = rng.integers(0, 256, (100 + seed, 131, 3)).astype(np.uint8)

    assert psnr(embed_watermark(noise, PAYLOAD), noise) >= 40.0


def test_marking_is_deterministic_and_leaves_its_argument() -> None:
    """The same picture and payload give the same bytes."""
    before = street().copy()

    first, second = embed_watermark(street(), PAYLOAD), embed_watermark(street(), PAYLOAD)

    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(street(), before)


@pytest.mark.parametrize("sky", SKIES)
@pytest.mark.parametrize("scale", [0.5, 0.75, 1.0, 1.5, 2.0])
@pytest.mark.parametrize("quality", [75, None])
def test_mark_and_payload_survive_jpeg_and_rescaling(
    sky: str, scale: float, quality: int | None
) -> None:
    """Both are read without being told the scale."""
    picture = embed_watermark(street(sky), PAYLOAD)
    if scale != 1.0:
        picture = rescaled(picture, scale)
    if quality is not None:
        picture = through_jpeg(picture, quality)

    found = detect_watermark(picture)

    assert found.found
    assert found.payload == PAYLOAD
    assert found.scale == pytest.approx(scale, rel=0.01)


@pytest.mark.parametrize("scale", [0.57, 0.83, 1.13])
def test_odd_scales_are_found(scale: float) -> None:
    """Scales that are not on the list of usual ones are searched."""
    found = detect_watermark(through_jpeg(rescaled(embed_watermark(street(), PAYLOAD), scale), 75))

    assert found.payload == PAYLOAD
    assert found.scale == pytest.approx(scale, rel=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_a_part_is_enough(seed: int) -> None:
    """A cut of 160 x 300 pixels from anywhere, stored at quality 75, tells the payload."""
    top, left = np.random.default_rng(seed).integers(0, (96, 212))
    part = embed_watermark(street(), PAYLOAD)[top : top + 160, left : left + 300]

    assert detect_watermark(through_jpeg(part, 75)).payload == PAYLOAD


def test_real_frames_are_marked_as_well() -> None:
    """All marked real frames are found after JPEG at quality 75, payload included."""
    marked = [embed_watermark(frame, PAYLOAD) for frame in real_frames(24)]

    found = [detect_watermark(through_jpeg(frame, 75)) for frame in marked]

    assert [one.payload for one in found] == [PAYLOAD] * len(marked)


@pytest.mark.parametrize("seed", range(10))
def test_every_payload_comes_back(seed: int) -> None:
    """Also the smallest and the largest."""
    drawn = [0, 2**PAYLOAD_BITS - 1, int(np.random.default_rng(seed).integers(2**PAYLOAD_BITS))]
    payload = drawn[min(seed, 2)]

    assert detect_watermark(embed_watermark(street(), payload)).payload == payload


@pytest.mark.parametrize("seed", range(6))
def test_an_unreadable_payload_is_not_guessed(seed: int) -> None:
    """A small, shrunk, coarsely stored cut tells the true payload or none."""
    picture = embed_watermark(street(list(SKIES)[seed % 3]), PAYLOAD)
    hurt = through_jpeg(rescaled(picture, 0.5)[20 + seed : 110, 10:200], 45)

    assert detect_watermark(hurt).payload in {None, PAYLOAD}


def test_a_picture_of_one_colour_stays_as_it_is() -> None:
    """A blackout is still black."""
    black = np.zeros((64, 64, 3), np.uint8)

    np.testing.assert_array_equal(embed_watermark(black, PAYLOAD), black)


def test_a_tiny_picture_tells_nothing() -> None:
    """Below 32 pixels there is no verdict, and no error."""
    found = detect_watermark(embed_watermark(pink(0, 24, 24), PAYLOAD))

    assert not found.found
    assert found.p_value == 1.0


def test_the_payload_is_how_the_id_begins() -> None:
    """A found payload leads to `scenegen replay`, which takes the begin of an id."""
    found = detect_watermark(embed_watermark(street(), payload_of("00ab" + 12 * "7")))

    assert found.payload_text == ("00ab" + 12 * "7")[:PAYLOAD_DIGITS]


def test_what_cannot_be_marked_is_said() -> None:
    """Shapes, types, payloads and ids are checked."""
    with pytest.raises(ShapeError, match="rgb"):
        embed_watermark(np.zeros((8, 8), np.uint8), 0)
    with pytest.raises(ValueError, match="uint8"):
        embed_watermark(np.zeros((8, 8, 3), np.float32), 0)
    with pytest.raises(ValueError, match="payload"):
        embed_watermark(street(), 2**PAYLOAD_BITS)
    with pytest.raises(ValueError, match="hexadecimal digits"):
        payload_of("abc")
    with pytest.raises(ValueError, match="lowest_scale"):
        detect_watermark(street(), lowest_scale=2.0, highest_scale=1.0)


@pytest.mark.parametrize("seed", range(20))
def test_codewords_differ_in_three_symbols(seed: int) -> None:
    """Any two payloads do, the nearest included."""
    rng = np.random.default_rng(seed)
    payload = int(rng.integers(2**PAYLOAD_BITS))
    byte, flip = int(rng.integers(5)), int(rng.integers(1, 256))
    other = payload ^ (flip << (8 * byte))

    assert (encode_payload(payload) != encode_payload(other)).sum() >= 3


@pytest.mark.parametrize("seed", range(20))
def test_a_symbol_that_is_quite_wrong_is_mended(seed: int) -> None:
    """One symbol may point anywhere, the others lead to the payload."""
    rng = np.random.default_rng(seed)
    payload = int(rng.integers(2**PAYLOAD_BITS))
    evidence = rng.normal(0.0, 1.0, (SYMBOLS, VALUES))
    evidence[np.arange(SYMBOLS), encode_payload(payload)] += 12.0
    wrong = int(rng.integers(SYMBOLS))
    evidence[wrong] = rng.normal(0.0, 1.0, VALUES)

    decoded = decode_payload(evidence)

    assert decoded.payload == payload
    assert decoded.error < 1e-3


@pytest.mark.parametrize("seed", range(5))
def test_evidence_of_nothing_is_no_certainty(seed: int) -> None:
    """Noise alone is decoded with a large error."""
    decoded = decode_payload(np.random.default_rng(seed).normal(0.0, 1.0, (SYMBOLS, VALUES)))

    assert decoded.error > 0.1

"""Credentials travel in picture files, pixels untouched, and are read back whole."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from scenegen.appearance.credential_files import read_statement, with_credentials, write_picture
from scenegen.appearance.credentials import Credentials, DigitalSourceType, read_xmp
from scenegen.errors import StorageError
from tests.appearance.pictures import pink

MADE = Credentials(
    scenario="3f2a91bc0400aa17",
    source_type=DigitalSourceType.TRAINED,
    version="0.1.0",
    renderer="gan (onnx)",
    digests={"camera_generator": 64 * "a", "layout_diffusion": 64 * "b"},
    place="camera/front/rgb 12",
)
FORMATS = {"png": {}, "jpeg": {"quality": 90}, "webp": {"quality": 90}, "webp_exact": {}}


def encoded(kind: str, *, alpha: bool = False) -> bytes:
    """A picture file as other software writes it."""
    file = io.BytesIO()
    picture = Image.fromarray(pink(3, 40, 57))
    if alpha:
        picture.putalpha(90)
    exact = {"lossless": True} if kind == "webp_exact" else {}
    picture.save(file, format=kind.partition("_")[0], **FORMATS[kind], **exact)
    return file.getvalue()


@pytest.mark.parametrize("kind", FORMATS)
def test_credentials_come_back_and_pixels_stay(kind: str) -> None:
    """What is put into a file is read from it, and the picture decodes as before."""
    before = encoded(kind)

    after = with_credentials(before, MADE)

    statement = read_statement(after)
    assert statement is not None
    assert statement.credentials == MADE
    assert statement.says_synthetic
    for decode in (_by_pillow, _by_opencv):
        np.testing.assert_array_equal(decode(after), decode(before))


def _by_pillow(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"))


def _by_opencv(data: bytes) -> np.ndarray:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


@pytest.mark.parametrize("kind", FORMATS)
def test_new_credentials_replace_the_old(kind: str) -> None:
    """A file never says two things."""
    other = replace(MADE, scenario=16 * "1", place="")

    twice = with_credentials(with_credentials(encoded(kind), MADE), other)

    assert twice == with_credentials(encoded(kind), other)


@pytest.mark.parametrize("kind", ["png", "webp", "webp_exact"])
def test_transparency_survives(kind: str) -> None:
    """A see-through picture is one afterwards."""
    before = encoded(kind, alpha=True)

    after = with_credentials(before, MADE)

    np.testing.assert_array_equal(_by_pillow(after), _by_pillow(before))
    assert read_statement(after) is not None


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_other_software_finds_the_packet(kind: str) -> None:
    """Pillow hands out the same XMP packet."""
    image = Image.open(io.BytesIO(with_credentials(encoded(kind), MADE)))
    image.load()

    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")

    raw = packet.encode() if isinstance(packet, str) else packet
    assert raw == MADE.to_xmp()


def test_a_packet_rewritten_by_other_software_is_understood() -> None:
    """Properties may become attributes, and our own may be dropped."""
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        ' xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" e:DigitalSourceType='
        '"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>'
        "</rdf:RDF></x:xmpmeta>"
    )

    statement = read_xmp(packet.encode())

    assert statement is not None
    assert statement.source_type == "trainedAlgorithmicMedia"
    assert statement.says_synthetic
    assert statement.credentials is None


def test_the_statement_uses_the_names_of_c2pa_and_claims_no_signature() -> None:
    """Actions, source type and soft binding carry their published labels."""
    data = json.loads(json.dumps(MADE.to_json()))

    found = {item["label"]: item["data"] for item in data["assertions"]}
    created = found["c2pa.actions.v2"]["actions"][0]
    assert created["action"] == "c2pa.created"
    assert created["digitalSourceType"].endswith("/digitalsourcetype/trainedAlgorithmicMedia")
    assert found["c2pa.soft-binding"]["blocks"][0]["value"] == "3f2a91bc04"
    assert data["signature"] is None


def test_credentials_without_watermark_promise_none() -> None:
    """The soft binding is there only where the pixels hold it."""
    plain = replace(MADE, is_watermarked=False)

    assert Credentials.from_json(plain.to_json()) == plain
    assert "c2pa.soft-binding" not in json.dumps(plain.to_json())


@pytest.mark.parametrize(
    "change", [{"version": "0.2"}, {"renderer": "base"}, {"digests": {"camera_generator": "c"}}]
)
def test_the_generator_digest_names_what_made_it(change: dict[str, object]) -> None:
    """Another version, renderer or checkpoint is another generator; another scenario is not."""
    assert replace(MADE, **change).generator_digest != MADE.generator_digest
    assert replace(MADE, scenario=16 * "0").generator_digest == MADE.generator_digest


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_damaged_files_are_read_without_an_error(kind: str, seed: int) -> None:
    """Cut or changed bytes give the credentials, or nothing."""
    rng = np.random.default_rng(seed)
    data = bytearray(with_credentials(encoded(kind), MADE))
    for at in rng.integers(0, min(len(data), 400), 4):
        data[at] = int(rng.integers(256))

    read_statement(bytes(data[: int(rng.integers(len(data)))]))
    read_statement(bytes(data))


@pytest.mark.parametrize(
    "packet", [b"", b"<a", b"\xff\xfe", b"<!DOCTYPE a><a/>", b"<a>" + 70_000 * b" " + b"</a>"]
)
def test_bad_packets_say_nothing(packet: bytes) -> None:
    """Neither malformed XML nor entities nor oversized texts are followed."""
    assert read_xmp(packet) is None


def test_foreign_files_say_nothing_and_cannot_be_written_to() -> None:
    """A text is no picture."""
    assert read_statement(b"hello") is None
    assert read_statement(encoded("png")) is None
    with pytest.raises(StorageError, match="PNG, JPEG or WebP"):
        with_credentials(b"hello", MADE)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.JPEG", "a.webp"])
def test_pictures_are_stored_with_credentials(tmp_path: Path, name: str) -> None:
    """The ending chooses the format."""
    rgb = pink(1, 48, 64)

    path = write_picture(tmp_path / name, rgb, MADE)

    statement = read_statement(path.read_bytes())
    assert statement is not None
    assert statement.credentials == MADE
    near = np.asarray(Image.open(path).convert("RGB")).astype(int) - rgb
    assert np.abs(near).mean() < 12
    if name.endswith(".png"):
        assert not near.any()


def test_an_unknown_ending_is_said(tmp_path: Path) -> None:
    """There are three formats."""
    with pytest.raises(StorageError, match="webp"):
        write_picture(tmp_path / "a.bmp", pink(1, 8, 8), MADE)

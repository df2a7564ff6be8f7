"""Credentials inside picture files: an XMP packet in PNG, JPEG and WebP, pixels untouched.

PNG keeps it in an iTXt chunk named XML:com.adobe.xmp, JPEG in an APP1 segment, WebP in a chunk
"XMP " of the extended format (XMP Specification Part 3; WebP Container Specification).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from scenegen.appearance.credentials import Credentials, Statement, read_xmp
from scenegen.arrays import Array
from scenegen.errors import StorageError
from scenegen.training.checkpoint import write_atomically

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
ENDINGS = {".png": ".png", ".jpg": ".jpg", ".jpeg": ".jpg", ".webp": ".webp"}
"""Formats of `write_picture` by the ending of the file's name."""
QUALITY = 92
"""Quality of lossy formats unless told otherwise, 1-100."""
_KEYWORD = b"XML:com.adobe.xmp"
_SEGMENT = b"http://ns.adobe.com/xap/1.0/\x00"
_HAS_XMP, _HAS_ALPHA = 0x04, 0x10


def write_picture(path: Path, rgb: Array, credentials: Credentials, quality: int = QUALITY) -> Path:
    """Store a picture with its credentials; the ending of the name chooses the format.

    Args:
        path: Where to; ends in .png, .jpg, .jpeg or .webp.
        rgb: Picture, uint8, shape (H, W, 3).
        credentials: What to say about it.
        quality: Quality of JPEG and WebP, 1-100.

    Raises:
        StorageError: The format is another one, or the file could not be written.
    """
    ending = ENDINGS.get(path.suffix.lower())
    if ending is None:
        raise StorageError(f"{path}: expected a name that ends in {', '.join(ENDINGS)}")
    options = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }.get(ending, [])
    done, data = cv2.imencode(ending, np.ascontiguousarray(rgb[..., ::-1]), options)
    if not done:
        raise StorageError(f"{path}: a picture of shape {rgb.shape} cannot be stored so")
    write_atomically(path, with_credentials(data.tobytes(), credentials))
    return path


def with_credentials(data: bytes, credentials: Credentials) -> bytes:
    """Give a picture file with credentials in place of any that it had.

    Args:
        data: A PNG, JPEG or WebP file.
        credentials: What to say about it.

    Raises:
        StorageError: The file is of another format, or damaged.
    """
    packet = credentials.to_xmp()
    try:
        if data.startswith(PNG):
            return _png_with(data, packet)
        if data.startswith(JPEG):
            return _jpeg_with(data, packet)
        if _is_webp(data):
            return _webp_with(data, packet)
    except (struct.error, IndexError) as error:
        raise StorageError(f"credentials: the picture file is damaged ({error})") from error
    raise StorageError("credentials: expected a PNG, JPEG or WebP file, got another format")


def read_statement(data: bytes) -> Statement | None:
    """Read what a picture file says about its origin; None where it says nothing.

    Args:
        data: The file; one of another format, or a damaged one, says nothing.
    """
    try:
        packets = list(_packets(data))
    except (struct.error, IndexError):
        return None
    found = [statement for packet in packets if (statement := read_xmp(packet)) is not None]
    ours = [statement for statement in found if statement.credentials is not None]
    return next(iter(ours or found), None)


def _packets(data: bytes) -> Iterator[bytes]:
    """Every XMP packet of a file."""
    if data.startswith(PNG):
        for name, body in _png_chunks(data):
            if name == b"iTXt" and body.startswith(_KEYWORD + b"\x00"):
                flags, rest = body[len(_KEYWORD) + 1], body[len(_KEYWORD) + 3 :]
                if flags == 0:  # The text follows the language and the translated keyword.
                    yield rest.split(b"\x00", 2)[2]
    elif data.startswith(JPEG):
        for marker, body in _jpeg_segments(data)[0]:
            if marker == 0xE1 and body.startswith(_SEGMENT):
                yield body[len(_SEGMENT) :]
    elif _is_webp(data):
        for name, body in _webp_chunks(data):
            if name == b"XMP ":
                yield body


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _png_with(data: bytes, packet: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    parts = [PNG]
    for name, body in _png_chunks(data):
        if name == b"iTXt" and body.startswith(_KEYWORD):
            continue
        parts.append(chunk(name, body))
        if name == b"IHDR":
            parts.append(chunk(b"iTXt", _KEYWORD + b"\x00\x00\x00\x00\x00" + packet))
    return b"".join(parts)


def _jpeg_segments(data: bytes) -> tuple[list[tuple[int, bytes]], int]:
    """Segments before the scan with their markers, and where the scan begins."""
    found, at = [], 2
    while data[at] == 0xFF and data[at + 1] not in {0xDA, 0xD9}:
        if data[at + 1] == 0xFF:  # fill byte
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        found.append((data[at + 1], data[at + 4 : at + 2 + length]))
        at += 2 + length
    return found, at


def _jpeg_with(data: bytes, packet: bytes) -> bytes:
    segments, scan = _jpeg_segments(data)
    kept = [(m, body) for m, body in segments if not (m == 0xE1 and body.startswith(_SEGMENT))]
    # The JFIF header stays first.
    first = sum(1 for marker, _ in kept[:1] if marker == 0xE0)
    kept.insert(first, (0xE1, _SEGMENT + packet))
    parts = [struct.pack(">BBH", 0xFF, m, len(body) + 2) + body for m, body in kept]
    return JPEG + b"".join(parts) + data[scan:]


def _is_webp(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def _webp_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        yield data[at : at + 4], data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _webp_with(data: bytes, packet: bytes) -> bytes:
    chunks = [(name, body) for name, body in _webp_chunks(data) if name != b"XMP "]
    if chunks[0][0] == b"VP8X":
        body = chunks[0][1]
        chunks[0] = (b"VP8X", bytes([body[0] | _HAS_XMP]) + body[1:])
    else:
        chunks.insert(0, (b"VP8X", _extended_header(*chunks[0])))
    chunks.append((b"XMP ", packet))
    parts = [
        name + struct.pack("<I", len(body)) + body + b"\x00" * (len(body) % 2)
        for name, body in chunks
    ]
    content = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(content)) + content


def _extended_header(name: bytes, body: bytes) -> bytes:
    """Header of the extended format for a simple WebP: flags and the size of the picture."""
    if name == b"VP8L":
        (bits,) = struct.unpack_from("<I", body, 1)
        width, height, alpha = bits & 0x3FFF, bits >> 14 & 0x3FFF, bits >> 28 & 1
    else:
        wide, high = struct.unpack_from("<HH", body, 6)
        width, height, alpha = (wide & 0x3FFF) - 1, (high & 0x3FFF) - 1, 0
    flags = _HAS_XMP | (_HAS_ALPHA if alpha else 0)
    sizes = width.to_bytes(3, "little") + height.to_bytes(3, "little")
    return bytes([flags, 0, 0, 0]) + sizes

"""Writing to disk so that a kill or a full disk at any moment leaves nothing half done."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from scenegen.data.codecs import checksum
from scenegen.errors import RecordingError, StorageError


class OutputFile:
    """A new file, written front to back, whose length and checksum are known at the end."""

    def __init__(self, path: Path) -> None:
        """Create the file and its folders."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.length = 0
        self.crc32c = 0
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def write(self, data: bytes) -> None:
        """Append bytes; a short write is continued."""
        self.crc32c = checksum(data, self.crc32c)
        self.length += len(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def close(self) -> None:
        """Close the file; `sync` makes it durable."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


def write_file(path: Path, data: bytes) -> OutputFile:
    """Write a whole new file."""
    file = OutputFile(path)
    try:
        file.write(data)
    finally:
        file.close()
    return file


def replace_file(path: Path, data: bytes) -> None:
    """Make a file appear whole under its name, or not at all."""
    draft = path.with_name(f".{path.name}.draft")
    with suppress(FileNotFoundError):
        draft.unlink()
    try:
        write_file(draft, data)
        sync(draft)
        draft.rename(path)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file durable, or the names within a folder."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sync_tree(path: Path) -> None:
    """Make a folder and everything below it durable.

    All at the end: the first call then carries most of the others, which are nearly free.
    """
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            sync(Path(folder, name))
        sync(Path(folder))


def remove_tree(path: Path) -> None:
    """Remove a folder, in an order that never leaves something that looks whole."""
    (path / "zarr.json").unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def encode_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """Give the one spelling of a JSON value: sorted keys, one space of indent, no NaN.

    Raises:
        RecordingError: The value is no plain JSON.
    """
    try:
        text = json.dumps(value, sort_keys=True, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecordingError(f"expected plain JSON values, got {error}") from error
    return (text + "\n").encode()


def seal(body: dict[str, Any]) -> bytes:
    """Give a JSON document that carries its own CRC32C."""
    return encode_json({"body": body, "crc32c": checksum(encode_json(body))})


def unseal(data: bytes, path: Path) -> dict[str, Any]:
    """Read a document of `seal`.

    Raises:
        RecordingError: Any bit of it differs from what was written.
    """
    try:
        document = json.loads(data)
        whole = seal(document["body"]) == data
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordingError(f"{path}: damaged, it is no record of scenegen ({error})") from error
    if not whole or not isinstance(document["body"], dict):
        raise RecordingError(f"{path}: damaged, its checksum is wrong")
    return dict(document["body"])


@contextmanager
def folder_lock(path: Path) -> Iterator[None]:
    """Hold a folder against other writers; the system lets go of it when a writer dies."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the system's errors into one sentence.

    Raises:
        StorageError: The system refused to write.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise StorageError(
            f"cannot write to {path}: {why}; what was committed before is whole, the recordings"
            " since then are not stored"
        ) from error

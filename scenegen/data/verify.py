"""Find every flipped bit, cut or missing file of a dataset, and say where it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import google_crc32c

from scenegen.data.commits import Commit, Header, commit_files
from scenegen.data.shards import ShardArray, ShardFile
from scenegen.errors import RecordingError

_BLOCK = 1 << 22


@dataclass(frozen=True, slots=True, kw_only=True)
class Damage:
    """One place that is not as it was written.

    Attributes:
        pack: Pack id, or "" for the dataset's own files.
        array: Array within the pack, or "" where the file is no array's.
        chunk: Number of the chunk along the first axis, or None where it is no single chunk.
        file: File, relative to the dataset.
        reason: What is wrong, in a few words.
    """

    pack: str
    array: str
    chunk: int | None
    file: str
    reason: str

    def __str__(self) -> str:
        """Give one line for people."""
        where = f"{self.file}, chunk {self.chunk}" if self.chunk is not None else self.file
        return f"{where}: {self.reason}"


def find_damage(path: Path) -> list[Damage]:
    """Check every file of a dataset against its commit records.

    Each file is compared by length and CRC32C, which finds every error of up to 32 bits in a row;
    in a file that differs, the chunks are checked one by one to say which is damaged.
    """
    found = []
    try:
        Header.load(path)
    except RecordingError as error:
        found.append(_damage("", "scenegen.json", str(error)))
    for file in commit_files(path):
        try:
            commit = Commit.load(file)
        except RecordingError as error:
            found.append(_damage(file.stem, f"commits/{file.name}", str(error)))
            continue
        found += _check_pack(path, commit)
    return found


def _check_pack(path: Path, commit: Commit) -> list[Damage]:
    found = []
    folder = path / commit.folder
    for name, (length, crc) in sorted(commit.files.items()):
        try:
            got = _file_checksum(folder / name)
        except OSError as error:
            reason = f"missing or unreadable ({(error.strerror or '').lower()})"
            found.append(_damage(commit.pack, f"{commit.folder}/{name}", reason, _array_of(name)))
            continue
        if got != (length, crc):
            found += _locate(folder, commit, name, got[0] - length)
    listed = set(commit.files)
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if not file.is_dir() and name not in listed:
            found.append(_damage(commit.pack, f"{commit.folder}/{name}", "not in the record"))
    return found


def _locate(folder: Path, commit: Commit, name: str, excess: int) -> list[Damage]:
    """Name the damaged chunks of a file that differs from its record."""
    array, file = _array_of(name), f"{commit.folder}/{name}"
    if excess:
        return [_damage(commit.pack, file, f"its length differs by {excess:+d} bytes", array)]
    if not array:
        return [_damage(commit.pack, file, "its checksum is wrong")]
    try:
        metadata: dict[str, Any] = json.loads((folder / array / "zarr.json").read_bytes())
        shape = ShardArray(folder / array, metadata)
        shard = ShardFile(folder / name, shape.shard_chunks if shape.is_sharded else None)
    except (RecordingError, ValueError, OSError) as error:
        return [_damage(commit.pack, file, str(error), array)]
    first = int(name.removeprefix(f"{array}/c/").split("/", 1)[0]) * shape.shard_chunks
    bad = []
    for k, (begin, length) in enumerate(shard.index.tolist()):
        if begin < 0:
            continue
        data = shard.read(begin, length)
        if int(google_crc32c.value(data[:-4])) != int.from_bytes(data[-4:].tobytes(), "little"):
            bad.append(first + k)
    return [
        Damage(
            pack=commit.pack,
            array=array,
            chunk=k,
            file=file,
            reason="the chunk's checksum is wrong",
        )
        for k in bad
    ] or [_damage(commit.pack, file, "its checksum is wrong", array)]


def _array_of(name: str) -> str:
    """Array that a chunk file belongs to, "" for other files."""
    head, found, _ = name.partition("/c/")
    return head if found else ""


def _damage(pack: str, file: str, reason: str, array: str = "") -> Damage:
    return Damage(pack=pack, array=array, chunk=None, file=file, reason=reason)


def _file_checksum(path: Path) -> tuple[int, int]:
    """Length and CRC32C of a file, read in blocks."""
    length, crc = 0, 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            length += len(block)
            crc = google_crc32c.extend(crc, block)
    return length, crc

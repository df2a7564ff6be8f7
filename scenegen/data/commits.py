"""Commit records: the only truth about which packs a dataset holds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from scenegen.data.schema import FORMAT, FORMAT_VERSION, PROFILES, spec_from_json, spec_to_json
from scenegen.data.storage import OutputFile, replace_file, seal, unseal
from scenegen.errors import RecordingError, ShapeError
from scenegen.scene import ArraySpec
from scenegen.seeding import digest

HEADER = "scenegen.json"
_PACK_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What holds for all recordings of a dataset: the arrays of a frame, and the profile."""

    specs: tuple[ArraySpec, ...]
    profile: str

    def save(self, path: Path) -> None:
        """Write the header of a dataset."""
        body = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "profile": self.profile,
            "specs": [spec_to_json(spec) for spec in self.specs],
        }
        replace_file(path / HEADER, seal(body))

    @classmethod
    def load(cls, path: Path) -> Header:
        """Read the header of a dataset.

        Raises:
            RecordingError: There is no dataset, it is damaged, or of an unknown version.
        """
        body = unseal(read_whole(path / HEADER, f"{path} is no scenegen dataset"), path / HEADER)
        version = body.get("format_version")
        if body.get("format") != FORMAT or version != FORMAT_VERSION:
            raise RecordingError(
                f"{path}: expected {FORMAT} version {FORMAT_VERSION}, got"
                f" {body.get('format')} version {version}; install the scenegen that wrote it"
            )
        try:
            specs = tuple(spec_from_json(spec) for spec in body["specs"])
            header = cls(specs=specs, profile=body["profile"])
        except (KeyError, TypeError, ShapeError) as error:
            raise RecordingError(f"{path / HEADER}: unknown schema ({error})") from error
        if header.profile not in PROFILES:
            raise RecordingError(f"{path / HEADER}: unknown profile {header.profile!r}")
        return header


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Record of one pack.

    Attributes:
        pack: Pack id, 16 hexadecimal digits that follow from the scenarios' ids and the schema.
        sequence: Place among the commits of the dataset, from 0.
        ids: Scenario ids in the order of the pack.
        frames: Frames of each scenario.
        files: Length and CRC32C of every file, by path within the pack.
    """

    pack: str
    sequence: int
    ids: tuple[str, ...]
    frames: tuple[int, ...]
    files: Mapping[str, tuple[int, int]]

    @property
    def folder(self) -> str:
        """Place of the pack within the dataset."""
        return f"packs/{self.pack}.zarr"

    def save(self, path: Path) -> None:
        """Publish the pack: from here on it is part of the dataset."""
        body = {
            "pack": self.pack,
            "sequence": self.sequence,
            "ids": list(self.ids),
            "frames": list(self.frames),
            "files": {name: list(entry) for name, entry in self.files.items()},
        }
        replace_file(path / "commits" / f"{self.pack}.json", seal(body))

    @classmethod
    def load(cls, path: Path) -> Commit:
        """Read one record.

        Raises:
            RecordingError: It is damaged, or points outside its pack.
        """
        body = unseal(read_whole(path, "a commit record is missing"), path)
        try:
            commit = cls(
                pack=body["pack"],
                sequence=int(body["sequence"]),
                ids=tuple(body["ids"]),
                frames=tuple(body["frames"]),
                files={name: (int(n), int(crc)) for name, (n, crc) in body["files"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise RecordingError(f"{path}: damaged, it is no commit record ({error})") from error
        if commit.pack != path.stem or not _PACK_ID.fullmatch(commit.pack):
            raise RecordingError(
                f"{path}: expected a record of pack {path.stem}, got {commit.pack!r}"
            )
        for name in commit.files:
            parts = PurePosixPath(name).parts
            if not parts or name != "/".join(parts) or {"..", "/"} & set(parts) or "\0" in name:
                raise RecordingError(f"{path}: {name!r} points outside its pack; not opened")
        return commit


def list_commits(path: Path) -> list[Commit]:
    """Read all commit records of a dataset, in the order of their commits."""
    commits = [Commit.load(file) for file in commit_files(path)]
    return sorted(commits, key=lambda commit: (commit.sequence, commit.pack))


def commit_files(path: Path) -> list[Path]:
    """List the commit records of a dataset by name; drafts of a killed writer are none."""
    return sorted(p for p in (path / "commits").glob("*.json") if not p.name.startswith("."))


def pack_id(ids: Sequence[str], header: Header) -> str:
    """Identity of a pack: equal for equal scenarios under an equal schema."""
    specs: list[Any] = [spec_to_json(spec) for spec in header.specs]
    return digest([FORMAT, FORMAT_VERSION, header.profile, specs, list(ids)])[:16]


def entries(files: Mapping[str, OutputFile]) -> dict[str, tuple[int, int]]:
    """Length and CRC32C of written files."""
    return {path: (file.length, file.crc32c) for path, file in files.items()}


def read_whole(path: Path, otherwise: str) -> bytes:
    """Read a small file.

    Raises:
        RecordingError: It cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise RecordingError(f"{otherwise}: cannot read {path} ({error.strerror})") from error

"""Write recordings into a dataset: packs of them, each visible as a whole or not at all."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from scenegen.data.commits import HEADER, Commit, Header, commit_files, entries, pack_id
from scenegen.data.pack import PackWriter, Scalar
from scenegen.data.schema import PROFILES, check_specs
from scenegen.data.storage import folder_lock, remove_tree, storage_errors, sync, sync_tree
from scenegen.errors import RecordingError, StorageError, UnknownNameError
from scenegen.scene import ArraySpec, Frame, Scenario

_DRAFT = ".draft-"


class DatasetWriter:
    """Appends recordings to a dataset; several writers may append at the same time.

    A pack is written under a hidden name, made durable, renamed, and then published by one
    commit record, the only thing readers trust. Whatever ends the writer before that, a kill, a
    full disk, an exception, leaves the dataset as it was; a later writer sweeps the remains.

    Example::

        with DatasetWriter("edge.zarr", rig.specs) as writer:
            writer.add(scenario, frames)
    """

    def __init__(
        self,
        path: str | Path,
        specs: tuple[ArraySpec, ...] = (),
        *,
        profile: str = "default",
        recordings_per_pack: int = 16,
    ) -> None:
        """Open a dataset for appending, or begin a new one.

        Args:
            path: Folder of the dataset.
            specs: Arrays that every frame carries.
            profile: Name in PROFILES: "default" stores pictures as JPEG, "lossless" exactly.
            recordings_per_pack: Recordings that become visible together, at least 1.

        Raises:
            UnknownNameError: There is no such profile.
            RecordingError: The specs cannot be stored, or the dataset has others.
            StorageError: The place is not writable.
        """
        if profile not in PROFILES:
            raise UnknownNameError("profile", profile, PROFILES)
        if recordings_per_pack < 1:
            raise ValueError(f"recordings_per_pack: expected >= 1, got {recordings_per_pack}")
        check_specs(specs)
        self.path = Path(path)
        self._header = Header(specs=tuple(specs), profile=profile)
        self._limit = recordings_per_pack
        self._pack: PackWriter | None = None
        self._draft: Path | None = None
        self._draft_lock = -1
        self._commits: dict[str, Commit] = {}
        self._known: dict[str, str] = {}
        self._closed = False
        self._made: list[Path] = []
        try:
            with storage_errors(self.path):
                self._made = _missing_folders(self.path)
                for folder in reversed(self._made):
                    folder.mkdir(exist_ok=True)
                with folder_lock(self.path / "commits"):
                    self._check_header()
                    self._refresh()
                    self._sweep()
        except BaseException:
            self._abandon()
            raise

    def add(
        self,
        scenario: Scenario,
        frames: Iterable[Frame] = (),
        row: Mapping[str, Scalar] | None = None,
    ) -> None:
        """Record a scenario; it becomes visible with its pack.

        Args:
            scenario: What happened; its id must be new to the dataset.
            frames: What the rig saw, taken one by one and encoded at once.
            row: Features for the catalog, one scalar per column.

        Raises:
            RecordingError: The id is taken, or a frame is not as announced. After an error in
                the midst of the frames the recordings since the last commit are dropped.
            StorageError: The system refused to write.
        """
        self._check_open()
        if scenario.id in self._known or (self._pack and scenario.id in self._pack.ids):
            raise RecordingError(
                f"{self.path}: already holds scenario {scenario.id}; change its seed or index, or"
                " leave it out"
            )
        try:
            pack = self._pack_for(scenario)
            for frame in frames:  # what goes wrong in here is not the dataset's fault
                with storage_errors(self.path):
                    pack.add_frame(frame)
            pack.end(scenario, row)
        except BaseException:
            self._abandon()
            raise
        if len(pack.ids) >= self._limit:
            self.commit()

    def commit(self) -> None:
        """Make everything added so far visible and durable.

        Raises:
            RecordingError: Another writer has committed one of the ids meanwhile.
            StorageError: The system refused to write; the dataset is as it was.
        """
        self._check_open()
        pack, draft = self._pack, self._draft
        try:
            with storage_errors(self.path):
                if pack is not None and draft is not None:
                    name = pack_id(pack.ids, self._header)
                    files = entries(pack.finish({"scenario_ids": list(pack.ids)}))
                    sync_tree(draft)
                    self._publish(name, pack, draft, files)
                elif not (self.path / HEADER).exists():
                    with folder_lock(self.path / "commits"):
                        self._check_header(save=True)
        except BaseException:
            self._abandon()
            raise
        self._forget_draft()

    def close(self) -> None:
        """Commit what is left and let go of the dataset; closing twice is harmless."""
        if not self._closed:
            self.commit()
            self._closed = True

    def __enter__(self) -> Self:
        """Give the writer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close after success; after an exception drop what was not committed."""
        if kind is None:
            self.close()
        else:
            self._abandon()

    def _check_open(self) -> None:
        if self._closed:
            raise RecordingError(f"{self.path}: this writer is closed; open another one")

    def _check_header(self, *, save: bool = False) -> None:
        if not (self.path / HEADER).exists():
            if save:
                self._header.save(self.path)
            return
        found = Header.load(self.path)
        if found != self._header:
            raise RecordingError(
                f"{self.path}: holds arrays {[s.name for s in found.specs]} in profile"
                f" {found.profile!r}, cannot append {[s.name for s in self._header.specs]} in"
                f" profile {self._header.profile!r}; use its own schema or another dataset"
            )

    def _refresh(self) -> None:
        """Learn what other writers have committed; needs the lock."""
        for file in commit_files(self.path):
            if file.stem not in self._commits:
                self._learn(Commit.load(file))

    def _learn(self, commit: Commit) -> None:
        self._commits[commit.pack] = commit
        self._known |= dict.fromkeys(commit.ids, commit.pack)

    def _sweep(self) -> None:
        """Remove what killed writers left behind; needs the lock."""
        for folder in (self.path / "packs").iterdir():
            if folder.name.startswith(_DRAFT):
                if _is_abandoned(folder):
                    remove_tree(folder)
            elif folder.suffix == ".zarr" and folder.stem not in self._commits:
                remove_tree(folder)

    def _pack_for(self, scenario: Scenario) -> PackWriter:
        """Begin a recording in the open pack, or in a new one."""
        with storage_errors(self.path):
            pack = self._pack if self._pack is not None else self._begin_pack()
            pack.begin(scenario)
        return pack

    def _begin_pack(self) -> PackWriter:
        with folder_lock(self.path / "commits"):
            draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=self.path / "packs"))
            draft.chmod(0o755)
            self._draft = draft
            self._draft_lock = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            fcntl.flock(self._draft_lock, fcntl.LOCK_EX)
        self._pack = PackWriter(draft, self._header.specs, PROFILES[self._header.profile])
        return self._pack

    def _publish(
        self, name: str, pack: PackWriter, draft: Path, files: Mapping[str, tuple[int, int]]
    ) -> None:
        with folder_lock(self.path / "commits"):
            self._check_header(save=True)
            self._refresh()
            if name in self._commits:
                return  # the same recordings, committed by another run of the same job
            taken = [scenario for scenario in pack.ids if scenario in self._known]
            if taken:
                raise RecordingError(
                    f"{self.path}: another writer has committed scenario {taken[0]} meanwhile"
                )
            commit = Commit(
                pack=name,
                sequence=1 + max((c.sequence for c in self._commits.values()), default=-1),
                ids=tuple(pack.ids),
                frames=tuple(pack.frame_counts),
                files=files,
            )
            home = self.path / commit.folder
            if home.exists():
                remove_tree(home)  # a writer was killed between the rename and its record
            draft.rename(home)
            self._draft = home
            sync(home.parent)
            record = self.path / "commits" / f"{name}.json"
            try:
                commit.save(self.path)
            except BaseException:
                record.unlink(missing_ok=True)
                raise
            self._draft = None
            self._learn(commit)

    def _abandon(self) -> None:
        """Drop what is not committed, as well as the folders of a dataset that never began."""
        self._closed = True
        if self._pack is not None:
            self._pack.abandon()
        self._forget_draft()
        if not (self.path / HEADER).exists():
            for folder in self._made:
                with suppress(OSError):
                    folder.rmdir()

    def _forget_draft(self) -> None:
        if self._draft is not None and not self._is_published(self._draft):
            remove_tree(self._draft)
        if self._draft_lock >= 0:
            os.close(self._draft_lock)
        self._pack, self._draft, self._draft_lock = None, None, -1

    def _is_published(self, folder: Path) -> bool:
        """Whether a record names the folder: an interrupt may come just after it is written."""
        return (self.path / "commits" / f"{folder.stem}.json").exists()


def _missing_folders(path: Path) -> list[Path]:
    """List the folders of a dataset that are still to be made, innermost first."""
    if path.exists() and not path.is_dir():
        raise StorageError(f"cannot write to {path}: it is a file; name a folder")
    wanted = [path / "packs", path / "commits", path, *path.parents]
    return [folder for folder in wanted if not folder.exists()]


def _is_abandoned(draft: Path) -> bool:
    """Whether no living writer holds the draft."""
    fd = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True

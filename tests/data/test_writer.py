"""A writer adds whole packs or nothing, whatever goes wrong."""

from __future__ import annotations

import errno
import os
import resource
import signal
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenegen.data import Dataset, DatasetWriter
from scenegen.errors import RecordingError, ShapeError, StorageError, UnknownNameError
from scenegen.scene import ArraySpec, Frame
from tests.data.recordings import (
    LEAN,
    SPECS,
    assert_same_frames,
    random_frames,
    random_scenario,
    tree,
    write,
)


def add_more(path: Path, count: int = 3) -> None:
    """Append recordings 100, 101, ... in packs of two."""
    rng = np.random.default_rng(9)
    with DatasetWriter(path, LEAN, profile="lossless", recordings_per_pack=2) as writer:
        for index in range(100, 100 + count):
            writer.add(random_scenario(rng, index), random_frames(rng, 3, LEAN))


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """Nothing in a dataset comes from a clock, a counter or chance."""
    write(tmp_path / "a", 4)
    write(tmp_path / "b", 4)

    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_recordings_become_visible_by_packs(tmp_path: Path) -> None:
    """A full pack is committed at once, the rest by commit or close."""
    rng = np.random.default_rng(0)
    seen = []
    with DatasetWriter(tmp_path / "d", recordings_per_pack=2) as writer:
        for index in range(5):
            writer.add(random_scenario(rng, index))
            committed = (tmp_path / "d/scenegen.json").exists()
            seen.append(len(Dataset(tmp_path / "d")) if committed else 0)
        writer.commit()
        seen.append(len(Dataset(tmp_path / "d")))

    assert seen == [0, 2, 2, 4, 4, 5]


def test_an_empty_dataset_is_a_dataset(tmp_path: Path) -> None:
    """Closing without recordings leaves something that opens."""
    with DatasetWriter(tmp_path / "d", SPECS):
        pass

    dataset = Dataset(tmp_path / "d")
    assert len(dataset) == 0
    assert dataset.specs == SPECS
    assert dataset.rows() == []
    assert dataset.verify() == []


def test_appending_keeps_what_is_there(tmp_path: Path) -> None:
    """A second writer adds packs and leaves every old byte alone."""
    made = write(tmp_path / "d", specs=LEAN)
    before = tree(tmp_path / "d")

    add_more(tmp_path / "d")

    after = tree(tmp_path / "d")
    assert before.items() <= after.items()
    dataset = Dataset(tmp_path / "d")
    assert len(dataset) == len(made) + 3
    assert dataset.ids[: len(made)] == tuple(scenario.id for scenario, _ in made)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    """A dataset has one set of arrays and one profile."""
    write(tmp_path / "d", specs=LEAN)

    with pytest.raises(RecordingError, match="cannot append"):
        DatasetWriter(tmp_path / "d", SPECS, profile="lossless")
    with pytest.raises(RecordingError, match="profile 'default'"):
        DatasetWriter(tmp_path / "d", LEAN)
    with pytest.raises(UnknownNameError, match="lossless"):
        DatasetWriter(tmp_path / "d", LEAN, profile="losless")


def test_an_id_is_added_once(tmp_path: Path) -> None:
    """The same scenario is refused within a pack, across packs and across writers."""
    scenario = random_scenario(np.random.default_rng(0))
    with DatasetWriter(tmp_path / "d", recordings_per_pack=3) as writer:
        writer.add(scenario)
        with pytest.raises(RecordingError, match="already holds"):
            writer.add(scenario)
        writer.commit()
        with pytest.raises(RecordingError, match="already holds"):
            writer.add(scenario)

    with (
        DatasetWriter(tmp_path / "d") as again,
        pytest.raises(RecordingError, match=scenario.id),
    ):
        again.add(scenario)

    assert Dataset(tmp_path / "d").ids == (scenario.id,)


def test_two_writers_share_a_dataset(tmp_path: Path) -> None:
    """Writers at the same time lose nothing; the same pack twice is one pack."""
    rng = np.random.default_rng(0)
    one, two, three = (random_scenario(rng, index) for index in range(3))
    first, second = DatasetWriter(tmp_path / "d"), DatasetWriter(tmp_path / "d")
    third = DatasetWriter(tmp_path / "d")
    first.add(one)
    second.add(one)
    third.add(one)
    third.add(three)

    first.close()
    second.close()
    with pytest.raises(RecordingError, match="meanwhile"):
        third.close()
    with DatasetWriter(tmp_path / "d") as fourth:
        fourth.add(two)

    assert Dataset(tmp_path / "d").ids == (one.id, two.id)
    assert len(list((tmp_path / "d/packs").iterdir())) == 2


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, FileNotFoundError])
def test_an_exception_leaves_the_dataset_as_it_was(
    tmp_path: Path, error: type[BaseException]
) -> None:
    """What was not committed vanishes with all its files, also in the midst of the frames."""
    write(tmp_path / "d", specs=LEAN)
    before = tree(tmp_path / "d")
    rng = np.random.default_rng(9)

    def broken() -> Iterator[Frame]:
        yield from random_frames(rng, 3, LEAN)
        raise error

    with pytest.raises(error):  # noqa: SIM117, PT012 - the writer itself is under test
        with DatasetWriter(tmp_path / "d", LEAN, profile="lossless") as writer:
            writer.add(random_scenario(rng, 100), random_frames(rng, 3, LEAN))
            writer.add(random_scenario(rng, 101), broken())

    assert tree(tmp_path / "d") == before
    assert not [p for p in (tmp_path / "d/packs").iterdir() if p.suffix != ".zarr"]


def test_a_dataset_that_never_began_leaves_no_folder(tmp_path: Path) -> None:
    """An exception before the first commit leaves nothing at all."""
    with pytest.raises(ZeroDivisionError):  # noqa: SIM117, PT012 - the writer itself is under test
        with DatasetWriter(tmp_path / "a/b/d") as writer:
            writer.add(random_scenario(np.random.default_rng(0)))
            raise ZeroDivisionError

    assert list(tmp_path.iterdir()) == []


def test_frames_are_held_to_their_announcement(tmp_path: Path) -> None:
    """A missing array, a wrong shape or lengths that disagree are told with the frame."""
    rng = np.random.default_rng(0)
    good = random_frames(rng, 1)[0]
    changes: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"extra": np.zeros(3)}, RecordingError, "frame 0: expected the announced arrays"),
        ({"ego/pose": np.zeros((3, 4))}, ShapeError, "ego/pose"),
        ({"ego/pose": np.zeros((4, 4), np.float32)}, ShapeError, "float64"),
        ({"lidar/top/intensity": np.zeros(77, np.uint8)}, RecordingError, "has 77 rows"),
    ]
    for change, error, message in changes:
        frame = Frame(time=0.0, arrays={**good.arrays, **change})
        with (
            pytest.raises(error, match=message),
            DatasetWriter(tmp_path / "d", SPECS) as writer,
        ):
            writer.add(random_scenario(rng), [frame])
        assert not (tmp_path / "d").exists()


def failing(
    original: Callable[..., Any], at: int, code: int, doing: Callable[[], None] = lambda: None
) -> Callable[..., Any]:
    """Give a system call that fails once, at its n-th use."""
    uses = 0

    def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - as the original
        nonlocal uses
        uses += 1
        if uses == at:
            doing()
            raise OSError(code, os.strerror(code))
        return original(*args, **options)

    return call


@pytest.mark.parametrize("at", [1, 2, 7, 40, 90, 120])
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("write", errno.ENOSPC),
        ("open", errno.EACCES),
        ("fsync", errno.EIO),
        ("mkdir", errno.EDQUOT),
    ],
)
def test_a_full_disk_is_one_sentence_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int, at: int
) -> None:
    """Whichever call fails, StorageError says why and the dataset is as it was."""
    write(tmp_path / "d", specs=LEAN)
    before = tree(tmp_path / "d")
    monkeypatch.setattr(os, name, failing(getattr(os, name), at, code))

    with pytest.raises(StorageError) as caught:
        add_more(tmp_path / "d", 2)
    monkeypatch.undo()

    assert os.strerror(code).lower() in str(caught.value)
    assert "\n" not in str(caught.value)
    assert tree(tmp_path / "d") == before
    assert Dataset(tmp_path / "d").verify() == []
    add_more(tmp_path / "d", 2)
    assert len(Dataset(tmp_path / "d")) == 6


@pytest.mark.parametrize("at", [1, 2])
def test_a_failed_rename_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Neither the pack's rename nor its record's can leave half a pack."""
    write(tmp_path / "d", specs=LEAN)
    before = tree(tmp_path / "d")
    monkeypatch.setattr(os, "rename", failing(os.rename, at, errno.EROFS))

    with pytest.raises(StorageError, match="read-only"):
        add_more(tmp_path / "d", 2)

    assert tree(tmp_path / "d") == before


def test_an_interrupt_while_the_record_is_made_durable_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that is not known to be on disk is taken back, and its pack with it."""
    write(tmp_path / "d", specs=LEAN)
    before = tree(tmp_path / "d")
    real = os.fsync

    def fsync(fd: int) -> None:
        if os.readlink(f"/proc/self/fd/{fd}").endswith("commits"):
            raise KeyboardInterrupt
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(KeyboardInterrupt):
        add_more(tmp_path / "d", 2)

    assert tree(tmp_path / "d") == before


def test_memory_does_not_grow_with_the_number_of_frames(tmp_path: Path) -> None:
    """Frames are encoded as they come: ten times as many need no more memory."""
    scenario = random_scenario(np.random.default_rng(0))
    spec = ArraySpec(name="depth", dims=("y", "x"), shape=(256, 256), dtype="float32")
    peaks: list[int] = []
    for count in (10, 10, 100):  # the first warms up
        pictures = (np.full((256, 256), t, np.float32) for t in range(count))
        frames = (Frame(time=0.1 * t, arrays={"depth": p}) for t, p in enumerate(pictures))
        tracemalloc.start()
        with DatasetWriter(tmp_path / f"{len(peaks)}", (spec,)) as writer:
            writer.add(scenario, frames)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[2] < peaks[1] + 2 * 256 * 256 * 4


def test_a_catalog_column_has_one_kind_of_value(tmp_path: Path) -> None:
    """Text among numbers, or a number that no column holds, is told with the column."""
    rng = np.random.default_rng(0)
    for wrong in ("text", 2**70):
        writer = DatasetWriter(tmp_path / "d")
        writer.add(random_scenario(rng, 1), row={"severity": 3})
        writer.add(random_scenario(rng, 2), row={"severity": wrong})
        with pytest.raises(RecordingError, match="column 'severity'"):
            writer.close()

    assert not (tmp_path / "d").exists()


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes a few bytes at a time gets all of them."""
    write(tmp_path / "a", 4, specs=LEAN)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data[:1000])))

    write(tmp_path / "b", 4, specs=LEAN)

    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_a_quota_of_the_system_itself_changes_nothing(tmp_path: Path) -> None:
    """A real limit on file sizes, set by the kernel, ends in the same sentence."""
    write(tmp_path / "d", specs=LEAN)
    before = tree(tmp_path / "d")
    rng = np.random.default_rng(2)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, old[1]))
    try:
        with (
            pytest.raises(StorageError, match="too large"),
            DatasetWriter(tmp_path / "d", LEAN, profile="lossless") as writer,
        ):
            writer.add(random_scenario(rng, 100), random_frames(rng, 30, LEAN))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, ignored)

    assert tree(tmp_path / "d") == before


def test_a_place_that_is_not_writable_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused folder is one sentence, and what was made on the way is gone."""
    for at in (1, 2, 3):
        monkeypatch.setattr(os, "mkdir", failing(os.mkdir, at, errno.EACCES))
        with pytest.raises(StorageError, match="permission denied"):
            DatasetWriter(tmp_path / "d")
        monkeypatch.undo()

    monkeypatch.setattr(os, "open", failing(os.open, 1, errno.EACCES))
    with pytest.raises(StorageError, match="permission denied"):
        DatasetWriter(tmp_path / "d")
    assert not (tmp_path / "d").exists()


def test_a_path_that_is_a_file_is_told(tmp_path: Path) -> None:
    """A dataset is a folder."""
    (tmp_path / "d").write_text("mine")

    with pytest.raises(StorageError, match="it is a file"):
        DatasetWriter(tmp_path / "d")


def test_a_closed_writer_says_so(tmp_path: Path) -> None:
    """Nothing can be added after closing; closing again is harmless."""
    writer = DatasetWriter(tmp_path / "d")
    writer.close()
    writer.close()

    with pytest.raises(RecordingError, match="is closed"):
        writer.add(random_scenario(np.random.default_rng(0)))


def test_an_open_reader_keeps_its_snapshot(tmp_path: Path) -> None:
    """What is committed later is seen by opening again."""
    made = write(tmp_path / "d", specs=LEAN)
    reader = Dataset(tmp_path / "d")

    add_more(tmp_path / "d")

    assert len(reader) == len(made)
    assert reader.snapshot != Dataset(tmp_path / "d").snapshot
    assert_same_frames(reader, 3, made[3][1])

"""Damage is found, located and told; it never becomes data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from scenegen.data import Dataset, find_damage, schema
from scenegen.data.commits import HEADER
from scenegen.data.storage import seal
from scenegen.errors import RecordingError
from tests.data.recordings import tree, write


def flip(file: Path, bit: int) -> None:
    """Flip one bit of a file in place."""
    data = bytearray(file.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    file.write_bytes(data)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of two packs with several chunks and shards per array."""
    path = tmp_path_factory.mktemp("original") / "d"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schema, "FRAMES_PER_SHARD", 4)
        patch.setattr(schema, "POINT_ROWS", 64)
        write(path, 0, (6, 5, 3, 2), profile="default")
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    shutil.copytree(original, tmp_path / "d")
    return tmp_path / "d"


def read_everything(path: Path) -> None:
    """Read every scenario and every field."""
    dataset = Dataset(path)
    for i in range(len(dataset)):
        dataset.scenario(i)
        dataset.times(i)
        for name in dataset.fields:
            dataset.read(i, name)


def chunk_files(path: Path) -> list[Path]:
    """List all chunk files of a dataset."""
    return sorted(p for p in path.rglob("*") if p.is_file() and "/c/" in p.as_posix())


def test_an_untouched_dataset_has_no_damage(path: Path) -> None:
    """Verifying finds nothing where nothing is wrong."""
    assert find_damage(path) == []
    assert Dataset(path).verify() == []


def test_every_flipped_bit_is_found_and_located(path: Path) -> None:
    """Of 400 random bits, one per chunk file at a time, each is reported with its array."""
    rng = np.random.default_rng(0)
    files = chunk_files(path)
    flips = 0
    while flips < 400:
        chosen = rng.choice(len(files), 40, replace=False)
        bits = {files[i]: int(rng.integers(8 * files[i].stat().st_size)) for i in chosen}
        for file, bit in bits.items():
            flip(file, bit)

        found = find_damage(path)

        for file, bit in bits.items():
            flip(file, bit)
        names = {file.relative_to(path).as_posix() for file in bits}
        arrays = {name: name.split(".zarr/")[1].split("/c/")[0] for name in names}
        assert {d.file: d.array for d in found} == arrays
        assert all(d.pack in d.file for d in found)
        assert len(found) == len(bits)
        flips += len(bits)
    assert find_damage(path) == []


def test_every_flipped_bit_of_other_files_is_found(path: Path) -> None:
    """Metadata, catalog, header and commit records are covered as well."""
    rng = np.random.default_rng(1)
    files = sorted({p for p in path.rglob("*") if p.is_file()} - {*chunk_files(path)})
    files = [path / HEADER, *path.glob("commits/*"), *rng.choice(np.array(files), 60)]
    for file in files:
        bit = int(rng.integers(8 * file.stat().st_size))
        flip(file, bit)

        found = find_damage(path)

        flip(file, bit)
        assert [d.file for d in found] == [file.relative_to(path).as_posix()]


def test_a_flipped_bit_is_located_to_its_chunk(path: Path) -> None:
    """Damage to the bytes of frame 5's picture is reported as chunk 5."""
    array = Dataset(path)._pack(0).array("frames/camera/front/rgb")
    begin = array.shard(1).index[1, 0]
    flip(array.path / "c/1/0/0/0", 8 * int(begin) + 100)

    (damage,) = find_damage(path)

    assert (damage.array, damage.chunk) == ("frames/camera/front/rgb", 5)
    assert "chunk 5" in str(damage)


@pytest.mark.parametrize("seed", range(25))
def test_reading_damage_raises(path: Path, seed: int) -> None:
    """A reader meets a flipped bit with an error, never with other numbers."""
    rng = np.random.default_rng(seed)
    read = [f for f in chunk_files(path) if "_counts/" not in f.as_posix()]  # for CF readers only
    file = read[rng.integers(len(read))]
    flip(file, int(rng.integers(8 * file.stat().st_size)))

    with pytest.raises(RecordingError, match=r"damaged|missing|cut short"):
        read_everything(path)


@pytest.mark.parametrize("change", ["remove", "cut", "extend", "empty"])
def test_a_file_that_lost_bytes_is_told(path: Path, change: str) -> None:
    """Missing and shortened files raise and are found; they are never filled in."""
    file = next(f for f in chunk_files(path) if "depth" in f.as_posix())
    data = file.read_bytes()
    match change:
        case "remove":
            file.unlink()
        case "cut":
            file.write_bytes(data[:-9])
        case "extend":
            file.write_bytes(data + b"x")
        case _:
            file.write_bytes(b"")

    assert [d.file for d in find_damage(path)] == [file.relative_to(path).as_posix()]
    with pytest.raises(RecordingError):
        read_everything(path)


def test_a_file_nobody_committed_is_told(path: Path) -> None:
    """What is not in the record is not part of the pack."""
    pack = next((path / "packs").iterdir())
    (pack / "frames/stray").write_bytes(b"1")

    assert [d.reason for d in find_damage(path)] == ["not in the record"]


def test_a_folder_without_a_dataset_is_told(tmp_path: Path) -> None:
    """Opening nothing says that it is no dataset."""
    with pytest.raises(RecordingError, match="is no scenegen dataset"):
        Dataset(tmp_path)


def rewrite(file: Path, **changes: object) -> None:
    """Change a sealed document and seal it again."""
    file.write_bytes(seal({**json.loads(file.read_bytes())["body"], **changes}))


def test_an_unknown_version_is_told(path: Path) -> None:
    """A newer format asks for a newer scenegen."""
    rewrite(path / HEADER, format_version=99)

    with pytest.raises(RecordingError, match="version 99; install"):
        Dataset(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {"../../secret": [1, 2]}},
        {"files": {"/etc/passwd": [1, 2]}},
        {"files": {"a/../../b": [1, 2]}},
        {"pack": "../../elsewhere"},
        {"pack": "0123456789abcdef"},
        {"pack": 7},
        {"files": {"x": "y"}},
        {"ids": None},
    ],
)
def test_a_record_that_points_elsewhere_is_refused(path: Path, changes: dict[str, object]) -> None:
    """A commit record cannot lead a reader out of its pack."""
    rewrite(next((path / "commits").iterdir()), **changes)

    with pytest.raises(RecordingError):
        Dataset(path)


def test_a_link_out_of_the_pack_is_not_followed(path: Path, tmp_path: Path) -> None:
    """A chunk file that became a link is an error."""
    file = next(f for f in chunk_files(path) if "depth" in f.as_posix())
    outside = tmp_path / "outside"
    outside.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(outside)

    with pytest.raises(RecordingError, match="cannot open"):
        read_everything(path)


def test_what_is_not_committed_is_not_seen(path: Path) -> None:
    """Removing a record takes its pack out of the dataset; the others stay whole."""
    before = tree(path)
    record = next((path / "commits").iterdir())
    record.unlink()

    dataset = Dataset(path)

    assert len(dataset) == 2
    assert record.stem not in dataset.packs
    read_everything(path)
    assert len(before) == len(tree(path)) + 1

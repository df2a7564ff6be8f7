"""A pack is a plain Zarr v3 group: zarr-python and xarray read the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr
from zarr.registry import get_codec_class

from scenegen.data import Dataset, schema
from scenegen.data.jpeg import NAME, JpegCodec
from tests.data.recordings import write


@pytest.fixture(params=["default", "lossless"])
def dataset(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Dataset:
    """A dataset of one pack whose arrays fill several chunks and shards."""
    monkeypatch.setattr(schema, "FRAMES_PER_SHARD", 4)
    monkeypatch.setattr(schema, "POINT_ROWS", 16)
    write(tmp_path / "d", 3, (3, 0, 1, 7), per_pack=4, profile=request.param)
    return Dataset(tmp_path / "d")


def pack(dataset: Dataset) -> Path:
    """Folder of the only pack."""
    (folder,) = (dataset.path / "packs").iterdir()
    return folder


def test_zarr_reads_the_same_frames(dataset: Dataset) -> None:
    """Every field, joined over the recordings of the pack, is the zarr array of its name."""
    group = zarr.open_group(pack(dataset), mode="r")

    for name in dataset.fields:
        parts = [dataset.read(i, name) for i in range(len(dataset))]
        ours = np.concatenate([p[0] if isinstance(p, tuple) else p for p in parts])
        theirs = group[f"frames/{name}"]
        assert isinstance(theirs, zarr.Array)
        np.testing.assert_array_equal(np.asarray(theirs[...]), ours, strict=True)


def test_zarr_walks_the_pack_by_its_consolidated_metadata(dataset: Dataset) -> None:
    """The root's metadata name every array there is, with its dimensions."""
    group = zarr.open_consolidated(str(pack(dataset)))

    arrays = {name: node for name, node in group.members(None) if isinstance(node, zarr.Array)}

    on_disk = {p.parent.relative_to(pack(dataset)) for p in pack(dataset).rglob("*/zarr.json")}
    nodes = {Path(name) for name, _ in group.members(None)}
    assert nodes == on_disk
    for name, array in arrays.items():
        dims = array.metadata.dimension_names  # type: ignore[union-attr]
        assert dims is not None, name
        assert len(dims) == array.ndim, name
        beside = {Path(other).name for other in arrays if Path(other).parent == Path(name).parent}
        assert not set(dims) & beside, name


def test_xarray_reads_every_group(dataset: Dataset) -> None:
    """open_datatree and open_zarr give the numbers, with the scale undone."""
    tree = xarray.open_datatree(pack(dataset), engine="zarr")
    raw = zarr.open_group(pack(dataset), mode="r")

    for group in tree.groups:
        opened = xarray.open_zarr(pack(dataset), group=group.strip("/") or None)
        for name, variable in opened.variables.items():
            stored = np.asarray(raw[f"{group}/{name}".strip("/")][...])  # type: ignore[index]
            scale = 0.005 if name == "xyz" else 1
            np.testing.assert_allclose(variable.to_numpy(), stored * scale, rtol=1e-6)
            assert name in tree[group]


def test_attributes_follow_cf(dataset: Dataset) -> None:
    """Units, scale, class names and row sizes are where CF readers look for them."""
    group = zarr.open_group(pack(dataset), mode="r")

    semantic = group["frames/camera/front/semantic"].attrs.asdict()
    assert semantic["flag_meanings"] == "road car traffic_light"
    assert semantic["flag_values"] == [0, 1, 2]
    assert group["frames/lidar/top/xyz"].attrs["scale_factor"] == 0.005
    assert group["frames/lidar/top/point_counts"].attrs["sample_dimension"] == "point"
    counts = np.asarray(group["frames/lidar/top/point_counts"][...])  # type: ignore[index]
    offsets = np.asarray(group["frames/lidar/top/point_offsets"][...])  # type: ignore[index]
    np.testing.assert_array_equal(np.diff(offsets), counts)


def test_the_jpeg_codec_is_known_to_zarr() -> None:
    """Zarr finds the codec by its name and writes with it what it reads."""
    assert get_codec_class(NAME) is JpegCodec
    picture = np.full((2, 8, 8, 3), 77, np.uint8)

    array = zarr.create_array(
        {}, shape=picture.shape, chunks=(1, 8, 8, 3), dtype="uint8", serializer=JpegCodec(),
        compressors=None, dimension_names=("frame", "y", "x", "channel"),
    )  # fmt: skip
    array[...] = picture

    np.testing.assert_allclose(np.asarray(array[...]), picture, atol=2)

"""Corpora as a model reads them: checked, merged by name, encoded for the model's own list."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scenegen.arrays import Array
from scenegen.errors import RecordingError, UnknownNameError
from scenegen.layout.condition_tokens import encode_condition
from scenegen.layout.shard_file import (
    COLUMNS,
    MANIFEST,
    SPLITS,
    ShardHeader,
    pack_shard,
    token_layout,
    unpack_shard,
)
from scenegen.layout.shards import NOMINAL, UNKNOWN, CorpusReader
from scenegen.scene import Light, RoadKind, Weather

COUNTED = {"light": Light, "weather": Weather, "road_kind": RoadKind}


def rows(seed: int, count: int, events: tuple[str, ...], detectors: int) -> dict[str, Array]:
    """Draw rows that mean nothing but have the right types and shapes."""
    rng = np.random.default_rng(seed)
    out = {}
    for name, (dtype, shape) in COLUMNS.items():
        full = (count, *(detectors if size == "detectors" else size for size in shape))
        if dtype.startswith("float"):
            out[name] = rng.uniform(0.1, 2.0, full).astype(dtype)
        else:
            out[name] = rng.integers(0, 2, full).astype(dtype)
    out["family"] = rng.integers(0, len(events) + 1, count).astype(np.int16)
    out["split"] = (np.arange(count) % len(SPLITS)).astype(np.int8)
    out["index"] = np.arange(count)
    for name, names in COUNTED.items():
        out[name] = rng.integers(0, len(names), count).astype(np.int8)
    return out


def header(events: tuple[str, ...], settings: str = "a") -> ShardHeader:
    """Describe a shard of eight rows."""
    return ShardHeader(
        settings=settings,
        first=0,
        last=8,
        events=events,
        detectors=events,
        tokens=token_layout(),
    )


def store(
    folder: Path, events: tuple[str, ...], *, seed: int = 0, settings: str = "a", done: bool = True
) -> dict[str, Array]:
    """Write a corpus of one shard and give its rows."""
    folder.mkdir()
    arrays = rows(seed, 8, events, len(events))
    data = pack_shard(arrays, header(events, settings))
    (folder / "0000.safetensors").write_bytes(data)
    if done:
        shard = {"file": "0000.safetensors", "sha256": hashlib.sha256(data).hexdigest()}
        (folder / MANIFEST).write_text(json.dumps({"shards": [shard]}))
    return arrays


def test_a_shard_gives_back_what_was_stored() -> None:
    """Bytes to arrays and back, header included."""
    arrays, said = rows(0, 8, ("cut_in",), 1), header(("cut_in",))

    found, again = unpack_shard(pack_shard(arrays, said))

    assert found == said
    for name in COLUMNS:
        np.testing.assert_array_equal(again[name], arrays[name])


@pytest.mark.parametrize("at", [-1, -5000, 900])
def test_a_flipped_bit_is_found(at: int) -> None:
    """Damage in the arrays or in the header is an error, never other numbers."""
    data = bytearray(pack_shard(rows(0, 8, ("cut_in",), 1), header(("cut_in",))))
    data[at] ^= 16

    with pytest.raises(RecordingError, match="damaged"):
        unpack_shard(bytes(data))


def test_arrays_of_a_wrong_type_are_refused() -> None:
    """What is stored has the types and shapes of COLUMNS."""
    arrays = rows(0, 8, ("cut_in",), 1)
    arrays["severity"] = arrays["severity"].astype(np.float64)

    with pytest.raises(ValueError, match="severity: expected float32"):
        pack_shard(arrays, header(("cut_in",)))


@pytest.mark.parametrize("split", SPLITS)
def test_each_split_gives_its_rows(tmp_path: Path, split: str) -> None:
    """The rows of a split and no others, in their order."""
    arrays = store(tmp_path / "a", ("cut_in",))
    chosen = arrays["split"] == SPLITS.index(split)

    reader = CorpusReader([tmp_path / "a"], split=split)

    assert reader.rows.index.tolist() == arrays["index"][chosen].tolist()
    np.testing.assert_array_equal(reader.rows.agents.numpy(), arrays["agents"][chosen])


def test_a_batch_is_the_rows_asked_for(tmp_path: Path) -> None:
    """Any order, repeats too; map tokens come as float32."""
    arrays = store(tmp_path / "a", ("cut_in",))
    reader = CorpusReader([tmp_path / "a"], split=None)

    batch = reader.batch(torch.tensor([3, 0, 3]))

    assert len(batch) == 3
    assert batch.map_points.dtype is torch.float32
    np.testing.assert_array_equal(batch.agents.numpy(), arrays["agents"][[3, 0, 3]])
    np.testing.assert_array_equal(batch.map_points.numpy(), arrays["map_points"][[3, 0, 3]])
    np.testing.assert_array_equal(batch.severity, arrays["severity"][[3, 0, 3]])


def test_corpora_with_different_families_are_merged_by_name(tmp_path: Path) -> None:
    """A family has one number whatever it had in its corpus; what was not looked for is unknown."""
    one = store(tmp_path / "a", ("cut_in", "jaywalker"), settings="a")
    two = store(tmp_path / "b", ("animal_crossing", "jaywalker"), seed=1, settings="b")

    reader = CorpusReader([tmp_path / "a", tmp_path / "b"], split=None)

    assert reader.families == (NOMINAL, "animal_crossing", "cut_in", "jaywalker")
    for number, (arrays, names) in enumerate(
        ((one, ("", "cut_in", "jaywalker")), (two, ("", "animal_crossing", "jaywalker")))
    ):
        here = reader.rows.corpus == number
        found = [reader.families[k] for k in reader.rows.family[here]]
        assert found == [names[k] for k in arrays["family"]]
        both = reader.detectors.index("jaywalker")
        np.testing.assert_array_equal(reader.rows.occurs[here, both], arrays["occurs"][:, 1])
    missing = reader.detectors.index("animal_crossing")
    assert (reader.rows.occurs[reader.rows.corpus == 0, missing] == UNKNOWN).all()


def test_names_in_another_order_mean_the_same(tmp_path: Path) -> None:
    """Light, weather and road are read by the names in the shard."""
    arrays = rows(0, 8, ("cut_in",), 1)
    (tmp_path / "a").mkdir()
    said = replace(
        header(("cut_in",)),
        lights=tuple(reversed(Light)),
        road_kinds=tuple(reversed(RoadKind)),
    )
    (tmp_path / "a/0000.safetensors").write_bytes(pack_shard(arrays, said))

    found = CorpusReader([tmp_path / "a"], split=None, partial=True).rows

    np.testing.assert_array_equal(found.light, len(Light) - 1 - arrays["light"])
    np.testing.assert_array_equal(found.road_kind, len(RoadKind) - 1 - arrays["road_kind"])
    np.testing.assert_array_equal(found.weather, arrays["weather"])


def test_conditions_are_encoded_for_the_models_own_list(tmp_path: Path) -> None:
    """The vector is that of encode_condition, with the families in the model's order."""
    store(tmp_path / "a", ("cut_in", "jaywalker"))
    reader = CorpusReader([tmp_path / "a"], split=None)
    events = ("jaywalker", "tailgater", "cut_in")

    values, known = reader.conditions(events)

    assert bool(known.all())
    for row in range(len(reader)):
        wanted, _ = encode_condition(reader.condition(row), events)
        np.testing.assert_array_equal(values[row].numpy(), wanted)
    with pytest.raises(UnknownNameError, match="jaywalker"):
        reader.conditions(("cut_in",))


def test_strata_can_be_chosen(tmp_path: Path) -> None:
    """Everyday traffic only, or one family only."""
    arrays = store(tmp_path / "a", ("cut_in", "jaywalker"))

    everyday = CorpusReader([tmp_path / "a"], split=None, events=[NOMINAL])
    walkers = CorpusReader([tmp_path / "a"], split=None, events=["jaywalker"])

    assert len(everyday) == (arrays["family"] == 0).sum()
    assert len(walkers) == (arrays["family"] == 2).sum()
    with pytest.raises(UnknownNameError, match="Did you mean 'cut_in'"):
        CorpusReader([tmp_path / "a"], events=["cutin"])


def test_exposure_gives_the_wanted_mix_of_roads(tmp_path: Path) -> None:
    """Weighted nominal rows have the given shares per kind of road; staged ones count nothing."""
    store(tmp_path / "a", ("cut_in",), settings="a")
    store(tmp_path / "b", ("cut_in",), seed=1, settings="b")
    reader = CorpusReader([tmp_path / "a", tmp_path / "b"], split=None)
    nominal = reader.rows.family == 0
    kinds = np.array([str(k) for k in RoadKind])[reader.rows.road_kind]
    there = sorted(set(kinds[nominal].tolist()))[:2]
    shares = dict(zip(there, (0.7, 0.3), strict=True))

    weights = reader.exposure(shares)

    assert weights[~nominal].sum() == 0.0
    assert weights.sum() == pytest.approx(nominal.sum())
    for name, share in shares.items():
        assert weights[kinds == name].sum() / weights.sum() == pytest.approx(share)
    with pytest.raises(UnknownNameError, match="road kind"):
        reader.exposure({"moon": 1.0})


def test_an_unfinished_corpus_is_read_only_on_demand(tmp_path: Path) -> None:
    """Without a manifest a corpus is refused, unless its finished part is asked for."""
    store(tmp_path / "a", ("cut_in",), done=False)

    with pytest.raises(RecordingError, match="partial=True"):
        CorpusReader([tmp_path / "a"], split=None)

    assert len(CorpusReader([tmp_path / "a"], split=None, partial=True)) == 8


def test_shards_that_are_not_those_of_the_manifest_are_refused(tmp_path: Path) -> None:
    """A whole shard of other rows does not pass for the one that was listed."""
    store(tmp_path / "a", ("cut_in",))
    other = pack_shard(rows(9, 8, ("cut_in",), 1), header(("cut_in",)))
    (tmp_path / "a/0000.safetensors").write_bytes(other)

    with pytest.raises(RecordingError, match="digest"):
        CorpusReader([tmp_path / "a"])


def test_the_same_rows_are_not_counted_twice(tmp_path: Path) -> None:
    """A corpus and its copy are one corpus."""
    store(tmp_path / "a", ("cut_in",))
    store(tmp_path / "b", ("cut_in",))

    with pytest.raises(RecordingError, match="twice"):
        CorpusReader([tmp_path / "a", tmp_path / "b"])


def test_tokens_in_other_scales_are_refused(tmp_path: Path) -> None:
    """A shard written with other constants would be read as other numbers."""
    (tmp_path / "a").mkdir()
    data = pack_shard(rows(0, 8, ("cut_in",), 1), replace(header(("cut_in",)), tokens="old"))
    (tmp_path / "a/0000.safetensors").write_bytes(data)

    with pytest.raises(RecordingError, match="other scales"):
        CorpusReader([tmp_path / "a"], partial=True)

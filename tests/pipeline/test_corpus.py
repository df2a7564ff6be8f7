"""The corpus: the same bytes for anybody, whole or absent, with known weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

from scenegen.cli import app
from scenegen.errors import RecordingError, UnknownNameError
from scenegen.layout.tokens import CHANNELS, PRESENCE, SLOTS
from scenegen.maps import MAP_SOURCES
from scenegen.pipeline.corpus import SPLITS, CorpusSettings, build_corpus, split_of
from tests.sizes import file_digests

SETTINGS = CorpusSettings(seed=5, rows_per_shard=2)
COUNT = 4


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a handful of rows in one process."""
    folder = tmp_path_factory.mktemp("corpus") / "one"
    build_corpus(folder, SETTINGS, COUNT)
    return folder


def test_workers_change_no_byte(corpus: Path, tmp_path: Path) -> None:
    """Two processes write what one writes."""
    build_corpus(tmp_path / "two", SETTINGS, COUNT, workers=2)

    assert file_digests(tmp_path / "two") == file_digests(corpus)


def test_manifest_tells_what_is_there(corpus: Path) -> None:
    """Digests, counts per split and family agree with the shards."""
    manifest = json.loads((corpus / "manifest.json").read_text())
    shards = [load_file(corpus / shard["file"]) for shard in manifest["shards"]]
    digests = file_digests(corpus)

    assert [digests[s["file"]] for s in manifest["shards"]] == [
        s["sha256"] for s in manifest["shards"]
    ]
    rows = np.concatenate([shard["index"] for shard in shards])
    assert len(rows) == manifest["rows"] == COUNT - manifest["failed"]
    split = np.concatenate([shard["split"] for shard in shards])
    assert manifest["splits"] == {n: int((split == k).sum()) for k, n in enumerate(SPLITS)}
    assert sum(manifest["families"].values()) == len(rows)


def test_rows_are_finite_scenes_with_weights(corpus: Path) -> None:
    """Each row has an ego, its road, and the probability of its stratum and family."""
    for path in corpus.glob("*.safetensors"):
        shard = load_file(path)
        assert shard["agents"].shape[1:] == (SLOTS, CHANNELS)
        for name in ("agents", "map_points", "map_attributes", "condition"):
            assert np.isfinite(shard[name]).all(), name
        assert (shard["agents"][:, 0, PRESENCE] == 1.0).all()
        assert shard["map_valid"].any(1).all()
        chance = np.where(shard["family"] == 0, 0.5, 0.5 / len(SETTINGS.events))
        assert np.allclose(shard["sampling_probability"], chance)
        # A staged event has its actor in the first role slot.
        assert ((shard["agents"][:, 1, PRESENCE] > 0) == (shard["family"] > 0)).all()


def test_resume_keeps_whole_shards_and_rebuilds_damaged_ones(corpus: Path, tmp_path: Path) -> None:
    """After a flipped bit and a lost file the corpus is the same again."""
    again = tmp_path / "again"
    again.mkdir()
    data = bytearray((corpus / "0000.safetensors").read_bytes())
    data[-5] ^= 4
    (again / "0000.safetensors").write_bytes(data)
    seen = []

    build_corpus(
        again, SETTINGS, COUNT, resume=True, on_shard=lambda shard: seen.append(shard.file)
    )

    assert file_digests(again) == file_digests(corpus)
    assert seen == ["0000.safetensors", "0001.safetensors"]


def test_finished_shards_are_not_touched(corpus: Path) -> None:
    """Resuming a finished corpus rewrites no shard."""
    before = {path.name: path.stat().st_mtime_ns for path in corpus.glob("*.safetensors")}

    build_corpus(corpus, SETTINGS, COUNT, resume=True)

    after = {path.name: path.stat().st_mtime_ns for path in corpus.glob("*.safetensors")}
    assert after == before


def test_corpora_are_never_mixed(corpus: Path) -> None:
    """Without resume, or with other settings, nothing is written."""
    with pytest.raises(RecordingError, match="holds shards already"):
        build_corpus(corpus, SETTINGS, COUNT)
    with pytest.raises(RecordingError, match="other settings"):
        build_corpus(corpus, CorpusSettings(seed=6, rows_per_shard=2), COUNT, resume=True)


def test_roads_are_split_by_class_and_by_hash() -> None:
    """The held-out class is never trained on, and a road is always in the same split."""
    rng = np.random.default_rng(0)
    roundabout = MAP_SOURCES["roundabout"]().draw(rng)
    roads = [MAP_SOURCES["highway"]().draw(np.random.default_rng(k)) for k in range(12)]

    assert SPLITS[split_of(roundabout, "roundabout")] == "held_out"
    assert {SPLITS[split_of(road, "roundabout")] for road in roads} <= {"train", "val", "test"}
    again = MAP_SOURCES["highway"]().draw(np.random.default_rng(3))
    assert split_of(again, "roundabout") == split_of(roads[3], "roundabout")


def test_settings_refuse_nonsense() -> None:
    """Names and ranges are checked before anything is drawn."""
    with pytest.raises(UnknownNameError, match="Did you mean 'cut_in'"):
        CorpusSettings(events=("cutin",))
    with pytest.raises(ValueError, match="sorted names"):
        CorpusSettings(events=("jaywalker", "cut_in"))
    with pytest.raises(UnknownNameError, match="road kind"):
        CorpusSettings(held_out="moon")
    with pytest.raises(ValueError, match="density"):
        CorpusSettings(density=(9.0, 3.0))


def test_the_command_builds_everyday_traffic(tmp_path: Path) -> None:
    """`corpus build --events none` stages no event and says what it wrote."""
    folder = tmp_path / "corpus"

    result = CliRunner().invoke(
        app, ["corpus", "build", "-o", str(folder), "-n", "2", "--events", "none", "--json"]
    )

    assert result.exit_code == 0, result.output
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["families"] == {"nominal": manifest["rows"]}
    assert (load_file(folder / "0000.safetensors")["sampling_probability"] == 1.0).all()

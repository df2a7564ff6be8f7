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
from scenegen.events import EVENTS
from scenegen.layout.shard_file import SPLITS
from scenegen.layout.shards import CorpusReader
from scenegen.layout.tokens import PRESENCE
from scenegen.maps import MAP_SOURCES
from scenegen.pipeline.corpus import build_corpus, draw_rows
from scenegen.pipeline.corpus_encoding import split_of
from scenegen.pipeline.corpus_settings import ROAD_KINDS, CorpusSettings, kinds_of
from scenegen.scene import RoadKind
from tests.sizes import file_digests

SETTINGS = CorpusSettings(seed=5, worlds=2, windows=2, rows_per_shard=4)
COUNT = 16


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a handful of sites in one process."""
    folder = tmp_path_factory.mktemp("corpus") / "one"
    build_corpus(folder, SETTINGS, COUNT)
    return folder


def test_workers_change_no_byte(corpus: Path, tmp_path: Path) -> None:
    """Two processes write what one writes."""
    build_corpus(tmp_path / "two", SETTINGS, 8, workers=2)

    one, two = file_digests(corpus), file_digests(tmp_path / "two")
    shards = {"0000.safetensors", "0001.safetensors"}
    assert {n: two[n] for n in shards} == {n: one[n] for n in shards}


def test_rows_do_not_depend_on_where_shards_end(corpus: Path) -> None:
    """A row that is drawn with its neighbours equals the one that is drawn across their border."""
    rows = {int(row["index"]): row for row in draw_rows(SETTINGS, 2, 6)}
    stored = CorpusReader([corpus], split=None).rows

    for at, index in enumerate(stored.index.tolist()):
        if index in rows:
            np.testing.assert_array_equal(rows[index]["agents"], stored.agents[at].numpy())
    assert set(rows) == set(stored.index.tolist()) & set(range(2, 6))


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
    """Each row has an ego, its road, and the probability of its stratum, family and road."""
    rows = CorpusReader([corpus], split=None).rows

    for name in ("agents", "map_points", "map_attributes"):
        assert bool(getattr(rows, name).isfinite().all()), name
    assert bool((rows.agents[:, 0, PRESENCE] == 1.0).all())
    assert bool(rows.map_valid.any(1).all())
    assert 0 < (rows.family == 0).sum() < len(rows)
    for family, kind, chance in zip(
        rows.family, rows.road_kind, rows.sampling_probability, strict=True
    ):
        event = SETTINGS.events[family - 1] if family else ""
        assert chance == SETTINGS.chance(event, tuple(RoadKind)[kind]) > 0.0


def test_staged_rows_show_their_event_by_the_staged_roles(corpus: Path) -> None:
    """The detector of the family fires, and its actor is in the first role slot."""
    reader = CorpusReader([corpus], split=None)
    rows = reader.rows

    staged = rows.family > 0
    assert ((rows.agents[:, 1, PRESENCE].numpy() > 0) == staged).all()
    for row in np.flatnonzero(staged):
        fired = rows.occurs[row, reader.detectors.index(reader.families[rows.family[row]])]
        assert fired == 1


def test_rows_of_a_world_have_one_road_and_one_split(corpus: Path) -> None:
    """A world never crosses a split; its rows begin at different instants or with another ego."""
    rows = CorpusReader([corpus], split=None).rows

    for world in np.unique(rows.world):
        same = rows.world == world
        assert len(set(rows.road[same])) == len(set(rows.split[same])) == 1
        assert len({tuple(frame) for frame in rows.frame[same].tolist()}) == same.sum()


def test_chances_of_all_cells_sum_to_one() -> None:
    """Every row is of exactly one stratum, family and kind of road."""
    cells = [(event, kind) for event in ("", *SETTINGS.events) for kind in ROAD_KINDS]

    assert sum(SETTINGS.chance(*cell) for cell in cells) == pytest.approx(1.0)
    for kind in {kind for event in SETTINGS.events for kind in kinds_of(event)}:
        assert sum(SETTINGS.families_on(kind).values()) == pytest.approx(1.0)
    per_family = {e: sum(SETTINGS.chance(e, kind) for kind in ROAD_KINDS) for e in SETTINGS.events}
    assert per_family == pytest.approx(dict.fromkeys(SETTINGS.events, 0.5 / len(SETTINGS.events)))


def test_resume_keeps_whole_shards_and_rebuilds_damaged_ones(corpus: Path, tmp_path: Path) -> None:
    """After a flipped bit and a lost file the corpus is the same again."""
    again = tmp_path / "again"
    again.mkdir()
    for path in sorted(corpus.glob("*.safetensors"))[:3]:
        (again / path.name).write_bytes(path.read_bytes())
    data = bytearray((corpus / "0000.safetensors").read_bytes())
    data[-5] ^= 4
    (again / "0000.safetensors").write_bytes(data)
    seen = []

    build_corpus(
        again, SETTINGS, COUNT, resume=True, on_shard=lambda shard: seen.append(shard.file)
    )

    assert file_digests(again) == file_digests(corpus)
    assert seen == [f"{k:04d}.safetensors" for k in range(4)]


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
    other = CorpusSettings(seed=6, worlds=2, windows=2, rows_per_shard=4)
    with pytest.raises(RecordingError, match="other settings"):
        build_corpus(corpus, other, COUNT, resume=True)


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
    with pytest.raises(ValueError, match="windows"):
        CorpusSettings(windows=0)


def test_the_command_builds_everyday_traffic_and_tells_what_is_in_it(tmp_path: Path) -> None:
    """`corpus build --events none` stages no event; `corpus info` gives the natural rates."""
    folder = tmp_path / "corpus"

    built = CliRunner().invoke(
        app, ["corpus", "build", "-o", str(folder), "-n", "8", "--events", "none", "--json"]
    )
    told = CliRunner().invoke(app, ["corpus", "info", str(folder), "--json"])

    assert built.exit_code == 0, built.output
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["families"] == {"nominal": manifest["rows"]}
    assert told.exit_code == 0, told.output
    found = json.loads(told.output)
    assert found["rows"] == manifest["rows"]
    assert set(found["natural"]) == set(EVENTS)
    for rate in found["natural"].values():
        assert 0.0 <= rate["low"] <= rate["rate"] <= rate["high"] <= 1.0

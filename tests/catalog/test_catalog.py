"""SQL and queries find exactly the recordings that fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch.utils.data import DataLoader

from scenegen.catalog import Catalog, features
from scenegen.catalog.dataset import ScenarioDataset
from scenegen.data import Dataset, DatasetWriter
from scenegen.errors import QueryError
from scenegen.query import parse
from scenegen.scene import ArraySpec, Conditions, Frame, Light, Scenario, Weather
from tests.builders import cars, constant_speed_scenario, provenance, straight_road

SPECS = (ArraySpec(name="ego/speed", dims=(), shape=(), dtype="float32", units="m s-1"),)


def scenarios() -> list[Scenario]:
    """Give six approaches: each second by night, gaps of 30 to 80 m."""
    made = []
    for k in range(6):
        agents = cars((0.0, 0.0, 20.0), (34.5 + 10 * k, 0.0, 10.0))
        base = constant_speed_scenario(straight_road(), agents, steps=11)
        made.append(
            replace(
                base,
                conditions=Conditions(
                    light=Light.NIGHT if k % 2 else Light.DAY,
                    weather=Weather.RAIN if k > 2 else Weather.CLEAR,
                ),
                provenance=provenance(index=k, script={"event": "approach"}),
            )
        )
    return made


def record(path: Path, *, with_rows: bool = True) -> list[str]:
    """Write the scenarios in packs of two and give their ids."""
    with DatasetWriter(path, SPECS, recordings_per_pack=2) as writer:
        for scenario in scenarios():
            frames = [
                Frame(time=float(t), arrays={"ego/speed": np.array(20.0, np.float32)})
                for t in scenario.times
            ]
            writer.add(scenario, frames, features(scenario) if with_rows else None)
    return [scenario.id for scenario in scenarios()]


def test_sql_sees_every_committed_row(tmp_path: Path) -> None:
    """The table has the features of all recordings, and those alone."""
    path = tmp_path / "a[1] *?'\""  # a plain name, no pattern
    ids = record(path)
    with Catalog(path) as catalog:
        counts = catalog.sql(
            "SELECT light, count(*) AS n FROM recordings GROUP BY light ORDER BY 1"
        )
        rows = catalog.rows()

        assert counts == [{"light": "day", "n": 3}, {"light": "night", "n": 3}]
        assert [row["id"] for row in rows] == ids
        for row, scenario in zip(rows, scenarios(), strict=True):
            assert {name: row[name] for name in features(scenario)} == features(scenario)
        assert {"id", "min_ttc", "frames"} <= set(catalog.columns)


def test_rows_filter_by_an_sql_condition(tmp_path: Path) -> None:
    """Rows come in the order of the dataset, at most as many as wanted."""
    ids = record(tmp_path / "d")
    with Catalog(tmp_path / "d") as catalog:
        assert [r["id"] for r in catalog.rows("min_gap < 35 -- near")] == ids[:2]
        assert [r["id"] for r in catalog.rows("weather = 'rain'", limit=2)] == ids[3:5]


def test_what_is_not_committed_is_not_in_the_table(tmp_path: Path) -> None:
    """A pack without its record is no part of the catalog."""
    record(tmp_path / "d")
    next((tmp_path / "d/commits").iterdir()).unlink()

    with Catalog(tmp_path / "d") as catalog:
        assert catalog.sql("SELECT count(*) AS n FROM recordings") == [{"n": 4}]


def test_rebuilding_gives_the_rows_that_writers_gave(tmp_path: Path) -> None:
    """Features follow from the stored scenarios alone."""
    record(tmp_path / "with")
    record(tmp_path / "without", with_rows=False)
    with Catalog(tmp_path / "with") as one, Catalog(tmp_path / "without") as other:
        assert set(other.columns) == {"id", "frames"}

        derived = other.rebuild()

        assert derived.is_file()
        assert other.rows() == one.rows()
    with Catalog(tmp_path / "without") as again:
        assert again.rows("min_gap < 35")
    assert Dataset(tmp_path / "without").verify() == []


def test_a_derived_table_is_of_one_snapshot(tmp_path: Path) -> None:
    """After more recordings the old derived rows are not used, and a rebuild replaces them."""
    record(tmp_path / "d")
    with Catalog(tmp_path / "d") as catalog:
        old = catalog.rebuild()
    more = replace(scenarios()[0], provenance=provenance(index=99))
    with DatasetWriter(tmp_path / "d", SPECS) as writer:
        writer.add(more, row=features(more))

    with Catalog(tmp_path / "d") as catalog:
        assert catalog.sql("SELECT count(*) AS n FROM recordings") == [{"n": 7}]
        assert catalog.rebuild() != old
        assert not old.exists()


def test_an_empty_dataset_has_an_empty_table(tmp_path: Path) -> None:
    """Asking nothing is no error."""
    with DatasetWriter(tmp_path / "d"):
        pass

    with Catalog(tmp_path / "d") as catalog:
        assert catalog.rows() == []
        assert catalog.search("night") == []


def test_wrong_sql_is_told(tmp_path: Path) -> None:
    """DuckDB's own words, in our error."""
    record(tmp_path / "d")
    with Catalog(tmp_path / "d") as catalog, pytest.raises(QueryError, match="min_tcc"):
        catalog.rows("min_tcc < 1")


@pytest.mark.parametrize(
    "text",
    ["night", "night and rain", "ttc(ego,c) < 3.5s", "day and gap(ego,c) > 40m", "snow"],
)
def test_search_finds_what_satisfies_the_query(tmp_path: Path, text: str) -> None:
    """Hits are exactly the scenarios that the query itself accepts, with its verdict."""
    record(tmp_path / "d")
    query = parse(text)
    expected = {s.id: query.evaluate(s) for s in scenarios() if query.evaluate(s).satisfied}

    with Catalog(tmp_path / "d") as catalog:
        hits = catalog.search(text)
        narrowed = catalog.search(query, where="steps = 11", limit=1)

    assert {hit.id: hit.verdict for hit in hits} == expected
    assert narrowed == hits[:1]


def test_a_query_chooses_clips(tmp_path: Path) -> None:
    """The dataset for training has the clips of the recordings found, in their order."""
    ids = record(tmp_path / "d")

    clips = ScenarioDataset(tmp_path / "d", ["ego/speed"], where="night and rain", frames=5)

    batches = list(DataLoader(clips, batch_size=2, collate_fn=lambda clips: clips))
    found = [clips.dataset.ids[r] for batch in batches for r in batch["recording"].tolist()]
    assert found == [ids[3], ids[3], ids[5], ids[5]]
    assert len(ScenarioDataset(tmp_path / "d", ["ego/speed"], frames=5)) == 12

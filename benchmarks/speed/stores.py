"""A dataset of many recordings to search in, made once and kept under runs/."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.harness import ROOT
from scenegen.catalog import Catalog, features
from scenegen.catalog.occurrences import WORDS
from scenegen.catalog.searching import LOOKED_UP
from scenegen.data import Dataset, DatasetWriter
from scenegen.errors import UnsatisfiedError
from scenegen.events import EVENTS
from scenegen.pipeline import Request
from scenegen.pipeline.generate import Generator
from scenegen.query import Query, load_query, parse, published
from scenegen.scene import Light, Scenario, Weather, draw_conditions

EVERYDAY = (
    *("ego.speed > 3m/s", "highway and ego.speed > 15m/s", "urban and ego.speed > 3m/s"),
    *("intersection and ego.speed > 3m/s", "rural and ego.speed > 8m/s", "ego.speed > 8m/s"),
)
"""Ordinary traffic; two thirds of the developments."""
PER_PACK = 100


def store(developments: int, weathers: int) -> Dataset:
    """Open the dataset, and make it first where it is not there.

    Args:
        developments: Simulated developments, each of 81 instants.
        weathers: Draws of light and weather for each of them; every recording is stored whole.
    """
    path = ROOT / "runs" / f"search-{developments}x{weathers}.zarr"
    if path.exists() and _is_current(path, developments * weathers):
        return Dataset(path)
    shutil.rmtree(path, ignore_errors=True)
    write(path, developments, weathers)
    return Dataset(path)


def write(path: Path, developments: int, weathers: int) -> None:
    """Simulate, draw light and weather, and store in the usual way, without sensors.

    What happens does not depend on light and weather, so it is measured once per development.
    """
    rng = np.random.default_rng(0)
    bases = [(base, features(base)) for base in _developments(developments)]
    order = rng.permutation(developments * weathers)
    with DatasetWriter(path, recordings_per_pack=PER_PACK) as writer:
        for number in order.tolist():
            base, same = bases[number % developments]
            origin = replace(base.provenance, index=number, seed=1 + number // developments)
            conditions = draw_conditions(rng, tuple(Light), tuple(Weather), {})
            scenario = replace(base, conditions=conditions, provenance=origin)
            writer.add(scenario, (), features(scenario, same=same))


def _is_current(path: Path, count: int) -> bool:
    """Whether all recordings are there, with rows as they would be written today."""
    with Catalog(path) as catalog:
        if len(catalog.dataset) != count or not set(LOOKED_UP) <= set(catalog.columns):
            return False
        return catalog.sql("SELECT DISTINCT listed FROM recordings") == [{"listed": WORDS}]


def _developments(count: int) -> Iterator[Scenario]:
    """Everyday traffic, every event family, and every published query that is answered."""
    rare = [parse(f"{name}({','.join(event.roles)})") for name, event in EVENTS.items()]
    rare += [load_query(name) for name, query in published().items() if query.id[0] != "N"]
    everyday = [parse(text) for text in EVERYDAY]
    made = 0
    numbers: dict[Query, int] = {}
    generators: dict[Query, Generator] = {}
    while made < count:
        pool = rare if made % 3 == 0 else everyday
        query = pool[(made // 3 if made % 3 == 0 else made) % len(pool)]
        generator = generators.setdefault(query, Generator(Request(query=query, seed=9, tries=24)))
        try:
            scenario = generator.scenario(numbers.get(query, 0)).scenario
        except UnsatisfiedError:
            pool.remove(query)  # It is too rare to be found within the tries.
            continue
        numbers[query] = numbers.get(query, 0) + 1
        made += 1
        yield scenario

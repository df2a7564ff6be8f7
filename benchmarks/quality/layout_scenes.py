"""Where the scenes of the layout benchmark come from: corpora, models, and the heuristic."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import scenegen_assets
from benchmarks.harness import ROOT
from scenegen.arrays import IntArray
from scenegen.evaluate.scene_set import SceneSet
from scenegen.events import EVENTS
from scenegen.layout.condition_tokens import encode_condition
from scenegen.layout.constraints import constrain
from scenegen.layout.learned import model_of
from scenegen.layout.map_tokens import MapTokens
from scenegen.layout.scene_batch import SceneBatch
from scenegen.layout.scene_model import SceneModel
from scenegen.layout.shards import CorpusReader
from scenegen.layout.tokens import MOTION, SLOTS
from scenegen.pipeline import Composer, Request
from scenegen.pipeline.corpus import build_corpus
from scenegen.pipeline.corpus_settings import CorpusSettings
from scenegen.pipeline.defects import defect
from scenegen.query import Query, parse
from scenegen.scene import Composition, Scenario
from scenegen.sim import rollout, to_scenario
from scenegen.training import load_checkpoint

HELD_OUT, TRAIN, RUNS = (
    "SCENEGEN_LAYOUT_HELD_OUT",
    "SCENEGEN_LAYOUT_TRAIN",
    "SCENEGEN_LAYOUT_RUNS",
)
"""Environment variables: folders of the held-out corpus, the training corpus, and of runs with
layout_<model>_s<seed>/final.safetensors."""
BATCH = 64
"""Scenes sampled or simulated together."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Data:
    """Rows of a corpus with the scenes they are.

    Attributes:
        reader: The rows.
        rows: Which rows of the reader.
        scenes: The same as a set of scenes.
    """

    reader: CorpusReader
    rows: IntArray
    scenes: SceneSet

    def take(self, chosen: IntArray) -> Data:
        """Choose scenes by number."""
        return Data(reader=self.reader, rows=self.rows[chosen], scenes=self.scenes[chosen])

    def families(self) -> list[str]:
        """Event family of each scene, "" for everyday traffic."""
        return [self.reader.families[k] for k in self.reader.rows.family[self.rows]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Generated:
    """What a model made.

    Attributes:
        scenes: Its scenes, unchecked.
        accepted: Share that its own check lets pass, nan where it has none.
        cpu_s: CPU seconds.
    """

    scenes: SceneSet
    accepted: float
    cpu_s: float


def read(folder: Path, split: str | None, most: int) -> Data:
    """Read up to `most` rows of a corpus; whole sites, in their order."""
    reader = CorpusReader([folder], split=split, partial=not (folder / "manifest.json").exists())
    count = min(most, len(reader))
    rows = np.arange(count)
    batch = reader.batch(rows)
    road = MapTokens(
        points=batch.map_points.numpy(),
        attributes=batch.map_attributes.numpy(),
        valid=batch.map_valid.numpy(),
    )
    scenes = SceneSet.of_tokens(batch.agents.numpy(), road, batch.family, batch.road)
    return Data(reader=reader, rows=rows, scenes=scenes)


def held_out_and_train(smoke: bool, most: int) -> tuple[Data, Data, str]:
    """Read the held-out and the training corpus; without any, build a small one.

    Returns:
        Held-out rows of roads that no training row has, training rows, and where they are from.
    """
    held_folder = Path(os.environ.get(HELD_OUT, ROOT / "runs" / "corpus_evaluate"))
    train_folder = Path(os.environ.get(TRAIN, ROOT / "runs" / "corpus_v1"))
    if smoke or not held_folder.exists():
        with tempfile.TemporaryDirectory() as folder:
            settings = CorpusSettings(seed=3, events=(), worlds=1, windows=2, rows_per_shard=512)
            build_corpus(Path(folder), settings, 64 if smoke else 512)
            whole = read(Path(folder), None, most)
        return *_halves(whole), f"{len(whole.rows)} everyday scenes built for this run"
    held = read(held_folder, None, most)
    if not any(train_folder.glob("*.safetensors")):
        return *_halves(held), f"{held_folder.name}, one half of its roads as training set"
    train = read(train_folder, "train", most)
    fresh = ~np.isin(held.scenes.site, np.unique(train.scenes.site))
    return held.take(np.flatnonzero(fresh)), train, f"{held_folder.name} and {train_folder.name}"


def _halves(data: Data) -> tuple[Data, Data]:
    """Deal sites: two thirds are held out, one third stands for the training set."""
    sites = np.random.default_rng(0).permutation(np.unique(data.scenes.site))
    train = np.isin(data.scenes.site, sites[: len(sites) // 3])
    return data.take(np.flatnonzero(~train)), data.take(np.flatnonzero(train))


def checkpoints() -> dict[str, Path]:
    """Trained models by name: those that are shipped, and those of the runs folder.

    Shipped ones are called `shipped <family>`, the others `<family>_s<seed>`.
    """
    assets = Path(scenegen_assets.__file__).parent / "checkpoints"
    shipped = sorted(assets.glob("layout_*.safetensors"))
    found = {f"shipped {path.stem.removeprefix('layout_')}": path for path in shipped}
    runs = Path(os.environ.get(RUNS, ROOT / "runs"))
    for path in sorted(runs.glob("layout_*_s*/final.safetensors")):
        found[path.parent.name.removeprefix("layout_")] = path
    return found


def load_model(path: Path) -> SceneModel:
    """Read a trained model."""
    return model_of(load_checkpoint(path)).eval()


def sample_model(model: SceneModel, asked: Data, seed: int = 0) -> Generated:
    """Sample a scene for the road and the condition of each asked row.

    Every model gets the constraints that the diffusion model keeps while it samples, if only at
    the end; what they cannot mend stays as it is.
    """
    known = [k for k, name in enumerate(asked.families()) if name in {"", *model.events}]
    data = asked.take(np.array(known, np.int64))
    values = [
        encode_condition(data.reader.condition(int(row)), model.events)[0] for row in data.rows
    ]
    generator, parts = torch.Generator().manual_seed(seed), []
    began = time.process_time()
    for low in range(0, len(data.rows), BATCH):
        rows = data.reader.batch(data.rows[low : low + BATCH])
        condition = torch.from_numpy(np.stack(values[low : low + BATCH]))
        batch = SceneBatch.from_corpus(rows, condition).given()
        with torch.no_grad():
            parts.append(constrain(model.sample(batch, generator), batch).numpy())
    seconds = time.process_time() - began
    finite = np.concatenate(parts)
    fine = np.isfinite(finite).all(axis=(1, 2))
    scenes = data.scenes
    made = SceneSet.of_tokens(
        finite[fine], scenes[fine].road, scenes.family[fine], scenes.site[fine]
    )
    return Generated(scenes=made, accepted=float("nan"), cpu_s=seconds)


def heuristic_scenes(asked: Data, seed: int = 77) -> Generated:
    """Compose a scene for each asked row's stratum with the heuristic; first draw, unchecked.

    Args:
        asked: Rows whose strata and densities are asked for; roads are drawn anew.
        seed: Seed of the requests.
    """
    began = time.process_time()
    drawn: list[tuple[Composition, str, int]] = []
    for k, event in enumerate(asked.families()):
        density = float(asked.reader.rows.density[asked.rows[k]])
        found = _composer(event, density, seed).compose(k, 0)
        if not isinstance(found, str):
            drawn.append((found, event, int(asked.scenes.family[k])))
    scenarios, accepted = [], 0
    for low in range(0, len(drawn), BATCH):
        part = drawn[low : low + BATCH]
        results = rollout([c for c, _, _ in part], 8.0)
        for (composition, event, _), result in zip(part, results, strict=True):
            scenario = _with_roles(to_scenario(composition, result), composition)
            accepted += not defect(composition, result) and bool(
                query_of(event).evaluate(scenario).satisfied
            )
            scenarios.append(scenario)
    seconds = time.process_time() - began
    scenes = SceneSet.of_scenarios(scenarios, np.array([family for _, _, family in drawn]))
    return Generated(scenes=scenes, accepted=accepted / max(len(asked.rows), 1), cpu_s=seconds)


def unmoved(made: Generated) -> Generated:
    """The same openings, everyone keeping speed and heading: a layout without a simulator."""
    values = made.scenes.values.copy()
    values[..., MOTION] = 0.0
    scenes = SceneSet.of_tokens(values, made.scenes.road, made.scenes.family, made.scenes.site)
    return Generated(scenes=scenes, accepted=float("nan"), cpu_s=float("nan"))


def query_of(event: str) -> Query:
    """The query that only an event's own staging must satisfy; every scene for none."""
    return parse(f"{event}({', '.join(EVENTS[event].roles)})" if event else "day or dusk or night")


def _composer(event: str, density: float, seed: int) -> Composer:
    return Composer(
        Request(
            query=query_of(event),
            seed=seed,
            agents=SLOTS,
            density=density,
            layout_model="heuristic",
        )
    )


def _with_roles(scenario: Scenario, composition: Composition) -> Scenario:
    return Scenario(
        roadmap=scenario.roadmap,
        conditions=scenario.conditions,
        agents=scenario.agents,
        times=scenario.times,
        provenance=scenario.provenance,
        roles=composition.roles,
    )

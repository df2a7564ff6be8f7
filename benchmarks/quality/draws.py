"""What a benchmark asks of the generator: draws, their verdicts, and what they cost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import scenegen_assets
from benchmarks.harness import ROOT, machine
from scenegen.arrays import FloatArray
from scenegen.events import EVENTS
from scenegen.layout import LayoutRequest, LearnedLayout
from scenegen.layout.learned import SceneTask, one_thread
from scenegen.layout.scene_batch import SceneBatch
from scenegen.pipeline import Composer, Request
from scenegen.pipeline.defects import defect
from scenegen.pipeline.guidance import GuidanceSettings
from scenegen.pipeline.guided import (
    ModelStager,
    ModelStaging,
    Staging,
    named_roles,
    wanted_severity,
)
from scenegen.pipeline.sketching import Sketcher
from scenegen.pipeline.staging import is_about_sight
from scenegen.pipeline.wishes import Wishes
from scenegen.query import Query, Verdict
from scenegen.scene import Composition, Scenario
from scenegen.sim import rollout, to_scenario
from scenegen.training.checkpoint import write_atomically

CHECKPOINT = "SCENEGEN_LAYOUT_CHECKPOINT"
"""Environment variable: checkpoint of the layout model to judge; the shipped one if it is unset."""
HEURISTIC = "heuristic"
BATCH = 16
"""Draws that are simulated together."""
UNGUIDED = ModelStaging(guidance=GuidanceSettings(weight=0.0), sketches=1)
"""Staging by the condition alone."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draw:
    """One draw, simulated and judged.

    Attributes:
        composition: How it began; None where nothing could be composed.
        simulated: How it developed, with its roles, sound or not; None where there is nothing.
        fault: Why it is not sound, "" if it is.
        verdict: What the exact query says; None where it does not hold.
    """

    composition: Composition | None
    simulated: Scenario | None
    fault: str
    verdict: Verdict | None

    @property
    def scenario(self) -> Scenario | None:
        """How it developed; None where it is not sound."""
        return None if self.fault else self.simulated

    @property
    def hit(self) -> bool:
        """Whether it is sound and satisfies the query."""
        return self.verdict is not None


@dataclass(slots=True, kw_only=True)
class Clock:
    """Seconds spent in some work.

    Attributes:
        cpu_s: CPU seconds of the process [s].
        wall_s: Wall-clock seconds [s].
    """

    cpu_s: float = 0.0
    wall_s: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count what is done meanwhile."""
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.cpu_s += time.process_time() - cpu
            self.wall_s += time.perf_counter() - wall


class ConditionSketcher(Sketcher):
    """Samples with a model of any family: by the condition alone, nothing guides."""

    def tokens(
        self,
        requests: Sequence[LayoutRequest],
        tasks: Sequence[SceneTask],
        seeds: list[int],
        follows: Sequence[bool],
    ) -> tuple[FloatArray, list[float] | None]:
        """Sample the tokens of some scenes together."""
        del requests, follows
        return self.background(tasks, seeds), None

    def background(
        self, tasks: Sequence[SceneTask], seeds: list[int], *, pressed: bool = False
    ) -> FloatArray:
        """Sample what is open in some scenes, (B, A, CHANNELS); the condition is never pressed."""
        del pressed
        generator = torch.Generator().manual_seed(seeds[0])
        batch = SceneBatch.concatenate([task.batch for task in tasks])
        with one_thread():
            return self.model.sample(batch, generator).numpy()


def condition_stager(
    layout: LearnedLayout, wishes: Wishes, query: Query, duration: float
) -> ModelStager:
    """Make a stager with a model of any family: by its condition alone, nothing guides.

    Raises:
        ValueError: The query has no event.
    """
    event = wishes.event
    if event is None:
        raise ValueError(f"condition_stager: expected a query with an event, got {query.text!r}")
    sketcher = ConditionSketcher(
        layout=layout,
        model=layout.model,  # type: ignore[arg-type] # any family samples by its condition
        query=query,
        roles=named_roles(wishes, event),
        severity=wanted_severity(query),
        how=UNGUIDED,
        duration=duration,
    )
    return ModelStager(event=event, about_sight=is_about_sight(query, event), sketcher=sketcher)


def conditioned(request: Request) -> Composer:
    """Stage the event of a request by the condition of its learned layout alone."""
    composer = Composer(replace(request, staging=Staging.SCRIPT))
    layout = composer.layout
    if not isinstance(layout, LearnedLayout):
        raise TypeError(f"conditioned: expected a learned layout, got {layout.name!r}")
    composer.stager = condition_stager(layout, composer.wishes, request.query, request.duration)
    return composer


def guided(request: Request) -> Composer:
    """Stage the event of a request as `--staging model` does."""
    return Composer(replace(request, staging=Staging.MODEL))


def by_heuristic(query: Query, seed: int, agents: int) -> Request:
    """Ask the heuristic layout, whatever the default is."""
    return Request(query=query, seed=seed, agents=agents, layout_model=HEURISTIC)


def everyday(request: Request) -> Composer:
    """Draw everyday traffic on the roads and under the conditions that a query asks for."""
    composer = Composer(replace(request, staging=Staging.SCRIPT))
    composer.wishes = replace(composer.wishes, event=None, role_names={})
    return composer


def unaimed(request: Request) -> Composer:
    """Stage the event of a request by its script with its default numbers, not the query's."""
    composer = Composer(replace(request, staging=Staging.SCRIPT))
    event = composer.wishes.event
    if event is not None:
        composer.wishes = replace(
            composer.wishes,
            event=EVENTS[event.name](),  # type: ignore[call-arg] # Families have defaults.
        )
    return composer


def judged(composer: Composer, places: Sequence[tuple[int, int]]) -> list[Draw]:
    """Compose, simulate and judge some draws, BATCH at a time.

    Args:
        composer: What draws.
        places: Number of the scenario and of the try of each draw.
    """
    out: list[Draw] = []
    for low in range(0, len(places), BATCH):
        drawn = _composed(composer, places[low : low + BATCH])
        sound = [made for made in drawn if not isinstance(made, str)]
        rollouts = iter(rollout(sound, composer.request.duration) if sound else [])
        for made in drawn:
            if isinstance(made, str):
                out.append(Draw(composition=None, simulated=None, fault=made, verdict=None))
                continue
            result = next(rollouts)
            fault = defect(made, result)
            found = replace(to_scenario(made, result), roles=made.roles)
            verdict = None if fault else composer.request.query.match(found)
            out.append(Draw(composition=made, simulated=found, fault=fault, verdict=verdict))
    return out


def _composed(composer: Composer, places: Sequence[tuple[int, int]]) -> list[Composition | str]:
    """Compose some draws, those of one try together: models sample in batches."""
    made: dict[tuple[int, int], Composition | str] = {}
    for attempt in dict.fromkeys(attempt for _, attempt in places):
        indices = [index for index, tried in places if tried == attempt]
        for index, drawn in zip(indices, composer.weighed_batch(indices, attempt), strict=True):
            made[index, attempt] = drawn.composition
    return [made[place] for place in places]


def first_hits(
    composer: Composer, found: Sequence[Draw], tries: int, cpu_s: float, clock: Clock
) -> tuple[list[int], list[Draw]]:
    """Go on with requests whose first draw missed, try by try, until the time is spent.

    Args:
        composer: What draws.
        found: First draw of each request.
        tries: Draws per request at most.
        cpu_s: CPU seconds that may be spent [s]; no try is begun afterwards.
        clock: Counts the work.

    Returns:
        Number of the draw that met each request, from 1; 0 where none did, also where the time
        was over before. And that draw, or the last one.
    """
    began, last = clock.cpu_s, list(found)
    numbers = [1 if draw.hit else 0 for draw in found]
    for attempt in range(1, tries):
        missing = [k for k, number in enumerate(numbers) if not number]
        if not missing or clock.cpu_s - began > cpu_s:
            break
        with clock.running():
            drawn = judged(composer, [(index, attempt) for index in missing])
        for index, draw in zip(missing, drawn, strict=True):
            last[index] = draw
            numbers[index] = attempt + 1 if draw.hit else 0
    return numbers, last


def checkpoint_path() -> Path | None:
    """Checkpoint to judge: the one that is named, else the shipped one, else none."""
    named = os.environ.get(CHECKPOINT)
    if named:
        return Path(named)
    path = Path(scenegen_assets.__file__).parent / "checkpoints" / "layout_diffusion.safetensors"
    return path if path.exists() else None


def kept(folder: Path, name: str, key: str) -> dict[str, Any] | None:
    """Give a row that was measured before under the same key, None where there is none.

    Args:
        folder: Where rows are kept, one JSON file each.
        name: Name of the row.
        key: What the row depends on.
    """
    path = _file(folder, name)
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    return dict(found["row"]) if found.get("key") == key else None


def stored(folder: Path, name: str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Give a row that was measured before under the same key, else measure and keep it.

    Args:
        folder: Where rows are kept, one JSON file each.
        name: Name of the row.
        key: What the row depends on; a row of another key is replaced.
        make: Measures it; gives plain JSON values.
    """
    found = kept(folder, name, key)
    if found is not None:
        return found
    row = make()
    folder.mkdir(parents=True, exist_ok=True)
    commit = machine()["commit"]
    text = json.dumps({"key": key, "commit": commit, "row": row}, indent=1, allow_nan=False)
    write_atomically(_file(folder, name), text.encode())
    return row


def origin(folder: Path) -> str:
    """Say which commits the rows of a folder were measured at: other code gives other figures."""
    commits = {
        json.loads(path.read_text()).get("commit", "unknown")
        for path in sorted(folder.rglob("*.json"))
    }
    return f"rows measured at {', '.join(sorted(commits))}; kept in {folder.name}/, removed with it"


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name.replace(' ', '_').replace('/', '-')}.json"


def runs_folder(name: str) -> Path:
    """Folder of rows of a benchmark that can be stopped and gone on with."""
    return Path(os.environ.get("SCENEGEN_BENCHMARK_RUNS", ROOT / "runs" / "benchmarks")) / name


def whole(name: str, default: int) -> int:
    """Read a whole number from the environment."""
    return int(os.environ.get(name, default))


def number(value: float | None, digits: int = 3) -> str:
    """Write a figure; a dash for what is not known."""
    if value is None or np.isnan(value):
        return "-"
    return "inf" if np.isinf(value) else f"{value:.{digits}g}"

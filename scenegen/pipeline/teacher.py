"""Pairs for the learned renderer: what the rasteriser draws, traced by a path tracer.

Pair i follows from the seed and i alone: a simulated scenario under one of twelve conditions, one
of its instants, and two cameras on the ego. The path tracer is a program in an environment of its
own that reads the scene file and answers with radiance; a pair is on disk whole or not at all, so
that a long run goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenegen.errors import QueryError, RecordingError, StorageError, UnsatisfiedError
from scenegen.pipeline.compose import Request
from scenegen.pipeline.generate import Generator
from scenegen.query import parse
from scenegen.render import PinholeCamera, Stage, Triangles, View, assemble, build_world
from scenegen.render.scene_file import write_scene
from scenegen.seeding import digest, stream
from scenegen.sensors import agent_motions, camera_pose
from scenegen.training.checkpoint import write_atomically
from scenegen_assets import asset_path

CONDITIONS = (
    "day and clear",
    "day and overcast",
    "night and rain",
    "dusk and clear",
    "day and rain",
    "night and clear",
    "day and fog",
    "day and snow",
    "dusk and rain",
    "night and overcast",
    "dusk and overcast",
    "night and fog",
)
"""What pair i is made under, in turn."""
ROADS = ("urban", "urban", "intersection", "t_junction", "highway", "rural", "roundabout")
"""Roads to draw from; streets carry most of what a renderer has to learn."""
CASTS = (
    "cut_in(a)",
    "jaywalker(a)",
    "occluded_pedestrian(a, b)",
    "cyclist_crossing(a)",
    "lead_hard_brake(a)",
)
"""Events that bring road users near the camera."""
HELD_OUT = 11
"""Every so many scenes one is held out, camera views and all; it shares no divisor with the number
of CONDITIONS, so that all of them are held out in turn."""
CAMERA_HEIGHT = 1.5
"""Height of the camera over the road [m]."""
BACKENDS = {
    "cycles": "teacher/cycles_backend.py",
    "mitsuba": "teacher/mitsuba_backend.py",
}
"""Path tracers by name: the program that each of them runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherSettings:
    """What a set of pairs is made of.

    Attributes:
        seed: Everything random follows from it.
        width_px: Columns of a picture.
        height_px: Rows.
        samples: Paths per pixel.
        backend: Name of the path tracer.
    """

    seed: int = 0
    width_px: int = 512
    height_px: int = 256
    samples: int = 16
    backend: str = "cycles"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TeacherScene:
    """One scene of the set, ready for any renderer.

    Attributes:
        stage: What there is.
        triangles: The stage, assembled.
        views: The two cameras.
        query: The query it was generated for.
        is_held_out: Whether it must never be trained on.
    """

    stage: Stage
    triangles: Triangles
    views: tuple[View, ...]
    query: str
    is_held_out: bool

    @property
    def digest(self) -> str:
        """Identity of the geometry, the bitmaps and the cameras."""
        parts = [self.triangles.vertices, self.triangles.faces, self.triangles.material]
        parts += [self.triangles.uv, self.triangles.tint, self.triangles.lamps]
        parts += [self.stage.textures.texels, self.stage.clouds]
        parts += [array for view in self.views for array in (view.eye, view.turn)]
        return digest({str(k): _sha256(part) for k, part in enumerate(parts)})


def draw_scene(settings: TeacherSettings, index: int) -> TeacherScene:
    """Draw the scene of a pair; the same numbers give the same scene.

    Args:
        settings: What the set is made of.
        index: Number of the scene, from 0.
    """
    rng = stream(settings.seed, "teacher", index)
    condition = CONDITIONS[index % len(CONDITIONS)]
    road = ROADS[int(rng.integers(len(ROADS)))]
    cast = CASTS[int(rng.integers(len(CASTS)))]
    tries = (f"{condition} and {road} and {cast}", f"{condition} and {road}")
    step = int(rng.integers(10, 70))
    yaws = (0.0, float(rng.uniform(-1.2, 1.2)))
    for text in tries if rng.random() < 0.6 else tries[1:]:
        request = Request(
            query=parse(text),
            seed=settings.seed,
            agents=24,
            tries=24,
            layout_model="heuristic",  # Pairs stay the same whichever checkpoints ship.
        )
        try:
            scenario = Generator(request).scenario(index).scenario
        except (QueryError, UnsatisfiedError):  # The event does not happen on this road, or rarely.
            continue
        seed = int(rng.integers(2**31))
        world = build_world(scenario.roadmap, scenario.conditions, seed)
        stage = world.stage(scenario.at(step), agent_motions(scenario)[step])
        triangles = assemble(stage)
        camera = PinholeCamera(width_px=settings.width_px, height_px=settings.height_px)
        poses = [stage.map_from_ego @ camera_pose(0.5, 0.0, CAMERA_HEIGHT, yaw) for yaw in yaws]
        return TeacherScene(
            stage=stage,
            triangles=triangles,
            views=tuple(View.of(camera, pose, triangles.origin) for pose in poses),
            query=request.query.text,
            is_held_out=index % HELD_OUT == HELD_OUT - 1,
        )
    raise UnsatisfiedError(f"teacher scene {index}: no scenario for {tries[-1]!r} in 24 tries")


class Tracer(AbstractContextManager["Tracer"]):
    """A path tracer in an environment of its own, kept running between scenes."""

    def __init__(self, command: Sequence[str], threads: int = 1) -> None:
        """Start the program.

        Args:
            command: The program and its arguments; it answers lines of JSON as
                `teacher/cycles_backend.py` of the assets says.
            threads: Threads it may use.

        Raises:
            StorageError: The program could not be started.
        """
        self.threads = threads
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the tracer
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
            )
        except OSError as error:
            self._log.close()
            raise StorageError(
                f"{command[0]}: could not be started ({error}); name the interpreter of an"
                " environment with the path tracer"
            ) from error

    @classmethod
    def of(cls, python: Path, backend: str = "cycles", threads: int = 1) -> Tracer:
        """Start a path tracer of BACKENDS with the interpreter of its environment."""
        return cls([str(python), "-E", str(asset_path(BACKENDS[backend]))], threads)

    def trace(self, scene: Path, out: Path, samples: int) -> float:
        """Render a scene file and give the CPU time it took [s].

        Raises:
            RecordingError: The tracer failed; the message says what it said.
        """
        job = {"scene": str(scene), "out": str(out), "samples": samples, "threads": self.threads}
        asked, answered = self._process.stdin, self._process.stdout
        if asked is None or answered is None:
            raise RecordingError("path tracer: has no pipes")
        try:
            asked.write(json.dumps(job) + "\n")
            asked.flush()
            answer = answered.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._log.seek(0)
            said = self._log.read().decode(errors="replace").strip().splitlines()[-1:]
            raise RecordingError(f"path tracer: ended without an answer; its last words: {said}")
        told: dict[str, Any] = json.loads(answer)
        if "error" in told:
            raise RecordingError(f"path tracer: {told['error']}")
        return float(told["cpu_seconds"])

    def __exit__(self, *_: object) -> None:
        """End the program."""
        self._process.terminate()
        try:
            self._process.communicate()  # Closes the pipes, whatever state they are in.
        finally:
            self._log.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class PairReport:
    """One finished pair.

    Attributes:
        index: Number of the scene.
        query: What it shows.
        is_held_out: Whether it must never be trained on.
        digest: Identity of its geometry, see TeacherScene.digest.
        cpu_seconds: What tracing it cost; zero where it was there already.
    """

    index: int
    query: str
    is_held_out: bool
    digest: str
    cpu_seconds: float


def render_pairs(
    folder: Path,
    settings: TeacherSettings,
    count: int,
    tracer: Tracer,
    on_pair: Callable[[PairReport], None] | None = None,
) -> list[PairReport]:
    """Trace scenes 0 to count - 1 that are not there yet.

    Writes `000012.npz` (radiance, number, depth of each view) and `000012.json` (its report) per
    scene, the report last.

    Args:
        folder: Where the pairs go; made if it is not there.
        settings: What the set is made of; a folder holds one set.
        count: Number of scenes.
        tracer: The path tracer.
        on_pair: Called after each scene, those that were there included.

    Raises:
        RecordingError: The folder holds another set, or the tracer failed.
        StorageError: The folder could not be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: could not be made ({error})") from error
    _claim(folder, settings)
    reports = []
    for index in range(count):
        path = folder / f"{index:06d}.json"
        if path.exists():
            report = PairReport(**{**json.loads(path.read_bytes()), "cpu_seconds": 0.0})
        else:
            report = _render(folder, settings, index, tracer)
            write_atomically(path, json.dumps(asdict(report), sort_keys=True).encode())
        reports.append(report)
        if on_pair is not None:
            on_pair(report)
    return reports


def _render(folder: Path, settings: TeacherSettings, index: int, tracer: Tracer) -> PairReport:
    scene = draw_scene(settings, index)
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "scene.npz"
        write_scene(path, scene.stage, scene.triangles, scene.views)
        seconds = tracer.trace(path, folder / f"{index:06d}.npz", settings.samples)
    return PairReport(
        index=index,
        query=scene.query,
        is_held_out=scene.is_held_out,
        digest=scene.digest,
        cpu_seconds=round(seconds, 2),
    )


def _claim(folder: Path, settings: TeacherSettings) -> None:
    """Write the settings of a new set, or check that those of an old one are the same."""
    path = folder / "settings.json"
    if not path.exists():
        write_atomically(path, json.dumps(asdict(settings), sort_keys=True).encode())
        return
    found = json.loads(path.read_bytes())
    if found != asdict(settings):
        raise RecordingError(
            f"{folder}: holds pairs of other settings, {json.dumps(found, sort_keys=True)};"
            " choose another place"
        )


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()

"""Promises of the pairs for the learned renderer: same scene, whole files, resumable."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scenegen.errors import RecordingError, StorageError
from scenegen.pipeline.teacher import (
    BACKENDS,
    CONDITIONS,
    TeacherSettings,
    Tracer,
    draw_scene,
    render_pairs,
)
from scenegen.render import look

SMALL = TeacherSettings(width_px=64, height_px=32, samples=1)
FAKE = """
import json, sys
import numpy as np
for line in sys.stdin:
    job = json.loads(line)
    with np.load(job["scene"], allow_pickle=False) as scene:
        meta = json.loads(scene["meta"].tobytes())
        shape = (len(scene["eye"]), meta["height_px"], meta["width_px"])
    np.savez(job["out"], radiance=np.zeros((*shape, 3), np.float16))
    print(json.dumps({"out": job["out"], "cpu_seconds": 1.0}), flush=True)
"""


def fake(program: str = FAKE) -> Tracer:
    """Start a program that answers as a path tracer does."""
    return Tracer([sys.executable, "-c", program])


def test_a_scene_follows_from_its_number() -> None:
    """The same number gives the same geometry, another number another one."""
    first, again, other = (draw_scene(SMALL, index) for index in (1, 1, 2))
    assert first.digest == again.digest
    assert first.digest != other.digest
    assert CONDITIONS[1] in first.query


def test_pairs_are_resumable(tmp_path: Path) -> None:
    """A second call traces only what is missing, and a half-written pair counts as missing."""
    with fake() as tracer:
        render_pairs(tmp_path, SMALL, 2, tracer)
    (tmp_path / "000001.json").unlink()
    with fake() as tracer:
        reports = render_pairs(tmp_path, SMALL, 2, tracer)
    assert [report.cpu_seconds for report in reports] == [0.0, 1.0]
    with np.load(tmp_path / "000001.npz", allow_pickle=False) as pair:
        assert pair["radiance"].shape == (2, 32, 64, 3)


def test_a_folder_holds_one_set(tmp_path: Path) -> None:
    """Pairs of other settings are refused."""
    (tmp_path / "settings.json").write_text(json.dumps({"seed": 99}))
    with fake() as tracer, pytest.raises(RecordingError, match="other settings"):
        render_pairs(tmp_path, SMALL, 1, tracer)


def test_a_tracer_that_dies_is_one_clear_error(tmp_path: Path) -> None:
    """Its last words are in the message, and nothing is left that looks finished."""
    died = pytest.raises(RecordingError, match="no bpy here")
    with fake("import sys; sys.exit('no bpy here')") as tracer, died:
        render_pairs(tmp_path, SMALL, 1, tracer)
    assert not list(tmp_path.glob("*.npz"))
    with pytest.raises(StorageError, match="could not be started"):
        Tracer.of(tmp_path / "python")


PYTHON_OF = {"cycles": "SCENEGEN_TRACER_PYTHON", "mitsuba": "SCENEGEN_MITSUBA_PYTHON"}
"""Variables that name the interpreter each path tracer runs in."""


@pytest.mark.oracle
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_tracer_sees_what_the_rasteriser_sees(tmp_path: Path, backend: str) -> None:
    """Instance numbers agree on 99.9 % of the pixels, depths within 1 % on as many."""
    python = os.environ.get(PYTHON_OF[backend])
    if python is None:
        pytest.skip(f"{PYTHON_OF[backend]} names no interpreter with {backend}")
    settings = replace(SMALL, width_px=256, height_px=128, backend=backend)
    with Tracer.of(Path(python), backend) as tracer:
        render_pairs(tmp_path, settings, 1, tracer)
    scene = draw_scene(settings, 0)
    with np.load(tmp_path / "000000.npz", allow_pickle=False) as pair:
        number, depth = pair["number"], pair["depth"]
    for k, view in enumerate(scene.views):
        ours = look(scene.stage, scene.triangles, view, np.random.default_rng(0)).gbuffer
        assert np.mean(number[k].reshape(-1) == ours.instance) > 0.999
        seen = ours.depth > 0
        error = np.abs(depth[k].reshape(-1)[seen] / ours.depth[seen] - 1.0)
        assert np.mean(error < 0.01) > 0.999

"""`scenegen train renderer` trains from traced pairs, and says how real its pictures became."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from scenegen.appearance.camera_pairs import FOLDER
from scenegen.cli import train_renderer
from scenegen.cli.train import train_app
from scenegen.cli.train_renderer import DOMAINS, SHEETS, prepare
from scenegen.errors import QueryError, RecordingError
from scenegen.pipeline.teacher import TeacherSettings
from tests.appearance.camera_scenes import DAY, small_pairs, small_scene


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs that are laid out, with the settings that `teacher render` writes."""
    folder = small_pairs(tmp_path_factory.mktemp("pairs"))
    settings = {"seed": 0, "width_px": 64, "height_px": 32, "samples": 1, "backend": "cycles"}
    (folder / "settings.json").write_text(json.dumps(settings))
    for path in (folder / FOLDER).glob("*.json"):
        (folder / path.name).write_text("{}")
    return folder


def call(*arguments: str) -> str:
    """Run the command; gives what it prints."""
    result = CliRunner().invoke(train_app, ["renderer", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_run_writes_checkpoint_card_and_sheets(pairs: Path, tmp_path: Path) -> None:
    """Called again with more steps, it goes on."""
    folder = str(tmp_path / "run")
    call("--pairs", str(pairs), "-o", folder, "--steps", "2", "--every", "1")
    told = call("--pairs", str(pairs), "-o", folder, "--steps", "3", "--every", "1", "--json")

    card = json.loads(told)
    assert card["steps"] == 3
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()
    sheets = sorted(path.name for path in (tmp_path / "run" / SHEETS).iterdir())
    assert sheets == ["000001.png", "000002.png", "000003.png"]
    sheet = cv2.imread(str(tmp_path / "run" / SHEETS / sheets[0]))
    assert sheet.shape == (3 * 32, 2 * 64, 3)


def test_fine_tuning_reports_the_domain_before_and_after(pairs: Path, tmp_path: Path) -> None:
    """Base, traced and drawn pictures stand beside the two halves of the real ones."""
    real = tmp_path / "real"
    real.mkdir()
    rng = np.random.default_rng(0)
    for k in range(4):
        cv2.imwrite(str(real / f"{k}.png"), rng.integers(0, 255, (36, 64, 3), np.uint8))
    call("--pairs", str(pairs), "-o", str(tmp_path / "first"), "--steps", "2")
    start = str(tmp_path / "first" / "checkpoint.safetensors")
    folder = tmp_path / "second"

    told = call(
        *("--pairs", str(pairs), "-o", str(folder), "--steps", "2"),
        *("--real", str(real), "--from", start),
    )

    report = json.loads((folder / DOMAINS).read_text())
    assert set(report) == {"base", "traced", "real", "drawn before", "drawn after"}
    assert "drawn after" in told
    assert json.loads((folder / "card.json").read_text())["begin"] != ""


def test_a_run_needs_an_end(pairs: Path, tmp_path: Path) -> None:
    """Without steps or minutes it would never stop."""
    with pytest.raises(QueryError, match="--steps or --cpu-minutes"):
        call("--pairs", str(pairs), "-o", str(tmp_path))


def test_a_folder_without_pairs_is_refused(tmp_path: Path) -> None:
    """The message says how to make them."""
    with pytest.raises(RecordingError, match="scenegen teacher render"):
        call("--pairs", str(tmp_path), "-o", str(tmp_path / "run"), "--steps", "1")


def test_scenes_are_drawn_as_the_teacher_drew_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings of the set are those its scenes are drawn again with."""
    asked = []

    def draw(settings: TeacherSettings, index: int) -> object:
        asked.append((settings.seed, index))
        return small_scene(DAY)

    monkeypatch.setattr(train_renderer, "draw_scene", draw)
    settings = {"seed": 9, "width_px": 64, "height_px": 32, "samples": 1, "backend": "cycles"}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    (tmp_path / "000004.json").write_text(json.dumps({"digest": "other", "is_held_out": False}))

    with pytest.raises(RecordingError, match="trace them again"):
        prepare(tmp_path, quiet=True)

    assert asked == [(9, 4)]

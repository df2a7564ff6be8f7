"""Recordings of one's own become a corpus, and a trained model is fitted to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from scenegen.cli.train import train_app
from scenegen.errors import CheckpointError, RecordingError
from scenegen.layout.diffusion import DiffusionModel
from scenegen.layout.motion import integrate
from scenegen.layout.network import NetworkConfig
from scenegen.layout.shards import CorpusReader
from scenegen.layout.tokens import DYNAMICS, SPEED_MEAN, SPEED_SCALE, knots_of, start_of
from scenegen.layout.training_run import checkpoint_of
from scenegen.pipeline import Request, generate_dataset
from scenegen.pipeline.recorded_corpus import (
    RecordedTraffic,
    carried_on,
    read_recordings,
    write_recorded_corpus,
)
from scenegen.query import parse
from scenegen.scene import AgentStates
from scenegen.sensors import RIGS
from scenegen.training import load_checkpoint, save_checkpoint
from tests.builders import cars, constant_speed_scenario, straight_road
from tests.layout.corpora import EVENTS
from tests.sizes import data_folder

TINY = NetworkConfig(width=16, layers=1, heads=2, expansion=1)


def recording(number: int, steps: int = 81, has_ego: bool = True) -> RecordedTraffic:
    """Three cars that drive on; their speed tells recordings apart."""
    speed = 10.0 + number
    scenario = constant_speed_scenario(
        straight_road(3),
        cars((60, 3.5, speed), (90, 3.5, speed), (75, 0, speed + 1)),
        steps=steps,
    )
    return RecordedTraffic(name=f"drive {number}", scenario=scenario, has_ego=has_ego)


def speeds(folder: Path, split: str) -> set[float]:
    """Speeds of the egos of one split [m/s]."""
    agents = CorpusReader([folder], split).rows.agents
    return {round(v) for v in (agents[:, 0, DYNAMICS.start] * SPEED_SCALE + SPEED_MEAN).tolist()}


def test_motion_that_a_recording_does_not_show_goes_straight_on(tmp_path: Path) -> None:
    """Half of a window, in a bend: what is not seen is no spiral."""
    recordings = [recording(k, steps=41) for k in range(4)]
    turn = 0.1 * np.arange(41) ** 2 / 41  # a bend that tightens
    for one in recordings:
        agents = one.scenario.agents
        agents.yaw[:] += turn[:, None]
        step = agents.speed * 0.1
        moved = np.stack([np.cos(agents.yaw), np.sin(agents.yaw)], -1) * step[..., None]
        agents.position[1:] = agents.position[0] + np.cumsum(moved[:-1], 0)

    write_recorded_corpus(recordings, tmp_path)

    values = CorpusReader([tmp_path], "train").rows.agents[:, :1]
    moved = integrate(start_of(values), knots_of(values)).numpy()
    turned = np.abs(moved[..., 2] - moved[..., :1, 2])[:, 0]
    assert (turned[:, 35] > 2.0).all()
    assert (np.abs(turned[:, 80] - turned[:, 50]) < 0.3).all()


def test_who_is_gone_goes_on_from_where_they_were() -> None:
    """A circle is left along its tangent; those who stay are as they were, to the bit."""
    angle = 0.05 * np.arange(41)
    states = cars((10, 0, 5.0), (0, 0, 3.0))
    track = AgentStates.stack([states] * 41)
    track.position[:, 0] = np.stack([10 * np.cos(angle), 10 * np.sin(angle)], -1)
    track.yaw[:, 0] = angle + np.pi / 2
    track.valid[20:, 0] = False

    out = carried_on(track, 61)

    assert out.valid.all()
    np.testing.assert_array_equal(out.position[:20], track.position[:20])
    np.testing.assert_array_equal(out.position[:41, 1], track.position[:, 1])
    step = np.diff(out.position[19:, 0].astype(np.float64), axis=0)
    np.testing.assert_allclose(step, np.broadcast_to(step[0], step.shape), atol=1e-5)
    np.testing.assert_allclose(np.hypot(*step.T), 0.5, atol=1e-5)
    np.testing.assert_allclose(np.arctan2(step[:, 1], step[:, 0]), track.yaw[19, 0], atol=1e-4)


def test_each_recording_is_in_one_split(tmp_path: Path) -> None:
    """Ten recordings, seen from three cars each: two are held out with all their rows."""
    manifest = write_recorded_corpus([recording(4 * k) for k in range(10)], tmp_path)

    train, val = speeds(tmp_path, "train"), speeds(tmp_path, "val")

    assert manifest["recordings"] == {"train": 8, "val": 2}
    assert manifest["splits"] == {"train": 24, "val": 6, "test": 0, "held_out": 0}
    assert not train & val
    assert len(train | val) == 20


def test_long_recordings_give_more_windows_and_short_ones_none(tmp_path: Path) -> None:
    """16 s are three windows of 8 s; less than 4 s say too little."""
    long, short = [recording(k, 161) for k in (1, 2)], recording(3, 31)

    manifest = write_recorded_corpus([*long, short], tmp_path, egos=1)

    assert manifest["rows"] == 6
    assert CorpusReader([tmp_path], "val").rows.begin.tolist() == [0.0, 4.0, 8.0]
    with pytest.raises(RecordingError, match="at least 2 that last 4 s"):
        write_recorded_corpus([short, recording(1)], tmp_path)


def test_whoever_leaves_is_no_ego(tmp_path: Path) -> None:
    """Where nobody is the ego, only cars that stay throughout a window are."""
    one, two = recording(1, has_ego=False), recording(2, has_ego=False)
    valid = one.scenario.agents.valid.copy()
    valid[40:, 1] = False
    gone = replace(one.scenario, agents=replace(one.scenario.agents, valid=valid))

    manifest = write_recorded_corpus([replace(one, scenario=gone), two], tmp_path)

    assert manifest["rows"] == 2 + 3


def test_the_same_recordings_give_the_same_bytes(tmp_path: Path) -> None:
    """In whatever place the corpus is made."""
    for name in ("a", "b"):
        write_recorded_corpus([recording(k) for k in range(3)], tmp_path / name)

    first, second = ((tmp_path / n / "0000.safetensors").read_bytes() for n in ("a", "b"))
    assert first == second


def test_a_dataset_is_read_with_its_events(tmp_path: Path) -> None:
    """Recordings of scenegen know their event and their roles; the ego's first window shows it."""
    query = parse("cut_in(c) and ttc(ego,c) < 3s")
    request = Request(query=query, seed=7, agents=10, layout_model="heuristic")
    generate_dataset(tmp_path / "a.zarr", request, 2, RIGS["labels"])

    found = list(read_recordings(tmp_path / "a.zarr"))
    write_recorded_corpus(found, tmp_path / "corpus", egos=2)

    assert [one.event for one in found] == ["cut_in", "cut_in"]
    rows = CorpusReader([tmp_path / "corpus"], None).rows
    assert rows.family.tolist() == [1, 0, 1, 0]


def test_real_recordings_are_read() -> None:
    """NGSIM scenes in CommonRoad's format have cars that stay, and a road of their own."""
    folder = data_folder() / "trajectories/ngsim_commonroad/raw_xml"
    if not folder.exists():
        pytest.skip("no recorded scenes; set SCENEGEN_DATA to test with real traffic")

    found = list(read_recordings(folder))

    assert len(found) >= 2
    assert all(not one.has_ego and one.scenario.agents.count > 1 for one in found)
    assert all(one.scenario.roadmap.lanes for one in found)


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    """A checkpoint to start from."""
    torch.manual_seed(0)
    model = DiffusionModel(EVENTS, TINY)
    path = tmp_path / "pretrained.safetensors"
    save_checkpoint(path, checkpoint_of(model, {}))
    return path


def fit(pretrained: Path, output: Path, *more: str) -> dict[str, object]:
    """Fit to the recordings beside the run; they have been read before."""
    write_recorded_corpus([recording(2 * k) for k in range(6)], output / "recordings")
    done = CliRunner().invoke(
        train_app,
        [
            "layout",
            "--from",
            str(pretrained),
            "--data",
            "unused",
            "-o",
            str(output),
            "--json",
            *more,
        ],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    card: dict[str, object] = json.loads(done.stdout)
    return card


def test_fitting_lowers_the_held_out_score(pretrained: Path, tmp_path: Path) -> None:
    """The card tells the score before and after; the checkpoint is the best one."""
    more = ("--steps", "40", "--every", "10", "--batch", "8", "--rate", "0.01")
    card = fit(pretrained, tmp_path / "run", *more)

    before, after = card["held_out_before"], card["held_out_after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert after["validation_loss"] < before["validation_loss"]
    assert card["best_step"] in {10, 20, 30, 40}
    stored = load_checkpoint(tmp_path / "run" / "checkpoint.safetensors", "diffusion")
    assert stored.config["events"] == list(EVENTS)


def test_fitting_stops_where_it_no_longer_helps(pretrained: Path, tmp_path: Path) -> None:
    """Steps that only harm are not kept: the weights are those it began with."""
    more = ("--patience", "2", "--every", "2", "--batch", "4", "--rate", "3.0")
    card = fit(pretrained, tmp_path / "run", *more)

    assert card["best_step"] == 0
    assert card["steps"] == 4
    first = load_checkpoint(pretrained).tensors
    for name, value in load_checkpoint(tmp_path / "run" / "checkpoint.safetensors").tensors.items():
        assert np.allclose(value.float(), first[name].float(), atol=1e-3), name


def test_another_family_cannot_be_fitted(pretrained: Path, tmp_path: Path) -> None:
    """The message names both."""
    with pytest.raises(CheckpointError, match=r"vae: expected weights of the same family.*diff"):
        fit(pretrained, tmp_path / "run", "--model", "vae", "--steps", "1")

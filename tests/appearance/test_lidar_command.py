"""The command that trains a lidar."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from scenegen.appearance.lidar_appearance import LidarAppearance
from scenegen.cli.train import train_app
from scenegen.errors import QueryError
from tests.appearance.lidar_scans import real, scan


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write made-up scans in the manner of ika's set."""
    folder = tmp_path_factory.mktemp("lidar")
    (folder / "ika_vlp32_semseg").mkdir()
    for seed in range(6):
        one = real(seed)
        azimuth = (np.arange(one.range.shape[1]) - 32) * np.radians(0.2)
        flat = one.range * np.cos(one.elevation)[:, None]
        up = one.range * np.sin(one.elevation)[:, None]
        xyz = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), up], -1)
        np.savez(
            folder / "ika_vlp32_semseg" / f"train_{seed}.npz",
            xyz_cm=np.rint(100 * xyz).astype(np.int16),
            intensity=one.intensity,
            depth_cm=np.rint(100 * one.range).astype(np.uint16),
            label=np.zeros(one.range.shape, np.uint8),
        )
    return folder


def arguments(data: Path, output: Path, *more: str) -> list[str]:
    """Ask for a training."""
    return ["lidar", "--data", str(data), "-o", str(output), "--json", *more]


def test_a_table_is_ready_at_once(tmp_path: Path, data: Path) -> None:
    """It needs no budget, and its checkpoint can be used."""
    result = CliRunner().invoke(train_app, arguments(data, tmp_path, "--model", "ring"))

    assert result.exit_code == 0
    assert json.loads(result.stdout)["model"] == "lidar_ring"
    assert LidarAppearance.load(tmp_path / "checkpoint.safetensors").apply(scan()).keep.any()


def test_a_network_goes_on_where_it_stood(tmp_path: Path, data: Path) -> None:
    """Called again with more steps, it adds them."""
    threads = torch.get_num_threads()
    calls = [
        CliRunner().invoke(train_app, arguments(data, tmp_path, "--steps", steps))
        for steps in ("1", "2")
    ]
    torch.set_num_threads(threads)

    assert [call.exit_code for call in calls] == [0, 0]
    assert [json.loads(call.stdout)["steps"] for call in calls] == [1, 2]


def test_a_training_without_an_end_is_refused(tmp_path: Path, data: Path) -> None:
    """Steps or CPU time: one of them bounds the call."""
    result = CliRunner().invoke(train_app, arguments(data, tmp_path))

    assert isinstance(result.exception, QueryError)
    assert "neither" in str(result.exception)

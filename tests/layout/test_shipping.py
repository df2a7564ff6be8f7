"""Which layout model fills scenes, and how a trained one comes to ship."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from scenegen.cli.app import app
from scenegen.errors import CheckpointError, UnknownNameError
from scenegen.layout import DiffusionLayout, default_layout_model, shipping
from scenegen.layout.diffusion import DiffusionModel
from scenegen.layout.network import NetworkConfig
from scenegen.layout.shipping import NgsimLayout, asset_of, install, is_shipped
from scenegen.layout.training_run import checkpoint_of
from scenegen.pipeline import Composer, Generator, Request, replay
from scenegen.query import parse
from scenegen.training import save_checkpoint

TINY = NetworkConfig(width=16, layers=1, heads=2, expansion=1)
QUERY = "cut_in(c) and ttc(ego,c) < 3s"


def run_folder(folder: Path, seed: int = 0) -> Path:
    """Write a checkpoint as a training leaves it."""
    torch.manual_seed(seed)
    model = DiffusionModel(("cut_in",), TINY)
    folder.mkdir(parents=True, exist_ok=True)
    card = {"licence": "Apache-2.0", "steps": 7}
    save_checkpoint(folder / "checkpoint.safetensors", checkpoint_of(model, card))
    return folder


@pytest.fixture
def assets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Empty assets in place of those of this installation."""
    place = tmp_path / "assets"
    place.mkdir()

    def asset_path(name: str) -> Path:
        if not (place / name).exists():
            raise FileNotFoundError(name)
        return place / name

    monkeypatch.setattr(shipping, "asset_path", asset_path)
    return place


def ship(assets: Path, run: Path) -> Path:
    """Install a run among the assets of a test."""
    return install(run, assets / "checkpoints")


def test_without_a_checkpoint_the_heuristic_is_the_default(assets: Path) -> None:
    """Nothing ships: requests name the heuristic, and naming the model is an error."""
    assert not is_shipped("diffusion")
    assert default_layout_model() == "heuristic"
    assert Request(query=parse(QUERY)).options()["layout_model"] == "heuristic"
    with pytest.raises(CheckpointError, match="scenegen train install"):
        Composer(Request(query=parse(QUERY), layout_model="diffusion"))


def test_with_a_checkpoint_diffusion_is_the_default(assets: Path, tmp_path: Path) -> None:
    """Once it is installed, every request without a name is filled by it."""
    path = ship(assets, run_folder(tmp_path / "run"))

    request = Request(query=parse(QUERY))

    assert path == assets / asset_of("diffusion")
    assert request.layout_model == default_layout_model() == "diffusion"
    assert isinstance(Composer(request).layout, DiffusionLayout)


def test_the_card_lies_beside_the_checkpoint(assets: Path, tmp_path: Path) -> None:
    """It says what the file is; the file is the run's to the byte."""
    run = run_folder(tmp_path / "run")

    path = ship(assets, run)

    card = json.loads(path.with_suffix(".json").read_text())
    assert (card["model"], card["licence"], card["steps"]) == ("diffusion", "Apache-2.0", 7)
    assert card["sha256"] == DiffusionLayout().sha256
    assert path.read_bytes() == (run / "checkpoint.safetensors").read_bytes()


def test_scenarios_are_the_same_whatever_the_threads(assets: Path, tmp_path: Path) -> None:
    """The default follows from the seed with one thread as with two, and it can be replayed."""
    ship(assets, run_folder(tmp_path / "run"))
    threads, found = torch.get_num_threads(), []

    for count in (1, 2):
        torch.set_num_threads(count)
        request = Request(query=parse(QUERY), seed=3, agents=12)
        found.append(Generator(request).scenario(0).scenario)
    torch.set_num_threads(threads)

    assert found[0].id == found[1].id
    assert found[0].agents.position.tobytes() == found[1].agents.position.tobytes()
    assert found[0].provenance.digests.keys() == {"layout_diffusion"}
    assert replay(found[0]).identical


def test_a_scenario_of_another_checkpoint_is_not_replayed(assets: Path, tmp_path: Path) -> None:
    """The message names what filled it and what is there now."""
    ship(assets, run_folder(tmp_path / "first", 0))
    stored = Generator(Request(query=parse(QUERY), seed=3, agents=12)).scenario(0).scenario
    ship(assets, run_folder(tmp_path / "second", 1))

    with pytest.raises(CheckpointError, match="was filled with layout_diffusion"):
        replay(stored)


def test_what_is_too_large_or_broken_does_not_ship(
    assets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Size and weights are looked at before anything is written."""
    run = run_folder(tmp_path / "run")
    monkeypatch.setattr(shipping, "LARGEST_MB", 0.01)

    with pytest.raises(CheckpointError, match=r"at most 0\.01 MB"):
        ship(assets, run)
    with pytest.raises(CheckpointError, match="cannot be read"):
        ship(assets, tmp_path)

    assert not is_shipped("diffusion")


def test_the_command_installs(assets: Path, tmp_path: Path) -> None:
    """`scenegen train install RUN` says where it went."""
    run = run_folder(tmp_path / "run")

    found = CliRunner().invoke(
        app, ["train", "install", str(run), "--folder", str(assets / "checkpoints")]
    )

    assert found.exit_code == 0, found.output
    assert is_shipped("diffusion")


def test_a_variant_ships_beside_its_family(assets: Path, tmp_path: Path) -> None:
    """It has a name of its own, its card says whose data it saw, and the default stays."""
    run = run_folder(tmp_path / "run")

    path = install(run, assets / "checkpoints", variant="ngsim", terms="US DOT FHWA, NGSIM")

    assert path == assets / asset_of("diffusion_ngsim")
    assert json.loads(path.with_suffix(".json").read_text())["data_terms"] == ["US DOT FHWA, NGSIM"]
    assert not is_shipped("diffusion")
    request = Request(query=parse(QUERY), layout_model="diffusion_ngsim")
    layout = Composer(request).layout
    assert isinstance(layout, NgsimLayout)
    assert layout.name == request.options()["layout_model"]


def test_an_unknown_variant_is_refused(assets: Path, tmp_path: Path) -> None:
    """It would lie among the assets and nobody could name it."""
    with pytest.raises(UnknownNameError, match="diffusion_mars"):
        install(run_folder(tmp_path / "run"), assets / "checkpoints", variant="mars")
    assert not list(assets.rglob("*.safetensors"))

"""The training loop: stopped and resumed, it is the same run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scenegen.errors import CheckpointError
from scenegen.training import Budget, Ema, Trainer

ADAM, SGD = "adam", "sgd"


@pytest.fixture(autouse=True)
def _one_thread() -> object:
    """Sums in one order: bits depend on the number of threads otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def trainer(folder: Path, kind: str = ADAM, width: int = 8, seed: int = 3) -> Trainer:
    """Build a small network with its optimizer."""
    draw = torch.Generator().manual_seed(5)
    model = torch.nn.Sequential(
        torch.nn.Linear(2, width), torch.nn.BatchNorm1d(width), torch.nn.Linear(width, 1)
    )
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn(value.shape, generator=draw) * 0.3)
    optimizer: torch.optim.Optimizer = (
        torch.optim.AdamW(model.parameters(), lr=0.01)
        if kind == ADAM
        else torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    )
    return Trainer(
        folder,
        model,
        optimizer,
        name="toy",
        config={"width": width, "kind": kind},
        seed=seed,
        ema_decay=0.9,
        log_every=2,
    )


def loss_of(model: torch.nn.Module, step: int, rng: np.random.Generator) -> torch.Tensor:
    """Regress the product of two random numbers."""
    x = torch.from_numpy(rng.normal(size=(16, 2)).astype(np.float32))
    return ((model(x)[:, 0] - x[:, 0] * x[:, 1]) ** 2).mean()


@pytest.mark.parametrize("kind", [ADAM, SGD])
@pytest.mark.parametrize("stops", [(1, 20), (7, 13, 20)])
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, kind: str, stops: tuple[int, ...]
) -> None:
    """Weights, optimizer, averages and log are the same to the bit."""
    whole = trainer(tmp_path / "whole", kind)
    whole.run(loss_of, Budget(steps=stops[-1]))

    for stop in stops:
        part = trainer(tmp_path / "parts", kind)
        part.run(loss_of, Budget(steps=stop))

    for name in ("state.safetensors", "losses.jsonl"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_a_crash_falls_back_to_the_last_stored_state(tmp_path: Path) -> None:
    """An exception loses the steps since the last state, and nothing else."""

    def failing(model: torch.nn.Module, step: int, rng: np.random.Generator) -> torch.Tensor:
        if step == 9:
            raise RuntimeError("power cut")
        return loss_of(model, step, rng)

    with pytest.raises(RuntimeError, match="power cut"):
        trainer(tmp_path / "a").run(failing, Budget(steps=20), save_every=4)
    again = trainer(tmp_path / "a")

    assert again.step == 8
    again.run(loss_of, Budget(steps=20))
    trainer(tmp_path / "b").run(loss_of, Budget(steps=20))
    state = "state.safetensors"
    assert (tmp_path / "a" / state).read_bytes() == (tmp_path / "b" / state).read_bytes()


@pytest.mark.parametrize("limit", ["wall_seconds", "cpu_seconds"])
def test_a_spent_budget_stops_the_run(tmp_path: Path, limit: str) -> None:
    """At least one step is done, the reason is told, and the state is stored."""
    run = trainer(tmp_path)

    ended = run.run(loss_of, Budget(steps=10**9, **{limit: 0.0}))

    assert (ended, run.step) == (limit, 1)
    assert trainer(tmp_path).step == 1


def test_another_run_is_refused(tmp_path: Path) -> None:
    """A folder never mixes two runs."""
    trainer(tmp_path).run(loss_of, Budget(steps=2))

    with pytest.raises(CheckpointError, match="holds a run with"):
        trainer(tmp_path, seed=4)
    with pytest.raises(CheckpointError, match="holds a run with"):
        trainer(tmp_path, width=4)


def test_average_of_constant_weights_is_those_weights() -> None:
    """Averaging what does not change changes nothing, to the last bits."""
    model = torch.nn.Linear(3, 2)
    ema = Ema(model, 0.99)

    for _ in range(50):
        ema.update(model)

    assert torch.allclose(ema.mean["weight"], model.weight, rtol=1e-6)


def test_average_follows_its_recursion() -> None:
    """With weights 1, 2, 3, ... the mean equals the sum computed by hand."""
    model = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(0.0)
    ema, expected = Ema(model, 0.5), 0.0

    for k in range(1, 30):
        with torch.no_grad():
            model.weight.fill_(float(k))
        ema.update(model)
        decay = min(0.5, k / (9.0 + k))
        expected = decay * expected + (1 - decay) * k

    assert float(ema.mean["weight"]) == pytest.approx(expected, rel=1e-5)
    ema.copy_to(model)
    assert float(model.weight.detach()) == pytest.approx(expected, rel=1e-5)

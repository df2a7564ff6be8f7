"""Several processes train one model as one process would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from scenegen.training import load_checkpoint
from scenegen.training.parallel import ALONE, Processes

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
from pathlib import Path
import torch
from scenegen.training import Budget, Trainer
from scenegen.training.parallel import Processes

torch.set_num_threads(1)
processes = Processes.join()
model = torch.nn.Linear(3, 1)
with torch.no_grad():
    for value in model.parameters():
        value.fill_(0.1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
trainer = Trainer(
    Path(sys.argv[1]), model, optimizer, name="toy", config={}, log_every=1, processes=processes
)

def loss_of(model, step, rng):
    rows = torch.from_numpy(rng.normal(size=(8, 3))).float()
    part = processes.share(len(rows))
    mine = rows[processes.rank * part : (processes.rank + 1) * part]
    return (model(mine) - mine.sum(1, keepdim=True)).square().mean()

trainer.run(loss_of, Budget(steps=6))
processes.agree(model)
processes.wait()
"""


def launch(count: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script under torchrun, with so many processes."""
    paths = (str(ROOT), str(ROOT / "envs"), str(ROOT / "assets"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command = [*torchrun, "--nproc-per-node", str(count), *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def test_one_process_is_alone() -> None:
    """Without torchrun there is one process, which leads and changes no gradient."""
    found = Processes.join(environment={})
    model = torch.nn.Linear(2, 1)
    model(torch.ones(1, 2)).sum().backward()
    before = model.weight.grad

    found.average(model)

    assert found == ALONE
    assert found.leads
    assert model.weight.grad is before
    assert found.follow(decision=True)


def test_a_batch_is_dealt_out_evenly() -> None:
    """What cannot be dealt out is refused, and so is a rank that there is not."""
    pair = Processes(rank=1, count=2)

    assert pair.share(8) == 4
    assert not pair.leads
    with pytest.raises(ValueError, match="multiple of the 2 processes"):
        pair.share(7)
    with pytest.raises(ValueError, match="rank below 2"):
        Processes(rank=2, count=2)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """Halves of the same batches, gradients averaged: the same weights up to rounding."""
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)

    for count in (1, 2):
        done = launch(count, str(script), str(tmp_path / str(count)))
        assert done.returncode == 0, done.stderr

    weights = [_weights(tmp_path / str(count)) for count in (1, 2)]
    torch.testing.assert_close(*weights, rtol=1e-5, atol=1e-6)


def _weights(folder: Path) -> torch.Tensor:
    return load_checkpoint(folder / "state.safetensors").tensors["model.weight"]

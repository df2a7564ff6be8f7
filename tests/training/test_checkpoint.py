"""Checkpoints: whole or refused, the same bytes for the same weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from scenegen.errors import CheckpointError, StorageError
from scenegen.training import Checkpoint, load_checkpoint, save_checkpoint


def checkpoint(model: str = "toy") -> Checkpoint:
    """Build a small checkpoint of several types."""
    draw = torch.Generator().manual_seed(1)
    return Checkpoint(
        model=model,
        config={"width": 8, "name": "é"},
        tensors={
            "weight": torch.randn(4, 3, generator=draw),
            "half": torch.randn(5, generator=draw).to(torch.bfloat16),
            "turned": torch.randn(3, 4, generator=draw).T,
            "count": torch.tensor(7),
        },
        training={"steps": 3, "loss": 0.25},
    )


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    """Every bit of every tensor, and every setting, comes back."""
    made = checkpoint()

    digest = save_checkpoint(tmp_path / "a.safetensors", made)
    read = load_checkpoint(tmp_path / "a.safetensors", "toy", digest)

    assert (read.model, read.config, read.training) == (made.model, made.config, made.training)
    assert read.sha256 == digest
    for name, value in made.tensors.items():
        assert read.tensors[name].dtype == value.dtype
        assert torch.equal(read.tensors[name], value)


def test_equal_checkpoints_are_equal_bytes(tmp_path: Path) -> None:
    """Saving twice gives the same digest, and leaves no temporary file."""
    digests = {save_checkpoint(tmp_path / name, checkpoint()) for name in ("a", "b")}

    assert len(digests) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


@pytest.mark.parametrize("place", range(20))
def test_a_flipped_bit_is_found(tmp_path: Path, place: int) -> None:
    """No damage, wherever it lies, gives other weights or another error than ours."""
    path = tmp_path / "a.safetensors"
    made = checkpoint()
    save_checkpoint(path, made)
    data = bytearray(path.read_bytes())
    at = place * (len(data) - 1) // 19
    data[at] ^= 1 << (place % 8)
    path.write_bytes(data)

    try:
        read = load_checkpoint(path)
    except CheckpointError:
        return

    # A flip inside a word of the header changes no weight.
    assert all(torch.equal(read.tensors[n], v) for n, v in made.tensors.items())


def test_a_flipped_bit_in_the_weights_is_an_error(tmp_path: Path) -> None:
    """Weights are covered by a digest in the header."""
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, checkpoint())
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)

    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("kept", [0, 4, 100, -1])
def test_a_cut_file_is_an_error(tmp_path: Path, kept: int) -> None:
    """A checkpoint that ends early is refused with one sentence."""
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, checkpoint())
    path.write_bytes(path.read_bytes()[:kept])

    with pytest.raises(CheckpointError, match="checkpoint"):
        load_checkpoint(path)


def test_another_model_or_digest_is_refused(tmp_path: Path) -> None:
    """The message names what was expected and what came."""
    path = tmp_path / "a.safetensors"
    save_checkpoint(path, checkpoint("vae"))

    with pytest.raises(
        CheckpointError, match="expected weights of 'diffusion', got those of 'vae'"
    ):
        load_checkpoint(path, "diffusion")
    with pytest.raises(CheckpointError, match="expected SHA-256"):
        load_checkpoint(path, sha256="0" * 64)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_checkpoint(tmp_path / "none")


def test_a_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    """A place that cannot be written is a StorageError."""
    with pytest.raises(StorageError, match="could not be written"):
        save_checkpoint(tmp_path / "no" / "folder", checkpoint())

"""Checkpoints: weights as safetensors with a JSON header, written whole or not at all.

Nothing in a checkpoint is ever executed. The header is one entry of the safetensors metadata; it
holds the digest of the tensors, so that a flipped bit is an error and not a strange model.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from scenegen.errors import CheckpointError, StorageError
from scenegen.seeding import Jsonable, digest

FORMAT = 1
"""Version of the header; a newer one is refused."""
HEADER = "scenegen"
"""Key of the header in the metadata."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Checkpoint:
    """Weights with what they are.

    Attributes:
        model: Name of the model they belong to.
        config: Settings from which the model is built, JSON values.
        tensors: Weights by name, on the CPU.
        training: How they were trained: steps, seconds, losses, seeds; JSON values.
        sha256: Digest of the file they were read from, "" before they are stored.
    """

    model: str
    config: Mapping[str, Jsonable]
    tensors: Mapping[str, torch.Tensor]
    training: Mapping[str, Jsonable]
    sha256: str = ""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> str:
    """Store a checkpoint: after a crash the old file or the new one is there, never a part.

    Args:
        path: The file; its folder exists.
        checkpoint: What to store.

    Returns:
        SHA-256 of the file, hexadecimal; the same checkpoint gives the same bytes.

    Raises:
        StorageError: The file could not be written.
    """
    tensors = {
        name: value.detach().to("cpu").contiguous().clone()
        for name, value in sorted(checkpoint.tensors.items())
    }
    header = {
        "format": FORMAT,
        "model": checkpoint.model,
        "config": dict(checkpoint.config),
        "training": dict(checkpoint.training),
        "tensors_sha256": _tensors_digest(tensors),
    }
    data = save_tensors(tensors, {HEADER: json.dumps(header, sort_keys=True, allow_nan=False)})
    write_atomically(path, data)
    return hashlib.sha256(data).hexdigest()


def load_checkpoint(path: Path, model: str = "", sha256: str = "") -> Checkpoint:
    """Read a checkpoint and check that it is whole.

    Args:
        path: The file.
        model: Name of the model it must be of; "" for any.
        sha256: Digest the file must have; "" for any.

    Raises:
        CheckpointError: The file is missing, damaged, of a newer format or another model.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"checkpoint {path}: cannot be read ({error})") from error
    found = hashlib.sha256(data).hexdigest()
    if sha256 and found != sha256:
        raise CheckpointError(
            f"checkpoint {path}: expected SHA-256 {sha256[:12]}..., got {found[:12]}...; fetch the"
            " file again"
        )
    header = _header(path, data)
    if model and header["model"] != model:
        raise CheckpointError(
            f"checkpoint {path}: expected weights of {model!r}, got those of {header['model']!r}"
        )
    try:
        tensors = load_tensors(data)
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"checkpoint {path}: is damaged ({error})") from error
    if _tensors_digest(tensors) != header["tensors_sha256"]:
        raise CheckpointError(
            f"checkpoint {path}: is damaged, its weights do not have the digest they were stored"
            " with; fetch the file again"
        )
    return Checkpoint(
        model=header["model"],
        config=header["config"],
        tensors=tensors,
        training=header["training"],
        sha256=found,
    )


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file beside its place, flush it to the disk, and rename it into place.

    Raises:
        StorageError: The file could not be written; nothing is left behind.
    """
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        # Temporary files are private; what is finished is as readable as the umask says.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StorageError(f"{path}: could not be written ({error})") from error
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _header(path: Path, data: bytes) -> dict[str, Any]:
    """Read the header; safetensors begin with the length of a JSON text (little-endian)."""
    try:
        length = int.from_bytes(data[:8], "little")
        outer = json.loads(data[8 : 8 + length])
        header = json.loads(outer["__metadata__"][HEADER])
        version = int(header["format"])
        missing = {"model", "config", "training", "tensors_sha256"} - set(header)
    except (ValueError, KeyError, TypeError, MemoryError) as error:
        raise CheckpointError(
            f"checkpoint {path}: is damaged or not a checkpoint of scenegen (no readable header)"
        ) from error
    if version > FORMAT:
        raise CheckpointError(
            f"checkpoint {path}: is of format {version}, newer than {FORMAT}; update scenegen"
        )
    if missing:
        raise CheckpointError(f"checkpoint {path}: its header lacks {', '.join(sorted(missing))}")
    return dict(header)


def _tensors_digest(tensors: Mapping[str, torch.Tensor]) -> str:
    parts: dict[str, Jsonable] = {}
    for name, value in tensors.items():
        raw = value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        parts[name] = [
            str(value.dtype),
            list(value.shape),
            hashlib.sha256(raw).hexdigest(),
        ]
    return digest(parts)

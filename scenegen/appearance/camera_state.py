"""The state of a training with several networks and optimizers, as one checkpoint file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from scenegen.errors import CheckpointError
from scenegen.seeding import Jsonable
from scenegen.training import Checkpoint, load_checkpoint, save_checkpoint

Part = nn.Module | torch.optim.Optimizer


def save_state(
    path: Path,
    name: str,
    config: Mapping[str, Jsonable],
    parts: Mapping[str, Part],
    averages: Mapping[str, torch.Tensor],
    numbers: Mapping[str, Jsonable],
) -> None:
    """Store networks, optimizers, averaged weights and plain numbers.

    Args:
        path: The file.
        name: Name of the training.
        config: Settings it follows from.
        parts: Networks and optimizers by name, without dots.
        averages: Averaged weights by name.
        numbers: Everything else, JSON values.
    """
    tensors = {f"averages.{n}": v for n, v in averages.items()}
    groups: dict[str, Jsonable] = {}
    for part, owner in parts.items():
        if isinstance(owner, nn.Module):
            tensors |= {f"{part}.{n}": v for n, v in owner.state_dict().items()}
            continue
        state = owner.state_dict()
        groups[part] = state["param_groups"]
        for index, slots in state["state"].items():
            tensors |= {f"{part}.{index}.{key}": value for key, value in slots.items()}
    training = {"numbers": dict(numbers), "groups": groups}
    save_checkpoint(path, Checkpoint(model=name, config=config, tensors=tensors, training=training))


def load_state(
    path: Path,
    name: str,
    config: Mapping[str, Jsonable],
    parts: Mapping[str, Part],
    averages: Mapping[str, torch.Tensor],
) -> dict[str, Jsonable]:
    """Load what `save_state` stored into parts of the same shape.

    Returns:
        The numbers.

    Raises:
        CheckpointError: The file is damaged, of another training, or of other settings.
    """
    stored = load_checkpoint(path, name)
    if dict(stored.config) != json.loads(json.dumps(dict(config))):
        raise CheckpointError(
            f"{path.parent}: holds a run with settings {json.dumps(dict(stored.config))};"
            " use the same ones, or another folder"
        )
    found: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in stored.tensors.items():
        part, _, rest = key.partition(".")
        found.setdefault(part, {})[rest] = value
    groups = stored.training["groups"]
    numbers = stored.training["numbers"]
    if not isinstance(groups, Mapping) or not isinstance(numbers, Mapping):
        raise CheckpointError(f"{path}: is not the state of a camera training")
    try:
        for part, owner in parts.items():
            if isinstance(owner, nn.Module):
                owner.load_state_dict(found[part])
                continue
            slots: dict[int, dict[str, torch.Tensor]] = {}
            for key, value in found.get(part, {}).items():
                index, _, slot = key.partition(".")
                slots.setdefault(int(index), {})[slot] = value
            owner.load_state_dict({"state": slots, "param_groups": groups[part]})
        for key, value in averages.items():
            value.copy_(found["averages"][key])
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path}: its weights fit another model ({error})") from error
    return dict(numbers)

"""The families that decide on echoes: the adversarial U-Net and its rivals.

All answer the same question with the same arguments, so that a benchmark treats them alike: a
U-Net with an adversary ("gan") and without ("unet"), a table of the drop rate and the median
reflectivity of each beam ("ring"), and one rate for all rays, the usual simulator ("uniform").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import torch
from torch import nn

from scenegen.appearance.lidar_fill import FilledScan
from scenegen.appearance.lidar_image import CHANNELS, PRESETS
from scenegen.appearance.lidar_network import LidarCritic, LidarNetworkConfig, LidarUNet
from scenegen.errors import CheckpointError, UnknownNameError
from scenegen.seeding import Jsonable
from scenegen.training import Checkpoint

_BINS, _LOWEST, _HIGHEST = 1024, -0.6, 0.6
"""Bins of the table of beams over elevation, and their span [rad]; finer than any two beams."""
_ELEVATION = CHANNELS.index("elevation")


class LidarModel(nn.Module):
    """What answers for rays: the logit of a lost echo, and the root of reflectivity over 255.

    Attributes:
        name: Name of the family.
        is_trained: Whether it learns by gradient.
    """

    name: ClassVar[str] = ""
    is_trained: ClassVar[bool] = False

    def config(self) -> dict[str, Jsonable]:
        """Give the settings it is built from."""
        return {}

    def forward(
        self, x: torch.Tensor, noise: torch.Tensor, preset: torch.Tensor, is_round: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Answer for every ray; arguments and result as of `LidarUNet`."""
        raise NotImplementedError(f"{type(self).__name__} gives no answer; override forward()")

    def fit(self, scans: Sequence[FilledScan]) -> None:
        """Count what tables need; networks do without."""


class UNetModel(LidarModel):
    """A U-Net that learns from pairs alone."""

    name: ClassVar[str] = "unet"
    is_trained: ClassVar[bool] = True

    def __init__(self, network: LidarNetworkConfig | None = None) -> None:
        """Build with fresh weights."""
        super().__init__()
        self.network = network if network is not None else LidarNetworkConfig()
        self.generator = LidarUNet(self.network)

    def config(self) -> dict[str, Jsonable]:
        """Give the widths."""
        return {"widths": list(self.network.widths), "critic": self.network.critic}

    def forward(
        self, x: torch.Tensor, noise: torch.Tensor, preset: torch.Tensor, is_round: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Answer by the U-Net."""
        lost, bright = self.generator(x, noise, preset, is_round)
        return lost, bright


class LidarGan(UNetModel):
    """The U-Net with a critic; a checkpoint for use holds the generator alone."""

    name: ClassVar[str] = "gan"

    def __init__(self, network: LidarNetworkConfig | None = None) -> None:
        """Build with fresh weights."""
        super().__init__(network)
        self.critic = LidarCritic(self.network.critic) if self.network.critic else None


class RingModel(LidarModel):
    """Drop rate and median reflectivity of each beam."""

    name: ClassVar[str] = "ring"
    per_beam: ClassVar[bool] = True
    rate: torch.Tensor
    bright: torch.Tensor

    def __init__(self) -> None:
        """Build an empty table: one echo in two is lost."""
        super().__init__()
        self.register_buffer("rate", torch.full((len(PRESETS), _BINS), 0.5))
        self.register_buffer("bright", torch.full((len(PRESETS), _BINS), 0.2))

    def fit(self, scans: Sequence[FilledScan]) -> None:
        """Count lost and returned echoes by preset and elevation."""
        for number, preset in enumerate(PRESETS):
            own = [scan for scan in scans if scan.scan.preset == preset]
            if not own:
                continue
            place = [np.repeat(self._bins(s), s.known.sum(1)) for s in own]
            lost = [~s.returned[s.known] for s in own]
            root = [np.sqrt(s.intensity[s.known] / 255.0) for s in own]
            rate, bright = _tabulate(*(np.concatenate(part) for part in (place, lost, root)))
            self.rate[number] = torch.from_numpy(rate)
            self.bright[number] = torch.from_numpy(bright)

    def forward(
        self, x: torch.Tensor, noise: torch.Tensor, preset: torch.Tensor, is_round: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Look beams up."""
        del noise, is_round
        at = (x[:, _ELEVATION] / 2.0 - _LOWEST) / (_HIGHEST - _LOWEST) * _BINS
        at = at.long().clamp(0, _BINS - 1)
        row = preset[:, None, None].expand_as(at)
        return torch.logit(self.rate[row, at], eps=1e-4), self.bright[row, at]

    def _bins(self, scan: FilledScan) -> np.ndarray:
        if not self.per_beam:
            return np.zeros(len(scan.scan.elevation), np.int64)
        # As forward() computes them, in single precision.
        angle = np.float32(2.0) * scan.scan.elevation.astype(np.float32) / np.float32(2.0)
        at = (angle - np.float32(_LOWEST)) / np.float32(_HIGHEST - _LOWEST) * np.float32(_BINS)
        return np.clip(at.astype(np.int64), 0, _BINS - 1)


class UniformModel(RingModel):
    """One drop rate and one reflectivity for all rays of a preset."""

    name: ClassVar[str] = "uniform"
    per_beam: ClassVar[bool] = False


LIDAR_FAMILIES: dict[str, type[LidarModel]] = {
    "gan": LidarGan,
    "unet": UNetModel,
    "ring": RingModel,
    "uniform": UniformModel,
}
"""Every family by name; `scenegen train lidar --model` reads it."""


def build_lidar_model(name: str, config: Mapping[str, Jsonable], seed: int = 0) -> LidarModel:
    """Build a model with fresh weights, the same for the same seed.

    Raises:
        UnknownNameError: There is no such family.
        CheckpointError: The settings are not those of a network.
    """
    if name not in LIDAR_FAMILIES:
        raise UnknownNameError("lidar model", name, LIDAR_FAMILIES)
    family = LIDAR_FAMILIES[name]
    if not issubclass(family, UNetModel):
        return family()
    try:
        widths, critic = config.get("widths", (24, 48, 64)), config.get("critic", 24)
        one, two, three = widths  # type: ignore[misc]
        network = LidarNetworkConfig(widths=(one, two, three), critic=critic)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        raise CheckpointError(
            f"lidar model {name!r}: expected settings widths and critic, got {dict(config)}"
        ) from error
    # Layers of torch draw their first weights from the global generator; it is put back after.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return family(network)


def lidar_checkpoint(model: LidarModel, card: Mapping[str, Jsonable]) -> Checkpoint:
    """Give the checkpoint of a model as it is used: without a critic."""
    tensors = {n: v for n, v in model.state_dict().items() if not n.startswith("critic.")}
    config = model.config()
    if "critic" in config:
        config["critic"] = 0
    return Checkpoint(model=f"lidar_{model.name}", config=config, tensors=tensors, training=card)


def lidar_model_of(checkpoint: Checkpoint) -> LidarModel:
    """Build the model of a checkpoint.

    Raises:
        CheckpointError: It is of no family of lidars, or its weights do not fit.
    """
    name = checkpoint.model.removeprefix("lidar_")
    if name == checkpoint.model or name not in LIDAR_FAMILIES:
        raise CheckpointError(
            "checkpoint: expected weights of a lidar"
            f" ({', '.join(f'lidar_{known}' for known in LIDAR_FAMILIES)}), got those of"
            f" {checkpoint.model!r}; train some with `scenegen train lidar`"
        )
    model = build_lidar_model(name, checkpoint.config)
    try:
        model.load_state_dict(dict(checkpoint.tensors))
    except RuntimeError as error:
        raise CheckpointError(
            f"checkpoint of {checkpoint.model!r}: its weights do not fit this version ({error})"
        ) from error
    return model.eval()


def _tabulate(
    place: np.ndarray, lost: np.ndarray, root: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rate and median of each bin; empty bins have those of the nearest that is not."""
    filled = np.unique(place)
    rate, bright = np.zeros(len(filled)), np.zeros(len(filled))
    for k, here in enumerate(filled):
        own = place == here
        rate[k] = (lost[own].sum() + 1.0) / (own.sum() + 2.0)
        came = root[own & ~lost]
        bright[k] = np.median(came) if len(came) else 0.0
    nearest = np.abs(np.arange(_BINS)[:, None] - filled).argmin(1)
    return rate[nearest].astype(np.float32), bright[nearest].astype(np.float32)

"""A learned lidar behind one door: which echoes of a scan come back, and how strong.

The checkpoint that ships with scenegen, if there is one, takes the place of the hand-made rules of
the receiver for lidars whose rays lie on a grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from scenegen.appearance.lidar_image import PRESETS, LidarScan, features
from scenegen.appearance.lidar_losses import thresholds
from scenegen.appearance.lidar_models import LidarModel, lidar_model_of
from scenegen.arrays import BoolArray, FloatArray
from scenegen.errors import CheckpointError
from scenegen.training import load_checkpoint
from scenegen_assets import asset_path

SHIPPED = "checkpoints/lidar_pandar64_vlp32.safetensors"
"""Asset with the weights that ship."""
WHITE = 100.0
"""Step of reported reflectivity that a white wall has, of 255."""
_SHARE = 0.9
"""Part of the variance of thresholds in common where a checkpoint does not tell."""
_FINE = 4096.0
"""Probabilities are rounded to this part, so that the last bits of a sum decide nothing."""


class LidarRenderer(Enum):
    """Who decides on echoes: the hand-made receiver, or the learned one."""

    BASE = "base"
    GAN = "gan"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LidarAnswer:
    """What a learned lidar makes of a scan.

    Attributes:
        keep: Probability that an echo comes back; 0 where a ray meets nothing, shape (B, C).
        reflectivity: What it then reports, 1 for a white wall, shape (B, C).
    """

    keep: FloatArray
    reflectivity: FloatArray


class LidarAppearance:
    """A model of a checkpoint, asked scan by scan.

    Attributes:
        model: The model.
        share: Part of the variance of thresholds that neighbours have in common.
        sha256: Digest of the checkpoint, "" for none.
    """

    def __init__(self, model: LidarModel, share: float = _SHARE, sha256: str = "") -> None:
        """Take a model.

        Args:
            model: The model.
            share: Part of the variance of thresholds in common, 0-1.
            sha256: Digest of its checkpoint.

        Raises:
            ValueError: `share` is not in 0-1.
        """
        if not 0.0 <= share <= 1.0:
            raise ValueError(f"LidarAppearance.share: expected 0 to 1, got {share}")
        self.model, self.share, self.sha256 = model.eval(), share, sha256

    @classmethod
    def load(cls, path: Path) -> LidarAppearance:
        """Read a checkpoint.

        Raises:
            CheckpointError: It is missing, damaged, or not of a lidar.
        """
        checkpoint = load_checkpoint(path)
        share = checkpoint.training.get("share", _SHARE)
        if not isinstance(share, int | float) or not 0.0 <= share <= 1.0:
            raise CheckpointError(f"checkpoint {path}: expected a share of 0 to 1, got {share!r}")
        return cls(lidar_model_of(checkpoint), float(share), checkpoint.sha256)

    @torch.no_grad()
    def apply(self, scan: LidarScan, rng: np.random.Generator | None = None) -> LidarAnswer:
        """Tell which echoes come back and how strong, the same for the same random numbers.

        Args:
            scan: What the rays meet.
            rng: Random numbers for what differs between scans of one scene; without them the
                typical answer is given.
        """
        shape = (1, 1, *scan.range.shape)
        noise = np.zeros(shape, np.float32)
        if rng is not None:
            noise = rng.standard_normal(shape, np.float32)
        with _one_thread():
            lost, root = self.model(
                torch.from_numpy(features(scan))[None],
                torch.from_numpy(noise),
                torch.tensor([PRESETS.index(scan.preset)]),
                scan.is_round,
            )
        solid = np.isfinite(scan.range)
        keep = np.rint(torch.sigmoid(-lost[0]).numpy() * _FINE) / _FINE
        bright = np.rint(root[0].numpy() ** 2 * 255.0 * 8) / 8 / WHITE
        return LidarAnswer(
            keep=np.where(solid, keep, 0.0).astype(np.float32),
            reflectivity=np.where(solid, bright, 0.0).astype(np.float32),
        )

    def draw(self, answer: LidarAnswer, rng: np.random.Generator) -> BoolArray:
        """Draw which echoes come back, shape (B, C); neighbours hang together.

        Args:
            answer: What `apply` gave.
            rng: Random numbers; as many are drawn whatever the answer is.
        """
        level = torch.sigmoid(thresholds(rng, answer.keep.shape, self.share)).numpy()
        return np.asarray((level < answer.keep) | (answer.keep >= 1.0))


def is_lidar_shipped() -> bool:
    """Whether weights of a lidar ship with this version."""
    try:
        asset_path(SHIPPED)
    except FileNotFoundError:
        return False
    return True


def default_lidar_renderer() -> LidarRenderer:
    """Give the learned lidar where its weights ship, else the hand-made one."""
    return LidarRenderer.GAN if is_lidar_shipped() else LidarRenderer.BASE


def shipped_lidar() -> LidarAppearance:
    """Give the learned lidar that ships; the weights are read once per process.

    Raises:
        CheckpointError: None ships with this version.
    """
    try:
        path = asset_path(SHIPPED)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"lidar renderer 'gan': expected its checkpoint {SHIPPED!r} among the assets, found"
            " none; ask for 'base', or train one with `scenegen train lidar` and put it there"
        ) from error
    return _loaded(path, path.stat().st_mtime_ns)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread, and then on as many as before.

    The last bits of a layer depend on how it is cut up for threads; those of a scan must not.
    OpenMP keeps the number by calling thread, so that scans sensed side by side do not meet here.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@lru_cache(maxsize=2)
def _loaded(path: Path, _changed: int) -> LidarAppearance:
    """Read a checkpoint; a file that has changed is read again."""
    return LidarAppearance.load(path)

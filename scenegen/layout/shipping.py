"""Checkpoints that ship with scenegen: which there are, which is the default, how one gets there.

The diffusion layout is the default wherever its checkpoint is among the assets; a checkout or a
wheel without it fills scenes with the heuristic one and says so only in the provenance.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from scenegen.errors import CheckpointError, StorageError, UnknownNameError
from scenegen.layout.learned import SCENE_MODELS, LearnedLayout, model_of
from scenegen.layout.projection import Background
from scenegen.layout.scene_model import SceneModel
from scenegen.training import load_checkpoint
from scenegen.training.checkpoint import write_atomically
from scenegen_assets import asset_path

PREFERRED, FALLBACK = "diffusion", "heuristic"
"""The layout model that is taken unless one is named: the first if its checkpoint ships."""
LARGEST_MB = 16.0
"""Most that a shipped checkpoint may weigh [MB]."""
FOLDER = "checkpoints"


def asset_of(name: str) -> str:
    """Name the asset that holds the checkpoint of a layout: a family, or a variant of one."""
    return f"{FOLDER}/layout_{name}.safetensors"


def is_shipped(model: str) -> bool:
    """Whether the checkpoint of a family is among the assets."""
    try:
        asset_path(asset_of(model))
    except FileNotFoundError:
        return False
    return True


def default_layout_model() -> str:
    """Name the layout model that fills scenes unless one is named; everybody asks here."""
    return PREFERRED if is_shipped(PREFERRED) else FALLBACK


def shipped(asset: str) -> Path:
    """Find a checkpoint that ships with scenegen.

    Raises:
        CheckpointError: There is none.
    """
    try:
        return asset_path(asset)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"layout model: expected its checkpoint {asset!r} among the assets, found none; train"
            " one with `scenegen train layout --model NAME` and name it with --layout-checkpoint,"
            " or put it there with `scenegen train install`"
        ) from error


class ShippedLayout(LearnedLayout):
    """A learned layout whose checkpoint ships with scenegen.

    `name` is that of its family, with `_` and the variant behind it where there is one.
    """

    variant: ClassVar[str] = ""

    def __init__(self, background: Background = Background.REACTIVE) -> None:
        """Load the checkpoint; the weights are read once per process.

        Args:
            background: What moves the agents it adds.

        Raises:
            CheckpointError: It does not ship with this version, is damaged, or of another family.
        """
        path = shipped(asset_of(self.name))
        family = self.name.removesuffix(f"_{self.variant}")
        model, sha256 = _loaded(path, family, path.stat().st_mtime_ns)
        super().__init__(model, background, sha256)


class DiffusionLayout(ShippedLayout):
    """Diffusion over agent tokens: pose, box, kind and motion of everybody at once."""

    name: ClassVar[str] = "diffusion"


class NgsimLayout(ShippedLayout):
    """The diffusion model fitted to recorded traffic of a motorway and two streets (NGSIM)."""

    name: ClassVar[str] = "diffusion_ngsim"
    variant: ClassVar[str] = "ngsim"


class StudentLayout(ShippedLayout):
    """Few-step student of the diffusion model: the same scenes in 1, 2 or 4 steps."""

    name: ClassVar[str] = "student"


VARIANTS = (NgsimLayout.name,)
"""Variants of families that can ship beside them."""


def install(
    source: Path, folder: Path | None = None, *, variant: str = "", terms: str = ""
) -> Path:
    """Copy a trained checkpoint to where checkpoints ship from, with its card beside it.

    Args:
        source: A checkpoint, or the folder of a training that has written one.
        folder: Where to; the assets of this installation if left out.
        variant: What sets it apart from others of its family: lower-case letters and digits.
        terms: Whose data it learned from besides the simulator's, and on which terms; the card
            says so.

    Returns:
        The checkpoint that is now shipped.

    Raises:
        UnknownNameError: No layout of the registry is that variant of that family.
        CheckpointError: The source is missing, damaged, of no known family, or too large.
        StorageError: The folder cannot be written.
    """
    path = source / "checkpoint.safetensors" if source.is_dir() else source
    checkpoint = load_checkpoint(path)
    model_of(checkpoint)  # Weights that do not fit this version would only fail at the user's.
    data = path.read_bytes()
    if len(data) > LARGEST_MB * 1e6:
        raise CheckpointError(
            f"{path}: expected at most {LARGEST_MB:g} MB to ship, got {len(data) / 1e6:.1f} MB;"
            " train a smaller network"
        )
    place = folder if folder is not None else asset_path("__init__.py").parent / FOLDER
    name = f"{checkpoint.model}_{variant}" if variant else checkpoint.model
    if variant and name not in VARIANTS:
        raise UnknownNameError("variant of a shipped layout", name, VARIANTS)
    wanted = place / Path(asset_of(name)).name
    card = {**checkpoint.training, "model": checkpoint.model, "sha256": checkpoint.sha256}
    card |= {"data_terms": [terms]} if terms else {}
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{place}: could not be made ({error})") from error
    write_atomically(wanted, data)
    text = json.dumps(card, indent=1, sort_keys=True) + "\n"
    write_atomically(wanted.with_suffix(".json"), text.encode())
    return wanted


@lru_cache(maxsize=2 * len(SCENE_MODELS))
def _loaded(path: Path, model: str, _changed: int) -> tuple[SceneModel, str]:
    """Model and digest of a checkpoint; a file that has changed is read again."""
    checkpoint = load_checkpoint(path, model)
    return model_of(checkpoint), checkpoint.sha256

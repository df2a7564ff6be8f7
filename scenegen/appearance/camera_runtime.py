"""Which renderer makes the pictures of cameras, and how a learned one gets ready.

The learned renderer is the default wherever its checkpoint is among the assets; a checkout or a
wheel without it shows the shaded base.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from scenegen.appearance.camera_develop import CameraAppearance, TorchAppearance
from scenegen.appearance.camera_generator import MODEL, generator_of
from scenegen.appearance.credentials import DigitalSourceType
from scenegen.appearance.onnx_camera import OnnxAppearance, has_onnx
from scenegen.errors import CheckpointError, UnknownNameError
from scenegen.training import load_checkpoint
from scenegen_assets import asset_path

PREFERRED, FALLBACK = "gan", "base"
"""The renderer that is taken unless one is named: the first if its checkpoint ships."""
CHECKPOINT_ASSET = "checkpoints/camera_generator.safetensors"
"""The asset that holds the shipped checkpoint."""


class Backend(StrEnum):
    """What runs a learned renderer; they agree to about 1e-6, which can turn one grey level."""

    AUTO = "auto"
    """ONNX Runtime where it is installed, else torch."""
    ONNX = "onnx"
    TORCH = "torch"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Renderer:
    """What makes pictures out of geometry and light.

    Attributes:
        name: Entry of RENDERERS.
        appearance: The learned part, None for the shaded base.
        sha256: Digest of its checkpoint, "" for none.
        backend: What runs it, "" for the shaded base.
    """

    name: str
    appearance: CameraAppearance | None = None
    sha256: str = ""
    backend: str = ""

    @property
    def source_type(self) -> DigitalSourceType:
        """How its pictures come to be."""
        learned = self.appearance is not None
        return DigitalSourceType.TRAINED if learned else DigitalSourceType.ALGORITHMIC

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of its checkpoint by name, as provenance carries it."""
        return {"camera_generator": self.sha256} if self.sha256 else {}


def base_renderer(checkpoint: Path | None = None, backend: Backend = Backend.AUTO) -> Renderer:
    """Physically based shading of the scene, nothing learned."""
    if checkpoint is not None:
        raise CheckpointError(
            f"renderer 'base': expected no checkpoint, got {checkpoint}; it has nothing to learn,"
            " name the renderer 'gan' to use it"
        )
    del backend
    return Renderer(name="base")


def gan_renderer(checkpoint: Path | None = None, backend: Backend = Backend.AUTO) -> Renderer:
    """Pictures of the trained camera generator: the shaded base, corrected towards real cameras."""
    path = shipped_checkpoint() if checkpoint is None else checkpoint
    chosen = backend
    if backend is Backend.AUTO:
        chosen = Backend.ONNX if has_onnx() else Backend.TORCH
    changed = path.stat().st_mtime_ns if path.exists() else 0
    appearance, sha256 = _loaded(path, chosen, changed)
    return Renderer(name="gan", appearance=appearance, sha256=sha256, backend=chosen.value)


RENDERERS: dict[str, Callable[[Path | None, Backend], Renderer]] = {
    "base": base_renderer,
    "gan": gan_renderer,
}
"""Every renderer of camera pictures by name; a new one is a function here and an entry."""


def default_renderer() -> str:
    """Name the renderer that is taken unless one is named; everybody asks here."""
    try:
        asset_path(CHECKPOINT_ASSET)
    except FileNotFoundError:
        return FALLBACK
    return PREFERRED


def renderer_of(
    name: str = "", checkpoint: Path | None = None, backend: Backend = Backend.AUTO
) -> Renderer:
    """Get a renderer ready.

    Args:
        name: Entry of RENDERERS; "" for the default, or for the learned one where a checkpoint is
            named.
        checkpoint: A checkpoint of one's own; the shipped one if left out.
        backend: What runs a learned renderer.

    Raises:
        UnknownNameError: There is no such renderer.
        CheckpointError: The checkpoint is missing, damaged, or of another model.
        MissingExtraError: The backend is not installed.
    """
    chosen = name or (PREFERRED if checkpoint is not None else default_renderer())
    if chosen not in RENDERERS:
        raise UnknownNameError("renderer", chosen, RENDERERS)
    return RENDERERS[chosen](checkpoint, backend)


def shipped_checkpoint() -> Path:
    """Find the checkpoint that ships with scenegen.

    Raises:
        CheckpointError: There is none.
    """
    try:
        return asset_path(CHECKPOINT_ASSET)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"renderer 'gan': expected its checkpoint {CHECKPOINT_ASSET!r} among the assets, found"
            " none; name a trained one with --renderer-checkpoint FILE, or take --renderer base"
        ) from error


@lru_cache(maxsize=4)
def _loaded(path: Path, backend: Backend, _changed: int) -> tuple[CameraAppearance, str]:
    """Appearance and digest of a checkpoint; a file that has changed is read again."""
    checkpoint = load_checkpoint(path, MODEL)
    generator = generator_of(checkpoint)
    appearance: CameraAppearance = (
        OnnxAppearance(generator) if backend is Backend.ONNX else TorchAppearance(generator)
    )
    return appearance, checkpoint.sha256

"""Scene layouts: models that fill a road with traffic around the pinned roles of an event."""

from scenegen.layout.heuristic import HeuristicLayout
from scenegen.layout.learned import LearnedLayout
from scenegen.layout.model import Layout, LayoutModel, LayoutRequest
from scenegen.layout.rivals import (
    AutoregressiveLayout,
    DdpmLayout,
    FlowLayout,
    FlowMatchingLayout,
    GanLayout,
    VaeLayout,
)
from scenegen.layout.shipping import (
    DiffusionLayout,
    NgsimLayout,
    StudentLayout,
    default_layout_model,
)

LAYOUT_MODELS: dict[str, type[LayoutModel]] = {
    "heuristic": HeuristicLayout,
    "diffusion": DiffusionLayout,
    "diffusion_ngsim": NgsimLayout,
    "vae": VaeLayout,
    "autoregressive": AutoregressiveLayout,
    "flow": FlowLayout,
    "gan": GanLayout,
    "ddpm": DdpmLayout,
    "flow_matching": FlowMatchingLayout,
    "student": StudentLayout,
}
"""Every layout model by name; `--layout-model` and the conformance tests read it."""

__all__ = [
    "LAYOUT_MODELS",
    "DiffusionLayout",
    "HeuristicLayout",
    "Layout",
    "LayoutModel",
    "LayoutRequest",
    "LearnedLayout",
    "default_layout_model",
]

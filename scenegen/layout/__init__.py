"""Scene layouts: models that fill a road with traffic around the pinned roles of an event."""

from scenegen.layout.heuristic import HeuristicLayout
from scenegen.layout.model import Layout, LayoutModel, LayoutRequest

LAYOUT_MODELS: dict[str, type[LayoutModel]] = {
    "heuristic": HeuristicLayout,
}
"""Every layout model by name; `--layout-model` and the conformance tests read it."""

__all__ = ["LAYOUT_MODELS", "HeuristicLayout", "Layout", "LayoutModel", "LayoutRequest"]

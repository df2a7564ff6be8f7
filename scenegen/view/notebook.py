"""The viewer inside a notebook cell."""

from __future__ import annotations

import html

from scenegen.scene import Scenario
from scenegen.view.html import ViewItem, render_html


def to_html(scenario: Scenario | ViewItem, *, height_px: int = 720) -> str:
    """Give the viewer of one scenario as an HTML fragment for a notebook.

    The page lives in a sandboxed frame: it sees nothing of the notebook and asks no network.

    Args:
        scenario: What happens, alone or with what there is to say about it.
        height_px: Height of the frame.

    Returns:
        An iframe; in Jupyter: ``IPython.display.HTML(to_html(scenario))``.
    """
    item = scenario if isinstance(scenario, ViewItem) else ViewItem(scenario=scenario)
    page = html.escape(render_html([item], title=item.scenario.id), quote=True)
    return (
        f'<iframe sandbox="allow-scripts" width="100%" height="{height_px}"'
        f' style="border:0;border-radius:12px" srcdoc="{page}"></iframe>'
    )

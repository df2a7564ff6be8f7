"""Looking: pictures from above, films, and one HTML file that plays scenarios."""

from scenegen.view.bev import draw_bev
from scenegen.view.html import ViewClause, ViewItem, render_html, write_html
from scenegen.view.notebook import to_html
from scenegen.view.video import compose_frame, film, write_gif, write_mp4

__all__ = [
    "ViewClause",
    "ViewItem",
    "compose_frame",
    "draw_bev",
    "film",
    "render_html",
    "to_html",
    "write_gif",
    "write_html",
    "write_mp4",
]

"""One HTML file that plays scenarios: no server, no network, opened by double click."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from scenegen.arrays import Array, FloatArray, check_shape
from scenegen.errors import ShapeError, StorageError
from scenegen.scene import EGO, AgentKind, AgentStates, Scenario
from scenegen.sim.encroachment import time_to_contact
from scenegen.view.glyphs import unit_glyphs
from scenegen.view.palette import SIGNAL, css, palette_of
from scenegen.view.road_paths import road_paths

NEVER = 65_535
"""Stands for a time to collision that is infinite, beyond NEVER / 100 s, or unknown."""
SCRIPTS = ("viewer_scene.js", "viewer_charts.js", "viewer.js")
"""Scripts of the viewer in the order in which they run."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewClause:
    """One line of a query's explanation.

    Attributes:
        text: The clause, as a user would write it.
        satisfied: Whether it holds.
        margin: Its robustness over time, shape (T,), if it has one; positive where it holds.
        detail: What was found, for example "1.31 s at 4.2 s".
    """

    text: str
    satisfied: bool
    margin: FloatArray | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ViewItem:
    """One scenario in the viewer, with what there is to say about it.

    Attributes:
        scenario: What happens.
        query: Text of the query it was asked with or checked against.
        margin: Robustness of the query over time, shape (T,): positive where it is satisfied.
        witness: Agent index of each role in the assignment that satisfies the query best.
        clauses: Explanation of the query.
        camera_frames: JPEG of every instant, T of them, if there is a camera.
    """

    scenario: Scenario
    query: str = ""
    margin: FloatArray | None = None
    witness: dict[str, int] = field(default_factory=dict)
    clauses: Sequence[ViewClause] = ()
    camera_frames: Sequence[bytes] | None = None

    def __post_init__(self) -> None:
        """Check that everything over time has the scenario's length."""
        steps = self.scenario.steps
        if self.margin is not None:
            check_shape("margin", self.margin, steps)
        for clause in self.clauses:
            if clause.margin is not None:
                check_shape(f"margin of {clause.text!r}", clause.margin, steps)
        if self.camera_frames is not None and len(self.camera_frames) != steps:
            raise ShapeError(
                f"camera_frames: expected one JPEG per instant, {steps}, got"
                f" {len(self.camera_frames)}"
            )


def write_html(path: str | Path, items: Sequence[ViewItem], *, title: str = "scenegen") -> Path:
    """Write scenarios as one self-contained HTML file.

    Args:
        path: Where to write.
        items: The scenarios, in the order of the list.
        title: Title of the page.

    Returns:
        The path written.

    Raises:
        StorageError: The file could not be written.
    """
    path = Path(path)
    try:
        path.write_text(render_html(items, title=title), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"write_html: could not write {path}: {error}") from error
    return path


def render_html(items: Sequence[ViewItem], *, title: str = "scenegen") -> str:
    """Give the viewer's page as text; its content policy forbids every network request.

    Only the viewer's own script and style, named by their SHA-256, may run: text in a query or a
    name cannot become code.

    Args:
        items: The scenarios, in the order of the list; at least one.
        title: Title of the page.

    Returns:
        HTML.

    Raises:
        ValueError: There is no scenario.
    """
    if not items:
        raise ValueError("render_html: expected at least one scenario to show, got none")
    script = "\n".join(_asset(name) for name in SCRIPTS)
    style = _asset("viewer.css")
    policy = (
        f"default-src 'none'; img-src data:; script-src '{_digest(script)}';"
        f" style-src '{_digest(style)}'; base-uri 'none'; form-action 'none'"
    )
    filled = {
        "policy": policy,
        "title": html.escape(title),
        "style": style,
        "script": script,
        "data": _embeddable(pack(items, title)),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], _asset("viewer.html"))


def pack(items: Sequence[ViewItem], title: str = "scenegen") -> dict[str, Any]:
    """Gather what the viewer needs as JSON values; arrays are base64 of little-endian integers.

    Args:
        items: The scenarios.
        title: Title of the page.

    Returns:
        Plain JSON values. A road that several scenarios share is there once.
    """
    maps: dict[int, int] = {}
    roads: list[dict[str, Any]] = []
    for item in items:
        roadmap = item.scenario.roadmap
        if id(roadmap) not in maps:
            maps[id(roadmap)] = len(roads)
            roads.append(road_paths(roadmap))
    scenarios = [_pack_item(item, maps[id(item.scenario.roadmap)]) for item in items]
    return {
        "title": title,
        "never": NEVER,
        "kinds": [kind.name.lower() for kind in AgentKind],
        "glyphs": unit_glyphs(),
        "signal": [css(colour) for colour in SIGNAL],
        "maps": roads,
        "scenarios": scenarios,
    }


def _pack_item(item: ViewItem, map_index: int) -> dict[str, Any]:
    scenario, agents = item.scenario, item.scenario.agents
    conditions = scenario.conditions
    palette = palette_of(conditions)
    first = agents.valid.argmax(0)
    slots = np.arange(agents.count)
    return {
        "id": scenario.id,
        "query": item.query or scenario.provenance.query,
        "event": str(scenario.provenance.script.get("event", "")),
        "map": map_index,
        "place": scenario.roadmap.name,
        "light": str(conditions.light),
        "weather": str(conditions.weather),
        "visibility": conditions.visibility,
        "rain": conditions.rain_mm_per_h,
        "friction": conditions.friction,
        "palette": palette.to_css(),
        "start": float(scenario.times[0]),
        "step": scenario.duration / max(scenario.steps - 1, 1),
        "steps": scenario.steps,
        "agents": agents.count,
        "kind": _base64(agents.kind[first, slots], "<u1"),
        "size": _base64(agents.size[first, slots, :2] * 100, "<u2"),
        **_pack_states(agents),
        "roles": {**scenario.roles, **item.witness},
        "signals": _pack_signals(scenario),
        "margin": None if item.margin is None else _base64(item.margin, "<f4"),
        "clauses": [
            {
                "text": clause.text,
                "satisfied": bool(clause.satisfied),
                "detail": clause.detail,
                "margin": None if clause.margin is None else _base64(clause.margin, "<f4"),
            }
            for clause in item.clauses
        ],
        "camera": None
        if item.camera_frames is None
        else [base64.b64encode(frame).decode("ascii") for frame in item.camera_frames],
    }


def _pack_states(agents: AgentStates) -> dict[str, Any]:
    """States as integers: centimetres, 0.1 mrad, cm/s, 0.01 s."""
    known = agents.position[agents.valid].astype(np.float64)
    origin = np.round(known.mean(0)) if len(known) else np.zeros(2)
    local = np.where(agents.valid[..., None], agents.position.astype(np.float64) - origin, 0.0)
    hundredths = np.nan_to_num(_time_to_ego(agents) * 100, nan=NEVER, posinf=NEVER)
    return {
        "origin": origin.tolist(),
        "xy": _base64(local * 100, "<i4"),
        "yaw": _base64(agents.yaw * 1e4, "<i2"),
        "speed": _base64(agents.speed * 100, "<i2"),
        "valid": _base64(agents.valid, "<u1"),
        "ttc": _base64(np.minimum(hundredths, NEVER), "<u2"),
    }


def _time_to_ego(agents: AgentStates) -> FloatArray:
    """Time until each agent touches the ego if both keep their velocity [s], shape (T, N)."""
    ego = agents[:, EGO : EGO + 1]
    ttc = time_to_contact(
        ego.position,
        ego.velocity,
        ego.yaw,
        ego.size,
        agents.position,
        agents.velocity,
        agents.yaw,
        agents.size,
    )
    with_itself = np.arange(agents.count) == EGO
    return np.where(agents.valid & ego.valid & ~with_itself, ttc, np.inf)


def _pack_signals(scenario: Scenario) -> list[dict[str, Any]]:
    return [
        {
            "line": np.round(signal.stop_line, 2).tolist(),
            "pole": np.round(signal.position, 2).tolist(),
            "states": _base64(np.array([signal.state(t) for t in scenario.times]), "<u1"),
        }
        for signal in scenario.roadmap.signals
    ]


def _base64(values: Array, dtype: str) -> str:
    rounded = values if dtype.startswith("<f") else np.round(values.astype(np.float64))
    return base64.b64encode(np.ascontiguousarray(rounded, dtype).tobytes()).decode("ascii")


def _embeddable(data: dict[str, Any]) -> str:
    """JSON that no HTML parser can mistake for markup."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return (resources.files("scenegen.view") / name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()

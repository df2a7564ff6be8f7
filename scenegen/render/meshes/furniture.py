"""Street furniture: lamps, signals, signs, posts."""

from __future__ import annotations

import numpy as np

from scenegen.render.mesh import Mesh, Model, Parts
from scenegen.render.solids import add_box, add_tube
from scenegen.scene import SignalState

LAMP_HEIGHT = 8.0
"""Height of a street lamp [m]."""
LAMP_REACH = 2.2
"""How far the lamp leans over the road [m]."""
SIGNS = ("limit", "warning", "stop", "direction", "information")
"""Kinds of traffic signs."""


def street_lamp() -> Model:
    """Build a street lamp whose arm points to +x, at two levels of detail."""
    return Model(levels=(_street_lamp(7, 5), _street_lamp(4, 3)), switch=(30.0,), reach=250.0)


def _street_lamp(sides: int, bends: int) -> Mesh:
    parts = Parts()
    add_tube(parts, [(0, 0, 0), (0, 0, 1.2), (0, 0, 7.4)], [0.1, 0.085, 0.06], "metal", sides=sides)
    t = np.linspace(0, 1, bends)
    arm = np.column_stack([LAMP_REACH * t, 0 * t, 7.4 + 0.6 * np.sin(1.4 * t)])
    add_tube(parts, arm, 0.04, "metal", sides=min(sides, 5))
    add_box(parts, (LAMP_REACH + 0.2, 0, LAMP_HEIGHT), (0.75, 0.3, 0.1), "metal")
    add_box(parts, (LAMP_REACH + 0.2, 0, LAMP_HEIGHT - 0.06), (0.6, 0.22, 0.03), "street_lamp")
    return parts.mesh()


def signal_pole(arm: float) -> Model:
    """Build the pole of a signal; its arm of a length [m] points to +y."""
    parts = Parts()
    add_tube(parts, [(0, 0, 0), (0, 0, 5.9)], 0.09, "dark_metal", sides=7)
    if arm > 0:
        add_tube(parts, [(0, 0, 5.8), (0, arm, 6.0)], 0.06, "dark_metal", sides=6)
    return Model(levels=(parts.mesh(),), reach=250.0)


def signal_head(state: SignalState) -> Model:
    """Build a signal head that shows a state towards -x; its lower end is the origin."""
    parts = Parts()
    add_box(parts, (0.12, 0, 0.52), (0.2, 0.36, 1.06), "signal_off")
    add_box(parts, (0.23, 0, 0.52), (0.01, 0.62, 1.3), "signal_off")
    lights = (
        ("green", SignalState.GREEN),
        ("yellow", SignalState.YELLOW),
        ("red", SignalState.RED),
    )
    angle = np.arange(12) / 12 * 2 * np.pi
    for k, (name, shown) in enumerate(lights):
        z = 0.19 + 0.33 * k
        rim = np.column_stack([0 * angle + 0.01, 0.13 * np.cos(angle), z + 0.13 * np.sin(angle)])
        disc = np.vstack([rim, [0.0, 0.0, z]])
        fan = np.array([(i, (i + 1) % 12, 12) for i in range(12)])
        parts.add(disc, fan, f"signal_{name}" if shown is state else "signal_off")
        visor = np.linspace(-0.1, np.pi + 0.1, 7)
        arc = np.column_stack([0 * visor, 0.15 * np.cos(visor), z + 0.15 * np.sin(visor)])
        hood = np.vstack([arc, arc - [0.2, 0, 0]])
        quads = np.array([(i, i + 1, i + 8, i + 7) for i in range(6)])
        parts.add(hood, quads, "signal_off")
    return Model(levels=(parts.mesh(),), reach=250.0)


def sign_post(height: float = 2.2) -> Model:
    """Build the post that carries a sign."""
    parts = Parts()
    add_tube(parts, [(0, 0, 0), (0, 0, height + 0.6)], 0.035, "metal", sides=6)
    return Model(levels=(parts.mesh(),), reach=120.0)


def sign(kind: str) -> Model:
    """Build the plate of a sign of a kind in SIGNS, centred 2.5 m high, facing -x."""
    parts = Parts()
    if kind == "direction":
        add_box(parts, (-0.06, 0, 2.5), (0.03, 1.5, 0.9), "sign_white")
        add_box(parts, (-0.08, 0, 2.5), (0.02, 1.42, 0.82), "sign_green")
        for z, wide in ((2.68, 0.9), (2.44, 1.1), (2.26, 0.6)):
            add_box(parts, (-0.095, 0.05, z), (0.01, wide, 0.09), "sign_white")
        return Model(levels=(parts.mesh(),), reach=150.0)
    corners = {"warning": 3, "stop": 8, "information": 4}.get(kind, 20)
    begin = {"warning": np.pi / 2, "stop": np.pi / 8, "information": np.pi / 4}.get(kind, 0.0)
    inner = {"stop": "sign_red", "information": "sign_blue"}.get(kind, "sign_white")
    outer = {"stop": "sign_white", "information": "sign_white"}.get(kind, "sign_red")
    _add_plate(parts, corners, begin, 0.36, -0.05, outer)
    _add_plate(
        parts, corners, begin, 0.30 if kind in {"stop", "information"} else 0.26, -0.06, inner
    )
    if kind == "limit":
        for y in (-0.08, 0.08):
            add_box(parts, (-0.07, y, 2.5), (0.01, 0.1, 0.24), "dark_metal")
    elif kind == "stop":
        add_box(parts, (-0.07, 0, 2.5), (0.01, 0.42, 0.13), "sign_white")
    elif kind == "warning":
        add_box(parts, (-0.07, 0, 2.47), (0.01, 0.06, 0.22), "dark_metal")
    return Model(levels=(parts.mesh(),), reach=120.0)


def _add_plate(
    parts: Parts, corners: int, begin: float, radius: float, x: float, material: str
) -> None:
    angle = np.arange(corners) / corners * 2 * np.pi + begin
    rim = np.column_stack([0 * angle + x, radius * np.cos(angle), 2.5 + radius * np.sin(angle)])
    fan = np.array([(i, (i + 1) % corners, corners) for i in range(corners)])
    parts.add(np.vstack([rim, [x, 0.0, 2.5]]), fan, material)


def delineator() -> Model:
    """Build a white roadside post with a reflector."""
    parts = Parts()
    add_tube(parts, [(0, 0, 0), (0, 0, 1.0)], 0.06, "sign_white", sides=4)
    add_box(parts, (0, 0, 0.8), (0.14, 0.14, 0.18), "dark_metal")
    return Model(levels=(parts.mesh(),), reach=120.0)

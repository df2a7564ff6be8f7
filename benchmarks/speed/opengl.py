"""The same labels by OpenGL, as a peer: llvmpipe draws them where there is no graphics card."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from scenegen.render import Triangles, View
from scenegen.render.camera import NEAR

ABSENT = "moderngl or EGL is not installed here, so that no figure of OpenGL stands beside ours"
FAR = 5000.0
_VERTEX = """
#version 330
uniform mat3 turn; uniform vec3 eye; uniform vec2 scale; uniform vec2 range;
in vec3 place; in vec3 normal; in vec3 tint; in int thing;
out vec3 n; out vec3 color; out float depth; flat out int who;
void main() {
    vec3 p = turn * (place - eye);
    n = normal; color = tint; who = thing; depth = p.z;
    gl_Position = vec4(p.xy * scale, p.z * range.x - range.y, p.z);
}
"""
_FRAGMENT = """
#version 330
in vec3 n; in vec3 color; in float depth; flat in int who;
layout(location = 0) out vec4 geometry; layout(location = 1) out vec4 albedo;
layout(location = 2) out int thing;
void main() { geometry = vec4(normalize(n), depth); albedo = vec4(color, 1.0); thing = who; }
"""


@cache
def context() -> Any:  # noqa: ANN401 - moderngl need not be installed
    """Give an OpenGL context without a window, None where there is none."""
    if importlib.util.find_spec("moderngl") is None:
        return None
    moderngl = importlib.import_module("moderngl")
    try:
        return moderngl.create_context(standalone=True, backend="egl")
    except Exception:  # Drivers raise what they like; there is none here then.
        return None


def draw(triangles: Triangles, view: View) -> dict[str, Callable[[], object]]:
    """Give a call that draws and reads back depth, normal, colour and thing of each pixel.

    The triangles are uploaded beforehand, and no bitmap is looked up: both spare it work that
    ours does.

    Args:
        triangles: What there is.
        view: From where it is seen.
    """
    gl = context()
    if gl is None:
        return {}
    camera = view.camera
    size = (camera.width_px, camera.height_px)
    program = gl.program(vertex_shader=_VERTEX, fragment_shader=_FRAGMENT)
    program["turn"].write(view.turn.T.astype("f4").tobytes())
    program["eye"].write(view.eye.astype("f4").tobytes())
    scale = camera.focal_px * np.array([2 / size[0], 2 / size[1]])
    program["scale"].write(scale.astype("f4").tobytes())
    span = FAR - NEAR
    program["range"].write(np.array([(FAR + NEAR) / span, 2 * FAR * NEAR / span], "f4").tobytes())
    thing = np.repeat(np.arange(len(triangles.surface)), np.diff(triangles.first_vertex))
    arrays = [
        (gl.buffer(triangles.vertices.astype("f4").tobytes()), "3f", "place"),
        (gl.buffer(triangles.normals.astype("f4").tobytes()), "3f", "normal"),
        (gl.buffer(triangles.tint[thing].astype("f4").tobytes()), "3f", "tint"),
        (gl.buffer(thing.astype("i4").tobytes()), "1i", "thing"),
    ]
    faces = gl.buffer(triangles.faces.astype("i4").tobytes())
    mesh = gl.vertex_array(program, arrays, faces)
    targets = [
        gl.texture(size, 4, dtype="f4"),
        gl.texture(size, 4),
        gl.texture(size, 1, dtype="i4"),
    ]
    frame = gl.framebuffer(targets, gl.depth_renderbuffer(size))

    def opengl() -> object:
        frame.use()
        gl.enable(gl.DEPTH_TEST)
        frame.clear()
        mesh.render()
        return [target.read() for target in targets]

    return {"opengl": opengl}

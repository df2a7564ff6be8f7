# SPDX-License-Identifier: Apache-2.0
"""Path-trace scene files with Cycles; runs in an environment of its own that has `bpy`.

scenegen never imports this file: it starts it as a program, so that nothing of Blender (GPL) is
ever loaded beside the core. It reads one JSON object per line from the standard input,

    {"scene": "scene.npz", "out": "traced.npz", "samples": 16, "threads": 1}

and answers each with a line {"out": ..., "cpu_seconds": ...} or {"error": ...}. The answer file
holds `radiance` (N, H, W, 3) float16, linear and free of fog, `number` (N, H, W) uint16 and
`depth` (N, H, W) float32 [m], one row per view of the scene file (see scenegen.render.scene_file).
"""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import OpenEXR
from mathutils import Matrix, Vector

UNIT = 128.0 / 255.0
"""Value of a texel that stands for a factor of one."""
TERRAIN, SIDEWALK = 4, 3
"""Surface classes: ground is at most TERRAIN, paved ground 1 to SIDEWALK."""
PUDDLE_TILE, GRAIN_TILE = 1.0 / (0.9 / 256.0), 1.0 / (5.0 / 256.0)
"""Edge of the field of clouds where it gives the shape of puddles, and the grain of snow [m]."""


class Graph:
    """Shorthand for the nodes of one material."""

    def __init__(self, tree: Any) -> None:
        """Start from an empty tree."""
        self.tree = tree
        tree.nodes.clear()

    def node(self, kind: Any, settings: dict[str, Any] | None = None, **inputs: Any) -> Any:
        """Add a node; settings are properties, inputs are sockets by name."""
        node = self.tree.nodes.new(kind)
        for name, value in (settings or {}).items():
            setattr(node, name, value)
        for name, value in inputs.items():
            self.feed(node, name.replace("_", " "), value)
        return node

    def feed(self, node: Any, name: Any, value: Any) -> None:
        """Connect a socket, or set its default."""
        socket = node.inputs[name]
        if isinstance(value, bpy.types.NodeSocket):
            self.tree.links.new(value, socket)
        elif socket.type == "RGBA" and len(value) == 3:
            socket.default_value = (*value, 1.0)
        else:
            socket.default_value = value

    def math(self, operation: Any, a: Any, b: Any = 0.0, *, clamp: bool = False) -> Any:
        """Combine two numbers."""
        node = self.tree.nodes.new("ShaderNodeMath")
        node.operation, node.use_clamp = operation, clamp
        self.feed(node, 0, a)
        self.feed(node, 1, b)
        return node.outputs[0]

    def multiply(self, a: Any, b: Any) -> Any:
        """Multiply two colours."""
        node = self.tree.nodes.new("ShaderNodeVectorMath")
        node.operation = "MULTIPLY"
        self.feed(node, 0, a)
        self.feed(node, 1, b)
        return node.outputs[0]

    def blend(self, share: Any, a: Any, b: Any) -> Any:
        """Mix two colours."""
        node = self.tree.nodes.new("ShaderNodeMix")
        node.data_type, node.clamp_result = "RGBA", False
        self.feed(node, 0, share)
        self.feed(node, 6, a)
        self.feed(node, 7, b)
        return node.outputs[2]

    def attribute(self, name: Any) -> Any:
        """Read an attribute of the mesh."""
        node = self.node("ShaderNodeAttribute", {"attribute_name": name})
        return node.outputs["Color" if name == "tint" else "Fac"]


def render(job: Any) -> Any:
    """Render one scene file; return the path of the answer and the CPU time it took."""
    begun = time.process_time()
    scene = read(job["scene"])
    bpy.ops.wm.read_factory_settings(use_empty=True)
    configure(scene["meta"], int(job.get("samples", 16)), int(job.get("threads", 1)))
    build_sky(scene)
    build_lights(scene)
    build_meshes(scene, [build_material(scene, i) for i in range(len(scene["meta"]["materials"]))])
    camera = build_camera(scene["meta"])
    layers = [trace(camera, *view) for view in zip(scene["eye"], scene["turn"], strict=True)]
    out = Path(job["out"])
    partial = out.with_name(out.name + ".part")
    with partial.open("wb") as file:
        arrays = {k: np.stack([x[k] for x in layers]) for k in layers[0]}
        np.savez_compressed(file, allow_pickle=False, **arrays)
    partial.replace(out)
    return {"out": str(out), "cpu_seconds": time.process_time() - begun}


def read(path: Any) -> Any:
    """Load a scene file."""
    with np.load(path, allow_pickle=False) as archive:
        scene = {name: archive[name] for name in archive.files}
    scene["meta"] = json.loads(scene["meta"].tobytes())
    if scene["meta"]["format"] != 1:
        raise ValueError(f"{path}: expected format 1, got {scene['meta']['format']}")
    return scene


def configure(meta: Any, samples: Any, threads: Any) -> None:
    """Set up Cycles: light tree, few bounces, no caustics, denoised."""
    scene = bpy.context.scene
    target, cycles = scene.render, scene.cycles
    target.engine = "CYCLES"
    target.resolution_x, target.resolution_y = meta["width_px"], meta["height_px"]
    target.resolution_percentage = 100
    target.threads_mode, target.threads = "FIXED", threads
    target.use_persistent_data = True
    cycles.device, cycles.samples, cycles.seed = "CPU", samples, 0
    cycles.use_adaptive_sampling = False
    cycles.use_denoising, cycles.denoiser = True, "OPENIMAGEDENOISE"
    cycles.denoising_prefilter = "FAST"
    cycles.max_bounces, cycles.diffuse_bounces, cycles.glossy_bounces = 6, 3, 4
    cycles.caustics_reflective = cycles.caustics_refractive = False
    cycles.sample_clamp_indirect, cycles.blur_glossy = 6.0, 0.6
    cycles.use_light_tree = True
    scene.view_settings.view_transform = "Standard"
    layer = scene.view_layers[0]
    layer.use_pass_z = layer.use_pass_object_index = True
    layer.update()
    picture = target.image_settings
    picture.media_type = "MULTI_LAYER_IMAGE"
    picture.file_format, picture.color_depth, picture.exr_codec = "OPEN_EXR_MULTILAYER", "32", "ZIP"


def image_of(name: Any, pixels: Any) -> Any:
    """Make a linear image; row 0 of `pixels` is at the bottom."""
    height, width = pixels.shape[:2]
    full = np.ones((height, width, 4), np.float32)
    full[..., : pixels.shape[2]] = pixels
    image = bpy.data.images.new(name, width, height, alpha=True, float_buffer=True, is_data=True)
    image.alpha_mode = "CHANNEL_PACKED"
    image.pixels.foreach_set(full.reshape(-1))
    image.update()
    return image


def build_sky(scene: Any) -> None:
    """Light from all around, and the sun as a lamp of half a degree."""
    meta = scene["meta"]
    world = bpy.data.worlds.new("sky")
    bpy.context.scene.world = world
    world.use_nodes = True
    graph = Graph(world.node_tree)
    sky = image_of("sky", scene["sky"][::-1])
    texture = graph.node("ShaderNodeTexEnvironment", {"image": sky, "interpolation": "Linear"})
    back = graph.node("ShaderNodeBackground", Color=texture.outputs["Color"], Strength=1.0)
    graph.node("ShaderNodeOutputWorld", Surface=back.outputs[0])
    world.cycles.sampling_method = "MANUAL"
    world.cycles.sample_map_resolution = 512
    sun = np.array(meta["sun"])
    if sun.max() <= 0.0:
        return
    lamp = bpy.data.lights.new("sun", "SUN")
    lamp.energy, lamp.color = math.pi * float(sun.max()), tuple(sun / sun.max())
    lamp.angle = math.radians(0.53)
    place(lamp, (0.0, 0.0, 100.0), -np.array(meta["sun_direction"]))


def place(lamp: Any, position: Any, direction: Any) -> None:
    """Put a lamp into the scene, shining in a direction."""
    item = bpy.data.objects.new(lamp.name, lamp)
    item.location = tuple(position)
    item.rotation_mode = "QUATERNION"
    item.rotation_quaternion = Vector(tuple(direction)).to_track_quat("-Z", "Y")
    bpy.context.scene.collection.objects.link(item)


def build_lights(scene: Any) -> None:
    """Lamps with a cone and a core c: irradiance over pi is color / (d^2 + c^2).

    That takes 4 pi^2 color watts in Blender, and its smooth falloff with c^2 for the core.
    """
    for i, color in enumerate(scene["lights_color"]):
        peak = float(color.max())
        if peak <= 0.0:
            continue
        lamp = bpy.data.lights.new(f"lamp {i}", "SPOT")
        lamp.energy, lamp.color = 4.0 * math.pi**2 * peak, tuple(color / peak)
        inner, outer = (math.acos(float(c)) for c in scene["lights_cone"][i])
        lamp.spot_size, lamp.spot_blend = 2.0 * outer, 1.0 - inner / outer
        lamp.shadow_soft_size = 0.08
        lamp.use_nodes = True
        graph = Graph(lamp.node_tree)
        smooth = float(scene["lights_core"][i]) ** 2
        falloff = graph.node("ShaderNodeLightFalloff", Strength=1.0, Smooth=smooth)
        shine = graph.node("ShaderNodeEmission", Strength=falloff.outputs["Quadratic"])
        graph.node("ShaderNodeOutputLight", Surface=shine.outputs[0])
        place(lamp, scene["lights_position"][i], scene["lights_direction"][i])


def build_material(scene: Any, index: Any) -> Any:
    """One material of the table: bitmap, tint, panes, lamps, water and snow."""
    meta = scene["meta"]
    row = meta["materials"][index]
    material = bpy.data.materials.new(row["name"])
    material.use_nodes = True
    material.cycles.emission_sampling = "NONE"
    graph = Graph(material.node_tree)
    color, alpha, finish = tuple(row["albedo"]), 0.0, (row["roughness"], 0.5)
    if row["texture"]:
        color, alpha, finish = textured(graph, scene, row)
    if row["is_tinted"]:
        color = graph.multiply(color, graph.attribute("tint"))
    pane = graph.math("MULTIPLY", alpha, 2.5, clamp=True) if row["texture"] else 0.0
    gloss = graph.math("MAXIMUM", row["gloss"], graph.math("MULTIPLY", pane, 0.09))
    smooth = graph.math("SUBTRACT", finish[0], 0.03)
    rough = graph.math("SUBTRACT", finish[0], graph.math("MULTIPLY", pane, smooth))
    shader = graph.node("ShaderNodeBsdfPrincipled")
    color, rough, film = weathered(graph, scene, color, rough)
    graph.feed(shader, "Base Color", color)
    graph.feed(shader, "Roughness", rough)
    graph.feed(shader, "Specular IOR Level", graph.math("DIVIDE", gloss, 0.08))
    graph.feed(shader, "Metallic", row["metallic"])
    if row["clearcoat"] > 0.0:
        graph.feed(shader, "Coat Weight", row["clearcoat"])
        graph.feed(shader, "Coat Roughness", 0.03)
    elif film is not None:
        graph.feed(shader, "Coat Weight", film[0])
        graph.feed(shader, "Coat Roughness", film[1])
        graph.feed(shader, "Coat IOR", 1.33)
    emit(graph, shader, row, meta, alpha)
    graph.node("ShaderNodeOutputMaterial", Surface=shader.outputs[0])
    return material


def textured(graph: Any, scene: Any, row: Any) -> Any:
    """Albedo from the bitmap, its alpha, and roughness with readiness to hold water."""
    number = scene["meta"]["textures"].index(row["texture"])
    where = graph.node("ShaderNodeUVMap", {"uv_map": "uv"}).outputs[0]
    scaled = graph.multiply(where, (1.0 / row["tile"],) * 3)
    found = []
    for kind in ("textures", "finish"):
        name = f"{kind} {number}"
        image = bpy.data.images.get(name)
        if image is None:
            pixels = scene[kind][number].astype(np.float32) / 255.0
            image = image_of(name, pixels)
        found.append(graph.node("ShaderNodeTexImage", {"image": image}, Vector=scaled))
    picture, finish = found
    color = graph.multiply(picture.outputs["Color"], tuple(a / UNIT for a in row["albedo"]))
    parts = graph.node("ShaderNodeSeparateColor", Color=finish.outputs["Color"])
    rough = graph.math("MULTIPLY", parts.outputs[0], row["roughness"] / UNIT, clamp=True)
    return color, picture.outputs["Alpha"], (rough, parts.outputs[1])


def weathered(graph: Any, scene: Any, color: Any, rough: Any) -> Any:
    """Darken what is wet, whiten what lies under snow; also give the film of water, if any."""
    meta = scene["meta"]
    wet, snow = meta["wetness"], meta["snow"]
    if wet < 0.05 and snow <= 0.0:
        return color, rough, None
    broad, fine = ground_field(graph, scene)
    normal = graph.node("ShaderNodeNewGeometry").outputs["Normal"]
    up = graph.node("ShaderNodeSeparateXYZ", Vector=normal).outputs[2]
    level = graph.math("GREATER_THAN", up, 0.5)
    ground, paved = graph.attribute("ground"), graph.attribute("paved")
    film = None
    if wet >= 0.05:
        loss = graph.math("ADD", 0.25, graph.math("MULTIPLY", paved, 0.27))
        loss = graph.math("MULTIPLY", graph.math("MULTIPLY", loss, wet), ground)
        dark = graph.math("SUBTRACT", 1.0, graph.math("MULTIPLY", loss, level))
        color = graph.multiply(color, dark)
        if snow <= 0.0:
            water = graph.math("MULTIPLY", broad, 0.75)
            water = graph.math("MULTIPLY", graph.math("ADD", water, 0.45), wet, clamp=True)
            water = graph.math("MULTIPLY", graph.math("MULTIPLY", water, paved), level)
            puddle = graph.node("ShaderNodeMapRange", Value=water)
            for name, value in (("From Min", 0.78), ("From Max", 0.98)):
                graph.feed(puddle, name, value)
            for name, value in (("To Min", 0.16), ("To Max", 0.015)):
                graph.feed(puddle, name, value)
            film = (water, puddle.outputs[0])
    if snow > 0.0:
        color, rough = snowed(graph, (color, rough), (broad, fine, up, paved), snow)
    return color, rough, film


def snowed(graph: Any, surface: Any, field: Any, snow: Any) -> Any:
    """Cover what looks up with snow, in the patches of the rasteriser."""
    color, rough = surface
    broad, fine, up, paved = field
    amount = graph.math("SUBTRACT", snow, graph.math("MULTIPLY", paved, 0.45 * snow))
    patch = graph.math("ADD", graph.math("MULTIPLY", broad, 0.7), graph.math("MULTIPLY", fine, 0.3))
    lies = graph.math("ADD", graph.math("SUBTRACT", amount, patch), 0.22)
    lies = graph.math("MULTIPLY", lies, 3.0, clamp=True)
    faces_up = graph.math("SUBTRACT", graph.math("MULTIPLY", up, 2.0), 0.8)
    faces_up = graph.math("MULTIPLY", faces_up, 1.0, clamp=True)
    lies = graph.math("MULTIPLY", lies, faces_up)
    grain = graph.math("ADD", 0.7176, graph.math("MULTIPLY", fine, 0.078))
    white = graph.node("ShaderNodeCombineXYZ", X=grain, Y=grain, Z=grain).outputs[0]
    color = graph.blend(lies, color, white)
    return color, graph.math("MAXIMUM", rough, graph.math("MULTIPLY", lies, 0.9))


def ground_field(graph: Any, scene: Any) -> Any:
    """Two readings of the field of clouds by place: broad (smooth) and fine (in cells)."""
    image = bpy.data.images.get("clouds")
    if image is None:
        image = image_of("clouds", np.repeat(scene["clouds"][..., None], 3, 2))
    spot = graph.node("ShaderNodeNewGeometry").outputs["Position"]
    out = []
    for tile, kind in ((PUDDLE_TILE, "Linear"), (GRAIN_TILE, "Closest")):
        where = graph.multiply(spot, (1.0 / tile, 1.0 / tile, 0.0))
        texture = graph.node(
            "ShaderNodeTexImage", {"image": image, "interpolation": kind}, Vector=where
        )
        out.append(graph.node("ShaderNodeRGBToBW", Color=texture.outputs["Color"]).outputs[0])
    return out


def emit(graph: Any, shader: Any, row: Any, meta: Any, alpha: Any) -> None:
    """Lamps that are on, and lit panes."""
    on = meta["lamps_on"]
    level = {0: 0.0, 1: graph.attribute("head"), 2: graph.attribute("tail"), 3: on, 4: 1.0}
    if row["texture"] and row["texture"].startswith("facade"):
        lit = graph.math("MAXIMUM", graph.math("SUBTRACT", alpha, 0.4), 0.0)
        graph.feed(shader, "Emission Color", tuple(meta["window_light"]))
        graph.feed(shader, "Emission Strength", graph.math("MULTIPLY", lit, on / 0.6))
    elif row["lamp"]:
        graph.feed(shader, "Emission Color", tuple(row["emission"]))
        graph.feed(shader, "Emission Strength", level[row["lamp"]])


def build_meshes(scene: Any, materials: Any) -> None:
    """One object per instance number, 0 for the scenery, with our own normals."""
    owner = scene["owner"]
    number = scene["number"][owner]
    kept = distinct(scene)
    scene = {**scene, "faces": oriented(scene)}
    for value in np.unique(number):
        faces = kept[number[kept] == value]
        build_mesh(scene, faces, int(value), materials)


def distinct(scene: Any) -> Any:
    """Faces without those that lie on an earlier one corner for corner: they would shade it."""
    corners = np.rint(scene["vertices"][scene["faces"]].astype(np.float64) * 1000.0)
    order = np.lexsort(np.moveaxis(corners, 2, 0), axis=-1)
    ordered = np.take_along_axis(corners, order[..., None], 1).reshape(len(corners), 9)
    _, first = np.unique(ordered, axis=0, return_index=True)
    return np.sort(first)


def oriented(scene: Any) -> Any:
    """Faces that run counter-clockwise around their own normals, as leaves do not always."""
    faces = scene["faces"]
    a, b, c = (scene["vertices"][faces[:, k]] for k in range(3))
    lean = (np.cross(b - a, c - a) * scene["normals"][faces].sum(1)).sum(-1)
    return np.where(lean[:, None] < 0, faces[:, ::-1], faces)


def build_mesh(scene: Any, chosen: Any, value: Any, materials: Any) -> None:
    """Make one mesh with texture coordinates, normals and attributes."""
    used, corner = np.unique(scene["faces"][chosen], return_inverse=True)
    corner = corner.reshape(-1).astype(np.int32)
    mesh = bpy.data.meshes.new(f"mesh {value}")
    mesh.vertices.add(len(used))
    mesh.vertices.foreach_set("co", scene["vertices"][used].astype(np.float32).reshape(-1))
    mesh.loops.add(len(corner))
    mesh.loops.foreach_set("vertex_index", corner)
    mesh.polygons.add(len(chosen))
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * len(chosen), 3, dtype=np.int32))
    names, slot = np.unique(scene["material"][chosen], return_inverse=True)
    for index in names:
        mesh.materials.append(materials[index])
    mesh.polygons.foreach_set("material_index", slot.reshape(-1).astype(np.int32))
    layer = mesh.uv_layers.new(name="uv")
    layer.data.foreach_set("uv", scene["uv"][used][corner].astype(np.float32).reshape(-1))
    thing = np.zeros(len(used), np.int64)
    thing[corner] = np.repeat(scene["owner"][chosen], 3)
    add_attributes(scene, mesh, thing)
    mesh.update(calc_edges=True)
    mesh.normals_split_custom_set_from_vertices(scene["normals"][used].tolist())
    item = bpy.data.objects.new(mesh.name, mesh)
    item.pass_index = value
    bpy.context.scene.collection.objects.link(item)


def add_attributes(scene: Any, mesh: Any, thing: Any) -> None:
    """Write what a thing lends its vertices: tint, lamps, whether it is ground."""
    tint = np.ones((len(thing), 4), np.float32)
    tint[:, :3] = scene["tint"][thing]
    mesh.attributes.new("tint", "FLOAT_COLOR", "POINT").data.foreach_set("color", tint.reshape(-1))
    surface = scene["surface"][thing]
    values = {
        "head": scene["lamps"][thing, 0],
        "tail": scene["lamps"][thing, 1],
        "ground": (surface >= 1) & (surface <= TERRAIN),
        "paved": (surface >= 1) & (surface <= SIDEWALK),
    }
    for name, value in values.items():
        attribute = mesh.attributes.new(name, "FLOAT", "POINT")
        attribute.data.foreach_set("value", value.astype(np.float32))


def build_camera(meta: Any) -> Any:
    """A pinhole camera with the focal length of the views."""
    camera = bpy.data.cameras.new("camera")
    camera.sensor_fit, camera.sensor_width = "HORIZONTAL", 36.0
    camera.lens = meta["focal_px"] / meta["width_px"] * 36.0
    camera.clip_start, camera.clip_end = 0.1, 5000.0
    item = bpy.data.objects.new("camera", camera)
    bpy.context.scene.collection.objects.link(item)
    bpy.context.scene.camera = item
    return item


def trace(camera: Any, eye: Any, turn: Any) -> Any:
    """Render one view; the rows of `turn` are right, down and forward."""
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2] = turn[0], -turn[1], -turn[2]
    pose[:3, 3] = eye
    camera.matrix_world = Matrix(pose.tolist())
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "frame.exr")
        bpy.context.scene.render.filepath = path
        bpy.ops.render.render(write_still=True)
        channels = {}
        with OpenEXR.File(path, separate_channels=True) as file:
            for part in file.parts:
                for name, channel in part.channels.items():
                    channels[name] = np.asarray(channel.pixels, np.float32)
    return {
        "radiance": np.stack([_find(channels, f"Combined.{c}") for c in "RGB"], -1).astype(
            np.float16
        ),
        "number": np.rint(_find(channels, "Object Index", "IndexOB")).astype(np.uint16),
        "depth": _find(channels, "Depth"),
    }


def _find(channels: Any, *parts: str) -> Any:
    for name, pixels in channels.items():
        if any(part in name for part in parts):
            return pixels
    raise KeyError(f"no channel {parts} among {sorted(channels)}")


def main() -> None:
    """Answer jobs until the input ends; Blender's own chatter goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            answer = render(json.loads(line))
        except (KeyError, ValueError, OSError, RuntimeError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Path-trace scene files with Mitsuba 3; runs in an environment of its own that has `mitsuba`.

The permissive second beside cycles_backend.py, with the same input lines and answers. It has no
nodes that read a place in the world, so that wetness and snow are spread evenly over the ground
instead of lying in puddles and patches, and it does not denoise: ask for more samples.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

import drjit as dr
import mitsuba as mi
import numpy as np

UNIT = 128.0 / 255.0
"""Value of a texel that stands for a factor of one."""
TERRAIN, SIDEWALK = 4, 3
"""Surface classes: ground is at most TERRAIN, paved ground 1 to SIDEWALK."""
DEPTH = 7
"""Longest path, in edges."""
NEAR = 0.1
"""Distance of the plane on which rays begin [m]."""


def render(job: Any) -> Any:
    """Render one scene file; return the path of the answer and the CPU time it took."""
    begun = time.process_time()
    dr.set_thread_count(int(job.get("threads", 1)))
    scene = read(job["scene"])
    numbers, parts = build_shapes(scene)
    world = mi.load_dict({"type": "scene", **parts, **build_lights(scene)})
    samples = int(job.get("samples", 64))
    views = zip(scene["eye"], scene["turn"], strict=True)
    layers = [trace(world, scene["meta"], numbers, eye, turn, samples) for eye, turn in views]
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


def build_lights(scene: Any) -> Any:
    """Sky, sun and lamps; irradiance of a lamp is pi color / d^2, its core is left out."""
    meta = scene["meta"]
    # Mitsuba's panorama has its pole at +y and its middle column at +z; ours looks along +x.
    stand = mi.ScalarTransform4f().rotate([0, 0, 1], 90.0).rotate([1, 0, 0], 90.0)
    sky = mi.Bitmap(np.ascontiguousarray(scene["sky"], np.float32))
    out = {"sky": {"type": "envmap", "bitmap": sky, "to_world": stand}}
    sun = np.array(meta["sun"])
    if sun.max() > 0.0:
        out["sun"] = {
            "type": "directional",
            "direction": (-np.array(meta["sun_direction"])).tolist(),
            "irradiance": color_of(math.pi * sun),
        }
    lamps = zip(
        scene["lights_color"],
        scene["lights_position"],
        scene["lights_direction"],
        scene["lights_cone"],
        strict=True,
    )
    for i, (color, position, direction, cone) in enumerate(lamps):
        if color.max() <= 0.0:
            continue
        inner, outer = (math.degrees(math.acos(float(c))) for c in cone)
        side = [0.0, 0.0, 1.0] if abs(direction[2]) < 0.9 else [1.0, 0.0, 0.0]
        pose = mi.ScalarTransform4f().look_at(
            origin=position.tolist(), target=(position + direction).tolist(), up=side
        )
        out[f"lamp_{i}"] = {
            "type": "spot",
            "intensity": color_of(math.pi * color),
            "cutoff_angle": outer,
            "beam_width": min(inner, 0.99 * outer),
            "to_world": pose,
        }
    return out


def color_of(value: Any) -> Any:
    """A colour as Mitsuba takes it."""
    return {"type": "rgb", "value": [float(c) for c in value]}


def build_shapes(scene: Any) -> Any:
    """One mesh per material and thing lent to it, and the instance number of each."""
    owner = scene["owner"]
    lent = np.column_stack(
        [
            scene["number"][owner],
            scene["material"],
            np.unique(scene["tint"], axis=0, return_inverse=True)[1].reshape(-1)[owner],
            np.unique(scene["lamps"], axis=0, return_inverse=True)[1].reshape(-1)[owner],
            scene["surface"][owner],
        ]
    )
    groups, member = np.unique(lent, axis=0, return_inverse=True)
    numbers, parts, shared = [], {}, {}
    for g, row in enumerate(groups):
        chosen = np.flatnonzero(member.reshape(-1) == g)
        thing = int(owner[chosen[0]])
        key = tuple(int(v) for v in row[1:])
        if key not in shared:
            shared[key] = build_material(scene, int(row[1]), thing)
        glow = emitter_of(scene, int(row[1]), thing)  # An emitter belongs to one mesh.
        parts[f"mesh_{g}"] = build_mesh(scene, chosen, f"mesh_{g}", shared[key], glow)
        numbers.append(int(row[0]))
    return np.array(numbers), parts


def build_mesh(scene: Any, chosen: Any, name: Any, surface: Any, glow: Any) -> Any:
    """Triangles with our own normals and texture coordinates."""
    used, corner = np.unique(scene["faces"][chosen], return_inverse=True)
    properties = mi.Properties()
    properties["surface"] = surface
    if glow is not None:
        properties["glow"] = glow
    mesh = mi.Mesh(
        name,
        vertex_count=len(used),
        face_count=len(chosen),
        has_vertex_normals=True,
        has_vertex_texcoords=True,
        props=properties,
    )
    values = mi.traverse(mesh)
    for key, array in (("positions", "vertices"), ("normals", "normals"), ("texcoords", "uv")):
        flat = scene[array][used].astype(np.float32).ravel()
        values[f"vertex_{key}"] = flat
    values["faces"] = corner.astype(np.uint32).ravel()
    values.update()
    return mesh


def build_material(scene: Any, index: Any, thing: Any) -> Any:
    """Give the surface of one material as lent to a thing."""
    meta = scene["meta"]
    row = meta["materials"][index]
    tint = scene["tint"][thing] if row["is_tinted"] else np.ones(3)
    albedo, rough, whole = np.array(row["albedo"]) * tint, row["roughness"], None
    if row["texture"]:
        whole = texels_of(scene, row)
        albedo = albedo / UNIT
    albedo, rough, film = weathered(meta, int(scene["surface"][thing]), albedo, rough)
    if whole is None:
        color = color_of(np.clip(albedo, 0.0, 1.0))
    else:
        color = bitmap_of(np.clip(whole[..., :3] * albedo, 0.0, 1.0), row["tile"])
    surface = {
        "type": "principled",
        "base_color": color,
        "roughness": float(np.clip(rough, 0.03, 1.0)),
        "metallic": float(row["metallic"]),
        "specular": float(np.clip(row["gloss"] / 0.08, 0.0, 1.0)),
        "clearcoat": float(max(row["clearcoat"], film)),
        "clearcoat_gloss": 0.95,
    }
    return mi.load_dict({"type": "twosided", "material": surface})


def weathered(meta: Any, surface: Any, albedo: Any, rough: Any) -> Any:
    """Darken and smooth ground that is wet, whiten what lies under snow, evenly."""
    wet, snow = meta["wetness"], meta["snow"]
    ground, paved = 1 <= surface <= TERRAIN, 1 <= surface <= SIDEWALK
    film = 0.0
    if ground and wet > 0.0:
        albedo = albedo * (1.0 - wet * (0.25 + 0.27 * paved))
        film = 0.6 * wet * paved
    if ground and snow > 0.0:
        lies = float(np.clip(3.0 * (snow - 0.45 * snow * paved - 0.28), 0.0, 1.0))
        albedo, rough = albedo * (1.0 - lies) + 0.75 * lies, max(rough, 0.9 * lies)
    return albedo, rough, film


def texels_of(scene: Any, row: Any) -> Any:
    """The bitmap of a material, with values up to 1."""
    texels = scene["textures"][scene["meta"]["textures"].index(row["texture"])]
    return texels.astype(np.float32) / 255.0


def bitmap_of(pixels: Any, tile: Any) -> Any:
    """A linear bitmap repeated every `tile` metres; row 0 of the pixels is at the bottom."""
    return {
        "type": "bitmap",
        "bitmap": mi.Bitmap(np.ascontiguousarray(pixels[::-1], np.float32)),
        "raw": True,
        "to_uv": mi.ScalarTransform3f().scale([1.0 / tile, 1.0 / tile]),
    }


def emitter_of(scene: Any, index: Any, thing: Any) -> Any:
    """Light that a material gives: lamps that are on, lit panes; None if dark."""
    meta = scene["meta"]
    row = meta["materials"][index]
    head, tail = (float(v) for v in scene["lamps"][thing])
    if row["texture"] and row["texture"].startswith("facade"):
        lit = np.maximum(texels_of(scene, row)[..., 3:] - 0.4, 0.0) * meta["lamps_on"] / 0.6
        radiance = lit * np.array(meta["window_light"], np.float32)
        return area_light(bitmap_of(radiance, row["tile"])) if radiance.max() > 0.0 else None
    level = {0: 0.0, 1: head, 2: tail, 3: float(meta["lamps_on"]), 4: 1.0}[row["lamp"]]
    radiance = level * np.array(row["emission"])
    return area_light(color_of(radiance)) if radiance.max() > 0.0 else None


def area_light(radiance: Any) -> Any:
    """A surface that shines."""
    return mi.load_dict({"type": "area", "radiance": radiance})


def trace(world: Any, meta: Any, numbers: Any, eye: Any, turn: Any, samples: Any) -> Any:
    """Render one view; the rows of `turn` are right, down and forward."""
    width, height = meta["width_px"], meta["height_px"]
    pose = mi.ScalarTransform4f().look_at(
        origin=eye.tolist(), target=(eye + turn[2]).tolist(), up=(-turn[1]).tolist()
    )
    film = {"type": "hdrfilm", "width": width, "height": height, "rfilter": {"type": "box"}}
    view = {
        "type": "perspective",
        "fov_axis": "x",
        "fov": math.degrees(2.0 * math.atan(width / 2.0 / meta["focal_px"])),
        "near_clip": NEAR,
        "far_clip": 5000.0,
        "to_world": pose,
        "film": {**film, "pixel_format": "rgb", "component_format": "float32"},
        "sampler": {"type": "independent", "sample_count": samples},
    }
    camera = mi.load_dict(view)
    middle = {"type": "stratified", "jitter": False, "sample_count": 1}
    still = mi.load_dict({**view, "sampler": middle})
    light = mi.load_dict({"type": "path", "max_depth": DEPTH})
    radiance = np.array(mi.render(world, sensor=camera, integrator=light, spp=samples))
    # Numbers cannot be averaged: one ray through the middle of each pixel.
    first = mi.load_dict({"type": "aov", "aovs": "away:depth,shape:shape_index"})
    channels = np.array(mi.render(world, sensor=still, integrator=first, spp=1))
    away, shape = channels[..., -2], channels[..., -1]
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    slant = np.hypot(column - width / 2.0, row - height / 2.0) / meta["focal_px"]
    hit = away > 0.0
    order = numbers[[int(s.id().removeprefix("mesh_")) for s in world.shapes()]]
    depth = np.where(hit, away / np.sqrt(1.0 + slant**2) + NEAR, np.inf)
    number = np.where(hit, order[np.where(hit, np.rint(shape), 0).astype(int)], 0)
    return {
        "radiance": np.clip(radiance[..., :3], 0.0, 6e4).astype(np.float16),
        "number": number.astype(np.uint16),
        "depth": depth.astype(np.float32),
    }


def main() -> None:
    """Answer jobs until the input ends; chatter goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    mi.set_variant("scalar_rgb")
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

"""Street scenes with as many triangles as wanted, and the peer that traces them."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.maps import MAP_SOURCES
from scenegen.render import (
    AgentMotion,
    Stage,
    SurfaceClass,
    Triangles,
    assemble,
    build_world,
)
from scenegen.render.stage import Instances, Placement
from scenegen.scene import AgentKind, AgentStates, Conditions, Scene

ABSENT = "embreex is not installed here, so that no figure of a ray tracer stands beside ours"
BODIES = ("sedan", "suv", "hatch", "van", "truck", "bus", "cyclist", "walker/0", "tree/0")


@cache
def street(conditions: Conditions = Conditions()) -> Stage:  # noqa: B008 - it is frozen
    """Give one instant of an urban road, the ego alone on it."""
    roadmap = MAP_SOURCES["urban"]().draw(np.random.default_rng(1))
    line = roadmap.lanes[roadmap.traffic_lanes[0]].centerline
    x, y = (float(v) for v in line[len(line) // 3])
    step = line[len(line) // 3 + 1] - line[len(line) // 3]
    yaw = float(np.arctan2(step[1], step[0]))
    agents = AgentStates.of([(AgentKind.CAR, x, y, yaw, 10.0)])
    world = build_world(roadmap, conditions, 1)
    scene = Scene(roadmap=roadmap, agents=agents, conditions=conditions)
    return world.stage(scene, AgentMotion.still(1))


def sized(wanted: int, count: Callable[[Triangles], int]) -> Triangles:
    """Give the triangles of `street`, thinned or crowded to a number of them.

    Args:
        wanted: Triangles that are asked for; at most so many, and nearly so many, are there.
        count: How many of the triangles matter, for example those in view.
    """
    return thinned(wanted, count) if count(assemble(street())) > wanted else crowded(wanted, count)


def thinned(wanted: int, count: Callable[[Triangles], int]) -> Triangles:
    """Take things out of `street`, those of small and many triangles first: houses stay."""
    stage = street()
    faces = np.array([len(model.levels[0].faces) for model in stage.bank.models])
    density = faces / np.maximum(stage.bank.sphere[:, 3], 0.1) ** 2
    order = np.argsort(-density[stage.instances.model], kind="stable")

    def without(first: int) -> Triangles:
        left = stage.instances.chosen(np.sort(order[first:]))
        return assemble(replace(stage, instances=left))

    low, high = 0, len(order)
    while low < high:
        middle = (low + high) // 2
        if count(without(middle)) <= wanted:
            high = middle
        else:
            low = middle + 1
    return without(low)


def crowded(wanted: int, count: Callable[[Triangles], int]) -> Triangles:
    """Put road users and trees around the ego of `street` as long as there is room for them."""
    stage = street()
    rng = np.random.default_rng(0)
    extra: list[Placement] = []
    triangles = assemble(stage)
    while True:
        extra += [_someone(stage, rng) for _ in range(4)]
        crowd = Instances.of(extra, stage.bank.index)
        more = assemble(replace(stage, instances=Instances.concatenate([stage.instances, crowd])))
        if count(more) > wanted:
            return triangles
        triangles = more


def _someone(stage: Stage, rng: np.random.Generator) -> Placement:
    """Place a road user or a tree 8 to 100 m around the ego."""
    angle, away = rng.uniform(-np.pi, np.pi), rng.uniform(8.0, 100.0)
    x, y = stage.map_from_ego[:2, 3] + away * np.array([np.cos(angle), np.sin(angle)])
    return Placement(
        model=str(rng.choice(BODIES)),
        surface=SurfaceClass.CAR,
        x=float(x),
        y=float(y),
        yaw=float(rng.uniform(-np.pi, np.pi)),
        number=1,
    )


def has_embree() -> bool:
    """Whether the ray tracer that serves as a peer is installed."""
    return importlib.util.find_spec("embreex") is not None


def trace(
    triangles: Triangles, eye: FloatArray, rays: FloatArray
) -> dict[str, Callable[[], object]]:
    """Give calls that trace rays with Embree, its tree built anew and kept.

    A tree must be built anew, or mended, where the world moves.

    Args:
        triangles: What there is.
        eye: Where all rays begin, relative to the triangles' origin, shape (3,).
        rays: Directions, shape (R, 3).
    """
    scenes = importlib.import_module("embreex.rtcore_scene")
    meshes = importlib.import_module("embreex.mesh_construction")
    corners = np.ascontiguousarray(triangles.vertices[triangles.faces], np.float32)
    directions = np.ascontiguousarray(rays.reshape(-1, 3), np.float32)
    origins = np.ascontiguousarray(np.broadcast_to(eye, directions.shape), np.float32)
    kept = scenes.EmbreeScene()
    meshes.TriangleMesh(kept, corners)

    def anew() -> object:
        scene = scenes.EmbreeScene()
        meshes.TriangleMesh(scene, corners)
        return scene.run(origins, directions)

    return {
        "embree, tree anew": anew,
        "embree, tree kept": lambda: kept.run(origins, directions),
    }

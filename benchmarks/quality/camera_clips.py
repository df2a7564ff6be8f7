"""Short clips of simulated scenes, and how steady drawn pictures are along them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from scenegen.appearance.camera_inputs import CameraInputs, camera_inputs
from scenegen.appearance.camera_losses import warped
from scenegen.arrays import FloatArray
from scenegen.errors import QueryError, UnsatisfiedError
from scenegen.pipeline.compose import Request
from scenegen.pipeline.generate import Generator
from scenegen.pipeline.teacher import CAMERA_HEIGHT, CONDITIONS
from scenegen.query import parse
from scenegen.render import Picture, PinholeCamera, Stage, View, assemble, build_world, look
from scenegen.render.flow import Flow, optical_flow
from scenegen.sensors import agent_motions, camera_pose

FIRST = 20
"""Frame of the scenario at which a clip begins."""
SIDE_YAW, SIDE_STEP = 0.45, 0.4
"""Turn [rad] and place to the left [m] of the second camera."""
SEED = 71
"""Seed of the clips; pairs have others."""
Draw = Callable[[FloatArray, FloatArray], FloatArray]
"""Draws the tone (3, H, W) of a stack and a condition code."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Link:
    """Two pictures of the same things, and where the pixels of the first are in the second.

    Attributes:
        first: Number of the first picture of the clip.
        second: Number of the second one.
        motion: Columns and rows to go, shape (H, W, 2).
        seen: Which pixels are surfaces that both pictures show, shape (H, W).
    """

    first: int
    second: int
    motion: FloatArray
    seen: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clip:
    """Consecutive pictures at 10 Hz, and one of a second camera at the first instant.

    Attributes:
        inputs: What is drawn from, picture by picture; the second camera comes last.
        steps: Links between consecutive pictures.
        side: Link from the first camera to the second.
    """

    inputs: list[CameraInputs]
    steps: list[Link]
    side: Link


def draw_clips(count: int, frames: int, camera: PinholeCamera) -> list[Clip]:
    """Simulate clips under all conditions in turn."""
    clips: list[Clip] = []
    index = 0
    while len(clips) < count and index < 4 * count:
        text = f"{CONDITIONS[index % len(CONDITIONS)]} and urban"
        request = Request(query=parse(text), seed=SEED, agents=16, tries=24)
        with suppress(QueryError, UnsatisfiedError):  # Some roads rarely have what is asked for.
            clips.append(_clip(request, index, frames, camera))
        index += 1
    return clips


def _clip(request: Request, index: int, frames: int, camera: PinholeCamera) -> Clip:
    scenario = Generator(request).scenario(index).scenario
    world = build_world(scenario.roadmap, scenario.conditions, index)
    motions = agent_motions(scenario)
    rng = np.random.default_rng(0)
    stages = [world.stage(scenario.at(FIRST + k), motions[FIRST + k]) for k in range(frames)]
    pictures = [_look(stage, camera, 0.0, 0.0, rng) for stage in stages]
    side = _look(stages[0], camera, SIDE_STEP, SIDE_YAW, rng)
    steps = [
        link_of(k, k + 1, optical_flow(a.gbuffer, stages[k], b.gbuffer, stages[k + 1]), a)
        for k, (a, b) in enumerate(pairwise(pictures))
    ]
    across = optical_flow(pictures[0].gbuffer, stages[0], side.gbuffer, stages[0])
    inputs = [camera_inputs(p, s, index) for p, s in zip(pictures, stages, strict=True)]
    inputs.append(camera_inputs(side, stages[0], index))
    return Clip(inputs=inputs, steps=steps, side=link_of(0, frames, across, pictures[0]))


def _look(
    stage: Stage, camera: PinholeCamera, left: float, yaw: float, rng: np.random.Generator
) -> Picture:
    triangles = assemble(stage)
    pose = stage.map_from_ego @ camera_pose(0.5, left, CAMERA_HEIGHT, yaw)
    view = View.of(camera, pose, triangles.origin)
    return look(stage, triangles, view, rng, with_light=True)


def link_of(first: int, second: int, flow: Flow, picture: Picture) -> Link:
    """Join two pictures by the flow from the first one; the sky is left out."""
    surface = picture.gbuffer.depth.reshape(flow.seen.shape) > 0.0
    return Link(first=first, second=second, motion=flow.motion, seen=flow.seen & surface)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steadiness:
    """How steady a renderer is, one figure per clip.

    Attributes:
        warp: Mean absolute difference of consecutive pictures along the motion, shape (clips,).
        jump: The largest of the first three steps over the median step, shape (clips,).
        across: Mean absolute difference between two cameras, shape (clips,).
    """

    warp: FloatArray
    jump: FloatArray
    across: FloatArray


def steadiness(clips: list[Clip], draw: Draw) -> Steadiness:
    """Draw all clips and follow what they show."""
    warp, jump, across = [], [], []
    for clip in clips:
        tones = [draw(inputs.stack, inputs.condition) for inputs in clip.inputs]
        steps = [apart(tones, link) for link in clip.steps]
        warp.append(np.nanmean(steps))
        jump.append(np.nanmax(steps[:3]) / max(float(np.nanmedian(steps)), 1e-9))
        across.append(apart(tones, clip.side))
    return Steadiness(warp=np.array(warp), jump=np.array(jump), across=np.array(across))


def apart(tones: list[FloatArray], link: Link) -> float:
    """Mean absolute difference of two pictures along a link, nan where they share nothing."""
    here, there = (torch.from_numpy(tones[k])[None] for k in (link.first, link.second))
    motion = torch.from_numpy(link.motion.transpose(2, 0, 1).copy())[None]
    moved, inside = warped(there, motion)
    counted = torch.from_numpy(link.seen) & inside[0]
    if not bool(counted.any()):
        return float("nan")
    return float((here - moved).abs()[0].mean(0)[counted].mean())

"""A night in rain through both renderers, side by side, and how steady either is."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.quality.camera_clips import Link, apart, link_of
from scenegen.appearance.camera_develop import CameraAppearance
from scenegen.appearance.camera_tone import fixed_exposure, to_tone
from scenegen.arrays import FloatArray, IntArray
from scenegen.pipeline.compose import Request
from scenegen.pipeline.generate import Generator
from scenegen.query import parse
from scenegen.render import CLASS_NAMES, Picture, PinholeCamera, View, look
from scenegen.render.flow import optical_flow
from scenegen.render.picture import photograph
from scenegen.sensors import Rig, WorldView, agent_motions, camera_pose
from scenegen.training.checkpoint import write_atomically
from scenegen.view.lettering import draw_tag
from scenegen.view.video import BAR, write_mp4

QUERY = "night and rain and occluded_pedestrian(p, o)"
SEED, RATE = 4, 10.0
LIMBED = ("pedestrian", "animal")
"""Classes that do not move as rigid bodies."""
_SIZE_PX = 15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Film:
    """A film and its flicker.

    Attributes:
        query: What it shows.
        frames: Base beside learned, uint8, shape (H, 2 W, 3) each.
        warp: Warp error of every step by renderer, shape (frames - 1,).
    """

    query: str
    frames: list[IntArray]
    warp: dict[str, FloatArray]

    def jump(self, name: str, first: int) -> float:
        """Largest of the first steps over the median step."""
        steps = self.warp[name]
        return float(np.nanmax(steps[:first]) / max(float(np.nanmedian(steps)), 1e-9))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Shot:
    """One instant: what is seen, and its tones by renderer, shape (3, H, W)."""

    view: WorldView
    picture: Picture
    tones: dict[str, FloatArray]


def draw_film(appearance: CameraAppearance, frames: int, size: tuple[int, int]) -> Film:
    """Simulate a pedestrian who steps out between parked cars, and film it.

    Args:
        appearance: The learned camera.
        frames: Number of frames at 10 Hz.
        size: Rows and columns of each picture.
    """
    scenario = Generator(Request(query=parse(QUERY), seed=SEED)).scenario(0).scenario
    rig = Rig(name="none", sensors=())
    world, motions = rig.world(scenario, SEED), agent_motions(scenario)
    optics = PinholeCamera(height_px=size[0], width_px=size[1])
    shown: list[IntArray] = []
    warp: dict[str, list[float]] = {"base": [], "gan": []}
    last: _Shot | None = None
    for step in range(min(frames, scenario.steps)):
        view = rig.view(world, scenario, step, motions[step])
        shot, frame = _shot(view, optics, appearance)
        shown.append(frame)
        if last is not None:
            link = _link(last, shot)
            for name, values in warp.items():
                values.append(apart([last.tones[name], shot.tones[name]], link))
        last = shot
    return Film(query=QUERY, frames=shown, warp={k: np.array(v) for k, v in warp.items()})


def _shot(
    view: WorldView, optics: PinholeCamera, appearance: CameraAppearance
) -> tuple[_Shot, IntArray]:
    """Look once, and develop it both ways."""
    pose = view.stage.map_from_ego @ camera_pose(0.5, 0.0, 1.5)
    sight = View.of(optics, pose, view.triangles.origin)
    picture = look(view.stage, view.triangles, sight, None, with_light=True)
    radiances = {
        "base": picture.radiance,
        "gan": appearance.develop(picture, view.stage, view.seed),
    }
    exposure = fixed_exposure(view.stage.conditions)
    tones = {k: to_tone(v, exposure).transpose(2, 0, 1) for k, v in radiances.items()}
    depth = picture.gbuffer.depth.reshape(picture.radiance.shape[:2])
    pictures = [
        photograph(radiance, depth, view.stage, view.rng("camera/front"))
        for radiance in radiances.values()
    ]
    frame = np.ascontiguousarray(np.concatenate(pictures, 1))
    for k, name in enumerate(("shaded base", "learned camera")):
        draw_tag(frame, name, k * optics.width_px + 8, 18, BAR, _SIZE_PX, "left")
    return _Shot(view=view, picture=picture, tones=tones), frame


def _link(first: _Shot, second: _Shot) -> Link:
    """Follow surfaces that are rigid from one instant to the next."""
    here, there = first.picture.gbuffer, second.picture.gbuffer
    flow = optical_flow(here, first.view.stage, there, second.view.stage)
    found = link_of(0, 1, flow, first.picture)
    limbed = [number for number, name in enumerate(CLASS_NAMES) if name in LIMBED]
    rigid = ~np.isin(here.semantic, limbed).reshape(found.seen.shape)
    return Link(first=0, second=1, motion=found.motion, seen=found.seen & rigid)


def flicker_table(film: Film) -> str:
    """Warp error of every step as CSV."""
    lines = ["step,base,gan"]
    steps = zip(film.warp["base"], film.warp["gan"], strict=True)
    lines += [f"{k + 1},{base:.6f},{gan:.6f}" for k, (base, gan) in enumerate(steps)]
    return "\n".join(lines) + "\n"


def write_film(path: Path, film: Film) -> None:
    """Write a film: MP4 if its name ends so, else an animated WebP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".mp4":
        write_mp4(path, film.frames, RATE)
        return
    images = [Image.fromarray(frame) for frame in film.frames]
    out = io.BytesIO()
    images[0].save(
        out,
        format="WEBP",
        save_all=True,
        append_images=images[1:],
        duration=round(1000 / RATE),
        loop=0,
        quality=80,
    )
    write_atomically(path, out.getvalue())

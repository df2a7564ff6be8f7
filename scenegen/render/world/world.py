"""A road map grown into a world, and the stage it gives at every instant."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import shapely

from scenegen.arrays import FloatArray
from scenegen.geometry.transforms import rotation, se3
from scenegen.render.mesh import Model
from scenegen.render.meshes.furniture import LAMP_HEIGHT, LAMP_REACH
from scenegen.render.sky import cloud_map
from scenegen.render.stage import Instances, Lights, ModelBank, Placement, Stage
from scenegen.render.surfaces import SurfaceClass
from scenegen.render.textures import Textures, draw_textures
from scenegen.render.world.agents import AgentMotion, headlights, library, place_agents
from scenegen.render.world.countryside import add_horizon, add_verges
from scenegen.render.world.ground import (
    STRIP_WIDTH,
    build_ground,
    dressing,
    has_yellow_centers,
    is_town,
)
from scenegen.render.world.roadside import Roadside, add_country, add_town
from scenegen.render.world.street_furniture import add_furniture
from scenegen.scene import EGO, Conditions, Light, RoadMap, Scene, Weather
from scenegen.seeding import stream

LIT_SHARE = {Light.DAY: 0.04, Light.DUSK: 0.22, Light.NIGHT: 0.17}
"""Share of the windows with light behind them, by light."""
STREET_INTENSITY, STREET_REACH = 17.0, 30.0
"""Radiant intensity of a street lamp straight down, in the units of Lights; reach [m]."""
LAMP_TINTS = ((1.0, 0.72, 0.42), (1.0, 0.92, 0.80))
"""Sodium and LED lamps, linear RGB."""
LAND_STEP = 70.0
"""The land moves with the ego in steps of whole grass bitmaps, so that it never seems to [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class World:
    """Everything around a road that does not move, built once per scenario.

    Attributes:
        roadmap: The road.
        conditions: Light and weather.
        seed: Seed of the scenario.
        bank: All models.
        scenery: What stands there, signal heads and land aside.
        street_lamps: Lamps along the road.
        textures: Bitmaps.
        clouds: Field of cloud density.
    """

    roadmap: RoadMap
    conditions: Conditions
    seed: int
    bank: ModelBank
    scenery: Instances
    street_lamps: Lights
    textures: Textures
    clouds: FloatArray

    @property
    def lamps_on(self) -> float:
        """How far artificial light is on, 0-1."""
        return lamps_on(self.conditions)

    def stage(self, scene: Scene, motion: AgentMotion) -> Stage:
        """Give the world at one instant.

        Args:
            scene: Where everyone is.
            motion: How the agents move, shape (N,).
        """
        agents = scene.agents
        beams = max(self.lamps_on, _beams_by_day(self.conditions))
        x, y = (float(v) for v in agents.position[EGO])
        placements = place_agents(agents, motion, self.seed, lamps=beams)
        placements += _signal_heads(self.roadmap, scene.time)
        placements += [
            Placement(
                model="land",
                surface=SurfaceClass.TERRAIN,
                x=LAND_STEP * round(x / LAND_STEP),
                y=LAND_STEP * round(y / LAND_STEP),
            ),
            Placement(model="hills", surface=SurfaceClass.VEGETATION, x=x, y=y),
        ]
        instances = Instances.concatenate([self.scenery, Instances.of(placements, self.bank.index)])
        lights = [headlights(agents, motion, self.lamps_on)] if self.lamps_on > 0 else []
        lights += [self.street_lamps] if self.lamps_on > 0 else []
        return Stage(
            bank=self.bank,
            instances=instances,
            lights=Lights.concatenate(lights) if lights else Lights.of([]),
            textures=self.textures,
            clouds=self.clouds,
            conditions=self.conditions,
            agents=agents,
            map_from_ego=se3(np.array([x, y, 0.0]), 0.0, 0.0, float(agents.yaw[EGO])),
            time=scene.time,
            seed=self.seed,
        )


def lamps_on(conditions: Conditions) -> float:
    """How far street lamps and windows are on, 0 by day, 1 at night."""
    return {Light.DAY: 0.0, Light.DUSK: 0.6, Light.NIGHT: 1.0}[conditions.light]


def _beams_by_day(conditions: Conditions) -> float:
    poor = conditions.visibility < 1500 or conditions.weather in {Weather.RAIN, Weather.SNOW}
    return 0.7 if poor else 0.0


# Scenarios of one request share a seed, and with it bitmaps and clouds; nobody writes to them.
_textures = lru_cache(maxsize=4)(draw_textures)
_clouds = lru_cache(maxsize=4)(cloud_map)


# GEOS raises floating-point flags on harmless degenerate offsets of curves.
@np.errstate(invalid="ignore", divide="ignore")
def build_world(
    roadmap: RoadMap,
    conditions: Conditions,
    seed: int,
    *,
    standing: FloatArray | None = None,
) -> World:
    """Grow a world around a road map.

    Args:
        roadmap: The road.
        conditions: Light and weather.
        seed: What the scenery is drawn with.
        standing: Boxes (x, y, heading, length, width) of vehicles that stand throughout, maybe
            half on the pavement, shape (n, 5); lamps, trees and signs keep clear of them.
    """
    kind = dressing(roadmap)
    ground = build_ground(roadmap, stream(seed, "ground"), yellow_centers=has_yellow_centers(seed))
    side = Roadside(clear=_outlines(np.zeros((0, 5)) if standing is None else standing))
    rng = stream(seed, "roadside")
    if is_town(kind):
        add_town(side, ground.paved, ground.road, rng)
        add_furniture(side, ground.paved, ground.road, stream(seed, "furniture"))
        add_verges(side, ground.paved, (0.25,), stream(seed, "verges"))
    else:
        add_country(side, ground.paved, kind, rng)
        add_horizon(side, ground.paved, kind, stream(seed, "horizon"))
        verges = (STRIP_WIDTH + 0.05, STRIP_WIDTH + 0.7)
        add_verges(side, ground.paved, verges, stream(seed, "verges"))
    static = [
        Placement(model=name, surface=surface, tint=ground.tone)
        for name, (_, surface) in ground.models.items()
        if name not in {"land", "hills"}
    ]
    static += side.placements + _signal_poles(roadmap)
    models: dict[str, Model] = {**library(), **side.models}
    models |= {name: model for name, (model, _) in ground.models.items()}
    bank = ModelBank(names=tuple(models), models=tuple(models.values()))
    tint = np.array(LAMP_TINTS[int(stream(seed, "lamps").integers(len(LAMP_TINTS)))])
    return World(
        roadmap=roadmap,
        conditions=conditions,
        seed=seed,
        bank=bank,
        scenery=Instances.of(static, bank.index),
        street_lamps=_street_lights(side.lamps, tint * lamps_on(conditions)),
        textures=_textures(seed, LIT_SHARE[conditions.light]),
        clouds=_clouds(seed),
    )


def _outlines(boxes: FloatArray) -> shapely.Geometry:
    """Union of the outlines of boxes (x, y, heading, length, width), shape (n, 5)."""
    shapes = []
    for x, y, heading, length, width in boxes.astype(np.float64):
        turn = rotation(np.asarray(heading))
        half = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * [length / 2, width / 2]
        shapes.append(shapely.Polygon(half @ turn.T + [x, y]))
    return shapely.union_all(shapes) if shapes else shapely.Polygon()


def _street_lights(poles: list[tuple[float, float, float]], tint: FloatArray) -> Lights:
    down = np.array([0.0, 0.0, -1.0])
    rows = []
    for x, y, yaw in poles:
        head = np.array(
            [x + LAMP_REACH * np.cos(yaw), y + LAMP_REACH * np.sin(yaw), LAMP_HEIGHT - 0.1]
        )
        rows.append((head, down, STREET_INTENSITY * tint, 0.9, 1.35, STREET_REACH, 1.0))
    return Lights.of(rows)


def _signal_frames(roadmap: RoadMap) -> list[tuple[FloatArray, float, float]]:
    """Pole, heading of its traffic and side of the road (+1: the road is on its left)."""
    out: list[tuple[FloatArray, float, float]] = []
    for signal in roadmap.signals:
        if signal.lanes:
            line = roadmap.lanes[signal.lanes[0]].centerline
            step = line[1] - line[0]
        else:
            across = signal.stop_line[0] - signal.stop_line[1]
            step = np.array([across[1], -across[0]])
        heading = float(np.arctan2(step[1], step[0]))
        delta = signal.stop_line.mean(0) - signal.position
        left = -np.sin(heading) * delta[0] + np.cos(heading) * delta[1]
        out.append((np.asarray(signal.position, np.float64), heading, 1.0 if left > 0 else -1.0))
    return out


def _signal_poles(roadmap: RoadMap) -> list[Placement]:
    return [
        Placement(
            model="signal_arm",
            surface=SurfaceClass.POLE,
            x=float(place[0]),
            y=float(place[1]),
            yaw=heading,
            scale=(1.0, side, 1.0),
        )
        for place, heading, side in _signal_frames(roadmap)
    ]


def _signal_heads(roadmap: RoadMap, time: float) -> list[Placement]:
    """Two heads per signal: at the pole and over the lane."""
    out = []
    for signal, (place, heading, side) in zip(
        roadmap.signals, _signal_frames(roadmap), strict=True
    ):
        model = f"signal_head/{signal.state(time).name}"
        left = np.array([-np.sin(heading), np.cos(heading)]) * side
        for away, z in ((0.3, 2.6), (4.2, 5.1)):
            at = place + away * left
            out.append(
                Placement(
                    model=model,
                    surface=SurfaceClass.SIGNAL,
                    x=float(at[0]),
                    y=float(at[1]),
                    z=z,
                    yaw=heading,
                )
            )
    return out

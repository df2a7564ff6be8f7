"""Radars: detections with range, azimuth, range rate and cross section; ghosts and false alarms."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from scenegen.arrays import Array, BoolArray, FloatArray, IntArray, check_shape
from scenegen.geometry.transforms import se3
from scenegen.render import (
    CLASS_NAMES,
    CLASS_OF_KIND,
    RangeImage,
    RayGrid,
    SurfaceClass,
    cast_grid,
    hidden_share,
)
from scenegen.render.rasterizer import NOTHING
from scenegen.scene import EGO, AgentKind, ArraySpec
from scenegen.sensors.radar_models import (
    MIRROR_LOSS,
    MIRRORS,
    RADAR_MODELS,
    RadarModel,
    clutter_table,
    cross_section,
    rain_loss,
)
from scenegen.sensors.sensor import Sensor, WorldView

_SCENERY = RayGrid(elevation=np.radians(np.linspace(-6.0, 6.0, 13)), columns=720)
"""Rays that find what scenery echoes."""
_AGENTS = RayGrid(elevation=np.radians(np.linspace(-5.0, 3.0, 41)), columns=1440)
"""Rays that find how much of an agent is seen."""
_SPACING = 1.0
"""Distance of the points along its sides that stand for an agent [m]."""


class Origin(IntEnum):
    """Where a detection comes from; the numbers are stored, they never change."""

    TARGET = 0
    SCENERY = 1
    GHOST = 2
    FALSE_ALARM = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Echoes:
    """Points that send power back, before they fall into resolution cells; leading shape (n,).

    Attributes:
        place: Range [m], azimuth [rad] and range rate [m/s], shape (n, 3).
        section: Cross section [m^2].
        power: Share of the power that the way there and back leaves.
        number: Instance number, 0 for scenery.
        surface: SurfaceClass.
        origin: Origin.
    """

    place: FloatArray
    section: FloatArray
    power: FloatArray
    number: IntArray
    surface: IntArray
    origin: IntArray

    @classmethod
    def joined(cls, parts: list[Echoes]) -> Echoes:
        """Put several together."""
        names = ("place", "section", "power", "number", "surface", "origin")
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Radar(Sensor):
    """A radar on the ego; its frame is x forward, y left, z up.

    Agents are points along the sides of their box that face the radar and share its cross
    section by aspect, as far as they are seen; scenery echoes by the area that is seen. Points
    within one cell of range, azimuth and range rate are one detection. It is made where a
    fluctuating echo in noise exceeds the threshold (Swerling 1); its place is off by the
    resolution over sqrt(2 SNR). Upright metal mirrors agents: ghosts appear where the way over
    the mirror points to, with the range rate of the mirror image. Noise alone gives false
    alarms. The origin of every detection is told. Rain attenuates; echoes under and through
    vehicles are not modelled.

    Attributes:
        name: What it is called, for example "front".
        ego_from_sensor: Pose in the ego frame, shape (4, 4).
        model: The make.
    """

    name: str = "front"
    ego_from_sensor: FloatArray = field(
        default_factory=lambda: se3(np.array([2.2, 0.0, 0.6]), 0.0, 0.0, 0.0)
    )
    model: RadarModel = RADAR_MODELS["short_range"]

    def __post_init__(self) -> None:
        """Check the pose."""
        check_shape("ego_from_sensor", self.ego_from_sensor, 4, 4)

    def arrays(self) -> tuple[ArraySpec, ...]:
        """Announce detections and their labels."""
        base = f"radar/{self.name}"

        def column(name: str, dtype: str, units: str, what: str, *classes: str) -> ArraySpec:
            return ArraySpec(
                name=f"{base}/{name}",
                dims=("detection",),
                shape=(None,),
                dtype=dtype,
                units=units,
                long_name=what,
                codec="points",
                classes=classes,
            )

        origins = tuple(origin.name.lower() for origin in Origin)
        return (
            column("range", "float32", "m", "distance from the radar"),
            column("azimuth", "float32", "rad", "angle to the left of its axis"),
            column("range_rate", "float32", "m/s", "growth of the range; negative approaches"),
            column("rcs", "float32", "dBsm", "cross section, as measured"),
            column("snr", "float32", "dB", "signal over noise, as measured"),
            column("origin", "uint8", "", "where it comes from", *origins),
            column("semantic", "uint8", "", "class, sky for false alarms", *CLASS_NAMES),
            column("instance", "uint16", "", "agent index + 1, 0 for none; ghosts tell of whom"),
            ArraySpec(
                name=f"{base}/ego_from_radar",
                dims=("row", "column"),
                shape=(4, 4),
                dtype="float64",
                long_name="pose of the radar in the ego frame",
            ),
        )

    def sense(self, view: WorldView) -> dict[str, Array]:
        """Detect what echoes."""
        rng = view.rng(f"radar/{self.name}")
        echoes = radar_echoes(self.model, view, self.ego_from_sensor)
        found = _detect(self.model, echoes, rng)
        base = f"radar/{self.name}"
        place, snr, section, number, surface, origin = found
        return {
            f"{base}/range": place[:, 0].astype(np.float32),
            f"{base}/azimuth": place[:, 1].astype(np.float32),
            f"{base}/range_rate": place[:, 2].astype(np.float32),
            f"{base}/rcs": (10 * np.log10(np.maximum(section, 1e-9))).astype(np.float32),
            f"{base}/snr": (10 * np.log10(np.maximum(snr, 1e-9))).astype(np.float32),
            f"{base}/origin": origin.astype(np.uint8),
            f"{base}/semantic": surface.astype(np.uint8),
            f"{base}/instance": number.astype(np.uint16),
            f"{base}/ego_from_radar": np.asarray(self.ego_from_sensor, np.float64),
        }


def radar_echoes(model: RadarModel, view: WorldView, ego_from_sensor: FloatArray) -> Echoes:
    """Everything that sends power back to a radar, without noise.

    Args:
        model: The make.
        view: The world and how it moves.
        ego_from_sensor: Pose of the radar, shape (4, 4).
    """
    pose = view.stage.map_from_ego @ ego_from_sensor
    twist = view.twists[EGO]
    arm = pose[:2, 3] - view.stage.map_from_ego[:2, 3]
    own = twist[:2] + twist[2] * np.array([-arm[1], arm[0]])
    scenery = cast_grid(view.triangles, _SCENERY, pose, reach=model.reach)
    agents, points = _agent_echoes(model, view, pose, own)
    parts = [points, _scenery_echoes(model, view, pose, own, scenery)]
    parts.append(_ghosts(model, view, pose, own, (scenery, agents)))
    echoes = Echoes.joined(parts)
    rain = rain_loss(view.stage.conditions.rain_mm_per_h, echoes.place[:, 0])
    return Echoes(
        place=echoes.place,
        section=echoes.section,
        power=echoes.power * rain,
        number=echoes.number,
        surface=echoes.surface,
        origin=echoes.origin,
    )


def _polar(
    points: FloatArray, velocity: FloatArray, pose: FloatArray, own: FloatArray
) -> FloatArray:
    """Range, azimuth and range rate of moving points in the plane, shape (n, 3)."""
    away = points - pose[:2, 3]
    far = np.maximum(np.hypot(*away.T), 1e-6)
    rate = ((velocity - own) * away).sum(-1) / far
    local = away @ pose[:2, :2]
    return np.column_stack([far, np.arctan2(local[:, 1], local[:, 0]), rate])


def _within(model: RadarModel, place: FloatArray) -> BoolArray:
    return np.asarray(
        (place[:, 0] < model.reach)
        & (np.abs(place[:, 1]) < model.fov)
        & (np.abs(place[:, 2]) < model.fastest)
    )


def _agent_echoes(
    model: RadarModel, view: WorldView, pose: FloatArray, own: FloatArray
) -> tuple[IntArray, Echoes]:
    """Give the agents that are seen, and the points that stand for them."""
    states = view.stage.agents
    index = view.others(model.reach + 15)
    rows = view.rows(index) if len(index) else np.zeros(0, np.int64)
    index, rows = index[rows >= 0], rows[rows >= 0]
    alone, seen = hidden_share(view.triangles, _AGENTS, pose, rows, reach=model.reach + 15)
    share = seen / np.maximum(alone, 1)
    index, share = index[share > 0], share[share > 0]
    points: list[FloatArray] = [np.zeros((0, 2))]
    owner: list[IntArray] = [np.zeros(0, np.int64)]
    weight: list[FloatArray] = [np.zeros(0)]
    for i in index:
        place, part = _facing(
            states.position[i].astype(np.float64),
            float(states.yaw[i]),
            states.size[i].astype(np.float64),
            pose[:2, 3],
        )
        points.append(place)
        weight.append(part)
        owner.append(np.full(len(place), i))
    at, who = np.concatenate(points), np.concatenate(owner)
    arm = at - states.position[who]
    turning = view.twists[who, 2:] * np.column_stack([-arm[:, 1], arm[:, 0]])
    place = _polar(at, view.twists[who, :2] + turning, pose, own)
    aspect = np.arctan2(*(pose[:2, 3] - states.position[who])[:, ::-1].T) - states.yaw[who]
    total = cross_section(states.kind[who], aspect)
    visible = np.zeros(states.count)
    visible[index] = share
    keep = _within(model, place)
    return index, Echoes(
        place=place[keep],
        section=(total * np.concatenate(weight))[keep],
        power=visible[who][keep],
        number=who[keep] + 1,
        surface=_surface(states.kind[who])[keep],
        origin=np.full(int(keep.sum()), Origin.TARGET),
    )


def _surface(kind: IntArray) -> IntArray:
    return np.array([CLASS_OF_KIND[AgentKind(int(k))] for k in kind], np.int64)


def _facing(
    center: FloatArray, yaw: float, size: FloatArray, eye: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Points along the sides of a box that face a place, and the share of each in the echo.

    A side takes part with the square of the cosine under which it is seen.
    """
    ahead = np.array([np.cos(yaw), np.sin(yaw)])
    left = np.array([-ahead[1], ahead[0]])
    places, weights = [], []
    for normal, along, half, width in (
        (ahead, left, size[0] / 2, size[1]),
        (-ahead, left, size[0] / 2, size[1]),
        (left, ahead, size[1] / 2, size[0]),
        (-left, ahead, size[1] / 2, size[0]),
    ):
        middle = center + half * normal
        to = eye - middle
        cosine = float(to @ normal) / max(float(np.hypot(*to)), 1e-9)
        if cosine <= 0:
            continue
        count = max(1, round(width / _SPACING))
        step = ((np.arange(count) + 0.5) / count - 0.5) * width
        places.append(middle + step[:, None] * along)
        weights.append(np.full(count, (cosine**2 + 1e-3) / count))
    if not places:  # the radar is inside the box
        return center[None], np.ones(1)
    weight = np.concatenate(weights)
    return np.concatenate(places), weight / weight.sum()


def _scenery_echoes(
    model: RadarModel, view: WorldView, pose: FloatArray, own: FloatArray, image: RangeImage
) -> Echoes:
    """Echoes of what stands: the area that each ray sees, by its class."""
    triangles = view.triangles
    met = np.flatnonzero((image.face.reshape(-1) != NOTHING) & (image.range.reshape(-1) > 0.5))
    thing = triangles.owner[image.face.reshape(-1)[met]]
    still = triangles.number[thing] == 0
    met, thing = met[still], thing[still]
    far = image.range.reshape(-1)[met].astype(np.float64)
    cosine = np.maximum(image.incidence.reshape(-1)[met].astype(np.float64), 0.02)
    direction = _SCENERY.directions.reshape(-1, 3)[met] @ pose[:3, :3].T
    points = pose[:2, 3] + far[:, None] * direction[:, :2]
    solid_angle = np.radians(1.0) * 2 * np.pi / _SCENERY.columns
    surface = triangles.surface[thing].astype(np.int64)
    # A patch of area A at incidence i is seen as A cos i and sends back A s0 cos i.
    section = clutter_table()[surface] * solid_angle * far**2 * np.sqrt(cosine)
    place = _polar(points, np.zeros((len(points), 2)), pose, own)
    keep = _within(model, place) & (section > 0)
    count = int(keep.sum())
    return Echoes(
        place=place[keep],
        section=section[keep],
        power=np.ones(count),
        number=np.zeros(count, np.int64),
        surface=surface[keep],
        origin=np.full(count, Origin.SCENERY),
    )


def _ghosts(
    model: RadarModel,
    view: WorldView,
    pose: FloatArray,
    own: FloatArray,
    found: tuple[RangeImage, IntArray],
) -> Echoes:
    """Mirror images of agents in upright faces of scenery.

    A mirror at p with normal n shows an agent at c where c - 2 ((c - p) . n) n is, if a ray
    towards that place meets the mirror before it (the method of images). Both ways lead over
    the mirror. One image per agent and mirror thing is kept.
    """
    image, index = found
    triangles, states = view.triangles, view.stage.agents
    face = image.face.reshape(-1)
    hit = np.flatnonzero(face != NOTHING)
    hit = hit[np.isin(triangles.surface[triangles.owner[face[hit]]], MIRRORS)]
    corner = triangles.vertices[triangles.faces[face[hit]]].astype(np.float64)
    normal = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    upright = np.abs(normal[:, 2]) < 0.1
    hit, normal = hit[upright], normal[upright, :2]
    far = image.range.reshape(-1)[hit]
    direction = _SCENERY.directions.reshape(-1, 3)[hit] @ pose[:3, :3].T
    place = pose[:2, 3] + far[:, None] * direction[:, :2]
    azimuth = np.arctan2(direction[:, 1], direction[:, 0])
    rows: list[tuple[float, ...]] = []
    step = 2 * np.pi / _SCENERY.columns
    for i in index:
        center = states.position[i].astype(np.float64)
        side = ((center - place) * normal).sum(-1)
        eye_side = ((pose[:2, 3] - place) * normal).sum(-1)
        shown = center - 2 * side[:, None] * normal
        away = shown - pose[:2, 3]
        off = np.angle(np.exp(1j * (np.arctan2(away[:, 1], away[:, 0]) - azimuth)))
        fits = (np.abs(off) < step) & (side * eye_side > 0) & (np.hypot(*away.T) > far)
        for k in np.flatnonzero(fits)[:1]:
            velocity = view.twists[i, :2] - 2 * (view.twists[i, :2] @ normal[k]) * normal[k]
            polar = _polar(shown[k][None], velocity[None], pose, own)[0]
            heading = np.array([np.cos(states.yaw[i]), np.sin(states.yaw[i])])
            heading = heading - 2 * (heading @ normal[k]) * normal[k]
            aspect = np.arctan2(-away[k, 1], -away[k, 0]) - np.arctan2(heading[1], heading[0])
            section = cross_section(states.kind[i : i + 1], np.array([aspect]))[0]
            rows.append((*(float(v) for v in polar), float(section), int(i)))
    table = np.array(rows, np.float64).reshape(-1, 5)
    table = table[_within(model, table[:, :3])]
    who = table[:, 4].astype(np.int64)
    return Echoes(
        place=table[:, :3],
        section=table[:, 3],
        power=np.full(len(table), MIRROR_LOSS**2),
        number=who + 1,
        surface=_surface(states.kind[who]),
        origin=np.full(len(table), Origin.GHOST),
    )


def _detect(
    model: RadarModel, echoes: Echoes, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray, IntArray]:
    """Put echoes into cells, let them fluctuate in noise, and add false alarms."""
    steps = np.array([model.range_step, model.azimuth_step, model.rate_step])
    cell = np.floor(echoes.place / steps).astype(np.int64)
    _, group = np.unique(cell, axis=0, return_inverse=True)
    group = group.reshape(-1)
    count = int(group.max(initial=-1)) + 1
    snr = model.snr(echoes.section, echoes.place[:, 0], echoes.place[:, 1]) * echoes.power
    total = np.bincount(group, snr, count)
    safe = np.maximum(total, 1e-30)
    place = np.column_stack(
        [np.bincount(group, snr * echoes.place[:, k], count) / safe for k in range(3)]
    ).reshape(-1, 3)
    section = np.bincount(group, snr * echoes.section, count) / safe
    # The strongest point names the cell.
    order = np.lexsort((snr, group))
    last = np.flatnonzero(np.append(np.diff(group[order]) != 0, True)) if len(order) else order
    name = order[last]
    power = (1 + total) * rng.exponential(size=count)
    seen = (power > model.threshold) & (total > 0)
    measured = np.maximum(power - 1, 1e-3)
    error = rng.standard_normal((count, 3)) * steps / np.sqrt(2 * np.maximum(measured, 1))[:, None]
    place = place + error
    cells = model.reach * 2 * model.fov * 2 * model.fastest / float(np.prod(steps))
    alarms = int(rng.poisson(cells * model.false_alarm))
    low = np.array([0.0, -model.fov, -model.fastest])
    high = np.array([model.reach, model.fov, model.fastest])
    strays = rng.uniform(low, high, (alarms, 3))
    stray = model.threshold - 1 + rng.exponential(size=alarms)
    unit = model.snr(np.ones(alarms), strays[:, 0], strays[:, 1])
    return (
        np.concatenate([place[seen], strays]),
        np.concatenate([measured[seen], stray]),
        np.concatenate([(section * measured / safe)[seen], stray / np.maximum(unit, 1e-30)]),
        np.concatenate([echoes.number[name][seen], np.zeros(alarms, np.int64)]),
        np.concatenate([echoes.surface[name][seen], np.full(alarms, SurfaceClass.SKY)]),
        np.concatenate([echoes.origin[name][seen], np.full(alarms, Origin.FALSE_ALARM)]),
    )

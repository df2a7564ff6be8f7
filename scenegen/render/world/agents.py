"""Road users as instances: which mesh, in which pose, colour and light."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scenegen.arrays import BoolArray, FloatArray, IntArray
from scenegen.render.mesh import Model
from scenegen.render.meshes import cars, furniture, heavy, others, people, plants
from scenegen.render.meshes.beacons import PHASES, with_beacons
from scenegen.render.meshes.clutter import CLUTTER
from scenegen.render.stage import Lights, Placement
from scenegen.render.surfaces import CLASS_OF_KIND
from scenegen.scene import EGO, AgentKind, AgentStates, SignalState
from scenegen.seeding import stream

PAINTS = (
    ((0.60, 0.61, 0.62), 0.25),
    ((0.016, 0.017, 0.02), 0.20),
    ((0.14, 0.148, 0.157), 0.18),
    ((0.36, 0.37, 0.385), 0.12),
    ((0.022, 0.055, 0.17), 0.09),
    ((0.30, 0.018, 0.02), 0.08),
    ((0.05, 0.10, 0.08), 0.03),
    ((0.42, 0.33, 0.22), 0.04),
)
"""Car paints, linear RGB, and their shares (Axalta Global Colour Popularity Report, rounded)."""
EMERGENCY_PAINT = (0.62, 0.63, 0.64)
"""Paint of vehicles with blue light, linear RGB."""
BUS_PAINTS = ((0.55, 0.06, 0.03), (0.62, 0.42, 0.03), (0.10, 0.26, 0.48), (0.6, 0.6, 0.58))
CLOTHES = (
    (0.45, 0.07, 0.06),
    (0.08, 0.16, 0.35),
    (0.5, 0.5, 0.48),
    (0.06, 0.06, 0.07),
    (0.42, 0.33, 0.1),
    (0.12, 0.26, 0.14),
    (0.65, 0.25, 0.08),
)
HEADLAMP = np.array([1.0, 0.96, 0.88])
"""Colour of a headlamp, linear RGB."""
HEAD_INTENSITY, HEAD_REACH, HEAD_CORE = 34.0, 75.0, 9.0
"""Radiant intensity of a pair of low beams on the axis, in the units of Lights; reach and
core [m]."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AgentMotion:
    """What the states of one instant do not tell about how agents move.

    Attributes:
        travelled: Way each agent has come since the scenario began [m], shape (N,); it sets the
            phase of a walk.
        braking: Whether the brake lights of each agent are on, shape (N,).
        parked: Whether each agent stands throughout, its lights off, shape (N,).
        beacons: 0 without blue light, else 1 or 2: the left or the right half of the bar on the
            roof of a car, truck or bus shines, shape (N,).
    """

    travelled: FloatArray
    braking: BoolArray
    parked: BoolArray
    beacons: IntArray

    @classmethod
    def still(cls, count: int) -> AgentMotion:
        """Give N agents that have come no way, do not brake and have their lights on."""
        off = np.zeros(count, np.bool_)
        return cls(
            travelled=np.zeros(count), braking=off, parked=off, beacons=np.zeros(count, np.int64)
        )


@lru_cache(maxsize=1)
def library() -> dict[str, Model]:
    """Every model that does not depend on a road map."""
    out = {name: cars.car(name) for name in cars.CAR_SHAPES}
    out |= {"truck": heavy.truck(), "semi": heavy.semi(), "bus": heavy.bus()}
    out |= {
        f"{name}/beacon/{phase}": with_beacons(model, phase)
        for name, model in list(out.items())
        for phase in range(PHASES)
    }
    out |= {"cyclist": people.cyclist(), "motorcycle": people.motorcycle()}
    out |= {f"walker/{k}": people.pedestrian(k) for k in range(people.WALK_PHASES)}
    out |= {f"animal/{k}": others.animal(k) for k in range(people.WALK_PHASES)}
    out |= {"cone": others.cone(), "crate": others.crate(), "barrier": others.barrier()}
    rng = stream(0, "plants")
    out |= {f"tree/{k}": plants.tree(rng) for k in range(5)}
    out |= {f"street_tree/{k}": plants.street_tree(rng) for k in range(4)}
    out |= {f"conifer/{k}": plants.conifer(rng) for k in range(3)}
    out |= {f"bush/{k}": plants.bush(rng) for k in range(3)}
    out |= {f"grove/{k}": plants.grove(rng) for k in range(3)}
    out |= {"hedge": plants.hedge(rng)}
    out |= {name: build() for name, (build, _) in CLUTTER.items()}
    out |= {f"sign/{kind}": furniture.sign(kind) for kind in furniture.SIGNS}
    out |= {"street_lamp": furniture.street_lamp(), "sign_post": furniture.sign_post()}
    out |= {"delineator": furniture.delineator()}
    out |= {f"signal_head/{s.name}": furniture.signal_head(s) for s in SignalState}
    out |= {"signal_pole": furniture.signal_pole(0.0), "signal_arm": furniture.signal_pole(4.6)}
    return out


@lru_cache(maxsize=1)
def _walker_size() -> dict[str, FloatArray]:
    """Size of the figures over all phases [m], so that a walker does not pulsate."""
    sizes = {}
    for name in ("walker", "animal"):
        models = [model for key, model in library().items() if key.startswith(name)]
        bounds = [model.levels[0].bounds for model in models]
        low, high = np.min([b[0] for b in bounds], 0), np.max([b[1] for b in bounds], 0)
        # The figure stays centred on its box, whichever side reaches farther.
        half = np.maximum(np.abs(low), np.abs(high))
        sizes[name] = np.array([2 * half[0], 2 * half[1], high[2] - min(low[2], 0.0)])
    return sizes


def place_agents(
    agents: AgentStates, motion: AgentMotion, seed: int, *, lamps: float
) -> list[Placement]:
    """Give the placement of every agent but the ego.

    Args:
        agents: States, leading shape (N,).
        motion: How they move, shape (N,).
        seed: Seed of the scenario; it chooses bodies and colours.
        lamps: Brightness of head and tail lamps in this light, 0-1.
    """
    out = []
    for i in np.flatnonzero(agents.valid):
        if i == EGO:
            continue
        kind = AgentKind(int(agents.kind[i]))
        long, wide, tall = (float(edge) for edge in agents.size[i])
        looks = _looks(seed, int(i), kind, (long, wide, tall))
        still = abs(float(agents.speed[i])) < 0.1
        way = None if still else float(motion.travelled[i])
        has_lamps = kind.is_motor_vehicle and not motion.parked[i]
        has_tail = has_lamps or kind is AgentKind.CYCLIST
        model, tint, beacon = looks.posed(way, tall), looks.tint, int(motion.beacons[i])
        if beacon and f"{model}/beacon/{beacon - 1}" in library():
            model, tint = f"{model}/beacon/{beacon - 1}", EMERGENCY_PAINT
        tail = 1.0 if motion.braking[i] and has_lamps else 0.35 * lamps
        out.append(
            Placement(
                model=model,
                surface=CLASS_OF_KIND[kind],
                x=float(agents.position[i, 0]),
                y=float(agents.position[i, 1]),
                yaw=float(agents.yaw[i]),
                scale=(long / looks.size[0], wide / looks.size[1], tall / looks.size[2]),
                number=int(i) + 1,
                tint=tint,
                head=lamps if has_lamps else 0.0,
                tail=tail if has_tail else 0.0,
            )
        )
    return out


_Size = tuple[float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looks:
    """What an agent looks like throughout a scenario.

    Attributes:
        model: Name of its model, of a walker without the phase.
        size: Size of that model [m].
        tint: Colour of its paint or clothes, linear RGB.
        begin: Phase of the walk at the begin of the scenario, 0-1.
    """

    model: str
    size: _Size
    tint: tuple[float, float, float]
    begin: float

    def posed(self, travelled: float | None, tall: float) -> str:
        """Name of the model after a way [m]; None for who stands: both feet under the body."""
        if self.model not in {"walker", "animal"}:
            return self.model
        stride = people.STRIDE * tall / self.size[2]
        turns = 0.0 if travelled is None else travelled / stride + self.begin
        return f"{self.model}/{int(np.floor(turns * people.WALK_PHASES)) % people.WALK_PHASES}"


@lru_cache(maxsize=16_384)
def _looks(seed: int, index: int, kind: AgentKind, size: _Size) -> _Looks:
    """Draw the looks of an agent; they follow from the seed, its index, kind and size."""
    rng = stream(seed, "appearance", index)
    begin = float(rng.random()) if kind in {AgentKind.PEDESTRIAN, AgentKind.ANIMAL} else 0.0
    model, nominal = _choose(kind, size, rng)
    return _Looks(model=model, size=nominal, tint=_tint(kind, rng), begin=begin)


def _choose(kind: AgentKind, size: _Size, rng: np.random.Generator) -> tuple[str, _Size]:
    """Name of the model for an agent, and the size of that model [m]."""
    if kind is AgentKind.CAR:
        name = _car_type(size, rng)
        return name, cars.CAR_SHAPES[name].size
    if kind is AgentKind.TRUCK and size[0] > 11.5:
        return "semi", heavy.SEMI_SIZE
    if kind in {AgentKind.PEDESTRIAN, AgentKind.ANIMAL}:
        name = "walker" if kind is AgentKind.PEDESTRIAN else "animal"
        long, wide, tall = (float(edge) for edge in _walker_size()[name])
        return name, (long, wide, tall)
    fixed = {
        AgentKind.TRUCK: ("truck", heavy.TRUCK_SIZE),
        AgentKind.BUS: ("bus", heavy.BUS_SIZE),
        AgentKind.MOTORCYCLE: ("motorcycle", (2.2, 0.8, 1.5)),
        AgentKind.CYCLIST: ("cyclist", (1.8, 0.65, 1.75)),
    }
    if kind in fixed:
        return fixed[kind]
    long, wide, tall = size
    unit = (1.0, 1.0, 1.0)
    if max(long, wide) < 0.6:
        return "cone", unit
    return (
        ("barrier", unit)
        if max(long, wide) > 1.6 * min(long, wide) and tall < 1.3
        else ("crate", unit)
    )


def _car_type(size: _Size, rng: np.random.Generator) -> str:
    length, _, height = size
    if length > 5.1 and height < 2.05:
        return "pickup" if height > 1.6 else "sedan"
    if height > 1.85:
        return "van"
    if height > 1.6:
        return "suv"
    if length < 4.25:
        return "hatch"
    return str(rng.choice(["sedan", "hatch", "suv"], p=[0.45, 0.25, 0.30]))


def _tint(kind: AgentKind, rng: np.random.Generator) -> tuple[float, float, float]:
    if kind in {AgentKind.CAR, AgentKind.TRUCK, AgentKind.MOTORCYCLE}:
        shares = np.array([share for _, share in PAINTS])
        color = PAINTS[int(rng.choice(len(PAINTS), p=shares / shares.sum()))][0]
    elif kind is AgentKind.BUS:
        color = BUS_PAINTS[int(rng.integers(len(BUS_PAINTS)))]
    else:
        color = CLOTHES[int(rng.integers(len(CLOTHES)))]
    return color


def headlights(agents: AgentStates, motion: AgentMotion, brightness: float) -> Lights:
    """One cone of low beam at the nose of every motor vehicle, the ego included.

    By day a beam is on but lights nothing that the sun does not outshine a hundredfold.
    """
    rows = []
    for i in np.flatnonzero(agents.valid):
        if motion.parked[i] or not AgentKind(int(agents.kind[i])).is_motor_vehicle:
            continue
        yaw = float(agents.yaw[i])
        ahead = np.array([np.cos(yaw), np.sin(yaw), 0.0])
        place = np.array([*agents.position[i], 0.68]) + ahead * (agents.size[i, 0] / 2 + 0.05)
        axis = ahead + np.array([0.0, 0.0, -0.035])
        color = HEAD_INTENSITY * brightness**2 * HEADLAMP
        rows.append((place, axis / np.linalg.norm(axis), color, 0.05, 0.55, HEAD_REACH, HEAD_CORE))
    return Lights.of(rows)

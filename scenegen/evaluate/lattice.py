"""A Frenet lattice of manoeuvres: thousands of plans that a car could drive, tried one by one.

Every plan joins a longitudinal profile (a deceleration or acceleration that builds up, holds for
a while, then another one) with a lateral one (a quintic shift to an offset from a reference line;
Werling et al. 2010), and is kept if the vehicle's limits on acceleration, curvature and grip allow
it. The lattice knows nothing of how a scenario was made.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.geometry import polylines
from scenegen.geometry.angles import wrap_angle
from scenegen.scene import AgentKind, RoadMap, locate
from scenegen.scene.roadmap import NO_LANE
from scenegen.scene.scenario import STEP
from scenegen.sim.dynamics import DRY, LATERAL_GRIP, LIMITS, WHEELBASE

AHEAD = 400.0
"""Length of road that a reference line covers [m]."""
ROUTES = 3
"""Ways through junctions that are tried at most."""
SLACK = 1.02
"""Excess over the limits that the differences between instants may show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """The grid of plans; the numbers of values are the densities that a proof of failure states.

    Attributes:
        accelerations: Accelerations of the first phase, as shares: -1 is the hardest braking that
            kind and friction allow, 1 the strongest drive.
        holds: Times after which the second phase begins [s].
        seconds: Accelerations of the second phase, as shares.
        offsets: Lateral shifts from the present offset [m].
        shifts: Times in which a shift is done [s].
    """

    accelerations: tuple[float, ...] = (-1.0, -0.8, -0.6, -0.4, -0.2, 0.0, 0.4, 1.0)
    holds: tuple[float, ...] = (1.5, 3.0, 20.0)
    seconds: tuple[float, ...] = (-0.6, 0.0, 0.5)
    offsets: tuple[float, ...] = (
        *(-7.0, -5.25, -3.5, -2.6, -1.75, -1.2, -0.6),
        *(0.0, 0.6, 1.2, 1.75, 2.6, 3.5, 5.25, 7.0),
    )
    shifts: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.5)

    @property
    def longitudinal(self) -> int:
        """Number of longitudinal profiles; those that hold to the end have one second phase."""
        return len(self.accelerations) * ((len(self.holds) - 1) * len(self.seconds) + 1)

    @property
    def lateral(self) -> int:
        """Number of lateral profiles: keeping the offset needs no time."""
        return (len(self.offsets) - 1) * len(self.shifts) + 1

    @property
    def size(self) -> int:
        """Number of plans per reference line."""
        return self.longitudinal * self.lateral

    def densities(self) -> dict[str, int]:
        """Give the numbers of values, to be stated with a proof of failure."""
        return {
            "longitudinal": self.longitudinal,
            "lateral": self.lateral,
            "plans per line": self.size,
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Vehicle:
    """What a plan may ask of the ego.

    Attributes:
        kind: Its kind.
        length: Length of its box [m].
        friction: Friction of the road.
        ramp: Time in which the hardest braking builds up [s]: half the 0.6 s of the human
            reference driver of UN R157, annex 4, appendix 3.
        braking: Hardest braking [m/s^2].
        drive: Strongest acceleration [m/s^2].
        lock: Largest curvature that the steering allows [1/m].
        grip: Largest lateral acceleration [m/s^2].
    """

    kind: AgentKind = AgentKind.CAR
    length: float = 4.5
    friction: float = 0.9
    ramp: float = 0.3
    braking: float = field(init=False)
    drive: float = field(init=False)
    lock: float = field(init=False)
    grip: float = field(init=False)

    def __post_init__(self) -> None:
        """Derive the limits that the simulator has for this kind and road."""
        share = self.friction / DRY
        braking, drive, steering = LIMITS[int(self.kind)]
        object.__setattr__(self, "braking", float(braking * share))
        object.__setattr__(self, "drive", float(drive * min(1.0, share)))
        object.__setattr__(self, "lock", float(np.tan(steering) / (WHEELBASE * self.length)))
        object.__setattr__(self, "grip", float(LATERAL_GRIP * share))


def reference_lines(roadmap: RoadMap, state: FloatArray) -> list[FloatArray]:
    """Centrelines of the ways on from where the ego is, each of shape (P, 2).

    Where it stands on no lane, the line is straight ahead.

    Args:
        roadmap: The road.
        state: x, y, yaw, speed.
    """
    place = locate(roadmap, state[None, :2], state[None, 2])
    lane = int(place.lane[0])
    ahead = np.array([np.cos(state[2]), np.sin(state[2])])
    if lane == NO_LANE or abs(float(place.heading_error[0])) > np.pi / 3:
        return [np.stack([state[:2], state[:2] + AHEAD * ahead])]
    lines = []
    for route in list(roadmap.routes(lane, AHEAD))[:ROUTES]:
        pieces = [roadmap.lanes[k].centerline.astype(np.float64) for k in route]
        joined = np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])
        lines.append(_smoothed(polylines.resample(joined, 0.5)))
    return lines


def plans(
    line: FloatArray, state: FloatArray, steps: int, vehicle: Vehicle, lattice: Lattice
) -> tuple[FloatArray, BoolArray]:
    """Lay out all plans along a reference line.

    Args:
        line: Reference line [m], shape (P, 2).
        state: x, y, yaw, speed of the ego where it begins to act.
        steps: Steps of 0.1 s to plan.
        vehicle: What it can do.
        lattice: The grid.

    Returns:
        x, y, continuous yaw, speed of every plan, shape (lattice.size, steps + 1, 4), the gentlest
        first, and whether the vehicle can drive it, shape (lattice.size,).
    """
    way, speed, effort = _longitudinal(float(state[3]), steps, vehicle, lattice)
    along, offset = polylines.project(line, state[None, :2])
    slant = float(wrap_angle(state[2] - polylines.heading_at(line, along)[0]))
    shifts, aside = _lateral(float(offset[0]), slant, float(state[3]), lattice)
    s = along[0] + way  # (L, T)
    base, heading = polylines.point_at(line, s), _smooth_heading(line, s)
    normal = np.stack([-np.sin(heading), np.cos(heading)], -1)
    # A shift is bound to the way driven: who stands does not move aside.
    d = _shift_at(shifts, way, float(state[3]))  # (L, D, T)
    position = base[:, None] + normal[:, None] * d[..., None]
    paths = _as_paths(position, speed, state)
    cost = (effort[:, None] + aside[None]).ravel()
    order = np.argsort(cost, kind="stable")
    flat = paths.reshape(-1, steps + 1, 4)[order]
    return flat, feasible(flat, vehicle)


def feasible(paths: FloatArray, vehicle: Vehicle) -> BoolArray:
    """Whether a vehicle can drive each path, shape (P,): steering lock, grip, braking, drive.

    Grip is shared by braking and turning (Kamm's circle), which the simulator does not even ask.
    """
    turn = np.abs(np.diff(paths[..., 2], axis=1))
    way = np.hypot(np.diff(paths[..., 0], axis=1), np.diff(paths[..., 1], axis=1))
    speed = (paths[:, 1:, 3] + paths[:, :-1, 3]) / 2
    acceleration = np.diff(paths[..., 3], axis=1) / STEP
    bent = turn > vehicle.lock * np.maximum(way, speed * STEP) * SLACK + 1e-3
    lateral = turn / STEP * speed
    drawn = np.where(acceleration < 0, acceleration / vehicle.braking, acceleration / vehicle.drive)
    share = drawn**2 + (lateral / vehicle.grip) ** 2
    return np.asarray(~(bent | (share > SLACK**2)).any(1))


def _longitudinal(
    speed: float, steps: int, vehicle: Vehicle, lattice: Lattice
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Way [m] and speed [m/s] over time, shape (L, steps + 1), and the effort of each profile."""
    rows = []
    for share in lattice.accelerations:
        for hold in lattice.holds:
            last = hold == max(lattice.holds)
            rows += [(share, hold, later) for later in ((0.0,) if last else lattice.seconds)]
    fine = 10
    time = (np.arange(steps * fine) + 0.5) * STEP / fine
    shares = np.array(rows)
    limit = np.where(shares < 0, vehicle.braking, vehicle.drive)
    first, second = (shares[:, k] * limit[:, k] for k in (0, 2))
    build = np.clip(time / max(vehicle.ramp, 1e-9), 0.0, 1.0)
    change = np.clip((time - shares[:, 1:2]) / max(vehicle.ramp, 1e-9), 0.0, 1.0)
    wanted = first[:, None] * build * (1.0 - change) + second[:, None] * change
    speeds = _run(speed, wanted, STEP / fine)
    way = np.cumsum((speeds[:, 1:] + speeds[:, :-1]) / 2, axis=1) * STEP / fine
    way = np.concatenate([np.zeros((len(rows), 1)), way], 1)
    return way[:, ::fine], speeds[:, ::fine], (wanted**2).mean(1)


def _run(speed: float, acceleration: FloatArray, step: float) -> FloatArray:
    """Integrate accelerations; who has come to rest stays unless it accelerates."""
    out = np.empty((len(acceleration), acceleration.shape[1] + 1))
    out[:, 0] = speed
    for k in range(acceleration.shape[1]):
        out[:, k + 1] = np.maximum(out[:, k] + acceleration[:, k] * step, min(0.0, speed))
    return out


def _lateral(
    offset: float, slant: float, speed: float, lattice: Lattice
) -> tuple[FloatArray, FloatArray]:
    """Rows offset, lateral speed, end, time of each shift, shape (D, 4), and its effort, (D,)."""
    begin = (offset, speed * np.sin(slant))
    rows = [(*begin, offset, lattice.shifts[-1])]
    rows += [
        (*begin, offset + shift, time)
        for shift in lattice.offsets
        if shift != 0.0
        for time in lattice.shifts
    ]
    out = np.array(rows)
    effort = ((out[:, 2] - offset) / out[:, 3] ** 2) ** 2 * 8.0
    return out, effort


def _shift_at(shifts: FloatArray, way: FloatArray, speed: float) -> FloatArray:
    """Lateral offset of each profile and shift at each instant, shape (L, D, steps + 1).

    The quintic of Werling et al. (2010) from the present offset and lateral speed to rest at the
    new offset, over the way that would be driven at the present speed in the time of the shift.
    """
    reach = max(speed, 1.0)
    progress = np.clip(way[:, None] / (reach * shifts[None, :, 3, None]), 0.0, 1.0)
    x0, v0, x1 = (shifts[None, :, k, None] for k in range(3))
    v0 = v0 * shifts[None, :, 3, None]
    rest = x1 - x0
    u = progress
    hold = v0 * u * (1.0 - u) ** 3 * (1.0 + 3.0 * u)
    return x0 + hold + rest * u**3 * (10.0 - 15.0 * u + 6.0 * u**2)


def _smooth_heading(line: FloatArray, along: FloatArray) -> FloatArray:
    """Heading of a line, interpolated between the middles of its pieces, shape of `along`."""
    grid = polylines.arc_length(line)
    step = np.diff(line, axis=0)
    heading = np.unwrap(np.arctan2(step[:, 1], step[:, 0]))
    return np.interp(along, (grid[1:] + grid[:-1]) / 2, heading)


def _as_paths(position: FloatArray, speed: FloatArray, state: FloatArray) -> FloatArray:
    """Add headings along the way and speeds along them to positions of shape (L, D, T, 2)."""
    step = np.diff(position, axis=2)
    way = np.hypot(step[..., 0], step[..., 1])
    heading = np.arctan2(step[..., 1], step[..., 0])
    moving = way > 1e-3
    heading = np.where(moving, heading, np.nan)
    # The heading of an instant is that of the way around it; who stands keeps the last one.
    yaw = np.full(position.shape[:-1], np.nan)
    yaw[..., 0] = state[2]
    turn = wrap_angle(heading[..., 1:] - heading[..., :-1])
    yaw[..., 1:-1] = np.where(np.isfinite(turn), heading[..., :-1] + turn / 2, heading[..., :-1])
    yaw[..., -1] = heading[..., -1]
    yaw = _filled(yaw)
    speeds = np.broadcast_to(speed[:, None], yaw.shape)
    return np.concatenate([position, yaw[..., None], speeds[..., None]], -1)


def _smoothed(line: FloatArray) -> FloatArray:
    """Take the kinks out of a line of points 0.5 m apart: a mean over 4 m, twice.

    Centrelines are chords; a car cannot turn a tenth of a radian on the spot. A curve of 15 m
    radius moves inwards by 0.18 m.
    """
    reach = 4
    if len(line) < 4 * reach:
        return line
    for _ in range(2):
        # Beyond its ends the line goes on straight, so that the ends stay where they are.
        steps = np.arange(1, reach + 1)[:, None]
        before = line[0] - (line[1] - line[0]) * steps[::-1]
        after = line[-1] + (line[-1] - line[-2]) * steps
        sums = np.cumsum(np.concatenate([np.zeros((1, 2)), before, line, after]), axis=0)
        line = (sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1)
    return line


def _filled(yaw: FloatArray) -> FloatArray:
    """Carry headings over instants of rest and make them continuous over time."""
    count = yaw.shape[-1]
    index = np.where(np.isfinite(yaw), np.arange(count), 0)
    index = np.maximum.accumulate(index, axis=-1)
    return np.unwrap(np.take_along_axis(yaw, index, -1), axis=-1)

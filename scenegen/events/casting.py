"""Putting the roles of an event in place: states, plans, and room among recorded traffic."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from scenegen.arrays import BoolArray, FloatArray
from scenegen.events.paths import Path
from scenegen.geometry.angles import wrap_angle
from scenegen.geometry.boxes import boxes_overlap
from scenegen.geometry.polylines import project
from scenegen.geometry.transforms import to_map
from scenegen.scene.agents import SIZE, AgentKind, AgentStates
from scenegen.scene.plans import AgentPlans, Control, Ignores, Maneuver
from scenegen.scene.roadmap import RoadMap

HEADWAY = 0.6
"""Least time headway between a pinned and a recorded vehicle [s]."""
CLEARANCE = 0.5
"""Least distance between a pinned and a recorded agent [m]."""
SPARE_TIME = 3.0
"""Least time to collision between them at the start [s]."""
MAX_REPLACED = 4
"""Recorded agents that may go for an event; beyond that the place is refused."""
CALM = -1.0
"""Politeness of a driver that never changes lanes by itself."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pinned:
    """Who must be where at the start, and who acts how.

    Attributes:
        agents: Roles at the first instant, leading shape (n,); index 0 is the ego.
        plans: Their plans, leading shape (n,).
        roles: Agent index of each role name.
        replaces: Indices of recorded agents that became a role or have to go.
    """

    agents: AgentStates
    plans: AgentPlans
    roles: dict[str, int]
    replaces: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    """What differs from an average driver; None keeps the average.

    Without a politeness the driver never changes lanes by itself.
    """

    desired_speed: float
    time_headway: float | None = None
    minimum_gap: float | None = None
    acceleration: float | None = None
    deceleration: float | None = None
    politeness: float | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class _Member:
    row: tuple[AgentKind, float, float, float, float]
    size: tuple[float, float, float]
    control: Control
    route: tuple[int, ...] = ()
    driver: Driver = field(default_factory=lambda: Driver(desired_speed=0.0))
    ignores: Ignores = Ignores.NOTHING
    maneuvers: tuple[Maneuver, ...] = ()
    knots: FloatArray | None = None


class Cast:
    """The roles of one event being put in place; the ego comes first."""

    def __init__(self, roadmap: RoadMap) -> None:
        """Start with nobody.

        Args:
            roadmap: The road.
        """
        self.roadmap = roadmap
        self.roles: dict[str, int] = {}
        self._members: list[_Member] = []
        self._clear: list[tuple[Path, float, float]] = []
        self._adopted: tuple[int, AgentStates] | None = None

    def drive(
        self,
        path: Path,
        along: float,
        speed: float,
        *,
        role: str = "",
        kind: AgentKind = AgentKind.CAR,
        offset: float = 0.0,
        against: bool = False,
        driver: Driver | None = None,
        ignores: Ignores = Ignores.NOTHING,
        size: tuple[float, float, float] | None = None,
    ) -> int:
        """Add a driver on a path that never changes lanes by itself, unless `driver` says so.

        Scripted drivers may break the speed limit: their speed was drawn.

        Args:
            path: Where it drives.
            along: Arc length of its centre [m].
            speed: Speed at the start, and wanted unless `driver` says otherwise [m/s].
            role: Role name; empty for none.
            kind: What it is.
            offset: Where it begins beside the path [m], positive left; cyclists stay there.
            against: Whether it drives towards the begin of the path.
            driver: What differs from an average driver.
            ignores: Rules it breaks.
            size: Length, width and height [m]; None for the typical size of the kind.

        Returns:
            Its agent index.
        """
        x, y, yaw = path.pose(along, offset)
        yaw = float(wrap_angle(np.array(yaw + np.pi))) if against else yaw
        return self._add(
            _Member(
                row=(kind, x, y, yaw, speed),
                size=size or SIZE[kind],
                control=Control.REACTIVE,
                route=path.route_back_from(along) if against else path.route_from(along),
                driver=driver or Driver(desired_speed=speed),
                ignores=ignores | Ignores.SPEED_LIMIT,
            ),
            role,
        )

    def stand(
        self,
        kind: AgentKind,
        pose: tuple[float, float, float],
        size: tuple[float, float, float] | None = None,
        role: str = "",
        speed: float = 0.0,
    ) -> int:
        """Add someone who stands still until a maneuver moves it.

        Args:
            kind: What it is.
            pose: x [m], y [m] and heading [rad].
            size: Length, width and height [m]; None for the typical size of the kind.
            role: Role name; empty for none.
            speed: Speed at which a maneuver that begins at once takes it over [m/s].

        Returns:
            Its agent index.
        """
        member = _Member(row=(kind, *pose, speed), size=size or SIZE[kind], control=Control.HOLD)
        return self._add(member, role)

    def act(self, agent: int, *maneuvers: Maneuver) -> None:
        """Give an agent its maneuvers."""
        self._members[agent].maneuvers = maneuvers

    def follow_code(self, agent: int, knots: FloatArray) -> None:
        """Let an agent follow a motion code from the begin, then react.

        Args:
            agent: Its index.
            knots: Acceleration [m/s^2] and yaw rate [rad/s], shape (KNOTS, 2).
        """
        self._members[agent].control = Control.KNOTS
        self._members[agent].knots = knots

    def keep_clear(self, path: Path, low: float, high: float) -> None:
        """Let no recorded agent be on a part of a path at the start, arc lengths in [m]."""
        self._clear.append((path, low, high))

    def take_over(self, recorded: int, states: AgentStates) -> None:
        """Let the ego begin as a recorded vehicle, with its exact pose, speed and size.

        Args:
            recorded: Index of the recorded vehicle.
            states: Its state now, leading shape (1,).
        """
        self._adopted = (recorded, states)

    def pinned(self, log: AgentStates | None = None) -> Pinned | None:
        """Finish.

        Args:
            log: Recorded traffic, leading shape (T, M), or None.

        Returns:
            The roles with plans; None if two of them overlap or too much recorded traffic is in
            their way.
        """
        agents = AgentStates.of([m.row for m in self._members])
        agents.size[:] = [m.size for m in self._members]
        if self._adopted is not None:
            agents = AgentStates.concatenate([self._adopted[1], agents[1:]])
        if _touching(agents):
            return None
        replaces = self._in_the_way(agents, log[0]) if log is not None else ()
        if len(replaces) > MAX_REPLACED:
            return None
        return Pinned(agents=agents, plans=self._plans(), roles=dict(self.roles), replaces=replaces)

    def _add(self, member: _Member, role: str) -> int:
        self._members.append(member)
        number = len(self._members) - 1
        if role:
            self.roles[role] = number
        return number

    def _plans(self) -> AgentPlans:
        plans = AgentPlans.reactive(len(self._members))
        for i, member in enumerate(self._members):
            plans.control[i] = member.control
            plans.ignores[i] = member.ignores
            plans.politeness[i] = CALM
            for name in Driver.__slots__:
                value = getattr(member.driver, name)
                if value is not None:
                    getattr(plans, name)[i] = value
            if member.knots is not None:
                plans.knots[i] = member.knots
            plans.set_route(i, member.route)
            plans.set_maneuvers(i, *member.maneuvers)
        return plans

    def _in_the_way(self, agents: AgentStates, now: AgentStates) -> tuple[int, ...]:
        gone = np.zeros(now.count, np.bool_)
        for i in range(agents.count):
            gone |= _too_near(agents[i], now)
        for path, low, high in self._clear:
            along, offset = project(path.points, now.position.astype(np.float64))
            gone |= (low <= along) & (along <= high) & (np.abs(offset) < 1.75)
        gone &= now.valid
        if self._adopted is not None:
            gone[self._adopted[0]] = True
        return tuple(int(j) for j in np.flatnonzero(gone))


def _touching(agents: AgentStates) -> bool:
    a, b = np.triu_indices(agents.count, 1)
    s = replace(agents, position=agents.position.astype(np.float64))
    shared = boxes_overlap(s.position[a], s.yaw[a], s.size[a], s.position[b], s.yaw[b], s.size[b])
    return bool(shared.any())


def _too_near(agent: AgentStates, now: AgentStates) -> BoolArray:
    """Recorded agents within headway or clearance of one pinned agent, shape (M,)."""
    yaw = np.asarray(agent.yaw, np.float64)
    moving = bool(AgentKind(int(agent.kind)).is_motor_vehicle) and float(agent.speed) > 0
    same_way = now.speed * np.cos(now.yaw - yaw)
    closing = float(agent.speed) - same_way
    front = np.maximum(HEADWAY * float(agent.speed), SPARE_TIME * np.minimum(closing, agent.speed))
    behind = np.maximum(HEADWAY * same_way, SPARE_TIME * -closing) if moving else 0.0 * closing
    front, behind = np.maximum(front, CLEARANCE), np.maximum(behind, CLEARANCE)
    shift: FloatArray = (front - behind) / 2.0
    length = agent.size[0] + front + behind
    width = agent.size[1] + CLEARANCE
    zone = np.stack([length, np.full(now.count, width)], -1)
    centre = to_map(
        np.stack([shift, np.zeros(now.count)], -1), agent.position.astype(np.float64), yaw
    )
    return boxes_overlap(centre, yaw, zone, now.position, now.yaw, now.size)

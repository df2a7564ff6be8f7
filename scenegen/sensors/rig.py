"""A rig: the sensors on the ego, and the frames they give along a scenario."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np

from scenegen.arrays import Array
from scenegen.render import AgentMotion, World, assemble
from scenegen.scene import ArraySpec, Frame, Scenario
from scenegen.sensors.backdrop import Backdrop
from scenegen.sensors.fault_effects import sense_with_faults
from scenegen.sensors.faults import FaultSchedule
from scenegen.sensors.motion import agent_twists
from scenegen.sensors.sensor import Sensor, WorldView

THREADS = 1
"""Frames that are sensed at the same time unless told otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rig:
    """A set of sensors on the ego.

    Attributes:
        name: What it is called.
        sensors: The sensors; the names of their arrays differ.
        faults: What goes wrong with them; their labels are among the arrays of every frame.
    """

    name: str
    sensors: tuple[Sensor, ...]
    faults: FaultSchedule = field(default_factory=FaultSchedule)

    def __post_init__(self) -> None:
        """Check that no two sensors give an array of the same name, and the faults."""
        self.faults.check(self.sensors)
        names = [spec.name for spec in self.specs()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"Rig {self.name!r}: expected arrays with different names, got {twice[0]!r} twice;"
                " rename one of the sensors"
            )

    def specs(self) -> tuple[ArraySpec, ...]:
        """Announce every array of every sensor, and the labels of faults if there may be any."""
        own = tuple(spec for sensor in self.sensors for spec in sensor.arrays())
        return (*own, *self.faults.specs(self.sensors))

    def sense(
        self,
        scenario: Scenario,
        seed: int,
        *,
        every: int = 1,
        threads: int = THREADS,
        faults: FaultSchedule | None = None,
        world: World | None = None,
    ) -> Iterator[Frame]:
        """Drive the rig through a scenario.

        The scenery, the looks of the agents and all noise follow from the scenario's identity
        and the seed: the same two give the same bytes.

        Args:
            scenario: What happens.
            seed: Seed of scenery, looks and noise.
            every: Give each this-many-th instant, beginning with the first.
            threads: Frames that are sensed at the same time; the bytes do not depend on it.
            faults: What goes wrong, in place of the rig's own. To record, build a rig with the
                faults instead, so that it announces their labels.
            world: What `world` gives for the scenario and the seed, where it was built before.

        Yields:
            Frames with every announced array, in order of time.

        Raises:
            ValueError: `every` or `threads` is below one.
            UnknownNameError: A fault names a sensor that the rig does not have.
        """
        if faults is not None:
            changed = replace(self, faults=faults)
            yield from changed.sense(scenario, seed, every=every, threads=threads, world=world)
            return
        if every < 1:
            raise ValueError(f"Rig.sense: expected every >= 1, got {every}")
        if threads < 1:
            raise ValueError(f"Rig.sense: expected threads >= 1, got {threads}")
        motions = agent_motions(scenario)
        built = world or self.world(scenario, seed)
        steps = range(0, scenario.steps, every)
        if threads == 1:
            for step in steps:
                yield self.frame(built, scenario, step, motions[step])
            return
        with ThreadPoolExecutor(threads) as pool:
            ahead: deque[Future[Frame]] = deque()
            for step in steps:
                ahead.append(pool.submit(self.frame, built, scenario, step, motions[step]))
                if len(ahead) > threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()

    def world(self, scenario: Scenario, seed: int) -> World:
        """Build the world of a scenario, as `sense` does.

        Args:
            scenario: What happens.
            seed: Seed of scenery, looks and noise; mixed with the scenario's identity.
        """
        return Backdrop.of(scenario, seed).world(scenario.roadmap, scenario.conditions)

    def frame(self, world: World, scenario: Scenario, step: int, motion: AgentMotion) -> Frame:
        """Sense one instant of a scenario in a world built for it.

        Args:
            world: The world, from `build_world`.
            scenario: What happens.
            step: Which instant.
            motion: How the agents move at that instant, from `agent_motions`.
        """
        view = self.view(world, scenario, step, motion)
        if not self.faults.faults:
            arrays: dict[str, Array] = {}
            for sensor in self.sensors:
                arrays.update(sensor.sense(view))
            return Frame(time=float(scenario.times[step]), arrays=arrays)

        def frozen(time: float) -> WorldView:
            first = int(np.searchsorted(scenario.times, time - 1e-9))
            return self.view(world, scenario, first, agent_motions(scenario)[first])

        arrays, drawn = {}, {}
        for sensor in self.sensors:
            given, found = sense_with_faults(sensor, view, self.faults, frozen)
            arrays.update(given)
            drawn.update(found)
        time = float(scenario.times[step])
        arrays.update(self.faults.table(time, drawn))
        return Frame(time=time, arrays=arrays)

    def view(self, world: World, scenario: Scenario, step: int, motion: AgentMotion) -> WorldView:
        """Give the world at one instant, as the sensors see it; arguments as for `frame`."""
        stage = world.stage(scenario.at(step), motion)
        before = after = None
        if any(sensor.LOOKS_AROUND for sensor in self.sensors):
            # Walkers keep their pose of this instant, so that agents move as rigid bodies.
            if step > 0:
                before = world.stage(scenario.at(step - 1), motion)
            if step + 1 < scenario.steps:
                after = world.stage(scenario.at(step + 1), motion)
        return WorldView(
            stage=stage,
            triangles=assemble(stage),
            step=step,
            seed=world.seed,
            before=before,
            after=after,
            twists=agent_twists(scenario, step),
            roadmap=scenario.roadmap,
        )


def agent_motions(scenario: Scenario) -> list[AgentMotion]:
    """How the agents move at each instant: ways come, brake lights, blue lights, who is parked."""
    agents = scenario.agents
    steps = np.diff(agents.position.astype(np.float64), axis=0)
    both = agents.valid[1:] & agents.valid[:-1]
    way = np.where(both, np.hypot(steps[..., 0], steps[..., 1]), 0.0)
    travelled = np.concatenate([np.zeros((1, agents.count)), np.cumsum(way, 0)])
    acceleration, backdrop = scenario.acceleration(), Backdrop.of(scenario, 0)
    return [
        backdrop.motion(travelled[k], acceleration[k], float(scenario.times[k]))
        for k in range(scenario.steps)
    ]

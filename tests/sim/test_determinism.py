"""The same start and actions give the same bits, however they are batched."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.scene import AgentPlans, Control
from scenegen.sim import Simulator, StartBank
from tests.builders import cars, composition, straight_road
from tests.sim.roads import crossing, curved_road

STEPS = 40


def bank() -> StartBank:
    """Prepare three different starts, agent 0 under external control."""
    scenes = []
    for road, rows in (
        (straight_road(3, 800.0), [(10, 0, 15), (40, 0, 8), (20, 3.5, 18), (60, 7.0, 12)]),
        (curved_road(), [(10, 0, 12), (40, 0, 10), (70, 0, 8)]),
        (crossing(), [(-60, 0, 12), (-90, 0, 12)]),
    ):
        plans = AgentPlans.reactive(len(rows))
        plans.control[0] = Control.EXTERNAL
        scenes.append(composition(road, cars(*rows), plans))
    return StartBank.of(scenes)


def run(simulator: Simulator, actions: np.ndarray) -> np.ndarray:
    """Step through actions and give every float of the state."""
    for step in range(len(actions)):
        simulator.step(actions[step])
    return simulator.floats.copy()


def draw(worlds: int) -> np.ndarray:
    """Draw actions for all steps and worlds."""
    rng = np.random.default_rng(3)
    return rng.normal(0, (1.0, 0.02), (STEPS, worlds, 1, 2)).astype(np.float32)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_do_not_change_a_bit(threads: int) -> None:
    """Nine worlds in one thread or in several end alike."""
    starts, actions, worlds = bank(), draw(9), np.arange(9)
    results = []
    for count in (1, threads):
        simulator = Simulator(starts, 9, threads=count)
        simulator.reset(worlds, worlds % 3)
        results.append(run(simulator, actions))
        simulator.close()

    assert results[0].tobytes() == results[1].tobytes()


def test_batch_size_and_order_do_not_change_a_bit() -> None:
    """A world of a batch ends as it does alone, wherever in the batch it stands."""
    starts, actions = bank(), draw(6)
    order = np.array([2, 0, 1, 1, 0, 2])
    together = Simulator(starts, 6)
    together.reset(np.arange(6), order)
    result = run(together, actions)

    for world in range(6):
        alone = Simulator(starts, 1)
        alone.reset(np.array([0]), order[world : world + 1])
        assert run(alone, actions[:, world : world + 1]).tobytes() == result[world].tobytes()


def test_padding_does_not_change_a_bit() -> None:
    """More empty slots leave the filled ones as they are."""
    scene = composition(straight_road(3, 800.0), cars((10, 0, 15), (40, 0, 8), (20, 3.5, 18)))
    narrow, wide = Simulator(StartBank.of([scene]), 1), Simulator(StartBank.of([scene], 16), 1)
    for _ in range(STEPS):
        narrow.step()
        wide.step()

    assert wide.floats[:, :, :3].tobytes() == narrow.floats.tobytes()
    assert not wide.valid[0, 3:].any()


def test_a_restored_snapshot_repeats_the_future() -> None:
    """Branching into other worlds and stepping on gives the same bits as before."""
    simulator, actions = Simulator(bank(), 4), draw(4)
    actions[:, 2:] = actions[:, :2]
    simulator.reset(np.arange(4), np.array([0, 2, 1, 1]))
    for step in range(STEPS // 2):
        simulator.step(actions[step])
    saved = simulator.snapshot(np.array([0, 1]))
    first = run(simulator, actions[STEPS // 2 :])[:2]

    simulator.restore(saved, np.array([2, 3]))
    branch = run(simulator, actions[STEPS // 2 :])[2:]

    assert branch.tobytes() == first.tobytes()


def test_a_reset_world_begins_anew() -> None:
    """After a reset the state is the start's, whatever happened before."""
    starts = bank()
    simulator = Simulator(starts, 2)
    opening = simulator.floats.copy()
    run(simulator, draw(2))

    simulator.reset(np.array([1]), np.array([0]))

    assert simulator.floats[1].tobytes() == opening[1].tobytes()
    assert simulator.time.tolist() == [pytest.approx(4.0), 0.0]

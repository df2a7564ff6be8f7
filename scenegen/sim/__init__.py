"""Batched closed-loop simulation of traffic: worlds, kernels, rollouts."""

from scenegen.sim.baking import BakedMap, bake
from scenegen.sim.bank import StartBank
from scenegen.sim.map_bank import MapBank
from scenegen.sim.rollout import Rollout, rollout, to_scenario
from scenegen.sim.simulator import Simulator, Snapshot

__all__ = [
    "BakedMap",
    "MapBank",
    "Rollout",
    "Simulator",
    "Snapshot",
    "StartBank",
    "bake",
    "rollout",
    "to_scenario",
]

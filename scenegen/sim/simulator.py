"""Many worlds, stepped together: the closed-loop simulator."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenegen.arrays import Array, BoolArray, FloatArray, IntArray, check_shape
from scenegen.errors import ShapeError
from scenegen.scene import AgentStates
from scenegen.sim.bank import StartBank
from scenegen.sim.fields import FLAGS, FLOATS, INTS
from scenegen.sim.kernel import reset_worlds, step_worlds
from scenegen.sim.lists import lane_lists


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """Everything about K worlds that changes with time; restoring it repeats the future exactly.

    Attributes:
        floats: Float rows, shape (K, rows, N).
        ints: Integer rows, shape (K, rows, N).
        flags: Flag rows, shape (K, rows, N).
        signals: Signal states, shape (K, G).
        steps: Steps since the start, shape (K,).
        start: Start each world came from, shape (K,).
    """

    floats: FloatArray
    ints: IntArray
    flags: BoolArray
    signals: IntArray
    steps: IntArray
    start: IntArray


class Simulator:
    """W worlds of N agents, advanced STEP = 0.1 s at a time by compiled code.

    The same start and actions give the same bits, whatever the number of worlds, their order or
    the number of threads. Nothing is drawn at random here: chance enters through the starts.

    The state can be read, without copying, under the names of `sim.fields`; all have shape (W, N)
    and must not be written:

    - `x`, `y` [m], `yaw` [rad] with `cos` and `sin`, `speed` [m/s], `half_length` and `half_width`
      [m], `acceleration` [m/s^2], `yaw_rate` [rad/s]: float32, map frame;
    - `lane` (NO_LANE if none), `along`, `offset`, `lane_width` [m] and `heading_error` [rad]: the
      place on the road as `scene.locate` defines it;
    - `leader` (-1 if none), `gap` [m], `ttc` [s], `thw` [s]: who is ahead on the agent's path, and
      how near; inf where there is none or the gap is not closing;
    - `valid`, `collided` (boxes touched during the last step), `collided_with` (-1 if nobody),
      `offroad` (a motor vehicle's box leaves the drivable area), `wrong_way` (its centre is on a
      lane that runs against it, and on none that runs with it), `kind`.

    For compiled readers the blocks themselves are `floats`, `ints` and `flags`, shape
    (W, rows, N), with the row numbers in `sim.fields`. `signals` has shape (W, G): the SignalState
    of each signal of the world's map, padded with NONE.

    Attributes:
        starts: The prepared starts.
        worlds: Number of worlds W.
        agents: Agents per world N.
        start: Start each world was last reset to, shape (W,).
        steps: Steps since then, shape (W,).
    """

    def __init__(self, starts: StartBank, worlds: int, *, threads: int = 1) -> None:
        """Make W worlds, all at start 0.

        Args:
            starts: Prepared starts.
            worlds: Number of worlds W.
            threads: Worker threads; worlds are dealt to them in equal ranges.

        Raises:
            ValueError: There are fewer than one world or one thread.
        """
        if worlds < 1 or threads < 1:
            raise ValueError(
                f"Simulator: expected >= 1 world and thread, got {worlds} and {threads}"
            )
        self.starts, self.worlds, self.agents = starts, worlds, starts.agents
        self.floats = np.zeros((worlds, len(FLOATS), starts.agents), np.float32)
        self.ints = np.zeros((worlds, len(INTS), starts.agents), np.int32)
        self.flags = np.zeros((worlds, len(FLAGS), starts.agents), np.bool_)
        self.signals = np.zeros((worlds, starts.signals), np.int8)
        self.start = np.zeros(worlds, np.int32)
        self.steps = np.zeros(worlds, np.int32)
        self._no_actions = np.zeros((worlds, 0, 2), np.float32)
        bounds = np.linspace(0, worlds, min(threads, worlds) + 1).astype(int)
        self._ranges = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
        lanes = starts.maps.most_lanes
        self._scratch = [
            (lane_lists(lanes, self.agents), lane_lists(lanes, self.agents)) for _ in self._ranges
        ]
        self._pool = ThreadPoolExecutor(len(self._ranges)) if len(self._ranges) > 1 else None
        self.reset(np.arange(worlds), np.zeros(worlds, np.int64))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - float, int or bool arrays
        """Give a row of the state for all worlds, shape (W, N), as a read-only view."""
        for rows, block in ((FLOATS, "floats"), (INTS, "ints"), (FLAGS, "flags")):
            if name in rows and block in self.__dict__:
                view: Array = self.__dict__[block][:, rows[name], :]
                view.flags.writeable = False
                return view
        raise AttributeError(f"Simulator has no attribute {name!r}")

    @property
    def time(self) -> FloatArray:
        """Time since each world's start [s], shape (W,), float32."""
        return (self.steps * 0.1).astype(np.float32)

    def reset(self, worlds: IntArray, starts: IntArray) -> None:
        """Put worlds at the begin of starts.

        Args:
            worlds: Indices of the worlds, shape (K,).
            starts: Index of the start for each of them, shape (K,).

        Raises:
            ShapeError: The two differ in shape.
            IndexError: A world or start does not exist.
        """
        rows = np.ascontiguousarray(worlds, np.int64)
        picks = np.ascontiguousarray(starts, np.int64)
        check_shape("starts", picks, *rows.shape)
        _check_range("world", rows, self.worlds)
        _check_range("start", picks, self.starts.count)
        blocks = (self.floats, self.ints, self.flags, self.signals, self.start, self.steps)
        reset_worlds(rows, picks, blocks, self.starts.opening)

    def step(self, actions: FloatArray | None = None) -> None:
        """Advance every world by STEP.

        Args:
            actions: Acceleration [m/s^2] and front steering angle [rad, left positive] per world
                and agent, shape (W, C, 2); agent i < C obeys row i if its control is EXTERNAL,
                and the limits of its vehicle hold. External agents without a row coast. An action
                that is not finite counts as zero.

        Raises:
            ShapeError: The actions do not have that shape.
        """
        given = self._no_actions if actions is None else self._checked(actions)
        state = (self.floats, self.ints, self.flags, self.signals, self.start, self.steps)
        tables = (self.starts.tables, self.starts.maps.tables)
        if self._pool is None:
            step_worlds(0, self.worlds, state, tables, given, self._scratch[0])
            return
        jobs = [
            self._pool.submit(step_worlds, low, high, state, tables, given, scratch)
            for (low, high), scratch in zip(self._ranges, self._scratch, strict=True)
        ]
        wait(jobs)
        for job in jobs:
            job.result()

    def _checked(self, actions: FloatArray) -> FloatArray:
        given = np.ascontiguousarray(actions, np.float32)
        if given.ndim != 3 or given.shape[0] != self.worlds or given.shape[2] != 2:
            raise ShapeError(f"actions: expected shape ({self.worlds}, C, 2), got {given.shape}")
        return given

    def states(self) -> AgentStates:
        """Copy the agents' states, leading shape (W, N)."""
        valid = self.valid.copy()
        keep = valid[..., None]
        position = np.stack([self.x, self.y], -1) * keep
        half = np.stack([self.half_length, self.half_width], -1)
        height = self.starts.height[self.start]
        return AgentStates(
            position=position,
            yaw=self.yaw * valid,
            speed=self.speed * valid,
            size=np.concatenate([2.0 * half, height[..., None]], -1, dtype=np.float32) * keep,
            kind=(self.kind * valid).astype(np.int8),
            valid=valid,
        )

    def snapshot(self, worlds: IntArray) -> Snapshot:
        """Copy everything that changes with time in some worlds.

        Args:
            worlds: Indices of the worlds, shape (K,).
        """
        rows = np.asarray(worlds, np.int64)
        _check_range("world", rows, self.worlds)
        return Snapshot(
            floats=self.floats[rows],
            ints=self.ints[rows],
            flags=self.flags[rows],
            signals=self.signals[rows],
            steps=self.steps[rows],
            start=self.start[rows],
        )

    def restore(self, snapshot: Snapshot, worlds: IntArray) -> None:
        """Put worlds into a snapshot's state; a branch when these are other worlds.

        Args:
            snapshot: K worlds of a simulator over the same StartBank.
            worlds: Indices of the worlds to overwrite, shape (K,).

        Raises:
            ShapeError: The snapshot has another number of worlds, or other sizes.
        """
        rows = np.asarray(worlds, np.int64)
        _check_range("world", rows, self.worlds)
        check_shape("snapshot.floats", snapshot.floats, len(rows), *self.floats.shape[1:])
        check_shape("snapshot.signals", snapshot.signals, len(rows), *self.signals.shape[1:])
        for name in ("floats", "ints", "flags", "signals", "steps", "start"):
            getattr(self, name)[rows] = getattr(snapshot, name)

    def close(self) -> None:
        """End the worker threads; the simulator cannot step afterwards if it had several."""
        if self._pool is not None:
            self._pool.shutdown()


def _check_range(what: str, index: IntArray, count: int) -> None:
    wrong = index[(index < 0) | (index >= count)]
    if len(wrong):
        raise IndexError(f"{what}: expected an index from 0 to {count - 1}, got {wrong[0]}")

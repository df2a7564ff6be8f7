"""Traffic signals with fixed-time plans."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from scenegen.arrays import FloatArray, check_shape


class SignalState(IntEnum):
    """What a signal shows; NONE stands for a place without a signal."""

    NONE = 0
    GREEN = 1
    YELLOW = 2
    RED = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Signal:
    """One signal head group and the lanes it governs, on a fixed-time plan.

    Within a cycle the signal is green from `green_start` for `green` seconds, then yellow for
    `yellow` seconds, red for the rest.

    Attributes:
        lanes: Indices of the lanes (into RoadMap.lanes) that start behind its stop line.
        stop_line: Left and right end of the stop line [m], shape (2, 2).
        position: Where the pole stands [m], shape (2,).
        cycle: Cycle time [s].
        green_start: Begin of green within the cycle [s].
        green: Duration of green [s].
        yellow: Duration of yellow [s].
        always: A state shown without end (a recorded or failed signal), NONE to run the plan.
    """

    lanes: tuple[int, ...]
    stop_line: FloatArray
    position: FloatArray
    cycle: float
    green_start: float
    green: float
    yellow: float = 3.0
    always: SignalState = SignalState.NONE

    def __post_init__(self) -> None:
        """Check shapes and that the plan fits its cycle."""
        check_shape("stop_line", self.stop_line, 2, 2)
        check_shape("position", self.position, 2)
        if not 0 < self.green + self.yellow <= self.cycle:
            raise ValueError(
                f"Signal: expected 0 < green + yellow <= cycle, got {self.green} + {self.yellow}"
                f" > {self.cycle} s"
            )

    def state(self, time: float) -> SignalState:
        """State at a time [s] since the scenario began."""
        if self.always is not SignalState.NONE:
            return self.always
        phase = float(np.mod(time - self.green_start, self.cycle))
        if phase < self.green:
            return SignalState.GREEN
        return SignalState.YELLOW if phase < self.green + self.yellow else SignalState.RED

"""Rows of the state of a world: one block of floats, one of integers, one of flags.

A world is three blocks of shape (rows, N). Worlds stacked give (W, rows, N), so that a world lies
in one piece of memory: to reset or branch it is one copy, and a step stays in the cache.
"""

from __future__ import annotations

from enum import IntEnum

from scenegen.scene import AgentKind, Control, Ignores, LaneKind, ManeuverKind, SignalState
from scenegen.scene.plans import TriggerKind


def _rows(names: str) -> dict[str, int]:
    return {name: row for row, name in enumerate(names.split())}


FLOATS = _rows(
    "x y cos sin yaw speed half_length half_width along offset heading_error lane_width gap ttc thw"
    " acceleration yaw_rate path_along path_offset path_heading base shift progress"
    " shift_time command command_rate began walked brake mid_x mid_y mid_cos mid_sin"
    " planned_a planned_b"
)
"""Row of each float: SI units, radians, map frame."""

INTS = _rows(
    "kind lane leader collided_with mode slot route_at segment cooldown need need_at"
    " path0 path1 path2 path3 path4 path5 loose"
)
"""Row of each integer."""

FLAGS = _rows("valid collided offroad wrong_way crashed keeps_offset commanded alone pressed")
"""Row of each flag."""

X, Y, COS, SIN, YAW, SPEED = (FLOATS[n] for n in ("x", "y", "cos", "sin", "yaw", "speed"))
HALF_LENGTH, HALF_WIDTH = FLOATS["half_length"], FLOATS["half_width"]
ALONG, OFFSET = FLOATS["along"], FLOATS["offset"]
HEADING_ERROR, LANE_WIDTH = FLOATS["heading_error"], FLOATS["lane_width"]
GAP, TTC, THW = FLOATS["gap"], FLOATS["ttc"], FLOATS["thw"]
ACCELERATION, YAW_RATE = FLOATS["acceleration"], FLOATS["yaw_rate"]
PATH_ALONG, PATH_OFFSET = FLOATS["path_along"], FLOATS["path_offset"]
PATH_HEADING = FLOATS["path_heading"]
BASE, SHIFT = FLOATS["base"], FLOATS["shift"]
PROGRESS, SHIFT_TIME = FLOATS["progress"], FLOATS["shift_time"]
COMMAND, COMMAND_RATE = FLOATS["command"], FLOATS["command_rate"]
BEGAN, WALKED, BRAKE = FLOATS["began"], FLOATS["walked"], FLOATS["brake"]
MID_X, MID_Y, MID_COS, MID_SIN = (FLOATS[f"mid_{n}"] for n in ("x", "y", "cos", "sin"))

KIND, LANE, LEADER = INTS["kind"], INTS["lane"], INTS["leader"]
COLLIDED_WITH, MODE, SLOT = INTS["collided_with"], INTS["mode"], INTS["slot"]
ROUTE_AT, SEGMENT, COOLDOWN = INTS["route_at"], INTS["segment"], INTS["cooldown"]
NEED, NEED_AT, PATH = INTS["need"], INTS["need_at"], INTS["path0"]
LOOSE = INTS["loose"]
"""Scratch: the valid agents that are not ALONE, one after the other."""
PATHS = 6
"""Lanes of the route ahead that are looked at."""

PLANNED_A, PLANNED_B = FLOATS["planned_a"], FLOATS["planned_b"]

VALID, COLLIDED, OFFROAD = FLAGS["valid"], FLAGS["collided"], FLAGS["offroad"]
WRONG_WAY, CRASHED = FLAGS["wrong_way"], FLAGS["crashed"]
KEEPS_OFFSET, COMMANDED = FLAGS["keeps_offset"], FLAGS["commanded"]
ALONE = FLAGS["alone"]
"""The box lies within one lane that no other overlaps: lists of lanes say all about it."""
PRESSED = FLAGS["pressed"]
"""A vehicle with a siren comes up from behind."""


class Mode(IntEnum):
    """How an agent moves now; the first five are Control, the others come from maneuvers."""

    EXTERNAL = 0
    REACTIVE = 1
    LOG = 2
    KNOTS = 3
    HOLD = 4
    WALK = 5
    REVERSE = 6
    SWING = 7


MODE_EXTERNAL, MODE_REACTIVE, MODE_LOG = int(Mode.EXTERNAL), int(Mode.REACTIVE), int(Mode.LOG)
MODE_KNOTS, MODE_HOLD, MODE_WALK = int(Mode.KNOTS), int(Mode.HOLD), int(Mode.WALK)
MODE_REVERSE, MODE_SWING = int(Mode.REVERSE), int(Mode.SWING)
assert all(int(Mode[c.name]) == int(c) for c in Control)

KIND_MOTORCYCLE, KIND_CYCLIST = int(AgentKind.MOTORCYCLE), int(AgentKind.CYCLIST)
KIND_PEDESTRIAN, KIND_ANIMAL = int(AgentKind.PEDESTRIAN), int(AgentKind.ANIMAL)
KIND_STATIC = int(AgentKind.STATIC)

IGNORES_SIGNALS, IGNORES_PRIORITY = int(Ignores.SIGNALS), int(Ignores.PRIORITY)
IGNORES_LEADERS, IGNORES_LIMIT = int(Ignores.LEADERS), int(Ignores.SPEED_LIMIT)
SIREN = int(Ignores.SIREN)

LANE_CHANGE, SET_SPEED = int(ManeuverKind.LANE_CHANGE), int(ManeuverKind.SPEED)
WALK, RESUME = int(ManeuverKind.WALK), int(ManeuverKind.RESUME)
REVERSE, SWING = int(ManeuverKind.REVERSE), int(ManeuverKind.SWING)
ON_TIME, ON_GAP, ON_ARRIVAL = int(TriggerKind.TIME), int(TriggerKind.GAP), int(TriggerKind.ARRIVAL)
ON_DELAY, ON_TTC = int(TriggerKind.DELAY), int(TriggerKind.TTC)

NO_SIGNAL, GREEN = int(SignalState.NONE), int(SignalState.GREEN)
YELLOW, RED = int(SignalState.YELLOW), int(SignalState.RED)
RAMP = int(LaneKind.RAMP)
SIDEWALK, CROSSWALK = int(LaneKind.SIDEWALK), int(LaneKind.CROSSWALK)

DESIRED, HEADWAY, MINIMUM_GAP, WANTED, COMFORT, POLITENESS, REACTION = range(7)
"""Columns of the drivers' parameters, in the order of AgentPlans."""

# Columns of the baked road.
SEG_X, SEG_Y, SEG_UX, SEG_UY, SEG_LENGTH, SEG_S, SEG_WIDTH, SEG_HEAD, SEG_HEAD_END, SEG_SPEED = (
    range(10)
)
LANE_LENGTH, LANE_LIMIT, LANE_STOP, LANE_ENTRY_SPEED = range(4)
(
    LANE_FIRST,
    LANE_LAST,
    LANE_LEFT,
    LANE_RIGHT,
    LANE_SIGNAL,
    LANE_JUNCTION,
    LANE_KIND,
    LANE_MAY_LEFT,
    LANE_MAY_RIGHT,
    LANE_NEXT_FIRST,
    LANE_NEXT_LAST,
    LANE_CONFLICT_FIRST,
    LANE_CONFLICT_LAST,
    LANE_STRAIGHT_ON,
    LANE_BEFORE,
    LANE_CONTESTED,
) = range(16)
CON_ENTER, CON_EXIT, CON_OTHER_ENTER, CON_OTHER_EXIT = range(4)
EDGE_X, EDGE_Y, EDGE_UX, EDGE_UY, EDGE_HALF = range(5)
SIG_CYCLE, SIG_START, SIG_GREEN, SIG_YELLOW, SIG_ALWAYS = range(5)
GRID_X, GRID_Y, GRID_COLUMNS, GRID_ROWS = range(4)
CELL = 5.0
"""Edge of a cell of the look-up grid [m]."""

"""The step of a world: plan, move, place, collide, look. One thread does a range of worlds."""
# ruff: noqa: ANN001, ANN201, ANN202 - compiled by numba, which infers the types
# mypy: disable-error-code="no-untyped-def"

from __future__ import annotations

from scenegen.sim.collision import collide, leave_road
from scenegen.sim.compiled import kernel
from scenegen.sim.dynamics import DT
from scenegen.sim.fields import MODE, MODE_KNOTS, MODE_LOG, MODE_REACTIVE, VALID
from scenegen.sim.junctions import list_approaches, show_signals
from scenegen.sim.lane_change import consider_all
from scenegen.sim.leaders import lead_all
from scenegen.sim.log_replay import is_disturbed, leave_log
from scenegen.sim.maneuvers import TICK, begin_due
from scenegen.sim.map_bank import Road
from scenegen.sim.motion import move_all, plan_all
from scenegen.sim.opening import anchor_all, open_agent, track_all
from scenegen.sim.places import place_all


@kernel
def step_worlds(low, high, state, tables, actions, scratch):
    """Advance the worlds low to high - 1 by one step; where `steps` is -1, complete the opening.

    One kernel does both because most of the work, and of the time to compile it, is the same.
    """
    floats, ints, flags, signals, start, steps = state
    starts, maps = tables
    lists, ways = scratch
    for w in range(low, high):
        s = start[w]
        road, plans = _road(maps, starts.map[s])
        f, k, b = floats[w], ints[w], flags[w]
        if steps[w] < 0:
            _open(f, k, b, s, starts, road, lists)
        else:
            if len(road.conflict_lane):
                list_approaches(f, k, b, road, signals[w], ways)
            _switch_all(f, k, b, steps[w], s, starts, road)
            plan_all(f, k, b, steps[w], s, starts, road, signals[w], ways, actions[w])
            move_all(f, k, b, steps[w], s, starts)
        steps[w] += 1
        show_signals(signals[w], plans, steps[w] * DT)
        collide(f, k, b)
        _look(f, k, b, s, starts, road, lists)
        if steps[w] > 0:
            routes, parameters, ignores = starts.routes[s], starts.parameters[s], starts.ignores[s]
            consider_all(f, k, b, steps[w], parameters, ignores, road, routes, lists)


@kernel
def _look(f, k, b, s, starts, road, lists):
    """Find everybody's place on path and road, leader, and whether on the road."""
    track_all(f, k, b, road, starts.routes[s])
    place_all(f, k, b, road, lists)
    anchor_all(f, k, b, road, starts.routes[s])
    lead_all(f, k, b, starts.parameters[s], starts.ignores[s], road, lists)
    leave_road(f, k, b, road.edges, road.grid_head, road.cells, road.cell_items)


@kernel
def _switch_all(f, k, b, steps, s, starts, road):
    """Let maneuvers begin, and replays and motion codes end."""
    first, last = starts.log_begin[s], starts.log_begin[s + 1]
    for i in range(f.shape[1]):
        if not b[VALID, i]:
            continue
        if starts.maneuvers[s, i, 0, 0] != 0.0:
            begin_due(f, k, b, i, steps, starts.maneuvers[s], road, starts.routes[s])
        if k[MODE, i] == MODE_KNOTS and steps * DT >= starts.knots_duration[s] - TICK:
            k[MODE, i] = MODE_REACTIVE
        if k[MODE, i] == MODE_LOG and is_disturbed(
            f, k, b, i, steps, starts.logs, starts.log_valid, first, last
        ):
            leave_log(f, k, b, i)


@kernel
def _open(f, k, b, s, starts, road, lists):
    """Put everybody on a path at time 0."""
    place_all(f, k, b, road, lists)
    for i in range(f.shape[1]):
        open_agent(f, k, b, i, road, starts.routes[s])


@kernel
def reset_worlds(worlds, picks, state, opening):
    """Copy openings into worlds."""
    floats, ints, flags, signals, start, steps = state
    for n in range(len(worlds)):
        w, s = worlds[n], picks[n]
        _copy(opening.floats[s], floats[w])
        _copy(opening.ints[s], ints[w])
        _copy(opening.flags[s], flags[w])
        for g in range(signals.shape[1]):
            signals[w, g] = opening.signals[s, g]
        start[w] = s
        steps[w] = 0


@kernel
def _copy(source, target):
    for row in range(source.shape[0]):
        for i in range(source.shape[1]):
            target[row, i] = source[row, i]


@kernel
def _road(maps, m):
    """One map's part of the tables, and the plans of its signals."""
    a, z = maps.offsets[m], maps.offsets[m + 1]
    road = Road(
        maps.segments[a[0] : z[0]],
        maps.segment_lane[a[1] : z[1]],
        maps.segment_alone[a[2] : z[2]],
        maps.lane_numbers[a[3] : z[3]],
        maps.lane_links[a[4] : z[4]],
        maps.successors[a[5] : z[5]],
        maps.conflict_lane[a[6] : z[6]],
        maps.conflict_range[a[7] : z[7]],
        maps.edges[a[8] : z[8]],
        maps.grid_head[a[9] : z[9]],
        maps.cells[a[10] : z[10]],
        maps.cell_items[a[11] : z[11]],
    )
    return road, maps.signals[a[12] : z[12]]

"""Road maps as flat arrays and back, exactly: lanes, links, signals and crossings in CSR form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any

import numpy as np

from scenegen.arrays import Array
from scenegen.data.schema import Column, offsets_column, table_column
from scenegen.scene import (
    Crossing,
    Lane,
    LaneKind,
    LineMarking,
    RoadKind,
    RoadMap,
    Signal,
    SignalState,
)

Arrays = Mapping[str, Array]


def _flags(kind: type[IntEnum]) -> dict[str, Any]:
    meanings = " ".join(member.name.lower() for member in kind)
    return {"flag_values": [int(member) for member in kind], "flag_meanings": meanings}


def _metres(text: str) -> dict[str, Any]:
    return {"units": "m", "long_name": text}


def _link(name: str) -> Column:
    text = f"lanes that are a lane's {name}s, numbered within their map"
    return table_column(f"map/lanes/{name}", "int32", [f"{name}_link"], long_name=text)


ROAD_COLUMNS = (
    table_column(
        "map/lanes/centerline", "float64", ["point", "axis"], [2], **_metres("middle of each lane")
    ),
    table_column("map/lanes/width", "float64", ["point"], **_metres("width at each point")),
    table_column("map/lanes/kind", "int8", ["lane"], **_flags(LaneKind)),
    table_column("map/lanes/speed_limit", "float64", ["lane"], units="m s-1"),
    table_column("map/lanes/left", "int32", ["lane"], long_name="neighbour on the left, or -1"),
    table_column("map/lanes/right", "int32", ["lane"], long_name="neighbour on the right, or -1"),
    table_column("map/lanes/left_marking", "int8", ["lane"], **_flags(LineMarking)),
    table_column("map/lanes/right_marking", "int8", ["lane"], **_flags(LineMarking)),
    table_column("map/lanes/in_junction", "bool", ["lane"]),
    table_column("map/lanes/yields", "bool", ["lane"]),
    table_column("map/lanes/turn", "int8", ["lane"], long_name="+1 left, -1 right, 0 straight"),
    _link("predecessor"),
    _link("successor"),
    table_column(
        "map/signals/stop_line", "float64", ["signal", "end", "axis"], [2, 2], **_metres("ends")
    ),
    table_column("map/signals/position", "float64", ["signal", "axis"], [2], **_metres("pole")),
    table_column("map/signals/cycle", "float64", ["signal"], units="s"),
    table_column("map/signals/green_start", "float64", ["signal"], units="s"),
    table_column("map/signals/green", "float64", ["signal"], units="s"),
    table_column("map/signals/yellow", "float64", ["signal"], units="s"),
    table_column("map/signals/always", "int8", ["signal"], **_flags(SignalState)),
    table_column("map/signals/lane", "int32", ["lane_link"], long_name="lanes it governs"),
    table_column("map/crossings/outline", "float64", ["point", "axis"], [2], **_metres("corners")),
    table_column(
        "map/crossings/path", "float64", ["crossing", "end", "axis"], [2, 2], **_metres("walk")
    ),
    table_column("map/crossings/lane", "int32", ["lane_link"], long_name="lanes it crosses"),
)
"""Value arrays of all maps of a pack, joined along the first axis."""

ROAD_OFFSETS = (
    offsets_column("map/lanes/map_offsets", "map_edge"),
    offsets_column("map/lanes/point_offsets", "lane_edge"),
    offsets_column("map/lanes/predecessor_offsets", "lane_edge"),
    offsets_column("map/lanes/successor_offsets", "lane_edge"),
    offsets_column("map/signals/map_offsets", "map_edge"),
    offsets_column("map/signals/lane_offsets", "signal_edge"),
    offsets_column("map/crossings/map_offsets", "map_edge"),
    offsets_column("map/crossings/point_offsets", "crossing_edge"),
    offsets_column("map/crossings/lane_offsets", "crossing_edge"),
)
"""CSR offsets of all maps of a pack."""

_SHAPES = {column.path: (column.dtype, column.row_shape) for column in ROAD_COLUMNS}


def road_rows(roadmap: RoadMap) -> tuple[dict[str, Array], dict[str, list[int]]]:
    """Give one map's rows for each ROAD_COLUMNS path and its counts for each ROAD_OFFSETS path."""
    lanes, signals, crossings = roadmap.lanes, roadmap.signals, roadmap.crossings
    rows: dict[str, Array] = {
        "map/lanes/centerline": _rows("map/lanes/centerline", [x.centerline for x in lanes]),
        "map/lanes/width": _rows("map/lanes/width", [x.width for x in lanes]),
        "map/lanes/predecessor": _links([x.predecessors for x in lanes]),
        "map/lanes/successor": _links([x.successors for x in lanes]),
        "map/signals/lane": _links([x.lanes for x in signals]),
        "map/crossings/outline": _rows("map/crossings/outline", [x.outline for x in crossings]),
        "map/crossings/lane": _links([x.lanes for x in crossings]),
    }
    owners: dict[str, Sequence[object]] = {
        "map/lanes": lanes,
        "map/signals": signals,
        "map/crossings": crossings,
    }
    for path, (dtype, shape) in _SHAPES.items():
        if path not in rows:
            group, _, name = path.rpartition("/")
            values = [getattr(owner, name) for owner in owners[group]]
            rows[path] = np.array(values, dtype).reshape(-1, *shape)
    counts = {
        "map/lanes/map_offsets": [len(lanes)],
        "map/lanes/point_offsets": [len(x.width) for x in lanes],
        "map/lanes/predecessor_offsets": [len(x.predecessors) for x in lanes],
        "map/lanes/successor_offsets": [len(x.successors) for x in lanes],
        "map/signals/map_offsets": [len(signals)],
        "map/signals/lane_offsets": [len(x.lanes) for x in signals],
        "map/crossings/map_offsets": [len(crossings)],
        "map/crossings/point_offsets": [len(x.outline) for x in crossings],
        "map/crossings/lane_offsets": [len(x.lanes) for x in crossings],
    }
    return rows, counts


def road_document(roadmap: RoadMap) -> dict[str, Any]:
    """Give what is text about a map."""
    return {"name": roadmap.name, "kind": str(roadmap.kind), "source": roadmap.source}


def read_road(arrays: Arrays, index: int, document: Mapping[str, Any]) -> RoadMap:
    """Rebuild map number `index` of a pack from its arrays."""
    owned = arrays["map/lanes/map_offsets"][index : index + 2]
    heads = arrays["map/signals/map_offsets"][index : index + 2]
    walks = arrays["map/crossings/map_offsets"][index : index + 2]
    return RoadMap(
        name=document["name"],
        kind=RoadKind(document["kind"]),
        lanes=tuple(_lane(arrays, int(i)) for i in range(*owned)),
        signals=tuple(_signal(arrays, int(i)) for i in range(*heads)),
        crossings=tuple(_crossing(arrays, int(i)) for i in range(*walks)),
        source=dict(document["source"]),
    )


def _lane(arrays: Arrays, i: int) -> Lane:
    def value(name: str) -> Any:  # noqa: ANN401 - a number of any kind
        return arrays[f"map/lanes/{name}"][i].item()

    return Lane(
        centerline=_slice(arrays, "map/lanes/centerline", "point_offsets", i),
        width=_slice(arrays, "map/lanes/width", "point_offsets", i),
        kind=LaneKind(value("kind")),
        speed_limit=value("speed_limit"),
        predecessors=_numbers(arrays, "map/lanes/predecessor", "predecessor_offsets", i),
        successors=_numbers(arrays, "map/lanes/successor", "successor_offsets", i),
        left=value("left"),
        right=value("right"),
        left_marking=LineMarking(value("left_marking")),
        right_marking=LineMarking(value("right_marking")),
        in_junction=value("in_junction"),
        yields=value("yields"),
        turn=value("turn"),
    )


def _signal(arrays: Arrays, i: int) -> Signal:
    names = ("cycle", "green_start", "green", "yellow")
    cycle, green_start, green, yellow = (arrays[f"map/signals/{n}"][i].item() for n in names)
    return Signal(
        lanes=_numbers(arrays, "map/signals/lane", "lane_offsets", i),
        stop_line=np.array(arrays["map/signals/stop_line"][i]),
        position=np.array(arrays["map/signals/position"][i]),
        cycle=cycle,
        green_start=green_start,
        green=green,
        yellow=yellow,
        always=SignalState(arrays["map/signals/always"][i].item()),
    )


def _crossing(arrays: Arrays, i: int) -> Crossing:
    return Crossing(
        outline=_slice(arrays, "map/crossings/outline", "point_offsets", i),
        path=np.array(arrays["map/crossings/path"][i]),
        lanes=_numbers(arrays, "map/crossings/lane", "lane_offsets", i),
    )


def _rows(path: str, parts: Sequence[Array]) -> Array:
    dtype, shape = _SHAPES[path]
    return np.concatenate([np.empty((0, *shape), dtype), *parts]).astype(dtype)


def _links(parts: Iterable[Sequence[int]]) -> Array:
    return np.array([lane for part in parts for lane in part], np.int32)


def _slice(arrays: Arrays, path: str, offsets: str, i: int) -> Any:  # noqa: ANN401 - typed by use
    begin, end = arrays[f"{path.rpartition('/')[0]}/{offsets}"][i : i + 2]
    return np.array(arrays[path][int(begin) : int(end)])


def _numbers(arrays: Arrays, path: str, offsets: str, i: int) -> tuple[int, ...]:
    return tuple(_slice(arrays, path, offsets, i).tolist())

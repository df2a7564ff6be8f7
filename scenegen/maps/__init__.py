"""Where road maps come from: procedural families, and recorded scenes in files."""

from scenegen.maps.commonroad import RecordedScene, read_commonroad
from scenegen.maps.commonroad_agents import PlanningStart
from scenegen.maps.four_way import FourWay
from scenegen.maps.highway import Highway
from scenegen.maps.roundabout import Roundabout
from scenegen.maps.rural import Rural
from scenegen.maps.source import MapSource, Range
from scenegen.maps.t_junction import TJunction
from scenegen.maps.urban import Urban

MAP_SOURCES: dict[str, type[MapSource]] = {
    "highway": Highway,
    "rural": Rural,
    "urban": Urban,
    "four_way": FourWay,
    "t_junction": TJunction,
    "roundabout": Roundabout,
}
"""Every procedural family by its name."""

__all__ = [
    "MAP_SOURCES",
    "FourWay",
    "Highway",
    "MapSource",
    "PlanningStart",
    "Range",
    "RecordedScene",
    "Roundabout",
    "Rural",
    "TJunction",
    "Urban",
    "read_commonroad",
]

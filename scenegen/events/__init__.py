"""What happens: families of rare events, their concrete scripts, and how to tell they occurred."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenegen.errors import UnknownNameError
from scenegen.events.along_road import AlongRoad
from scenegen.events.animal_crossing import AnimalCrossing
from scenegen.events.casting import Pinned
from scenegen.events.cut_in import CutIn
from scenegen.events.cut_out_to_stopped import CutOutToStopped
from scenegen.events.cyclist_crossing import CyclistCrossing
from scenegen.events.debris import Debris
from scenegen.events.event import Event, Script
from scenegen.events.jaywalker import Jaywalker
from scenegen.events.lane_frames import LaneFrame
from scenegen.events.lead_hard_brake import LeadHardBrake
from scenegen.events.merge_conflict import MergeConflict
from scenegen.events.occluded_pedestrian import OccludedPedestrian
from scenegen.events.parked_car_pulls_out import ParkedCarPullsOut
from scenegen.events.ranges import Limit, Range
from scenegen.events.red_light_runner import RedLightRunner
from scenegen.events.slower_lead import SlowerLead
from scenegen.events.tailgater import Tailgater
from scenegen.events.tracks import Tracks
from scenegen.events.unprotected_left import UnprotectedLeft
from scenegen.events.wrong_way_driver import WrongWayDriver

EVENTS: dict[str, type[Event]] = {
    "along_road": AlongRoad,
    "animal_crossing": AnimalCrossing,
    "cut_in": CutIn,
    "cut_out_to_stopped": CutOutToStopped,
    "cyclist_crossing": CyclistCrossing,
    "debris": Debris,
    "jaywalker": Jaywalker,
    "lead_hard_brake": LeadHardBrake,
    "merge_conflict": MergeConflict,
    "occluded_pedestrian": OccludedPedestrian,
    "parked_car_pulls_out": ParkedCarPullsOut,
    "red_light_runner": RedLightRunner,
    "slower_lead": SlowerLead,
    "tailgater": Tailgater,
    "unprotected_left": UnprotectedLeft,
    "wrong_way_driver": WrongWayDriver,
}
"""Every event family by its name."""


def script_from_json(data: Mapping[str, Any]) -> Script:
    """Rebuild a script from `Script.to_json`.

    Args:
        data: The JSON object; "event" names the family.

    Returns:
        The script.

    Raises:
        UnknownNameError: There is no such family.
        QueryError: The numbers are not those of the family.
    """
    name = str(data.get("event"))
    if name not in EVENTS:
        raise UnknownNameError("event", name, EVENTS)
    return EVENTS[name].script.from_json(data)


__all__ = [
    "EVENTS",
    "AlongRoad",
    "AnimalCrossing",
    "CutIn",
    "CutOutToStopped",
    "CyclistCrossing",
    "Debris",
    "Event",
    "Jaywalker",
    "LaneFrame",
    "LeadHardBrake",
    "Limit",
    "MergeConflict",
    "OccludedPedestrian",
    "ParkedCarPullsOut",
    "Pinned",
    "Range",
    "RedLightRunner",
    "Script",
    "SlowerLead",
    "Tailgater",
    "Tracks",
    "UnprotectedLeft",
    "WrongWayDriver",
    "script_from_json",
]

"""What happens: families of rare events, their concrete scripts, and how to tell they occurred."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenegen.errors import UnknownNameError
from scenegen.events.along_road import AlongRoad
from scenegen.events.animal_crossing import AnimalCrossing
from scenegen.events.backing_vehicle import BackingVehicle
from scenegen.events.casting import Pinned
from scenegen.events.cut_in import CutIn
from scenegen.events.cut_out_to_stopped import CutOutToStopped
from scenegen.events.cyclist_crossing import CyclistCrossing
from scenegen.events.cyclist_dooring import CyclistDooring
from scenegen.events.debris import Debris
from scenegen.events.door_opening import DoorOpening
from scenegen.events.ego_lane_change_conflict import EgoLaneChangeConflict
from scenegen.events.emergency_vehicle import EmergencyVehicle
from scenegen.events.event import Event, Script
from scenegen.events.jaywalker import Jaywalker
from scenegen.events.lane_closure import LaneClosure
from scenegen.events.lane_drift import LaneDrift
from scenegen.events.lane_frames import LaneFrame
from scenegen.events.lead_hard_brake import LeadHardBrake
from scenegen.events.loss_of_control import LossOfControl
from scenegen.events.merge_conflict import MergeConflict
from scenegen.events.occluded_pedestrian import OccludedPedestrian
from scenegen.events.parked_car_pulls_out import ParkedCarPullsOut
from scenegen.events.ranges import Limit, Range
from scenegen.events.red_light_runner import RedLightRunner
from scenegen.events.right_turn_conflict import RightTurnConflict
from scenegen.events.slower_lead import SlowerLead
from scenegen.events.stop_sign_runner import StopSignRunner
from scenegen.events.stopped_in_poor_sight import StoppedInPoorSight
from scenegen.events.tailgater import Tailgater
from scenegen.events.tracks import Tracks
from scenegen.events.turning_pedestrian import TurningPedestrian
from scenegen.events.unprotected_left import UnprotectedLeft
from scenegen.events.wrong_way_driver import WrongWayDriver

EVENTS: dict[str, type[Event]] = {
    "along_road": AlongRoad,
    "animal_crossing": AnimalCrossing,
    "backing_vehicle": BackingVehicle,
    "cut_in": CutIn,
    "cut_out_to_stopped": CutOutToStopped,
    "cyclist_crossing": CyclistCrossing,
    "cyclist_dooring": CyclistDooring,
    "debris": Debris,
    "door_opening": DoorOpening,
    "ego_lane_change_conflict": EgoLaneChangeConflict,
    "emergency_vehicle": EmergencyVehicle,
    "jaywalker": Jaywalker,
    "lane_closure": LaneClosure,
    "lane_drift": LaneDrift,
    "lead_hard_brake": LeadHardBrake,
    "loss_of_control": LossOfControl,
    "merge_conflict": MergeConflict,
    "occluded_pedestrian": OccludedPedestrian,
    "parked_car_pulls_out": ParkedCarPullsOut,
    "red_light_runner": RedLightRunner,
    "right_turn_conflict": RightTurnConflict,
    "slower_lead": SlowerLead,
    "stop_sign_runner": StopSignRunner,
    "stopped_in_poor_sight": StoppedInPoorSight,
    "tailgater": Tailgater,
    "turning_pedestrian": TurningPedestrian,
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
    "BackingVehicle",
    "CutIn",
    "CutOutToStopped",
    "CyclistCrossing",
    "CyclistDooring",
    "Debris",
    "DoorOpening",
    "EgoLaneChangeConflict",
    "EmergencyVehicle",
    "Event",
    "Jaywalker",
    "LaneClosure",
    "LaneDrift",
    "LaneFrame",
    "LeadHardBrake",
    "Limit",
    "LossOfControl",
    "MergeConflict",
    "OccludedPedestrian",
    "ParkedCarPullsOut",
    "Pinned",
    "Range",
    "RedLightRunner",
    "RightTurnConflict",
    "Script",
    "SlowerLead",
    "StopSignRunner",
    "StoppedInPoorSight",
    "Tailgater",
    "Tracks",
    "TurningPedestrian",
    "UnprotectedLeft",
    "WrongWayDriver",
    "script_from_json",
]

"""What happens: families of rare events, their concrete scripts, and how to tell they occurred."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scenegen.errors import UnknownNameError
from scenegen.events.casting import Pinned
from scenegen.events.cut_in import CutIn
from scenegen.events.cut_out_to_stopped import CutOutToStopped
from scenegen.events.event import Event, Script
from scenegen.events.jaywalker import Jaywalker
from scenegen.events.lane_frames import LaneFrame
from scenegen.events.lead_hard_brake import LeadHardBrake
from scenegen.events.occluded_pedestrian import OccludedPedestrian
from scenegen.events.ranges import Limit, Range
from scenegen.events.red_light_runner import RedLightRunner
from scenegen.events.tracks import Tracks
from scenegen.events.unprotected_left import UnprotectedLeft
from scenegen.events.wrong_way_driver import WrongWayDriver

EVENTS: dict[str, type[Event]] = {
    "cut_in": CutIn,
    "cut_out_to_stopped": CutOutToStopped,
    "jaywalker": Jaywalker,
    "lead_hard_brake": LeadHardBrake,
    "occluded_pedestrian": OccludedPedestrian,
    "red_light_runner": RedLightRunner,
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
    "CutIn",
    "CutOutToStopped",
    "Event",
    "Jaywalker",
    "LaneFrame",
    "LeadHardBrake",
    "Limit",
    "OccludedPedestrian",
    "Pinned",
    "Range",
    "RedLightRunner",
    "Script",
    "Tracks",
    "UnprotectedLeft",
    "WrongWayDriver",
    "script_from_json",
]

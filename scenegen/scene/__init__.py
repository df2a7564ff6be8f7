"""The nouns: agents, road maps, conditions, plans, scenes, scenarios, frames."""

from scenegen.scene.agents import EGO, AgentKind, AgentStates
from scenegen.scene.climate import draw_conditions, draw_light
from scenegen.scene.composition import Composition
from scenegen.scene.conditions import Conditions, Light, Weather
from scenegen.scene.frame import ArraySpec, Frame
from scenegen.scene.lanes import LanePlace, locate
from scenegen.scene.plans import AgentPlans, Control, Ignores, Maneuver, ManeuverKind, Trigger
from scenegen.scene.roadmap import Crossing, Lane, LaneKind, LineMarking, RoadKind, RoadMap
from scenegen.scene.scenario import Provenance, Scenario, Scene
from scenegen.scene.signals import Signal, SignalState

__all__ = [
    "EGO",
    "AgentKind",
    "AgentPlans",
    "AgentStates",
    "ArraySpec",
    "Composition",
    "Conditions",
    "Control",
    "Crossing",
    "Frame",
    "Ignores",
    "Lane",
    "LaneKind",
    "LanePlace",
    "Light",
    "LineMarking",
    "Maneuver",
    "ManeuverKind",
    "Provenance",
    "RoadKind",
    "RoadMap",
    "Scenario",
    "Scene",
    "Signal",
    "SignalState",
    "Trigger",
    "Weather",
    "draw_conditions",
    "draw_light",
    "locate",
]

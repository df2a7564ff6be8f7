"""Which event family to stage when a query describes a situation without naming one.

Published protocols speak of motions: somebody crosses, a light is run, the leader brakes. Such a
query is answered by staging the family that brings these motions about; what is staged only
proposes, the query decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from scenegen.events import EVENTS, Event, Range
from scenegen.query import EventCall, Query
from scenegen.query.atoms import Between, Compare, KindIs
from scenegen.query.expression import atoms
from scenegen.query.terms import EGO_ROLE, SignalOf
from scenegen.scene import AgentKind

FIRM_BRAKING = -2.0
"""Acceleration below which a leader that is asked for brakes hard rather than follows [m/s^2]."""
HIDING = frozenset(("occluded_pedestrian", "stopped_in_poor_sight"))
"""Families in which somebody who is no role may hide another."""
ON_FOOT, CYCLING = frozenset(("pedestrian", "child", "adult")), frozenset(("cyclist",))


def staged_calls(query: Query, bounds: Mapping[str, Range]) -> tuple[EventCall, ...]:
    """List the families to stage: those that are named, else those that the motions suggest.

    Args:
        query: The query.
        bounds: Ranges it implies, now or later, by the texts of signals.

    Returns:
        Calls of families, the first one counts; empty for everyday traffic.
    """
    calls = query.event_calls()
    named = tuple(call for call in calls if call.name in EVENTS)
    return named or tuple(_suggested(query, calls, bounds))


def is_about_sight(query: Query, event: Event) -> bool:
    """Whether a query, or the event that is staged for it, asks how much the ego sees of somebody.

    Args:
        query: The query.
        event: The event, narrowed to the query.
    """
    if event.name in HIDING or event.chosen.get("cover", "none") != "none":
        return True
    asked = {call.name for call in query.event_calls()}
    measured = {
        name
        for atom in atoms(query.formula)
        if isinstance(atom, Compare | Between)
        for term in ((atom.term,) if isinstance(atom, Between) else (atom.left, atom.right))
        for name in term.signals
    }
    return bool(asked & {"occluded", "emerges"} or "visible_fraction" in measured)


def _suggested(
    query: Query, calls: Sequence[EventCall], bounds: Mapping[str, Range]
) -> Iterator[EventCall]:
    kinds = _kinds(query)
    done = {call.name: call for call in reversed(calls)}
    who = {name: call.roles[0] for name, call in done.items()}
    if {"turn", "oncoming"} <= set(who) and who["turn"] == EGO_ROLE:
        yield EventCall(name="unprotected_left", roles=(who["oncoming"],))
    if "red_light" in who and who["red_light"] != EGO_ROLE:
        yield EventCall(name="red_light_runner", roles=(who["red_light"],))
    if {"cut_out", "stopped"} <= set(who) and who["cut_out"] != who["stopped"]:
        side = _options(done["cut_out"], "cut_out_to_stopped")
        yield EventCall(
            name="cut_out_to_stopped", roles=(who["cut_out"], who["stopped"]), options=side
        )
    if "stopped" in who and who["stopped"] in _half_hidden(query):
        yield EventCall(name="stopped_in_poor_sight", roles=(who["stopped"],))
    if {"lane_change", "rear"} <= set(who) and who["lane_change"] == EGO_ROLE:
        side = _options(done["lane_change"], "ego_lane_change_conflict")
        yield EventCall(name="ego_lane_change_conflict", roles=(who["rear"],), options=side)
    for name in ("crossing", "emerges"):
        if name in who:
            yield from _crossing(done[name], kinds.get(who[name], frozenset()), set(who))
    if "lead" in who:
        braking = bounds.get(f"{who['lead']}.accel")
        if braking is not None and braking.high < FIRM_BRAKING:
            yield EventCall(name="lead_hard_brake", roles=(who["lead"],))


def _crossing(call: EventCall, kinds: frozenset[str], happens: set[str]) -> Iterator[EventCall]:
    """Somebody who crosses: on a bicycle, out of hiding, or in plain view."""
    if kinds & CYCLING:
        name = "cyclist_crossing"
    elif AgentKind.ANIMAL.name.lower() in kinds:
        name = "animal_crossing"
    elif kinds and not kinds & ON_FOOT:
        return
    else:
        hides = happens & {"occluded", "emerges"}
        name = "occluded_pedestrian" if hides else "jaywalker"
    options = _options(call, name)
    if name == "cyclist_crossing" and happens & {"occluded", "emerges"}:
        options["cover"] = "parked"
    if name == "occluded_pedestrian" and kinds & {"child", "adult"}:
        options["who"] = "child" if "child" in kinds else "adult"
    yield EventCall(name=name, roles=call.roles[:1], options=options)


def _options(call: EventCall, family: str) -> dict[str, str]:
    """Options of a motion that the family has as well."""
    known = EVENTS[family].options
    return {key: value for key, value in call.options.items() if value in known.get(key, ())}


def _half_hidden(query: Query) -> set[str]:
    """Roles of which little is to be seen at first."""
    found = {call.roles[0] for call in query.event_calls() if call.name == "occluded"}
    for atom in atoms(query.formula):
        if not isinstance(atom, Compare) or atom.operator[0] == ">":
            continue
        if isinstance(atom.left, SignalOf) and atom.left.name == "visible_fraction":
            found.update(atom.left.roles)
    return found


def _kinds(query: Query) -> dict[str, frozenset[str]]:
    """What each role is asked to be."""
    found: dict[str, frozenset[str]] = {}
    for atom in atoms(query.formula):
        if isinstance(atom, KindIs):
            found[atom.role] = found.get(atom.role, frozenset()) | {atom.name}
    return found

"""The language in which people ask for scenarios.

A query names light, weather and road, agents by roles, what they do, and how close it was:

>>> from scenegen.query import parse
>>> query = parse("night and rain and cut_in(c, right) and ttc(ego, c) < 1.5s")
>>> query.text
'night and rain and cut_in(c,side=right) and ttc(ego,c) < 1.5s'
>>> parse(query.text) == query
True

It holds in a scenario if there are agents for its roles, all different and none of them the ego,
and **one instant at which all its clauses hold together for them**: the car that cuts in is the
car with the low time to collision. Conditions of light, weather and road hold throughout.

What can be written (each entry of STATICS, ROLE_KINDS, SIGNALS and PREDICATES has its definition):

* conditions: ``night``, ``fog``, ``highway``, ``visibility < 80m``, ``lanes >= 3``
* what an agent is: ``pedestrian(p)``, ``truck(t)``, ``child(p)``
* what agents do: ``cut_in(c)``, ``stopped(o)``, ``occluded(p, by=parked)``, ``ego.turn(left)``;
  whom an event has besides may go unnamed: ``cut_out_to_stopped(l)`` reveals somebody
* quantities, always with a unit: ``c.speed > 50km/h``, ``gap(ego, c) in [5m, 10m]``,
  ``abs(ego.accel) > 0.5g``, ``ttc(ego, c) < closing(ego, c) / 12m/s^2 + 0.35s``
* ``and``, ``or``, ``not``, parentheses; in a shell ``lt``, ``le``, ``gt``, ``ge`` for ``<`` ...
* time: ``eventually(...)`` and ``always(...)`` over the whole scenario, ``eventually[0s, 2s](...)``
  from now, ``c.accel < -6m/s^2 for 0.5s``, ``cut_in(c) then[0s, 4s] ttc(ego, c) < 2s``,
  ``ego.speed > 20m/s until[0s, 3s] hard_brake(ego)``
* the begin of something: ``at(intrusion(ego, c) > 0.3m, ttc(ego, c) < 2s)``; ``at(start, ...)``
  is the begin of the first event of the same conjunction

What is wrong is shown where it is:

>>> parse("highway and cutin(c)")
Traceback (most recent call last):
    ...
scenegen.errors.QueryError: unknown event 'cutin'. Did you mean 'cut_in'?
  highway and cutin(c)
              ^^^^^
>>> parse("ttc(ego, c) < 1.5")
Traceback (most recent call last):
    ...
scenegen.errors.QueryError: ttc(ego,c) is a time [s], 1.5 has no unit; write one: s, ms, min, h
  ttc(ego, c) < 1.5
                ^^^

Python builds the same queries; a role declared with a kind brings its clause along:

>>> from scenegen.query import cut_in, ego, km, h, m, night, s, ttc, vehicle
>>> c = vehicle("c")
>>> built = night & cut_in(c, "right") & (ttc(ego, c) < 1.5 * s) & (ego.speed > 90 * km / h)
>>> built.text
'vehicle(c) and night and cut_in(c,side=right) and ttc(ego,c) < 1.5s and ego.speed > 90km/h'

Before anything is generated a query says what it asks of the numbers, and whether it can be met:

>>> query.bounds()["ttc(ego,c)"]
Range(low=-inf, high=1.5)
>>> query.static().lights, query.event_calls()[0].name
((<Light.NIGHT: 'night'>,), 'cut_in')
>>> parse("ego.speed > 20m/s and ego.speed < 10m/s").bounds()
Traceback (most recent call last):
    ...
scenegen.errors.QueryError: these clauses contradict each other:
  ego.speed > 20m/s
  ego.speed < 10m/s

Situations from regulations and test protocols ship as queries with numbers to set:

>>> from scenegen.query import load_query
>>> load_query("lead_brakes_close", ttc="1.5s").roles
('l',)

`Query.evaluate` decides with exact semantics, `Query.margin_over_time` monitors, and
`Query.explain` says which clause failed, by how much, and which number would have been enough.
`Query.sql` gives what every match fulfils in a catalog's columns. Margins of batches in torch,
exact or smooth and with gradients on trajectories, are in `scenegen.query.robustness` and
`scenegen.query.trajectories`.
"""

from __future__ import annotations

from typing import Any

from scenegen.query.bounds import EventCall, StaticDemand
from scenegen.query.builders import (
    VOCABULARY,
    Quantity,
    Role,
    Unit,
    agent,
    always,
    at,
    does,
    ego,
    eventually,
    measure,
    named,
    then,
    until,
)
from scenegen.query.explain import ClauseExplanation, Explanation
from scenegen.query.library import (
    Parameter,
    PublishedQuery,
    load_query,
    published,
    read_published,
    tags,
)
from scenegen.query.predicates import PREDICATES, Predicate
from scenegen.query.query import Query, all_of, parse
from scenegen.query.relax import Relaxation
from scenegen.query.signals import SIGNALS, Signal
from scenegen.query.statics import ROLE_KINDS, STATICS, RoleKind, Static
from scenegen.query.trace import Trace
from scenegen.query.units import UNITS
from scenegen.query.verdict import ClauseResult, Verdict

s, ms, m, km, cm, g, rad, deg = (Unit(u) for u in ("s", "ms", "m", "km", "cm", "g", "rad", "deg"))
h = Unit("h")
km_h, mph, mm_h, percent = (Unit(u) for u in ("km/h", "mph", "mm/h", "%"))

__all__ = [
    "PREDICATES",
    "ROLE_KINDS",
    "SIGNALS",
    "STATICS",
    "UNITS",
    "VOCABULARY",
    "ClauseExplanation",
    "ClauseResult",
    "EventCall",
    "Explanation",
    "Parameter",
    "Predicate",
    "PublishedQuery",
    "Quantity",
    "Query",
    "Relaxation",
    "Role",
    "RoleKind",
    "Signal",
    "Static",
    "StaticDemand",
    "Trace",
    "Unit",
    "Verdict",
    "agent",
    "all_of",
    "always",
    "at",
    "cm",
    "deg",
    "does",
    "ego",
    "eventually",
    "g",
    "h",
    "km",
    "km_h",
    "load_query",
    "m",
    "measure",
    "mm_h",
    "mph",
    "ms",
    "named",
    "parse",
    "percent",
    "published",
    "rad",
    "read_published",
    "s",
    "tags",
    "then",
    "until",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a query, a quantity or a function of roles
    """Give any other word of the language, such as `night`, `ttc`, `cut_in` or `pedestrian`."""
    if name in VOCABULARY:
        return named(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the module's names with those of the language."""
    return sorted({*__all__, *VOCABULARY})

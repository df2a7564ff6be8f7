"""What every word of the query language keeps, whoever adds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import scenegen.query as language
from scenegen.events import EVENTS
from scenegen.query import PREDICATES, ROLE_KINDS, SIGNALS, STATICS, UNITS, Trace, parse
from scenegen.query.semantics import Semantics
from scenegen.query.terms import WORDS, SignalOf
from tests.query.worlds import busy

WORLDS = [Trace(busy(seed)) for seed in range(2)]
REGISTRIES = (STATICS, ROLE_KINDS, SIGNALS, PREDICATES)


def test_no_word_has_two_meanings() -> None:
    """Names are unique, no words of the grammar, and no modules that would hide them."""
    names = [name for registry in REGISTRIES for name in registry]

    assert len(names) == len(set(names))
    assert not set(names) & (WORDS | {"ego"})
    assert not set(names) & {
        path.stem for path in Path(language.__file__ or "").parent.glob("*.py")
    }


@pytest.mark.parametrize("name", [name for registry in REGISTRIES for name in registry])
def test_every_word_is_defined(name: str) -> None:
    """Each entry has a definition of a sentence, and a name that can be typed."""
    entry = next(registry[name] for registry in REGISTRIES if name in registry)

    assert len(entry.doc) > 5
    assert entry.doc.endswith(".")
    assert name.isidentifier()
    assert name == name.lower()


@pytest.mark.parametrize("name", PREDICATES)
def test_margins_are_finite_and_shaped(name: str) -> None:
    """A predicate gives a finite margin per instant and assignment of agents that are there."""
    predicate = PREDICATES[name]
    settings = [{}, *({o: v} for o, values in predicate.options.items() for v in values)]
    for trace in WORLDS:
        axes = np.ix_(*[trace.others] * len(predicate.roles))
        there = np.ones((1,) * (len(axes) + 1), np.bool_)
        for index in axes:
            there = there & trace.states.valid[:, index]
        for options in settings:
            margin = predicate.margin(trace, list(axes), options)

            assert margin.shape == (trace.steps, *[len(trace.others)] * len(predicate.roles))
            assert np.isfinite(margin[there]).all()


@pytest.mark.parametrize("name", PREDICATES)
def test_an_option_only_restricts(name: str) -> None:
    """With an option a predicate never holds where it does not hold without."""
    predicate = PREDICATES[name]
    for trace in WORLDS:
        axes = list(np.ix_(*[trace.others] * len(predicate.roles)))
        free = predicate.margin(trace, axes, {})
        for option, values in predicate.options.items():
            for value in values:
                held = predicate.margin(trace, axes, {option: value}) > 0
                assert not (held & (free <= 0)).any(), (option, value)


@pytest.mark.parametrize("name", SIGNALS)
def test_signals_are_shaped_and_their_margins_agree(name: str) -> None:
    """A signal gives a value per instant and assignment; its finite margin has the right sign."""
    signal = SIGNALS[name]
    for trace in WORLDS:
        axes = list(np.ix_(*[trace.others] * signal.roles)) if signal.roles else []
        value = signal.value(trace, *axes)

        assert value.shape == (trace.steps, *[len(trace.others)] * signal.roles)
        if signal.shortfall is None:
            continue
        for threshold in (0.4, 1.7, 6.3):
            margin = signal.shortfall(trace, *axes, threshold)
            there = trace.states.valid[:, axes[0]] & trace.states.valid[:, axes[1]]
            assert ((margin > 0) == (value < threshold))[there].all()


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_can_be_compared_in_one_of_its_units(name: str) -> None:
    """There is a unit to write a threshold in, and the comparison reads back."""
    signal = SIGNALS[name]
    unit = next(u for u, (dimension, _) in UNITS.items() if dimension == signal.dimension)
    text = f"{SignalOf(name, ('a', 'b')[: signal.roles]).text} < 1{unit}"

    query = parse(text)

    assert query.text == text
    for trace in WORLDS:
        roles = query.roles
        semantics = Semantics(trace, roles, (trace.others,) * len(roles))
        assert np.isfinite(semantics.margin(query.formula)).all()


@pytest.mark.parametrize("name", EVENTS)
def test_what_an_event_can_be_bounded_by_is_a_signal_of_the_language(name: str) -> None:
    """The texts of an event's quantities are those under which a query gives its bounds."""
    event = EVENTS[name]
    for text, field in event.signals.items():
        limit = event.limits[field]

        bounds = parse(f"{text} <= {limit.range.high}{limit.unit}").bounds()

        assert bounds[text].high == limit.range.high
    call = parse(f"{name}({','.join(event.roles)})").event_calls()[0]
    assert (call.name, call.roles) == (name, event.roles)

"""Margins in torch: those of numpy, with finite gradients, and a tool's of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from scenegen.errors import QueryError
from scenegen.query import Query, Trace, parse
from scenegen.query.atoms import Atom, Compare, Interval
from scenegen.query.expression import Always, And, Eventually, Formula, Not, Or, Until
from scenegen.query.robustness import Robustness, atom_margins
from scenegen.query.semantics import Semantics
from scenegen.query.terms import Number, SignalOf
from tests.query.strategies import FORMULAS
from tests.query.worlds import busy

TRACES = [Trace(busy(seed)) for seed in range(3)]
CASTS = [{"a": 1, "b": 2, "c": 3}, {"a": 2, "b": 4, "c": 1}, {"a": 4, "b": 3, "c": 2}]
ROUGH = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
RTAMT = os.environ.get("SCENEGEN_RTAMT", "")
"""A Python in whose environment rtamt 0.4 is installed."""


@given(FORMULAS)
@ROUGH
def test_exact_margins_are_those_of_numpy(formula: Formula) -> None:
    """Every operator gives the same numbers for a batch as for each scenario alone."""
    try:
        Query(formula)
    except QueryError:
        return
    robustness = Robustness(atoms=atom_margins(TRACES, CASTS), step=TRACES[0].step)

    batch = robustness.margin(formula).numpy()

    for row, trace, cast in zip(batch, TRACES, CASTS, strict=True):
        alone = Semantics.of_cast(trace, tuple(cast), tuple(cast.values())).over_time(formula)
        np.testing.assert_allclose(row, alone, atol=1e-9, rtol=0)


class Signals:
    """Atoms ``x.speed > 0m/s`` whose margins are given, for roles x0, x1, x2."""

    def __init__(self, values: torch.Tensor) -> None:
        """Take the values, shape (3, B, T)."""
        self.values = values

    def __call__(self, atom: Atom, holds: bool) -> torch.Tensor:
        """Give the margin of an atom."""
        assert isinstance(atom, Compare)
        value = self.values[int(atom.left.roles[0][1:])]
        return value if holds else -value


def atom(number: int) -> Formula:
    """Compare one of the signals with zero."""
    return Compare(SignalOf("speed", (f"x{number}",)), ">", Number(0.0, "m/s"))


def random_formula(rng: np.random.Generator, depth: int) -> tuple[Formula, str, int]:
    """Draw a formula; give it, its text for rtamt and the steps it looks ahead."""
    if depth == 0:
        number = int(rng.integers(3))
        return atom(number), f"(x{number} > 0)", 0
    low, high = sorted(int(k) for k in rng.integers(0, 5, 2))
    within = Interval(Number(float(low), "s"), Number(float(high), "s"))
    one, text, ahead = random_formula(rng, depth - 1)
    other, more, further = random_formula(rng, depth - 1)
    most = max(ahead, further)
    return [
        (Not(one), f"(not {text})", ahead),
        (And((one, other)), f"({text} and {more})", most),
        (Or((one, other)), f"({text} or {more})", most),
        (Eventually(one, within), f"(eventually[{low}:{high}] {text})", ahead + high),
        (Always(one, within), f"(always[{low}:{high}] {text})", ahead + high),
        (Until(one, other, within), f"({text} until[{low}:{high}] {more})", most + high),
    ][int(rng.integers(6))]


@pytest.mark.parametrize("seed", range(10))
def test_smooth_margins_approach_the_exact_ones_and_have_finite_gradients(seed: int) -> None:
    """No infinity and no NaN comes back, and with beta the difference shrinks."""
    rng = np.random.default_rng(seed)
    formula, _, _ = random_formula(rng, 3)
    values = torch.tensor(rng.normal(size=(3, 4, 20)), requires_grad=True)

    exact = Robustness(atoms=Signals(values), step=1.0).margin(formula)
    errors = []
    for beta in (5.0, 50.0, 500.0):
        smooth = Robustness(atoms=Signals(values), step=1.0, beta=beta)
        errors.append(float((smooth.margin(formula) - exact).detach().abs().max()))
        (gradient,) = torch.autograd.grad(smooth.satisfaction(formula).sum(), values)
        assert torch.isfinite(gradient).all()
        assert (gradient != 0).any()

    assert errors[2] <= errors[1] <= errors[0] + 1e-12
    assert errors[2] < 0.05


def test_climbing_the_gradient_satisfies_a_formula() -> None:
    """A few steps of ascent turn a violated margin into a satisfied one, decided exactly."""
    rng = np.random.default_rng(1)
    values = torch.tensor(rng.normal(-2.0, 0.5, size=(3, 4, 20)), requires_grad=True)
    formula = And((Eventually(And((atom(0), atom(1))), None), Always(Or((atom(2), atom(0))), None)))
    before = Robustness(atoms=Signals(values), step=1.0).satisfaction(formula)
    optimizer = torch.optim.Adam([values], lr=0.2)

    for _ in range(60):
        smooth = Robustness(atoms=Signals(values), step=1.0, beta=5.0)
        loss = -smooth.satisfaction(formula).clamp(max=1.0).sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    after = Robustness(atoms=Signals(values), step=1.0).satisfaction(formula)
    assert (before < 0).all()
    assert (after > 0).all()


def test_scenarios_of_different_length_are_refused() -> None:
    """A batch has one length."""
    with pytest.raises(QueryError, match="one length"):
        atom_margins([TRACES[0], Trace(busy(0, steps=21))], CASTS[:2])


SERVER = """
import json, sys, rtamt
out = []
for text, rows in json.load(sys.stdin):
    spec = rtamt.StlDiscreteTimeSpecification()
    for name in rows:
        spec.declare_var(name, "float")
    spec.declare_var("out", "float")
    spec.spec = "out = " + text
    spec.parse()
    steps = len(rows["x0"])
    data = {"time": list(range(steps)), **rows}
    out.append([value for _, value in spec.evaluate(data)])
print(json.dumps(out))
"""


def ask_rtamt(cases: list[tuple[str, Mapping[str, list[float]]]]) -> list[list[float]]:
    """Let rtamt evaluate formulas on signals."""
    done = subprocess.run(
        [RTAMT, "-c", SERVER], input=json.dumps(cases), capture_output=True, text=True, check=True
    )
    found: list[list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.oracle
def test_margins_are_those_of_rtamt() -> None:
    """1,000 random formulas have rtamt's robustness wherever their horizon is known."""
    if not RTAMT or not Path(RTAMT).exists():
        pytest.skip("set SCENEGEN_RTAMT to a Python that has rtamt 0.4 to compare with it")
    rng = np.random.default_rng(0)
    steps, cases, ours = 40, [], []
    for _ in range(1000):
        formula, text, ahead = random_formula(rng, int(rng.integers(1, 4)))
        values = rng.normal(size=(3, 1, steps))
        cases.append((text, {f"x{k}": values[k, 0].tolist() for k in range(3)}))
        margin = Robustness(atoms=Signals(torch.from_numpy(values)), step=1.0).margin(formula)
        ours.append(margin[0, : steps - ahead].numpy())

    theirs = ask_rtamt(cases)

    for (text, _), mine, other in zip(cases, ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other[: len(mine)], atol=1e-9, rtol=0, err_msg=text)


def test_a_query_reads_the_same_from_torch() -> None:
    """The largest margin over time is that of the verdict's witness."""
    query = parse("vehicle(a) and ttc(ego,a) < 3s")
    robustness = Robustness(atoms=atom_margins(TRACES[:1], [{"a": 1}]), step=TRACES[0].step)

    margin = float(robustness.satisfaction(query.formula)[0])

    semantics = Semantics.of_cast(TRACES[0], ("a",), (1,))
    assert margin == semantics.over_time(query.formula).max()

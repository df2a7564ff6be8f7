"""Robustness of temporal formulas: ours in torch against rtamt, one trace at a time and in batches.

rtamt needs a Python of its own (below 3.13, antlr4 4.7): SCENEGEN_RTAMT names its interpreter.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Report, interleave
from scenegen.query.atoms import Atom, Compare, Interval
from scenegen.query.expression import Always, And, Eventually, Formula, Not, Or, Until
from scenegen.query.robustness import Robustness
from scenegen.query.terms import Number, SignalOf

STEPS, BATCH, GOAL = 81, 256, 100.0
"""Instants of a trace, traces of a batch, and how many times cheaper a trace should be."""
PEER = """
import json, sys, time, rtamt
for line in sys.stdin:
    text, traces = json.loads(line)
    spec = rtamt.StlDiscreteTimeSpecification()
    for name in ("x0", "x1", "out"):
        spec.declare_var(name, "float")
    spec.spec = "out = " + text
    spec.parse()
    began, last = time.process_time(), []
    for rows in traces:
        data = {"time": list(range(len(rows[0]))), "x0": rows[0], "x1": rows[1]}
        last.append([value for _, value in spec.evaluate(data)])
    print(json.dumps([time.process_time() - began, last]), flush=True)
"""
"""Evaluates each trace with a specification that is parsed once, and clocks that alone."""


def _atom(number: int) -> Formula:
    return Compare(SignalOf("speed", (f"x{number}",)), ">", Number(0.0, "m/s"))


def _within(steps: int) -> Interval:
    return Interval(Number(0.0, "s"), Number(float(steps), "s"))


CASES: dict[str, tuple[Formula, str, int]] = {
    "a and not b": (And((_atom(0), Not(_atom(1)))), "((x0 > 0) and (not (x1 > 0)))", 0),
    "eventually[0,50] a": (
        Eventually(_atom(0), _within(50)),
        "(eventually[0:50] (x0 > 0))",
        50,
    ),
    "always[0,10] (a or b)": (
        Always(Or((_atom(0), _atom(1))), _within(10)),
        "(always[0:10] ((x0 > 0) or (x1 > 0)))",
        10,
    ),
    "eventually[0,20] (a and always[0,5] b)": (
        Eventually(And((_atom(0), Always(_atom(1), _within(5)))), _within(20)),
        "(eventually[0:20] ((x0 > 0) and (always[0:5] (x1 > 0))))",
        25,
    ),
    "a until[0,50] b": (
        Until(_atom(0), _atom(1), _within(50)),
        "((x0 > 0) until[0:50] (x1 > 0))",
        50,
    ),
}
"""Formula, its text for rtamt, and how far it looks ahead."""


class _Values:
    """Atoms ``x0.speed > 0m/s`` and ``x1.speed > 0m/s`` whose margins are given."""

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values  # (2, B, T)

    def __call__(self, atom: Atom, holds: bool) -> torch.Tensor:
        assert isinstance(atom, Compare)
        value = self.values[int(atom.left.roles[0][1:])]
        return value if holds else -value


def run(*, smoke: bool) -> Report:
    """Clock both, in turn, on the same traces."""
    torch.set_num_threads(1)
    peer = os.environ.get("SCENEGEN_RTAMT", "")
    count = 2 if smoke else 16
    rounds = 1 if smoke else 5
    values = np.random.default_rng(0).normal(size=(2, BATCH, STEPS))
    with _Peer(peer) as other:
        rows = [_row(name, values, count, rounds, other) for name in CASES]
    ratios = [row["times cheaper"] for row in rows if row["times cheaper"] is not None]
    told = (
        f"a trace in a batch is {min(ratios):.0f} to {max(ratios):.0f} times cheaper than in rtamt"
        if ratios
        else "rtamt is not installed here: set SCENEGEN_RTAMT to a Python that has it"
    )
    return Report(
        name="speed.robustness",
        headline=told,
        rows=rows,
        notes=[
            f"traces of {STEPS} instants with two signals; ours: {BATCH} traces at once in torch,"
            f" one thread; rtamt: {count} traces one after another, parsed once, discrete time,"
            " offline; CPU time, in turn",
            "values agree to 1e-9 wherever the horizon of the formula is known, or the run fails",
            f"goal: {GOAL:g} times",
        ],
        smoke=smoke,
    )


def _row(
    name: str, values: np.ndarray[Any, Any], count: int, rounds: int, other: _Peer
) -> dict[str, Any]:
    formula, text, ahead = CASES[name]
    batch = Robustness(atoms=_Values(torch.from_numpy(values)), step=1.0)
    single = Robustness(atoms=_Values(torch.from_numpy(values[:, :1])), step=1.0)
    traces = [values[:, k].tolist() for k in range(count)]
    peer_s: list[float] = []

    def ask() -> None:
        found = other.ask(text, traces)
        if found is not None:
            peer_s.append(found[0] / count)
            ours = batch.margin(formula)[:count, : STEPS - ahead].numpy()
            theirs = np.array([one[: STEPS - ahead] for one in found[1]])
            np.testing.assert_allclose(ours, theirs, atol=1e-9, rtol=0, err_msg=text)

    costs = interleave(
        {
            "batch": partial(batch.margin, formula),
            "single": partial(single.margin, formula),
            "rtamt": ask,
        },
        rounds=rounds,
    )
    each = costs["batch"].cpu_s / BATCH
    theirs = statistics.median(peer_s) if peer_s else None
    return {
        "formula": name,
        "ours, batch [us per trace]": round(1e6 * each, 2),
        "ours, alone [us]": round(1e6 * costs["single"].cpu_s, 1),
        "rtamt [us per trace]": None if theirs is None else round(1e6 * theirs, 1),
        "times cheaper": None if theirs is None else round(theirs / each, 1),
    }


class _Peer:
    """A process with rtamt, if there is one."""

    def __init__(self, python: str) -> None:
        self._process: subprocess.Popen[str] | None = None
        if python and Path(python).exists():
            self._process = subprocess.Popen(
                [python, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )

    def __enter__(self) -> _Peer:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.communicate()

    def ask(self, text: str, traces: list[list[list[float]]]) -> tuple[float, list[Any]] | None:
        """CPU seconds of the peer and its values; None without it."""
        if self._process is None or self._process.stdin is None or self._process.stdout is None:
            return None
        print(json.dumps([text, traces]), file=self._process.stdin, flush=True)
        seconds, values = json.loads(self._process.stdout.readline())
        return float(seconds), values

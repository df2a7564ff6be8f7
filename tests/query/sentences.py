"""Random texts around the language: sentences of its grammar, and what mutation makes of them."""

from __future__ import annotations

import re

import numpy as np

from scenegen.query.predicates import PREDICATES
from scenegen.query.signals import SIGNALS
from scenegen.query.statics import ROLE_KINDS, STATICS
from scenegen.query.units import UNITS

ROLES = ("ego", "a", "b", "c")
TOKEN = re.compile(r"\s+|[A-Za-z_]\w*|[\d.]+(?:[eE][+-]?\d+)?[A-Za-z%/^\d]*|<=|>=|.", re.DOTALL)
ABSURD = (
    *("1e308h", "1.8e308m/s", "1e309s", "-1e308s", "0.0000000000000000001s", "1e-320m", "9" * 400),
    *("1e999999999s", "00000000s", ".s", "1..2s", "1e+s", "1s1s", "NaN", "inf", "-0s", "1e5km/h"),
    *("[0s,1e308s]", "[1e300s,1e308s]", "[0,0]", "[2s,1s]", "[-1s,1s]", "[0m,1m]", "[0s,1e12h]"),
)
STRANGE = (
    *("\x00", "\ufeff", "\u202e", "\u200f", "\u0000\u0000", "\U0001f697", "\ud800", "\x85"),
    *("שלום", "مرحبا", "é", "ﬀ", "½", "²", "\u2028", "\r", "\v", "\x1b[31m", "'; DROP TABLE"),
    *("m/s²", "µs", "°", "\N{MINUS SIGN}1s", "‹", "≤", "≥", "∧", "…", "٣s", "３s"),  # noqa: RUF001
)
WORDS = (
    *("and", "or", "not", "in", "then", "until", "at", "start", "eventually", "always", "for"),
    *("abs", "lt", "le", "gt", "ge", "ego", "a", "b", "self", "None", "__class__", "lambda"),
    *("(", ")", "[", "]", ",", ".", "<", "<=", ">", ">=", "=", "==", "-", "+", "*", "/", "^", "@"),
)


def pick(rng: np.random.Generator, choices: tuple[str, ...] | list[str]) -> str:
    """Draw one of some words."""
    return choices[int(rng.integers(len(choices)))]


def number(rng: np.random.Generator, of: str | None = None) -> str:
    """A number with a unit: that of a signal, or any."""
    units = [u for u, (d, _) in UNITS.items() if of is None or d == SIGNALS[of].dimension]
    magnitude = pick(rng, [f"{rng.normal(0, 10):.3g}", str(rng.integers(0, 200)), ".5", "2."])
    return f"{magnitude}{pick(rng, ['', ' '])}{pick(rng, units)}"


def signal(rng: np.random.Generator, name: str) -> str:
    """A signal of random agents."""
    roles = [str(role) for role in rng.permutation(ROLES)[: SIGNALS[name].roles]]
    if len(roles) == 1 and rng.random() < 0.7:
        return f"{roles[0]}.{name}"
    return f"{name}({', '.join(roles)})" if roles else name


def action(rng: np.random.Generator) -> str:
    """An event or a motion, with options in any of their ways of writing."""
    name = pick(rng, sorted(PREDICATES))
    predicate = PREDICATES[name]
    roles = [str(role) for role in rng.permutation(ROLES[1:])[: len(predicate.roles)]]
    for option, values in predicate.options.items():
        if rng.random() < 0.4:
            value = pick(rng, list(values))
            roles.append(pick(rng, [value, f"{option}={value}", f"{option} = {value}"]))
    return f"{name}({','.join(roles)})"


def atom(rng: np.random.Generator) -> str:
    """Something without a condition inside."""
    name = pick(rng, sorted(SIGNALS))
    left, of = signal(rng, name), number(rng, name)
    factor = pick(rng, ["2 * ", "abs(", "-1 * ", ""])
    kinds = [
        pick(rng, sorted(STATICS)),
        f"{pick(rng, sorted(ROLE_KINDS))}({pick(rng, ROLES)})",
        action(rng),
        f"{left} in [{of}, {number(rng, name)}]",
        f"{factor}{left}{')' * (factor == 'abs(')} {pick(rng, ['<', '>='])} {of}",
        f"{left} {pick(rng, ['+', '-'])} {of} {pick(rng, ['lt', 'ge'])} {left}",
        f"{left}{pick(rng, ['<', ' <= ', ' gt ', '>'])}{of}",
    ]
    return pick(rng, kinds)


def sentence(rng: np.random.Generator, depth: int = 3) -> str:
    """A text that follows the grammar, though not always the units and the order of ranges."""
    if depth == 0 or rng.random() < 0.3:
        return atom(rng)
    one, other = sentence(rng, depth - 1), sentence(rng, depth - 1)
    within = pick(rng, ["", "", "[0s,2s]", "[0, 1 s]", "[500ms,1.5s]"])
    kinds = [
        *[f"{one} and {other}"] * 3,
        f"({one} or {other})",
        f"not ({one})",
        f"{pick(rng, ['eventually', 'always'])}{within}({one})",
        f"({one}) for {pick(rng, ['0.5s', '1s', '200ms'])}",
        f"at({one}, {other})",
        f"(({one}) {pick(rng, ['then', 'until'])}{within} ({other}))",
    ]
    return pick(rng, kinds)


def mutated(rng: np.random.Generator, text: str, other: str) -> str:
    """Text after one to four changes of its tokens."""
    tokens = TOKEN.findall(text)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(tokens) + 1))
        new = pick(rng, [pick(rng, WORDS), pick(rng, ABSURD), pick(rng, STRANGE), number(rng)])
        match int(rng.integers(9)):
            case 0:
                tokens.insert(at, new)
            case 1:
                tokens[at : at + 1] = [new]
            case 2:
                del tokens[at : at + int(rng.integers(1, 4))]
            case 3:
                tokens[at:at] = tokens[max(at - 3, 0) : at]
            case 4:
                tokens[at:] = TOKEN.findall(other)[at:]
            case 5:
                levels = int(rng.choice([1, 30, 50, 120, 900]))
                head, tail = [("(", ")"), ("not ", ""), ("abs(", ")"), ("always(", ")")][
                    int(rng.integers(4))
                ]
                tokens = [head * levels, *tokens, tail * levels]
            case 6:
                tokens.reverse()
            case 7:
                tokens[at : at + 1] = [token.swapcase() for token in tokens[at : at + 1]]
            case _:
                joint = pick(rng, [" and ", " + 1m/s ", " then ", " until[0s,1s] "])
                times = int(rng.choice([1, 10, 45, 200]))
                tokens += [joint, *tokens] * times if len(tokens) * times < 3000 else [joint]
    return "".join(tokens)


def noise(rng: np.random.Generator) -> str:
    """Characters without any order: bytes, or code points of all of Unicode."""
    length = int(rng.integers(0, 80))
    if rng.random() < 0.5:
        raw = rng.integers(0, 256, length, np.uint8).tobytes()
        return raw.decode(pick(rng, ["latin-1", "utf-8", "utf-16-le"]), "replace")
    return "".join(chr(c) for c in rng.integers(0, 0x110000, length))

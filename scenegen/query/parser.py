"""Text to syntax tree: the grammar, and the checks that turn what it matches into formulas."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import lark
from lark import Token, Tree

from scenegen.errors import QueryError
from scenegen.query.atoms import Between, Compare, Does, Interval, KindIs, StaticIs
from scenegen.query.expression import (
    Always,
    And,
    At,
    Eventually,
    Formula,
    Not,
    Or,
    Then,
    Until,
)
from scenegen.query.messages import located, unknown
from scenegen.query.predicates import PREDICATES
from scenegen.query.signals import SIGNALS
from scenegen.query.statics import ROLE_KINDS, STATICS
from scenegen.query.terms import Absolute, Arithmetic, Number, SignalOf, Term
from scenegen.query.units import UNITS, unknown_unit

GRAMMAR = r"""
start: then
?then: or_
     | or_ "then" interval? then -> then
     | or_ "until" interval? then -> until
?or_: and_ ("or" and_)*
?and_: not_ ("and" not_)*
?not_: "not" not_ -> negation
     | held
?held: comparison ("for" bound)?
?comparison: sum (op sum)?
           | sum "in" interval -> between
!op: "<" | "<=" | ">" | ">=" | "lt" | "le" | "gt" | "ge"
?sum: product (SIGN product)*
?product: primary (FACTOR primary)*
?primary: bound
        | NAME -> name
        | NAME "(" arguments ")" -> call
        | NAME "." NAME -> attribute
        | NAME "." NAME "(" arguments? ")" -> method
        | "abs" "(" sum ")" -> absolute
        | "eventually" interval? "(" then ")" -> eventually
        | "always" interval? "(" then ")" -> always
        | "at" "(" then "," then ")" -> at
        | "(" then ")"
bound: SIGN? QUANTITY
interval: "[" bound "," bound "]"
arguments: argument ("," argument)*
argument: NAME ("=" NAME)?
SIGN: "+" | "-"
FACTOR: "*" | "/"
NAME: /[A-Za-z_][A-Za-z_0-9]*/
QUANTITY: /(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?(\s*(UNITS)(?![\w\/^%])|[A-Za-z%][\w\/^%]*)?/
%ignore /\s+/
"""
LONGEST_TEXT = 20_000
"""Characters a query may have."""
DEEPEST = 100
"""Levels a parse tree may have; a query of that depth is not readable."""
OPERATOR_WORDS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}
TOKENS = {"NAME": "a name", "QUANTITY": "a number", "SIGN": "'+'", "FACTOR": "'*'"}
START = {"NAME", "QUANTITY", "LPAR", "NOT"}
NUMBER = re.compile(r"(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>.*)")


def parse_formula(text: str) -> Formula:
    """Read a formula.

    Args:
        text: The text of a query.

    Returns:
        Its syntax tree.

    Raises:
        QueryError: The text is malformed, names something unknown, or mixes units; the message
            shows where.
    """
    if not isinstance(text, str):
        raise QueryError(f"query: expected text, got {type(text).__name__}")
    if len(text) > LONGEST_TEXT:
        raise QueryError(f"query: expected at most {LONGEST_TEXT} characters, got {len(text)}")
    if not text.strip():
        raise QueryError("query: expected a condition such as 'night and cut_in(c)', got nothing")
    try:
        tree = _lark().parse(text)
    except lark.exceptions.UnexpectedInput as error:
        raise _syntax_error(error, text) from None
    if _deeper_than(tree, DEEPEST):
        raise QueryError(f"query: nested more than {DEEPEST} levels deep; split it")
    return _Builder(text).formula(tree.children[0])  # type: ignore[arg-type]


def parse_number(text: str) -> Number:
    """Read a number with its unit, such as ``1.5s`` or ``-6 m/s^2``.

    Raises:
        QueryError: It is no number, or its unit is unknown.
    """
    sign = "-" if str(text).strip().startswith("-") else ""
    found = NUMBER.fullmatch(str(text).strip().lstrip("+-").strip())
    if found is None:
        raise QueryError(f"expected a number with a unit such as 1.5s, got {text!r}")
    if found["unit"] not in UNITS:
        raise QueryError(unknown_unit(found["unit"]))
    return Number(float(f"{sign}{found['number']}"), found["unit"])


@lru_cache(maxsize=1)
def _lark() -> lark.Lark:
    units = sorted((re.escape(unit) for unit in UNITS if unit), key=len, reverse=True)
    grammar = GRAMMAR.replace("UNITS", "|".join(units).replace("/", r"\/"))
    return lark.Lark(grammar, parser="lalr", propagate_positions=True)


def _deeper_than(tree: Tree[Token], limit: int) -> bool:
    level: list[Tree[Token]] = [tree]
    for _ in range(limit):
        level = [c for node in level for c in node.children if isinstance(c, Tree)]
        if not level:
            return False
    return True


def _syntax_error(error: lark.exceptions.UnexpectedInput, text: str) -> QueryError:
    if isinstance(error, lark.exceptions.UnexpectedCharacters):
        place = int(getattr(error, "pos_in_stream", 0))
        return located(f"unexpected character {text[place]!r}", text, place, place + 1)
    token = getattr(error, "token", None)
    accepted: set[str] = set(getattr(error, "accepts", ()) or getattr(error, "expected", ()))
    if accepted >= START:
        wanted = "a condition such as night, cut_in(c) or ttc(ego,c) < 1.5s"
    elif "AND" in accepted:
        wanted = (
            "'and', 'or' or the end"
            if "IN" not in accepted
            else ("a comparison such as < 1.5s, 'and', 'or' or the end")
        )
    else:
        names = sorted(TOKENS.get(name, _literal(name)) for name in accepted - {"$END"})
        wanted = ", ".join(names[:-1]) + (" or " if names[:-1] else "") + "".join(names[-1:])
    if "RPAR" in accepted and "AND" in accepted:
        wanted = wanted.replace("the end", "')'")
    if token is None or token.type == "$END":
        return located(f"the query ends too early: expected {wanted}", text, len(text), len(text))
    start = int(token.start_pos)
    message = f"unexpected {str(token)!r}: expected {wanted or 'the end'}"
    return located(message, text, start, start + len(token))


def _literal(terminal: str) -> str:
    found = {t.name: str(t.pattern.value) for t in _lark().terminals}
    return repr(found.get(terminal, terminal.lower()))


@dataclass(frozen=True, slots=True)
class _Builder:
    """Turns parse trees into checked formulas and terms, and says where a check failed."""

    text: str

    def formula(self, node: Tree[Token]) -> Formula:
        """Build a node that has to be a condition."""
        built = self._build(node)
        if isinstance(built, Number | SignalOf | Absolute | Arithmetic):
            hint = f"compare it, for example {built.text} < {_example(built)}"
            raise self._error(f"{built.text} is a quantity, not a condition; {hint}", node)
        return built

    def term(self, node: Tree[Token]) -> Term:
        """Build a node that has to be a quantity."""
        built = self._build(node)
        if isinstance(built, Number | SignalOf | Absolute | Arithmetic):
            return built
        raise self._error(f"{built.text} is a condition, not a quantity", node)

    def _build(self, node: Tree[Token]) -> Formula | Term:
        try:
            return getattr(self, f"_{str(node.data).strip('_')}")(node, *node.children)
        except QueryError as error:
            raise (error if "\n" in str(error) else self._error(str(error), node)) from None

    def _error(self, message: str, node: Tree[Token] | Token) -> QueryError:
        if isinstance(node, Token):
            start, end = node.start_pos, node.end_pos
        else:
            start, end = node.meta.start_pos, node.meta.end_pos
        return located(message, self.text, int(start or 0), int(end or 0))

    def _then(self, _: Tree[Token], first: Tree[Token], *rest: Tree[Token]) -> Formula:
        interval = self._interval_of(rest[0]) if len(rest) == 2 else None
        return Then(self.formula(first), self.formula(rest[-1]), interval)

    def _until(self, _: Tree[Token], first: Tree[Token], *rest: Tree[Token]) -> Formula:
        interval = self._interval_of(rest[0]) if len(rest) == 2 else None
        return Until(self.formula(first), self.formula(rest[-1]), interval)

    def _at(self, node: Tree[Token], condition: Tree[Token], part: Tree[Token]) -> Formula:
        if _is_start(condition):
            message = "start is the begin of the first event beside it; write at(cut_in(c), ...)"
            raise self._error(message, condition)
        return At(self.formula(condition), self.formula(part))

    def _or(self, _: Tree[Token], *parts: Tree[Token]) -> Formula:
        return Or(tuple(self.formula(part) for part in parts))

    def _and(self, _: Tree[Token], *parts: Tree[Token]) -> Formula:
        built: list[Formula] = []
        for part in parts:
            events = [clause for clause in built if isinstance(clause, Does)]
            if part.data == "at" and _is_start(part.children[0]) and events:
                built.append(At(events[0], self.formula(part.children[1])))  # type: ignore[arg-type]
            else:
                built.append(self.formula(part))
        return And(tuple(built))

    def _negation(self, _: Tree[Token], part: Tree[Token]) -> Formula:
        return Not(self.formula(part))

    def _held(self, _: Tree[Token], part: Tree[Token], duration: Tree[Token]) -> Formula:
        return Always(self.formula(part), Interval(Number(0, "s"), self._number(duration)))

    def _eventually(self, _: Tree[Token], *rest: Tree[Token]) -> Formula:
        interval = self._interval_of(rest[0]) if len(rest) == 2 else None
        return Eventually(self.formula(rest[-1]), interval)

    def _always(self, _: Tree[Token], *rest: Tree[Token]) -> Formula:
        interval = self._interval_of(rest[0]) if len(rest) == 2 else None
        return Always(self.formula(rest[-1]), interval)

    def _comparison(
        self, _: Tree[Token], left: Tree[Token], op: Tree[Token], right: Tree[Token]
    ) -> Formula:
        word = str(op.children[0])
        first, second = self.term(left), self.term(right)
        try:
            return Compare(first, OPERATOR_WORDS.get(word, word), second)
        except QueryError as error:
            culprit = left if isinstance(first, Number) else right
            raise self._error(str(error), culprit) from None

    def _between(self, _: Tree[Token], part: Tree[Token], interval: Tree[Token]) -> Formula:
        term = self.term(part)
        low, high = (self._number(bound) for bound in interval.children)  # type: ignore[arg-type]
        try:
            return Between(term, low, high)
        except QueryError as error:
            raise self._error(str(error), interval) from None

    def _interval_of(self, node: Tree[Token]) -> Interval:
        try:
            low, high = (self._number(bound) for bound in node.children)  # type: ignore[arg-type]
            return Interval(low, high)
        except QueryError as error:
            raise (error if "\n" in str(error) else self._error(str(error), node)) from None

    def _sum(self, _: Tree[Token], first: Tree[Token], *rest: Tree[Token] | Token) -> Term:
        out = self.term(first)
        for operator, part in zip(rest[::2], rest[1::2], strict=True):
            out = Arithmetic(out, str(operator), self.term(part))  # type: ignore[arg-type]
        return out

    _product = _sum

    def _absolute(self, _: Tree[Token], part: Tree[Token]) -> Term:
        return Absolute(self.term(part))

    def _bound(self, node: Tree[Token], *_: Token) -> Number:
        return self._number(node)

    def _number(self, node: Tree[Token]) -> Number:
        sign, token = ("", *node.children)[-2:]
        found = NUMBER.fullmatch(str(token))
        if found is None:
            raise self._error(f"expected a number, got {token!s}", node)
        unit = found["unit"]
        if unit not in UNITS:
            raise self._error(unknown_unit(unit), node)
        magnitude = float(found["number"])
        try:
            return Number(-magnitude if sign == "-" else magnitude, unit)
        except QueryError as error:
            raise self._error(str(error), node) from None

    def _name(self, node: Tree[Token], name: Token) -> Formula | Term:
        if name in STATICS:
            return StaticIs(str(name))
        if name in SIGNALS and SIGNALS[name].roles == 0:
            return SignalOf(str(name))
        if name in PREDICATES or name in ROLE_KINDS or name in SIGNALS:
            raise self._error(f"{name} needs to know whom it is about: {_usage(name)}", node)
        plain = [n for n, signal in SIGNALS.items() if signal.roles == 0]
        raise self._error(unknown("condition", name, [*STATICS, *plain]), node)

    def _attribute(self, _: Tree[Token], role: Token, name: Token) -> Term:
        single = [n for n, signal in SIGNALS.items() if signal.roles == 1]
        if name not in single:
            raise self._error(unknown("signal", name, single), name)
        return SignalOf(str(name), (str(role),))

    def _method(
        self, node: Tree[Token], role: Token, name: Token, arguments: Tree[Token] | None = None
    ) -> Formula:
        given = [] if arguments is None else arguments.children
        return self._does(name, [str(role)], given)  # type: ignore[arg-type]

    def _call(self, node: Tree[Token], name: Token, arguments: Tree[Token]) -> Formula | Term:
        if name in SIGNALS or name in ROLE_KINDS:
            roles = []
            for argument in arguments.children:
                if len(argument.children) > 1:  # type: ignore[union-attr]
                    raise self._error(f"{name} has no options", argument)
                roles.append(str(argument.children[0]))  # type: ignore[union-attr]
            if name in SIGNALS:
                return SignalOf(str(name), tuple(roles))
            if len(roles) != 1:
                raise self._error(f"{name}: expected 1 role, got {len(roles)}", node)
            return KindIs(str(name), roles[0])
        return self._does(name, [], arguments.children)  # type: ignore[arg-type]

    def _does(self, name: Token, roles: list[str], arguments: list[Tree[Token]]) -> Formula:
        if name not in PREDICATES:
            known = [*PREDICATES, *ROLE_KINDS, *(n for n, s in SIGNALS.items() if s.roles)]
            raise self._error(unknown("event", name, known), name)
        predicate = PREDICATES[name]
        options: list[tuple[str, str]] = []
        values = {v for given in predicate.options.values() for v in given}
        for argument in arguments:
            words = [str(token) for token in argument.children]
            # Once somebody is named, the value of an option ends the roles.
            is_value = bool(roles) and words[0] in values
            if len(words) == 2:
                options.append((words[0], words[1]))
            elif len(roles) < len(predicate.roles) and not is_value:
                roles.append(words[0])
            else:
                options.append((self._option_of(name, words[0], argument), words[0]))
        return Does(str(name), tuple(roles), tuple(options))

    def _option_of(self, name: Token, value: str, node: Tree[Token]) -> str:
        options = PREDICATES[name].options
        found = [option for option, values in options.items() if value in values]
        if not found:
            known = [v for values in options.values() for v in values]
            message = (
                unknown(f"option of {name}", value, known)
                if known
                else (f"{name} takes {len(PREDICATES[name].roles)} role(s) and no options")
            )
            raise self._error(message, node)
        return found[0]


def _is_start(node: Tree[Token] | Token) -> bool:
    """Whether a node is the word ``start``."""
    return isinstance(node, Tree) and node.data == "name" and node.children[0] == "start"


def _usage(name: str) -> str:
    """How a name with roles is written."""
    if name in ROLE_KINDS:
        return f"{name}(a)"
    if name in PREDICATES:
        return f"{name}({','.join(PREDICATES[name].roles)})"
    return "ego." + name if SIGNALS[name].roles == 1 else f"{name}(ego,c)"


def _example(term: Term) -> str:
    unit = next((u for u, (d, _) in UNITS.items() if d == term.dimension), "")
    return f"1{unit}"

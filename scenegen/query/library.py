"""Published queries: text with named numbers, and where the situation comes from.

A file is YAML:

    id: Q4
    title: Lead vehicle brakes hard at a short headway
    source: UN R157, 5.2.3.3
    text: lead_hard_brake(l) and thw(ego,l) < {headway}
    params:
      headway: {default: 1.6s, range: [0.5s, 3s]}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from scenegen.errors import QueryError, UnknownNameError
from scenegen.query.builders import Quantity
from scenegen.query.parser import parse_number
from scenegen.query.predicates import PREDICATES
from scenegen.query.query import Query, parse
from scenegen.query.statics import STATICS
from scenegen.query.terms import Number
from scenegen_assets import asset_path

KEYS = frozenset(("id", "title", "source", "text", "params"))
"""What a file has, no less and no more."""
PLACE = re.compile(r"\{(\w+)\}")
"""Place of a named number in the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A named number of a published query.

    Attributes:
        default: Its value unless another is set.
        low: Least value that makes sense.
        high: Largest value that makes sense.
    """

    default: Number
    low: Number
    high: Number

    def __post_init__(self) -> None:
        """Check that the default lies in the range."""
        self.check("default", self.default)

    def check(self, name: str, value: Number) -> None:
        """Check that a value has the right unit and lies in the range.

        Raises:
            QueryError: It does not.
        """
        same = value.dimension == self.low.dimension == self.high.dimension
        if not same or not self.low.value <= value.value <= self.high.value:
            raise QueryError(
                f"parameter {name}: expected {self.low.text} to {self.high.text}, got {value.text}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedQuery:
    """A query whose definition is public: its text, its numbers, its source.

    Attributes:
        id: Short name in the set.
        title: What happens, in a line.
        source: Regulation, protocol or paper that describes the situation.
        text: Text with the places of the parameters in braces.
        params: The parameters by name.
    """

    id: str
    title: str
    source: str
    text: str
    params: Mapping[str, Parameter]

    def __post_init__(self) -> None:
        """Check that text and parameters agree."""
        places = set(PLACE.findall(self.text))
        if places != set(self.params):
            odd = ", ".join(sorted(places ^ set(self.params)))
            raise QueryError(f"query {self.id}: text and params differ in {odd}")

    def filled(self, **params: str | Quantity) -> str:
        """Give the text with numbers in place.

        Args:
            **params: Values other than the defaults, such as ``tau="1.2s"``.

        Raises:
            QueryError: There is no such parameter, or its value is outside its range.
        """
        values = {name: parameter.default for name, parameter in self.params.items()}
        for name, value in params.items():
            if name not in self.params:
                message = UnknownNameError(f"parameter of {self.id}", name, self.params).message
                raise QueryError(message)
            number = value.term if isinstance(value, Quantity) else parse_number(value)
            if not isinstance(number, Number):
                raise QueryError(f"parameter {name}: expected a number, got {number.text}")
            self.params[name].check(name, number)
            values[name] = number
        return PLACE.sub(lambda place: values[place[1]].text, self.text)


def load_query(path_or_name: str | Path, **params: str | Quantity) -> Query:
    """Load a published query.

    Args:
        path_or_name: A YAML file, or the name or id of a query that ships with scenegen.
        **params: Values other than the defaults, such as ``ttc="1.2s"`` or ``ttc=1.2 * s``.

    Returns:
        The query.

    Raises:
        QueryError: There is no such file, it is damaged, or a value is outside its range.

    >>> load_query("lead_brakes_close", ttc="1.5s").roles
    ('l',)
    """
    return parse(read_published(path_or_name).filled(**params))


def read_published(path_or_name: str | Path) -> PublishedQuery:
    """Read a published query without filling it in.

    Raises:
        QueryError: There is no such file, or it is damaged.
    """
    path = Path(path_or_name)
    if path.suffix in {".yaml", ".yml"}:
        return _read(path)
    name = str(path_or_name)
    shipped = published()
    for stem, query in shipped.items():
        if name in (stem, query.id):
            return query
    raise QueryError(UnknownNameError("published query", name, shipped).message)


def published() -> dict[str, PublishedQuery]:
    """Give every query that ships with scenegen, by the name of its file."""
    files = sorted(asset_path("queries").glob("*.yaml"))
    return {file.stem: _read(file) for file in files}


def tags() -> dict[str, str]:
    """Give the query behind every built-in tag, in words that `parse` reads.

    Tags are the static conditions, the event families and the published queries; what a tag
    counts is nothing but its query.
    """
    families = {
        name: f"{name}({','.join(predicate.roles)})"
        for name, predicate in PREDICATES.items()
        if predicate.family is not None
    }
    wide = {name: query.filled() for name, query in published().items() if query.id[0] != "N"}
    return {**{name: name for name in STATICS}, **families, **wide}


def _read(path: Path) -> PublishedQuery:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise QueryError(f"query file {path}: cannot be read ({error})") from error
    if not isinstance(data, dict) or not {"id", "text"} <= set(data) <= KEYS:
        raise QueryError(f"query file {path}: expected {', '.join(sorted(KEYS))}")
    params = data.get("params") or {}
    if not isinstance(params, dict):
        raise QueryError(f"query file {path}: expected params by name, got {params!r}")
    try:
        return PublishedQuery(
            id=str(data["id"]),
            title=str(data.get("title", "")),
            source=str(data.get("source", "")),
            text=" ".join(str(data["text"]).split()),
            params={str(name): _parameter(given) for name, given in params.items()},
        )
    except QueryError as error:
        raise QueryError(f"query file {path}: {error}") from error


def _parameter(given: Any) -> Parameter:  # noqa: ANN401 - whatever the file holds
    if not isinstance(given, dict) or set(given) != {"default", "range"}:
        raise QueryError(f"expected a parameter with default and range, got {given!r}")
    if not isinstance(given["range"], list) or len(given["range"]) != 2:
        raise QueryError(f"expected a range [low, high], got {given['range']!r}")
    low, high = (parse_number(str(end)) for end in given["range"])
    return Parameter(default=parse_number(str(given["default"])), low=low, high=high)

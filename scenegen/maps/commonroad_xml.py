"""Careful reading of CommonRoad XML: no DTD, no entities, finite numbers, clear errors."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np

from scenegen.arrays import FloatArray
from scenegen.errors import MapError

GREATEST_DEPTH = 32
"""No CommonRoad document nests deeper; a deeper one is damaged or hostile."""
GREATEST_NUMBER = 1e8
"""No number of a real scene is beyond this; UTM coordinates stay below 1e7 m."""

Element = ElementTree.Element


class _GuardedBuilder(ElementTree.TreeBuilder):
    """Builds the tree, but stops at a document type (the door of entity bombs) and at depth."""

    depth = 0

    def doctype(self, name: str, *_: str | None) -> None:
        """Refuse every document type declaration."""
        raise MapError(f"expected no document type declaration, got <!DOCTYPE {name[:40]}>")

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        """Open an element."""
        self.depth += 1
        if self.depth > GREATEST_DEPTH:
            raise MapError(f"expected at most {GREATEST_DEPTH} nested elements, got more")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        """Close an element."""
        self.depth -= 1
        return super().end(tag)


def parse(data: bytes) -> Element:
    """Parse a document and give its root element, `commonRoad`.

    Raises:
        MapError: It is not well-formed XML, declares a document type, or is something else.
    """
    parser = ElementTree.XMLParser(target=_GuardedBuilder())
    try:
        parser.feed(data)
        root: Element = parser.close()
    except ElementTree.ParseError as error:
        raise MapError(f"expected complete, well-formed XML, got {error}") from None
    except (ValueError, LookupError) as error:
        if isinstance(error, MapError):
            raise
        raise MapError(f"expected XML in an encoding that can be read, got {error}") from None
    if root.tag != "commonRoad":
        raise MapError(f"expected a commonRoad document, got root element <{root.tag[:40]}>")
    return root


def label(element: Element) -> str:
    """Name an element in a message, with its id if it has one."""
    return f"{element.tag} {element.get('id')}" if element.get("id") else f"<{element.tag}>"


def identity(element: Element) -> int:
    """Give the `id` of an element."""
    return _integer(element, "id")


def reference(element: Element) -> int:
    """Give the `ref` of an element."""
    return _integer(element, "ref")


def child(element: Element, path: str, where: str) -> Element:
    """Give a child that must be there.

    Raises:
        MapError: It is missing.
    """
    found = element.find(path)
    if found is None:
        raise MapError(f"{where}: expected <{path}> in <{element.tag}>, got none")
    return found


def number(element: Element, where: str) -> float:
    """Give the number an element holds as its text.

    Raises:
        MapError: The text is no finite number of a plausible size.
    """
    return parse_number((element.text or "").strip(), f"{where}: <{element.tag}>")


def parse_number(text: str, where: str) -> float:
    """Turn a text into a finite number of a plausible size."""
    try:
        value = float(text)
    except ValueError:
        raise MapError(f"{where}: expected a number, got {text[:40]!r}") from None
    if not abs(value) <= GREATEST_NUMBER:
        raise MapError(f"{where}: expected a finite number, got {text[:40]!r}")
    return value


def exact(element: Element, where: str) -> float:
    """Give a value stated as `exact`, as the middle of an interval, or as plain text."""
    stated = element.find("exact")
    if stated is not None:
        return number(stated, where)
    low, high = element.find("intervalStart"), element.find("intervalEnd")
    if low is not None and high is not None:
        return (number(low, where) + number(high, where)) / 2
    return number(element, where)


def point(element: Element, where: str) -> tuple[float, float]:
    """Give x and y of a point element [m]."""
    x, y = child(element, "x", where), child(element, "y", where)
    return number(x, where), number(y, where)


def points(element: Element, where: str) -> FloatArray:
    """Give all points of an element [m], shape (P, 2), those equal to the one before left out."""
    rows = np.array([point(p, where) for p in element.findall("point")]).reshape(-1, 2)
    if len(rows) < 2:
        raise MapError(f"{where}: expected >= 2 points in <{element.tag}>, got {len(rows)}")
    fresh = np.concatenate([[True], np.hypot(*np.diff(rows, axis=0).T) > 1e-6])
    if fresh.sum() < 2:
        raise MapError(f"{where}: expected <{element.tag}> to have a length, got one place")
    return rows[fresh]


def _integer(element: Element, name: str) -> int:
    text = element.get(name, "")
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value < 2**63:
        raise MapError(f"<{element.tag}>: expected {name} to be a whole number, got {text[:40]!r}")
    return value

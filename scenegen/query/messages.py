"""Error messages of the language: the text, a caret under the culprit, the nearest known name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from scenegen.errors import QueryError


def located(message: str, text: str, start: int, end: int) -> QueryError:
    """Point at a part of a query.

    Args:
        message: What is wrong.
        text: The query.
        start: Index of the first character concerned.
        end: Index after the last.

    Returns:
        An error whose message shows the line with carets under the part.
    """
    start = min(max(start, 0), len(text))
    head = text.rfind("\n", 0, start) + 1
    tail = text.find("\n", start)
    line = text[head : tail if tail >= 0 else len(text)]
    column = start - head
    width = max(1, min(end, head + len(line)) - start)
    # Every character before the caret becomes one blank, a tab stays, so that the columns agree.
    margin = "".join("\t" if c == "\t" else " " for c in line[:column])
    return QueryError(f"{message}\n  {line}\n  {margin}{'^' * width}")


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, and which one was probably meant."""
    name, names = str(name), sorted(known)
    close = difflib.get_close_matches(name.lower(), names, n=1)
    if close:
        return f"unknown {what} {name!r}. Did you mean {close[0]!r}?"
    return f"unknown {what} {name!r}; known: {', '.join(names)}"

"""Small CommonRoad documents for tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Points = Sequence[tuple[float, float]]


def bound(tag: str, points: Points, marking: str = "dashed") -> str:
    """Write a bound."""
    rows = "".join(f"<point><x>{x}</x><y>{y}</y></point>" for x, y in points)
    return f"<{tag}>{rows}<lineMarking>{marking}</lineMarking></{tag}>"


def lanelet(key: int, left: Points, right: Points, extra: str = "") -> str:
    """Write a lanelet."""
    edges = bound("leftBound", left, "solid") + bound("rightBound", right)
    return f'<lanelet id="{key}">{edges}{extra}<laneletType>urban</laneletType></lanelet>'


def straight(key: int, begin: float, end: float, y: float = 0.0, extra: str = "") -> str:
    """Write a lanelet along x, 3 m wide, its middle at y."""
    high, low = y + 1.5, y - 1.5
    return lanelet(key, [(begin, high), (end, high)], [(begin, low), (end, low)], extra)


def state(
    tag: str, time: float, x: float, y: float, yaw: float = 0.0, speed: float | None = 10.0
) -> str:
    """Write a state; without a speed, it has no velocity element."""
    velocity = "" if speed is None else f"<velocity><exact>{speed}</exact></velocity>"
    return (
        f"<{tag}><position><point><x>{x}</x><y>{y}</y></point></position>"
        f"<orientation><exact>{yaw}</exact></orientation>"
        f"<time><exact>{time}</exact></time>{velocity}</{tag}>"
    )


def obstacle(
    key: int,
    states: str,
    kind: str = "car",
    shape: str = "<rectangle><length>4.5</length><width>1.8</width></rectangle>",
) -> str:
    """Write a dynamic obstacle; `states` begins with its initialState."""
    first, _, rest = states.partition("</initialState>")
    return (
        f'<dynamicObstacle id="{key}"><type>{kind}</type><shape>{shape}</shape>'
        f"{first}</initialState><trajectory>{rest}</trajectory></dynamicObstacle>"
    )


def document(
    body: str, version: str = "2020a", step: str = "0.1", tags: str = "<urban/>", head: str = ""
) -> str:
    """Write a whole document."""
    return (
        f'<?xml version="1.0"?>{head}<commonRoad commonRoadVersion="{version}"'
        f' benchmarkID="TST_Test-1_1_T-1" timeStepSize="{step}">'
        f"<scenarioTags>{tags}</scenarioTags>{body}</commonRoad>"
    )


def write(folder: Path, text: str | bytes) -> Path:
    """Write a document to a file."""
    path = folder / "scene.xml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path

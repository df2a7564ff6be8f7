"""Damaged CommonRoad files: one MapError with the file's name, and never anything else."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest

from scenegen.errors import MapError
from scenegen.maps import read_commonroad
from tests.maps.scenes import document, lanelet, obstacle, state, straight, write

ROAD = straight(1, 0, 40)
CAR = state("initialState", 0, 0, 0) + state("state", 1, 1, 0)
ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SCENEGEN_DATA", ROOT / "../shared/data"))
REAL = DATA / "trajectories/ngsim_commonroad/raw_xml/USA_Peach-3_1_T-1.xml"
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
CROSSED = lanelet(1, [(0, -1.5), (40, -1.5)], [(0, 1.5), (40, 1.5)])
POINT = lanelet(1, [(0, 1.5), (0, 1.5)], [(0, -1.5), (0, -1.5)])
LIGHT = '<trafficLight id="60"><cycle>{}</cycle></trafficLight>'
PHASE = "<cycleElement><duration>{}</duration><color>{}</color></cycleElement>"
TWO_GREENS = LIGHT.format("".join(PHASE.format(9, c) for c in ("green", "red", "green", "red")))
NO_DURATION = LIGHT.format("<cycleElement><color>red</color></cycleElement>")

DAMAGE = {
    "empty": ("", "empty file"),
    "not XML": ("lanes: 3", "well-formed XML"),
    "cut off": (document(ROAD)[:-30], "line 1"),
    "another format": ("<OpenDRIVE/>", "root element <OpenDRIVE>"),
    "entities": (document(ROAD, head=BOMB), "no document type declaration"),
    "entities in UTF-16": (document(ROAD, head=BOMB).encode("utf-16"), "document type"),
    "deep": (document("<a>" * 50 + "</a>" * 50), "nested elements"),
    "version": (document(ROAD, version="1999x"), "commonRoadVersion"),
    "time step": (document(ROAD, step="0"), "timeStepSize"),
    "no lanes": (document(""), "at least one lanelet"),
    "id twice": (document(ROAD + straight(1, 9, 20)), "lanelet 1: expected every id once"),
    "no id": (document(ROAD.replace(' id="1"', "")), "expected id to be a whole number"),
    "no bound": (document(re.sub("<leftBound>.*</leftBound>", "", ROAD)), "lanelet 1.*leftBound"),
    "no number": (document(ROAD.replace("40", "forty")), "lanelet 1.*'forty'"),
    "not finite": (document(ROAD.replace("40", "nan")), "lanelet 1.*finite number"),
    "infinite": (document(ROAD.replace("40", "1e999")), "lanelet 1.*finite number"),
    "endless": (document(ROAD.replace("40", "9e6")), "lanelet 1.*at most 20000 m"),
    "bounds swapped": (document(CROSSED), "lanelet 1.*leftBound on the left"),
    "no length": (document(POINT), "lanelet 1.*length"),
    "dangling link": (document(straight(1, 0, 9, extra='<successor ref="8"/>')), "lanelet 8"),
    "no shape": (document(ROAD + obstacle(7, CAR, shape="")), "dynamicObstacle 7"),
    "no size": (document(ROAD + obstacle(7, CAR).replace("1.8", "0")), "dynamicObstacle 7.*sides"),
    "unknown type": (document(ROAD + obstacle(7, CAR, "ufo")), "dynamicObstacle 7.*'ufo'"),
    "time runs back": (document(ROAD + obstacle(7, CAR.replace(">1<", ">-1<"))), "times"),
    "endless log": (document(ROAD + obstacle(7, CAR.replace(">1<", ">1e7<"))), "at most 3600 s"),
    "obstacle twice": (document(ROAD + obstacle(7, CAR) * 2), "dynamicObstacle 7.*twice"),
    "bad light": (document(ROAD + NO_DURATION), "trafficLight 60.*duration"),
    "odd light": (document(ROAD + TWO_GREENS), "trafficLight 60.*not supported"),
    "no start": (document(ROAD + '<planningProblem id="3"/>'), "planningProblem 3.*initialState"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    """The message has the file and the place of the damage."""
    text, message = DAMAGE[name]

    with pytest.raises(MapError, match=f"^scene.xml: .*{message}"):
        read_commonroad(write(tmp_path, text))


def test_missing_file_is_named(tmp_path: Path) -> None:
    """A path that leads nowhere is a MapError, and so is a folder."""
    with pytest.raises(MapError, match=r"^none.xml: cannot be read"):
        read_commonroad(tmp_path / "none.xml")
    with pytest.raises(MapError, match="cannot be read"):
        read_commonroad(tmp_path)


def survive(folder: Path, data: bytes) -> None:
    """Read some bytes: a scene of finite numbers or a MapError, nothing else."""
    try:
        scene = read_commonroad(write(folder, data))
    except MapError:
        return
    assert np.isfinite(scene.log.position).all()
    assert all(np.isfinite(lane.centerline).all() for lane in scene.roadmap.lanes)


def scene_bytes() -> bytes:
    """Give a small document with one of everything."""
    refs = '<successor ref="2"/><trafficLightRef ref="60"/><trafficSignRef ref="50"/>'
    cycle = "".join(PHASE.format(*p) for p in ((90, "green"), (30, "yellow"), (80, "red")))
    sign = (
        '<trafficSign id="50"><trafficSignElement><trafficSignID>274</trafficSignID>'
        "<additionalValue>7.5</additionalValue></trafficSignElement></trafficSign>"
    )
    problem = f'<planningProblem id="3">{state("initialState", 0, 0, 0)}</planningProblem>'
    body = straight(1, 0, 40, extra=refs) + straight(2, 40, 80) + sign + LIGHT.format(cycle)
    return document(body + obstacle(7, CAR) + problem).encode()


@pytest.mark.parametrize("seed", range(20))
def test_cut_files_never_crash(tmp_path: Path, seed: int) -> None:
    """A file cut anywhere is a MapError."""
    data, rng = scene_bytes(), np.random.default_rng(seed)

    for cut in rng.integers(0, len(data), 10):
        with pytest.raises(MapError):
            read_commonroad(write(tmp_path, data[:cut]))


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bytes_never_crash(tmp_path: Path, seed: int) -> None:
    """Random bytes in random places give a scene or a MapError."""
    rng = np.random.default_rng(seed)

    for _ in range(20):
        data = bytearray(scene_bytes())
        for place in rng.integers(0, len(data), int(rng.integers(1, 6))):
            data[place] = int(rng.integers(0, 256))
        survive(tmp_path, bytes(data))


@pytest.mark.parametrize("seed", range(20))
def test_changed_numbers_never_crash(tmp_path: Path, seed: int) -> None:
    """Odd numbers in odd places give a scene or a MapError."""
    rng = np.random.default_rng(seed)
    odd = [b"0", b"-1", b"1e8", b"-1e7", b"1e-300", b"nan", b"-inf", b"", b"0x10", b"1e308", b"40"]
    text = scene_bytes()
    places = [m.span(1) for m in re.finditer(rb'[>"](-?[0-9.]+)[<"]', text)]

    for _ in range(25):
        data = text
        for k in sorted(rng.choice(len(places), int(rng.integers(1, 4)), replace=False))[::-1]:
            begin, end = places[k]
            data = data[:begin] + odd[int(rng.integers(len(odd)))] + data[end:]
        survive(tmp_path, data)


@pytest.mark.parametrize("seed", range(20))
def test_lost_elements_never_crash(tmp_path: Path, seed: int) -> None:
    """A document without some of its elements is a scene or a MapError."""
    rng = np.random.default_rng(seed)
    text = scene_bytes().decode()
    tags = sorted(set(re.findall(r"<(\w+)>", text)))

    for tag in tags:
        spans = [m.span() for m in re.finditer(f"<{tag}>.*?</{tag}>", text)]
        begin, end = spans[int(rng.integers(len(spans)))] if spans else (0, 0)
        survive(tmp_path, (text[:begin] + text[end:]).encode())


@pytest.mark.parametrize("seed", range(3))
def test_damaged_real_file_never_crashes(tmp_path: Path, seed: int) -> None:
    """The same holds for a real recording."""
    if not REAL.is_file():
        pytest.skip(f"no recorded scene at {REAL}; set SCENEGEN_DATA to the data folder")
    rng, text = np.random.default_rng(seed), REAL.read_bytes()

    for _ in range(6):
        data = bytearray(text)
        for place in rng.integers(0, len(data), 3):
            data[place] = int(rng.integers(48, 58))
        survive(tmp_path, bytes(data))
        survive(tmp_path, text[: int(rng.integers(len(text)))])

"""The viewer's page: self-contained, safe, and true to the states."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenegen.errors import ShapeError, StorageError
from scenegen.scene import AgentKind, AgentStates, Scenario
from scenegen.view import ViewClause, ViewItem, render_html, to_html, write_html
from scenegen.view.html import NEVER
from tests.builders import cars, constant_speed_scenario, provenance, straight_road

HOSTILE = "</script><img src=x onerror=alert(1)><!-- & {{script}} \u2028 ' \" \\"


def scenario(seed: int = 0, steps: int = 21) -> Scenario:
    """Drive a few agents far from the origin."""
    rng = np.random.default_rng(seed)
    rows = [
        (AgentKind(int(k)), *rng.uniform(-900, 900, 2), rng.uniform(-3.1, 3.1), rng.uniform(-5, 40))
        for k in rng.integers(0, 8, 9)
    ]
    made = constant_speed_scenario(straight_road(2), AgentStates.of(rows), steps=steps)
    made.agents.valid[5:8, 3] = False
    return made


def data_of(page: str) -> dict[str, Any]:
    """Read back what the page embeds."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def numbers(text: str, dtype: str) -> np.ndarray:
    """Decode a packed array."""
    return np.frombuffer(base64.b64decode(text), dtype)


@pytest.mark.parametrize("seed", range(5))
def test_the_page_holds_the_states_within_a_centimetre(seed: int) -> None:
    """Positions, headings, speeds and sizes decode back."""
    made = scenario(seed)

    packed = data_of(render_html([ViewItem(scenario=made)]))["scenarios"][0]
    shape = made.agents.valid.shape
    valid = numbers(packed["valid"], "<u1").reshape(shape).astype(bool)
    position = numbers(packed["xy"], "<i4").reshape(*shape, 2) / 100 + packed["origin"]
    yaw = numbers(packed["yaw"], "<i2").reshape(shape) / 1e4
    speed = numbers(packed["speed"], "<i2").reshape(shape) / 100
    size = numbers(packed["size"], "<u2").reshape(-1, 2) / 100

    np.testing.assert_array_equal(valid, made.agents.valid)
    assert np.abs(position - made.agents.position)[valid].max() <= 0.01
    assert np.abs(yaw - made.agents.yaw)[valid].max() <= 1e-4
    assert np.abs(speed - made.agents.speed)[valid].max() <= 0.01
    np.testing.assert_allclose(size, made.agents.size[0, :, :2], atol=0.006)
    np.testing.assert_array_equal(numbers(packed["kind"], "<u1"), made.agents.kind[0])


def test_time_to_collision_is_the_hand_computed_one() -> None:
    """A leader 20 m ahead, bumper to bumper, and 5 m/s slower is hit in 4 s."""
    made = constant_speed_scenario(
        straight_road(2), cars((0, 0, 15), (24.5, 0, 10), (-30, 3.5, 10)), steps=11
    )

    packed = data_of(render_html([ViewItem(scenario=made)]))["scenarios"][0]
    ttc = numbers(packed["ttc"], "<u2").reshape(11, 3)

    np.testing.assert_allclose(ttc[:, 1] / 100, 4.0 - 0.1 * np.arange(11), atol=0.011)
    assert (ttc[:, [0, 2]] == NEVER).all()


def test_the_page_names_no_address() -> None:
    """There is nothing to fetch: no URL but XML name spaces, and a policy that forbids requests."""
    page = render_html([ViewItem(scenario=scenario())])

    urls = [u for u in re.findall(r"(?:https?|wss?|ftp):?//[^\s\"'<>]+", page) if "w3.org" not in u]
    assert not urls
    assert not re.search(r"\b(?:src|href)\s*=\s*[\"']?(?!data:)//", page)
    for word in ("fetch(", "XMLHttpRequest", "import(", "WebSocket", "@import", "sendBeacon"):
        assert word not in page
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'")
    assert "unsafe" not in policy[1]


def test_text_never_becomes_markup() -> None:
    """Hostile names and queries come back as the text they are."""
    made = replace(scenario(), roles={HOSTILE: 1}, provenance=provenance(script={"event": HOSTILE}))
    clause = ViewClause(text=HOSTILE, satisfied=True, detail=HOSTILE)
    item = ViewItem(scenario=made, query=HOSTILE, clauses=[clause])

    page = render_html([item], title=HOSTILE)

    packed = data_of(page)["scenarios"][0]
    assert packed["query"] == packed["event"] == packed["clauses"][0]["detail"] == HOSTILE
    assert list(packed["roles"]) == [HOSTILE]
    assert data_of(page)["title"] == HOSTILE
    assert "<img src=x" not in page
    assert page.count("</script>") == 2
    assert html.unescape(re.findall(r"<title>(.*?)</title>", page)[0]) == HOSTILE


def test_only_the_viewers_own_script_may_run() -> None:
    """The policy names exactly the script and the style in the page, by digest."""
    page = render_html([ViewItem(scenario=scenario())])

    for tag in ("script", "style"):
        body = re.findall(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert len(body) == 1
        digest = hashlib.sha256(body[0].encode()).digest()
        assert f"{tag}-src 'sha256-{base64.b64encode(digest).decode()}'" in page


def test_a_shared_road_is_there_once() -> None:
    """Scenarios on one road do not repeat it."""
    made = scenario()
    other = replace(scenario(1), roadmap=made.roadmap)

    data = data_of(render_html([ViewItem(scenario=s) for s in (made, other, scenario(2))]))

    assert len(data["maps"]) == 2
    assert [s["map"] for s in data["scenarios"]] == [0, 0, 1]


def test_the_road_decodes_to_its_outline() -> None:
    """The asphalt's ring spans the road's bounds."""
    made = scenario()

    road = data_of(render_html([ViewItem(scenario=made)]))["maps"][0]
    (asphalt,) = (fill for fill in road["fills"] if fill["colour"] == "asphalt")
    ring = numbers(asphalt["rings"][0], "<i4").reshape(-1, 2) / 100 + road["origin"]

    low_x, low_y, high_x, high_y = made.roadmap.bounds
    np.testing.assert_allclose(ring.min(0), [low_x, low_y], atol=0.02)
    np.testing.assert_allclose(ring.max(0), [high_x, high_y], atol=0.02)


def test_margin_clauses_and_pictures_travel() -> None:
    """What is said about a scenario is in the page, infinities and all."""
    made = scenario(steps=3)
    margin = np.array([-1.5, np.inf, 0.25])
    clause = ViewClause(text="night", satisfied=False, margin=-margin)
    item = ViewItem(
        scenario=made,
        margin=margin,
        witness={"c": 2},
        clauses=[clause],
        camera_frames=[b"a", b"b", b"c"],
    )

    packed = data_of(render_html([item]))["scenarios"][0]

    np.testing.assert_array_equal(numbers(packed["margin"], "<f4"), margin.astype(np.float32))
    np.testing.assert_array_equal(numbers(packed["clauses"][0]["margin"], "<f4"), -margin)
    assert packed["roles"] == {"c": 2}
    assert [base64.b64decode(frame) for frame in packed["camera"]] == [b"a", b"b", b"c"]


def test_a_margin_of_another_length_is_refused() -> None:
    """Everything over time has the scenario's length."""
    with pytest.raises(ShapeError, match="margin"):
        ViewItem(scenario=scenario(), margin=np.zeros(4))
    with pytest.raises(ShapeError, match="camera_frames"):
        ViewItem(scenario=scenario(), camera_frames=[b"x"])


def test_no_scenario_is_an_error() -> None:
    """An empty page helps nobody."""
    with pytest.raises(ValueError, match="at least one scenario"):
        render_html([])


def test_the_same_scenarios_give_the_same_page(tmp_path: Path) -> None:
    """The file depends on nothing but what it shows."""
    pages = [write_html(tmp_path / f"{k}.html", [ViewItem(scenario=scenario())]) for k in range(2)]

    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_an_unwritable_place_is_a_storage_error(tmp_path: Path) -> None:
    """The sentence names the path."""
    with pytest.raises(StorageError, match="missing"):
        write_html(tmp_path / "missing" / "page.html", [ViewItem(scenario=scenario())])


def test_a_notebook_cell_holds_the_page_in_a_sandbox() -> None:
    """The fragment carries the very page, escaped, and grants it scripts only."""
    made = scenario()

    cell = to_html(made)

    page = re.search(r'srcdoc="([^"]*)"', cell)
    assert page
    assert html.unescape(page[1]) == render_html([ViewItem(scenario=made)], title=made.id)
    assert 'sandbox="allow-scripts"' in cell

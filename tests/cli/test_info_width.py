"""How `scenegen info` fits narrow and wide terminals."""

from __future__ import annotations

import pytest

from scenegen.cli import terminal

ROWS = [
    {
        "field": "lidar/top/points",
        "shape": "n x 3",
        "dtype": "float32",
        "unit": "m",
        "what it is": "points in the lidar frame [x, y, z], compensated for the ego's motion",
    }
]


@pytest.mark.parametrize("width", [80, 140])
def test_no_word_of_a_field_is_lost(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    """Name, shape, type, unit and meaning are all there; on a narrow terminal in two lines."""
    monkeypatch.setattr(terminal.out, "_width", width)
    with terminal.out.capture() as shown:
        terminal.print_fields(ROWS)
    lines = [line.strip() for line in shown.get().splitlines() if line.strip()]
    assert ROWS[0]["what it is"] in " ".join(lines)
    assert all(ROWS[0][name] in " ".join(lines) for name in ("field", "shape", "dtype", "unit"))
    assert max(len(line) for line in lines) <= width
    assert ("float32  n x 3 [m]" in " ".join(lines)) == (width == 80)

"""The house stands on floors: a file imports from its own room or from a lower floor."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FACE = ROOT / "scenegen/__init__.py"
FLOORS = [  # ground floor first; rooms on one line are neighbours and never import each other
    {"errors", "scenegen_assets"},
    {"arrays", "seeding"},
    {"geometry", "training"},
    {"scene"},
    {"maps", "layout", "sim", "render", "data"},
    {"appearance"},
    {"events", "sensors"},
    {"query"},
    {"interchange", "evaluate", "view", "catalog"},
    {"pipeline"},
    {"scale", "scenegen_envs"},
    {"cli"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
OURS = {"scenegen", "scenegen_envs", "scenegen_assets"}
SOURCES = ("scenegen/**/*.py", "envs/**/*.py", "assets/**/*.py")
FILES = sorted({path for pattern in SOURCES for path in ROOT.glob(pattern)} - {FACE})


def room(module: str) -> str:
    """Name the room of a dotted module: scenegen.sim.dynamics -> sim."""
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] if package == "scenegen" else package


def imports(path: Path) -> Iterator[str]:
    """List every module of ours that a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the import in full"
            names = [node.module or ""]
        else:
            continue
        yield from (n for n in names if n.partition(".")[0] in OURS)


def nested_imports(tree: ast.AST) -> Iterator[int]:
    """Give the line of every import that hides inside a function."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    yield inner.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    """No arrow runs up, none runs sideways, none hides, and no room leans on the face."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    here = parts[1]
    assert here in FLOOR, f"{path.relative_to(ROOT)}: room {here!r} stands on no floor"

    for name in imports(path):
        there = room(name)
        assert there, f"{path.relative_to(ROOT)} imports the face of scenegen; name the room"
        assert there == here or FLOOR[there] < FLOOR[here], (
            f"{path.relative_to(ROOT)} (floor {FLOOR[here]}) imports {name} (floor {FLOOR[there]})"
        )
    hidden = list(nested_imports(ast.parse(path.read_text())))
    assert not hidden, f"{path.relative_to(ROOT)} imports inside a function, lines {hidden}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short(path: Path) -> None:
    """A file has at most 500 lines, a function at most 60."""
    text = path.read_text()

    assert len(text.splitlines()) <= 500, f"{path.relative_to(ROOT)} is too long"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            assert length <= 60, f"{path.relative_to(ROOT)}: {node.name} has {length} lines"

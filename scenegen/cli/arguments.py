"""From what a user types to what the rooms take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scenegen.appearance.camera_runtime import RENDERERS
from scenegen.data import Dataset
from scenegen.errors import QueryError, UnknownNameError
from scenegen.events import EVENTS
from scenegen.layout import LAYOUT_MODELS, LearnedLayout
from scenegen.maps import MAP_SOURCES, RecordedScene, read_commonroad
from scenegen.query import PREDICATES, SIGNALS, STATICS, Query, load_query, parse, published
from scenegen.sensors import RIGS, Rig


def read_query(text: str, settings: Sequence[str] = ()) -> Query:
    """Parse a query, or the file or published query it names if the text begins with @.

    Args:
        text: The query; ``@FILE.yaml`` or ``@NAME`` of a published one; ``@FILE`` with its text.
        settings: Numbers of a published query, such as ``ttc=1.2s``.

    Raises:
        QueryError: The query is malformed, or the file cannot be read.
    """
    pairs = [setting.partition("=") for setting in settings]
    wrong = [name for name, equals, value in pairs if not (name and equals and value)]
    if wrong:
        raise QueryError(f"--set {wrong[0]}: expected NAME=VALUE such as ttc=1.2s")
    path = Path(text[1:])
    is_published = path.suffix in {".yaml", ".yml"} or text[1:] in _published_names()
    if text.startswith("@") and is_published:
        return load_query(text[1:], **{name: value for name, _, value in pairs})
    if pairs:
        raise QueryError(f"--set {pairs[0][0]}: only a query read from @NAME or @FILE.yaml has it")
    if not text.startswith("@"):
        return parse(text)
    try:
        return parse(path.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        raise QueryError(f"query file {path}: cannot be read ({error})") from error


def _published_names() -> set[str]:
    shipped = published()
    return {*shipped, *(query.id for query in shipped.values())}


def read_base(path: Path | None) -> RecordedScene | None:
    """Read a recorded scene, if one is named.

    Raises:
        MapError: The file is damaged, missing or of another kind.
    """
    return None if path is None else read_commonroad(path)


def read_rig(name: str) -> Rig:
    """Find a rig by name.

    Raises:
        UnknownNameError: There is no such rig.
    """
    if name not in RIGS:
        raise UnknownNameError("rig", name, RIGS)
    return RIGS[name]


def read_layout(path: Path | None) -> LearnedLayout | None:
    """Read a trained layout model, if one is named.

    Raises:
        CheckpointError: The file is damaged, missing or of a family that does not exist.
    """
    return None if path is None else LearnedLayout.load(path)


def resolve(dataset: Dataset, name: str) -> str:
    """Find the recording a user means: a number, an id, or the begin of one.

    Raises:
        UnknownNameError: No recording, or more than one, is called so.
    """
    if name in dataset.ids:
        return name
    if name.isdigit() and int(name) < len(dataset):
        return dataset.ids[int(name)]
    matches = [identity for identity in dataset.ids if identity.startswith(name)]
    if len(matches) != 1:
        raise UnknownNameError("recording", name, matches or dataset.ids)
    return matches[0]


def list_registries() -> dict[str, dict[str, str]]:
    """Everything that can be asked for by name, with one line on each."""
    return {
        "events": {name: _first_line(cls) for name, cls in EVENTS.items()},
        "conditions": {name: static.doc for name, static in STATICS.items()},
        "signals": {name: signal.doc for name, signal in SIGNALS.items()},
        "motions": {name: p.doc for name, p in PREDICATES.items() if name not in EVENTS},
        "maps": {name: _first_line(cls) for name, cls in MAP_SOURCES.items()},
        "rigs": {name: ", ".join(s.name for s in rig.sensors) for name, rig in RIGS.items()},
        "layout-models": {name: _first_line(cls) for name, cls in LAYOUT_MODELS.items()},
        "renderers": {name: _first_line(make) for name, make in RENDERERS.items()},
    }


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]

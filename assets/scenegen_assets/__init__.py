"""Files that ship with scenegen, found the same way in a wheel and in a checkout."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path, PurePosixPath


def asset_path(name: str) -> Path:
    """Locate a shipped file.

    Args:
        name: Path within the assets, for example ``queries/night_cut_in.toml``.

    Returns:
        Path of the file on disk.

    Raises:
        FileNotFoundError: There is no such file, or the name leads out of the assets.
    """
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise FileNotFoundError(f"asset {name!r}: expected a path inside the assets")
    with as_file(files("scenegen_assets").joinpath(*parts.parts)) as path:
        if not path.exists():
            raise FileNotFoundError(f"asset {name!r}: no such file in the assets")
        return path

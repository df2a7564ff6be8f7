"""What is on disk, for comparison."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def file_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def data_folder() -> Path:
    """Where real data for tests is, from SCENEGEN_DATA; it need not exist."""
    default = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("SCENEGEN_DATA", default))

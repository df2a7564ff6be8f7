"""What `import scenegen` costs and gives."""

from __future__ import annotations

import subprocess
import sys


def test_importing_the_package_is_cheap() -> None:
    """Neither torch nor numba nor zarr is loaded until a room that needs it is."""
    code = (
        "import scenegen, sys; print([m for m in ('torch', 'numba', 'zarr') if m in sys.modules])"
    )

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"


def test_importing_the_package_registers_the_environment() -> None:
    """`gymnasium.make("scenegen:...")` imports scenegen first; then the id must be known."""
    code = "import scenegen, gymnasium; print(gymnasium.spec('scenegen/RareEvent-v0').id)"

    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "scenegen/RareEvent-v0"

"""The front door: ``scenegen generate | search | explain | view | info | replay | verify``."""

from __future__ import annotations

import sys

from scenegen.cli.app import app
from scenegen.cli.terminal import report_error
from scenegen.errors import ScenegenError


def main() -> None:
    """Run the command line; every error of ours is one clear message and an exit code."""
    try:
        app()
    except ScenegenError as error:
        sys.exit(report_error(error))


__all__ = ["app", "main"]

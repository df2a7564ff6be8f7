"""NGSIM traffic as a corpus to fit layout models to: ``-m benchmarks.quality.ngsim_corpus``.

Reads the tracks that SCENEGEN_DATA names, holds a fifth of the scenes out, and writes a corpus that
``scenegen train layout --corpus`` reads; see benchmarks/README.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.quality.layout_real import real_folder, scenarios_of
from scenegen.pipeline.recorded_corpus import RecordedTraffic, write_recorded_corpus


def recordings() -> Iterator[RecordedTraffic]:
    """Every recorded scene from several egos; all of one file are one recording."""
    for path in sorted(real_folder().glob("*.npz")):
        for scenario in scenarios_of(path):
            yield RecordedTraffic(name=path.stem, scenario=scenario)


def main() -> None:
    """Write the corpus to the folder that is named."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/ngsim_corpus")
    manifest = write_recorded_corpus(recordings(), folder, egos=1)
    sys.stdout.write(json.dumps({k: manifest[k] for k in ("rows", "splits", "recordings")}) + "\n")


if __name__ == "__main__":
    main()

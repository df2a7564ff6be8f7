"""NGSIM traffic as a corpus to fit layout models to: ``-m benchmarks.quality.ngsim_corpus``.

Reads the training split of the tracks that SCENEGEN_DATA names, holds a fifth of its groups out to
stop by, and writes a corpus that ``scenegen train layout --corpus`` reads. ``quality.layout``
compares with the test split, which nothing is fitted to; see benchmarks/README.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.quality.layout_real import real_files, scenarios_of
from scenegen.pipeline.recorded_corpus import RecordedTraffic, write_recorded_corpus


def recordings() -> Iterator[RecordedTraffic]:
    """Every recorded scene of the training split from several egos; a group is one recording."""
    for group, path in real_files("train"):
        for scenario in scenarios_of(path):
            yield RecordedTraffic(name=group, scenario=scenario)


def main() -> None:
    """Write the corpus to the folder that is named."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/ngsim_corpus")
    manifest = write_recorded_corpus(recordings(), folder, egos=1)
    sys.stdout.write(json.dumps({k: manifest[k] for k in ("rows", "splits", "recordings")}) + "\n")


if __name__ == "__main__":
    main()

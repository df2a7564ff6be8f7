"""Clips for training that are chosen by a query."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from scenegen.catalog.catalog import Catalog
from scenegen.data.loader import Clips
from scenegen.query import Query


class ScenarioDataset(Clips):
    """Clips of the recordings that satisfy a query, as a map-style torch dataset.

    Example::

        fields = ["camera/front/rgb", "lidar/top/xyz"]
        night = ScenarioDataset("edge.zarr", fields, where="night and ttc(ego,c) < 1.5s")
    """

    def __init__(
        self,
        path: str | Path,
        fields: Sequence[str],
        *,
        where: Query | str | None = None,
        frames: int = 8,
        stride: int = 1,
        hop: int | None = None,
    ) -> None:
        """Find the recordings and cut them into clips.

        Args:
            path: Folder of the dataset.
            fields: Arrays to read.
            where: Query, or its text; None uses every recording.
            frames: Frames in a clip.
            stride: Distance between the frames of a clip.
            hop: Distance between the first frames of clips; None: they do not overlap.

        Raises:
            QueryError: The query is malformed.
            RecordingError: The dataset cannot be read.
            UnknownNameError: There is no such field.
        """
        selection = None
        if where is not None:
            with Catalog(path) as catalog:
                selection = [hit.id for hit in catalog.search(where)]
        super().__init__(path, fields, frames=frames, stride=stride, hop=hop, selection=selection)

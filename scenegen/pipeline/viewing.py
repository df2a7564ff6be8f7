"""From recordings to what the viewer and the films show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np

from scenegen.appearance.credential_files import with_credentials
from scenegen.appearance.credentials import Credentials
from scenegen.arrays import Array
from scenegen.data import Dataset
from scenegen.pipeline.marking import credentials_of
from scenegen.query import ClauseExplanation, Trace, parse
from scenegen.view import ViewClause, ViewItem, film

CAMERA = "camera/front/rgb"
"""The camera shown beside the view from above."""
JPEG_QUALITY = 82
FILM_PX, FILM_SPAN = 384, 90.0
"""Edge of the picture from above in films [px], and the road it shows [m]."""


def view_item(dataset: Dataset, recording: str | int) -> ViewItem:
    """Gather what the viewer shows of one recording: states, query, explanation, camera."""
    scenario = dataset.scenario(recording)
    trace = Trace(scenario)
    query = parse(scenario.provenance.query)
    explanation = query.explain(trace)
    return ViewItem(
        scenario=scenario,
        query=query.text,
        margin=query.margin_over_time(trace),
        witness=explanation.witness,
        clauses=[_clause(row) for row in explanation.clauses],
        camera_frames=_camera(dataset, recording, scenario.steps),
    )


def movie_frames(dataset: Dataset, recording: str | int) -> Iterator[Array]:
    """Draw one film frame per instant: from above, and through the camera if there is one.

    Yields:
        RGB pictures of equal size, uint8, shape (H, W, 3).
    """
    scenario = dataset.scenario(recording)
    query = parse(scenario.provenance.query)
    pictures = None
    if _has_camera(dataset, recording, scenario.steps):
        pictures = list(dataset.read_dense(recording, CAMERA))
    return film(
        scenario,
        size_px=(FILM_PX, FILM_PX),
        metres_per_px=FILM_SPAN / FILM_PX,
        roles=scenario.roles,
        camera_frames=pictures,
        caption=query.text,
        margin=query.margin_over_time(scenario),
    )


def _clause(row: ClauseExplanation) -> ViewClause:
    detail = ""
    if row.best_value is not None:
        detail = f"{row.best_value:.3g} {row.unit} at {row.best_time:.1f} s"
    return ViewClause(text=row.text, satisfied=row.satisfied, detail=detail)


def _has_camera(dataset: Dataset, recording: str | int, steps: int) -> bool:
    return CAMERA in dataset.fields and dataset.frame_count(recording) == steps


def _camera(dataset: Dataset, recording: str | int, steps: int) -> list[bytes] | None:
    if not _has_camera(dataset, recording, steps):
        return None
    credentials = credentials_of(dataset, recording, CAMERA, 0)
    return [
        _jpeg(
            dataset.read_dense(recording, CAMERA, k, k + 1)[0],
            replace(credentials, place=f"{CAMERA} {k}"),
        )
        for k in range(steps)
    ]


def _jpeg(rgb: Array, credentials: Credentials) -> bytes:
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(np.asarray(rgb), cv2.COLOR_RGB2BGR), options)
    return with_credentials(data.tobytes(), credentials)

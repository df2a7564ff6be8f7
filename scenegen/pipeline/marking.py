"""Pictures that say what they are: renderer, watermark and credentials of what is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from scenegen.appearance.camera_runtime import Renderer
from scenegen.appearance.credential_files import write_picture
from scenegen.appearance.credentials import VOCABULARY, Credentials, DigitalSourceType
from scenegen.appearance.watermark import ALGORITHM, PAYLOAD_DIGITS, embed_watermark, payload_of
from scenegen.data import Dataset
from scenegen.scene import ArraySpec, Frame
from scenegen.sensors import Camera, Rig

SOURCE, RENDERER, CHECKPOINT, WATERMARK, PAYLOAD = (
    "digital_source_type",
    "renderer",
    "renderer_sha256",
    "watermark",
    "watermark_payload",
)
"""Attributes of stored pictures."""
NO_MARK = "none"


def with_renderer(rig: Rig, renderer: Renderer) -> Rig:
    """Give a rig whose cameras take the pictures of a renderer."""
    sensors = tuple(
        replace(sensor, appearance=renderer.appearance) if isinstance(sensor, Camera) else sensor
        for sensor in rig.sensors
    )
    return replace(rig, sensors=sensors)


def is_picture(spec: ArraySpec) -> bool:
    """Whether an array is a photograph: three channels of bytes."""
    return spec.codec == "image" and spec.dtype == "uint8" and spec.shape[2:] == (3,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """How recorded pictures are marked.

    Attributes:
        renderer: What makes them.
        watermarks: Whether each carries the watermark of its scenario.
    """

    renderer: Renderer
    watermarks: bool = True

    def specs(self, specs: Iterable[ArraySpec]) -> tuple[ArraySpec, ...]:
        """Announce arrays, pictures with what they are."""
        return tuple(
            replace(spec, attributes=self._attributes()) if is_picture(spec) else spec
            for spec in specs
        )

    def frames(
        self, frames: Iterable[Frame], specs: Iterable[ArraySpec], scenario: str
    ) -> Iterator[Frame]:
        """Mark the pictures of frames.

        Args:
            frames: Frames of one scenario.
            specs: Arrays of the frames.
            scenario: The scenario's id.
        """
        pictures = [spec.name for spec in specs if is_picture(spec)]
        payload = payload_of(scenario)
        for frame in frames:
            if not self.watermarks:
                yield frame
                continue
            marked = {name: embed_watermark(frame.arrays[name], payload) for name in pictures}
            yield replace(frame, arrays={**frame.arrays, **marked})

    def _attributes(self) -> tuple[tuple[str, str], ...]:
        renderer = self.renderer
        by = f"{renderer.name} ({renderer.backend})" if renderer.backend else renderer.name
        out = [(SOURCE, renderer.source_type.uri), (RENDERER, by)]
        if renderer.sha256:
            out.append((CHECKPOINT, renderer.sha256))
        out.append((WATERMARK, ALGORITHM if self.watermarks else NO_MARK))
        if self.watermarks:
            out.append((PAYLOAD, f"first {PAYLOAD_DIGITS} digits of the scenario's id"))
        return tuple(out)


def credentials_of(dataset: Dataset, recording: str | int, name: str, frame: int) -> Credentials:
    """Give the credentials of one stored picture, to put into a file of it.

    Args:
        dataset: The dataset.
        recording: Id or number of the recording.
        name: The array, for example ``camera/front/rgb``.
        frame: Number of the frame.

    Raises:
        UnknownNameError: There is no such array or recording.
    """
    told = dict(dataset.spec(name).attributes)
    origin = dataset.scenario(recording).provenance
    digests = dict(origin.digests)
    if CHECKPOINT in told:
        digests["camera_generator"] = told[CHECKPOINT]
    return Credentials(
        scenario=origin.id,
        source_type=source_type_of(told),
        version=origin.version,
        renderer=told.get(RENDERER, "base"),
        digests=digests,
        place=f"{name} {frame}",
        is_watermarked=told.get(WATERMARK, NO_MARK) != NO_MARK,
    )


def save_picture(dataset: Dataset, recording: str | int, name: str, frame: int, path: Path) -> Path:
    """Write one stored picture as PNG, JPEG or WebP, with its credentials.

    Args:
        dataset: The dataset.
        recording: Id or number of the recording.
        name: The array, for example ``camera/front/rgb``.
        frame: Number of the frame.
        path: Where to; the ending of the name chooses the format.

    Raises:
        UnknownNameError: There is no such array or recording.
        StorageError: The format is another one, or the file could not be written.
    """
    picture = dataset.read_dense(recording, name, frame, frame + 1)[0]
    return write_picture(path, picture, credentials_of(dataset, recording, name, frame))


def source_type_of(attributes: Mapping[str, str]) -> DigitalSourceType:
    """How stored pictures came to be; those without the attribute are older than learned ones."""
    term = attributes.get(SOURCE, DigitalSourceType.ALGORITHMIC.uri).removeprefix(VOCABULARY)
    return DigitalSourceType(term)

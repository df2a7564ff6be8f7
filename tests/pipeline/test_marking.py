"""What is recorded says that it is synthetic, by whom it was made, and of which scenario it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

from scenegen.appearance.camera_runtime import renderer_of
from scenegen.appearance.credential_files import read_statement
from scenegen.appearance.credentials import DigitalSourceType
from scenegen.appearance.watermark import detect_watermark, payload_of
from scenegen.data import Dataset, DatasetWriter
from scenegen.pipeline import Request, generate_dataset
from scenegen.pipeline.marking import Marking, credentials_of, save_picture, with_renderer
from scenegen.pipeline.viewing import view_item
from scenegen.query import parse
from scenegen.render import PinholeCamera
from scenegen.sensors import Camera, Rig
from tests.appearance.generators import tiny_checkpoint
from tests.appearance.pictures import psnr
from tests.sensors.streets import drive

RGB, SEED = "camera/front/rgb", 5
RIG = Rig(name="one", sensors=(Camera(optics=PinholeCamera(width_px=256, height_px=128)),))


def recorded(path: Path, marking: Marking, profile: str = "lossless") -> Dataset:
    """Store three instants of a street, as `generate_dataset` does."""
    scenario, rig = drive(), with_renderer(RIG, marking.renderer)
    frames = marking.frames(rig.sense(scenario, SEED), rig.specs(), scenario.id)
    with DatasetWriter(path, marking.specs(rig.specs()), profile=profile) as writer:
        writer.add(scenario, frames)
    return Dataset(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the datasets of these tests lie."""
    return tmp_path_factory.mktemp("marking")


@pytest.fixture(scope="module")
def marked(folder: Path) -> Dataset:
    """A recording of the base renderer, marked."""
    return recorded(folder / "marked.zarr", Marking(renderer=renderer_of("base")))


@pytest.fixture(scope="module")
def plain(folder: Path) -> Dataset:
    """The same without watermarks."""
    marking = Marking(renderer=renderer_of("base"), watermarks=False)
    return recorded(folder / "plain.zarr", marking)


@pytest.fixture(scope="module")
def learned(folder: Path) -> Dataset:
    """The same of a learned renderer, stored as JPEG."""
    renderer = renderer_of(checkpoint=tiny_checkpoint(folder))
    return recorded(folder / "learned.zarr", Marking(renderer=renderer), "default")


@pytest.fixture(scope="module")
def generated(folder: Path) -> Dataset:
    """A scenario from a query, generated with the learned renderer."""
    request = Request(query=parse("ego.speed > 1m/s"), duration=1.0, layout_model="heuristic")
    renderer = renderer_of(checkpoint=tiny_checkpoint(folder, 1))
    generate_dataset(folder / "generated.zarr", request, 1, RIG, renderer=renderer)
    return Dataset(folder / "generated.zarr")


def picture(dataset: Dataset, frame: int = 1) -> np.ndarray:
    """One stored picture."""
    return np.asarray(dataset.read_dense(0, RGB, frame, frame + 1)[0])


@pytest.mark.parametrize("name", ["marked", "learned", "generated"])
def test_pictures_carry_the_scenario_they_show(name: str, request: pytest.FixtureRequest) -> None:
    """The payload of a stored frame is how the scenario's id begins, also in JPEG."""
    dataset: Dataset = request.getfixturevalue(name)

    assert detect_watermark(picture(dataset)).payload == payload_of(dataset.ids[0])


def test_marks_are_faint_and_can_be_left_out(marked: Dataset, plain: Dataset) -> None:
    """Without watermark the picture is the rig's own; with it at least 40 dB from that."""
    own = next(RIG.sense(drive(), SEED)).arrays[RGB]

    np.testing.assert_array_equal(picture(plain, 0), own)
    assert psnr(picture(marked, 0), own) >= 40.0
    assert not detect_watermark(picture(plain)).found


def test_labels_are_not_touched(marked: Dataset, plain: Dataset) -> None:
    """Masks and depth are the same with and without."""
    for name in ("semantic", "instance", "depth"):
        field = f"camera/front/{name}"
        np.testing.assert_array_equal(marked.read_dense(0, field), plain.read_dense(0, field))


def test_the_array_says_what_it_is(learned: Dataset) -> None:
    """Plain zarr-python reads the source type, the renderer and its checkpoint."""
    place = next(learned.path.glob("packs/*.zarr"))
    told = zarr.open_group(str(place), mode="r")[f"frames/{RGB}"].attrs

    assert str(told["digital_source_type"]).endswith("trainedAlgorithmicMedia")
    assert str(told["renderer"]).startswith("gan")
    assert len(str(told["renderer_sha256"])) == 64
    assert told["watermark"] == "scenegen.watermark.v1"


def test_credentials_follow_from_what_is_stored(learned: Dataset, plain: Dataset) -> None:
    """Version, renderer and checkpoints come from the recording itself."""
    first, second = (credentials_of(made, 0, RGB, 1) for made in (learned, plain))

    assert first.scenario == learned.ids[0]
    assert first.source_type is DigitalSourceType.TRAINED
    assert "camera_generator" in first.digests
    assert second.source_type is DigitalSourceType.ALGORITHMIC
    assert not second.is_watermarked
    assert first.generator_digest != second.generator_digest


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_exported_pictures_carry_both_signs(marked: Dataset, tmp_path: Path, ending: str) -> None:
    """A file of a stored picture has its credentials and its watermark."""
    path = save_picture(marked, 0, RGB, 2, tmp_path / f"a.{ending}")

    statement = read_statement(path.read_bytes())
    assert statement is not None
    assert statement.credentials == credentials_of(marked, 0, RGB, 2)


def test_pictures_of_the_viewer_carry_credentials(generated: Dataset) -> None:
    """Those inside the HTML page are files of their own."""
    frames = view_item(generated, 0).camera_frames

    assert frames is not None
    statement = read_statement(frames[2])
    assert statement is not None
    assert statement.credentials == replace(credentials_of(generated, 0, RGB, 0), place=f"{RGB} 2")


def test_marked_recordings_are_reproducible(marked: Dataset, folder: Path) -> None:
    """A second run stores the same pictures."""
    again = recorded(folder / "again.zarr", Marking(renderer=renderer_of("base")))

    np.testing.assert_array_equal(again.read_dense(0, RGB), marked.read_dense(0, RGB))

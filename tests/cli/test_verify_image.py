"""The command line says whether a picture is ours, and of which scenario."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from scenegen.appearance.credential_files import write_picture
from scenegen.appearance.credentials import Credentials, DigitalSourceType
from scenegen.appearance.watermark import embed_watermark, payload_of
from scenegen.cli import app
from scenegen.data import DatasetWriter
from scenegen.errors import StorageError, UnknownNameError
from scenegen.scene import ArraySpec, Frame
from tests.appearance.pictures import street
from tests.sensors.streets import drive

MADE = Credentials(
    scenario="3f2a91bc0400aa17",
    source_type=DigitalSourceType.ALGORITHMIC,
    version="0.1.0",
    renderer="base",
)
SEE = CliRunner()


def marked() -> np.ndarray:
    """A picture with the watermark of its scenario."""
    return embed_watermark(street()[:, :256], payload_of(MADE.scenario))


def verified(*arguments: str | Path) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and findings."""
    done = SEE.invoke(app, ["verify-image", *map(str, arguments), "--json"])
    return done.exit_code, json.loads(done.stdout)


@pytest.mark.parametrize("ending", ["png", "jpg", "webp"])
def test_a_picture_of_ours_is_known_by_both_signs(tmp_path: Path, ending: str) -> None:
    """The exit code is 0 and the payload leads to the scenario."""
    path = write_picture(tmp_path / f"a.{ending}", marked(), MADE)

    code, (found,) = verified(path)

    assert code == 0
    assert found["verdict"] == "both"
    assert found["watermark"]["payload"] == MADE.scenario[:10]
    assert found["watermark"]["p_value"] < 1e-6
    assert found["credentials"] == MADE.to_json()


def test_stripped_metadata_leave_the_watermark(tmp_path: Path) -> None:
    """As after a screenshot or an upload."""
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), marked()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])

    code, (found,) = verified(path)

    assert (code, found["verdict"]) == (0, "watermark")


@pytest.mark.parametrize(
    ("picture", "says", "verdict", "code"),
    [
        ("marked", replace(MADE, scenario=16 * "1"), "contradiction", 2),
        ("plain", MADE, "lost", 2),
        ("plain", replace(MADE, is_watermarked=False), "credentials", 0),
    ],
)
def test_signs_are_weighed(
    tmp_path: Path, picture: str, says: Credentials, verdict: str, code: int
) -> None:
    """A lost or a wrong mark is doubtful; a picture that never had one is taken at its word."""
    rgb = marked() if picture == "marked" else street()[:, :256]
    path = write_picture(tmp_path / "a.png", rgb, says)

    got, (found,) = verified(path)

    assert (got, found["verdict"]) == (code, verdict)


def test_a_foreign_picture_is_no_sign(tmp_path: Path) -> None:
    """The exit code is 2, also if another picture is ours."""
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), street()[:, :256])

    code, found = verified(path, write_picture(tmp_path / "b.png", marked(), MADE))

    assert code == 2
    assert [one["verdict"] for one in found] == ["nothing", "both"]


def test_people_read_a_sentence(tmp_path: Path) -> None:
    """Watermark, credentials and verdict, a line each."""
    path = write_picture(tmp_path / "a.png", marked(), MADE)

    shown = SEE.invoke(app, ["verify-image", str(path)]).stdout

    assert "scenario 3f2a91bc04" in shown
    assert "algorithmicMedia" in shown
    assert "watermark and credentials agree" in shown


def test_a_frame_of_a_dataset_is_verified(tmp_path: Path) -> None:
    """Its array's attributes are its credentials."""
    scenario = drive()
    attributes = (("watermark", "scenegen.watermark.v1"), ("renderer", "base"))
    spec = ArraySpec(
        name="camera/front/rgb",
        dims=("y", "x", "channel"),
        shape=(256, 512, 3),
        dtype="uint8",
        codec="image",
        attributes=attributes,
    )
    rgb = embed_watermark(street(), payload_of(scenario.id))
    frames = [Frame(time=float(t), arrays={spec.name: rgb}) for t in scenario.times]
    with DatasetWriter(tmp_path / "a.zarr", (spec,)) as writer:
        writer.add(scenario, frames)

    code, (found,) = verified(tmp_path / "a.zarr", "--frame", "1")

    assert (code, found["verdict"]) == (0, "both")
    wrong = SEE.invoke(app, ["verify-image", str(tmp_path / "a.zarr"), "--array", "camera"])
    assert isinstance(wrong.exception, UnknownNameError)


def test_what_is_no_picture_is_said(tmp_path: Path) -> None:
    """Missing files, and files of another kind."""
    text = tmp_path / "a.txt"
    text.write_text("hello")

    for path in (text, tmp_path / "none.png"):
        done = SEE.invoke(app, ["verify-image", str(path)])
        assert isinstance(done.exception, StorageError)

"""Lenses project and unproject exactly, as OpenCV has them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from scenegen.arrays import FloatArray
from scenegen.render import PinholeCamera
from scenegen.render.lens import BrownConradyLens, KannalaBrandtLens, Lens
from scenegen.render.lens_views import views

BROWN = BrownConradyLens(
    width_px=320,
    height_px=200,
    focal=(210.0, 205.0),
    center=(158.0, 103.5),
    radial=(-0.32, 0.12, -0.02),
    tangential=(0.001, -0.002),
)
BARREL = BrownConradyLens(width_px=320, height_px=200, focal=(210.0, 210.0), radial=(0.1, 0, 0))
FISHEYE = KannalaBrandtLens(
    width_px=320,
    height_px=256,
    focal=(95.0, 96.0),
    center=(161.0, 127.0),
    radial=(0.02, -0.005, 0.001, -0.0002),
    widest=float(np.radians(97.0)),
)
LENSES = {"brown": BROWN, "barrel": BARREL, "fisheye": FISHEYE}


def pixels(lens: Lens) -> FloatArray:
    """Centres of all pixels, shape (H, W, 2)."""
    rows, columns = np.mgrid[0 : lens.height_px, 0 : lens.width_px]
    return np.stack([columns + 0.5, rows + 0.5], -1)


@pytest.mark.parametrize("name", LENSES)
def test_a_pixel_comes_back_to_itself(name: str) -> None:
    """Unproject, then project: less than a millionth of a pixel is lost."""
    lens = LENSES[name]
    rays = lens.unproject(pixels(lens))
    seen = np.isfinite(rays[..., 0])

    error = lens.project(rays) - pixels(lens)

    assert seen.mean() > 0.85
    assert np.abs(error[seen]).max() < 1e-6
    np.testing.assert_allclose(np.linalg.norm(rays[seen], axis=-1), 1.0, atol=1e-12)


@pytest.mark.parametrize("name", LENSES)
def test_a_direction_comes_back_to_itself(name: str) -> None:
    """Project, then unproject: the ray is the same at any distance."""
    lens = LENSES[name]
    rays = lens.unproject(pixels(lens))[::7, ::7].reshape(-1, 3)
    rays = rays[np.isfinite(rays[:, 0])]

    back = lens.unproject(lens.project(12.5 * rays))

    np.testing.assert_allclose(back, rays, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_brown_conrady_is_that_of_opencv(seed: int) -> None:
    """`cv2.projectPoints` gives the same place."""
    points = np.random.default_rng(seed).uniform([-3, -2, 5], [3, 2, 30], (50, 3))

    ours = BROWN.project(points)

    theirs, _ = cv2.projectPoints(
        points, np.zeros(3), np.zeros(3), BROWN.intrinsics, BROWN.coefficients
    )
    np.testing.assert_allclose(ours, theirs.reshape(-1, 2), atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_kannala_brandt_is_that_of_opencv(seed: int) -> None:
    """`cv2.fisheye.projectPoints` gives the same place."""
    points = np.random.default_rng(seed).uniform([-9, -9, 1], [9, 9, 30], (50, 3))

    ours = FISHEYE.project(points)

    theirs, _ = cv2.fisheye.projectPoints(
        points.reshape(-1, 1, 3),
        np.zeros(3),
        np.zeros(3),
        FISHEYE.intrinsics,
        FISHEYE.coefficients,
    )
    np.testing.assert_allclose(ours, theirs.reshape(-1, 2), atol=1e-9)


def test_a_lens_without_distortion_is_a_pinhole() -> None:
    """Places agree with the pinhole camera, and straight lines stay straight."""
    camera = PinholeCamera(width_px=320, height_px=200)
    lens = BrownConradyLens.of(camera)
    line = np.array([-3.0, 1.0, 8.0]) + np.linspace(0, 1, 9)[:, None] * np.array([5.0, -2.0, 9.0])

    place = lens.project(line)

    np.testing.assert_allclose(place, camera.project(line), atol=1e-9)
    (dx, dy), (x, y) = (place - place[0]).T, place[-1] - place[0]
    off = dx * y - dy * x
    np.testing.assert_allclose(off, 0.0, atol=1e-8)


@pytest.mark.parametrize("name", ["barrel", "fisheye"])
def test_lines_through_the_axis_stay_straight(name: str) -> None:
    """Radial distortion moves points along lines through the principal point."""
    lens = LENSES[name]
    line = np.linspace(-1, 1, 9)[:, None] * np.array([2.0, 1.5, 0.0]) + [0, 0, 4.0]

    place = (lens.project(line) - lens.middle) / np.array(lens.focal)

    np.testing.assert_allclose(place[:, 0] * 1.5 - place[:, 1] * 2.0, 0.0, atol=1e-12)


def test_a_fisheye_sees_what_is_beside_it_and_not_behind() -> None:
    """190 degrees: 93 degrees off the axis is imaged, 120 is not, nor is a pinhole's back."""
    beside = np.array([np.sin(np.radians(93)), 0, np.cos(np.radians(93))])
    behind = np.array([np.sin(np.radians(120)), 0, np.cos(np.radians(120))])

    assert np.isfinite(FISHEYE.project(beside)).all()
    assert np.isnan(FISHEYE.project(behind)).all()
    assert np.isnan(BROWN.project(behind)).all()


def test_a_radius_that_shrinks_is_refused() -> None:
    """A fisheye whose polynomial folds over has no inverse."""
    with pytest.raises(ValueError, match="expected a radius that grows"):
        KannalaBrandtLens(width_px=9, height_px=9, focal=(5.0, 5.0), radial=(-0.5, 0, 0, 0))


@pytest.mark.parametrize("name", LENSES)
def test_every_pixel_of_a_lens_lies_in_exactly_one_view(name: str) -> None:
    """Views share the pixels of the image circle without a gap, half a pixel inside."""
    lens = LENSES[name]

    served = np.concatenate([face.pixel for face in views(lens)])

    seen = np.flatnonzero(np.isfinite(lens.rays()[..., 0].reshape(-1)))
    np.testing.assert_array_equal(np.sort(served), seen)
    for face in views(lens):
        assert (face.place >= 0.5).all()
        assert (face.place <= [face.camera.width_px - 0.5, face.camera.height_px - 0.5]).all()

"""What is put where an echo is missing, and what is left open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scenegen.appearance.lidar_fill import RealScan, decoys, fill
from scenegen.appearance.lidar_image import LidarGroup
from tests.appearance.lidar_scans import real, street


def whole(columns: int = 360) -> RealScan:
    """The street with every echo."""
    ranges, elevation, group = street(32, columns)
    return replace(
        real(0, beams=32, columns=columns),
        range=ranges,
        elevation=elevation,
        group=group.astype(np.uint8),
        intensity=np.full(ranges.shape, 20, np.uint8),
    )


def without(scan: RealScan, lost: np.ndarray) -> RealScan:
    """The same scan without some echoes."""
    return replace(
        scan,
        range=np.where(lost, 0.0, scan.range),
        group=np.where(lost, 0, scan.group).astype(np.uint8),
        intensity=np.where(lost, 0, scan.intensity).astype(np.uint8),
    )


def test_a_whole_scan_stays_as_it_is() -> None:
    """Where every echo came back there is nothing to bridge."""
    scan = whole()

    filled = fill(scan)

    np.testing.assert_array_equal(filled.scan.range, scan.range)
    assert filled.known.all()
    assert not filled.bridged.any()


@pytest.mark.parametrize("seed", range(3))
def test_lost_echoes_of_the_ground_get_the_range_of_the_ground(seed: int) -> None:
    """Level ground is continued exactly."""
    scan = whole()
    lost = (scan.group == LidarGroup.ROAD) & (
        np.random.default_rng(seed).random(scan.range.shape) < 0.2
    )
    lost[-1] = False

    filled = fill(without(scan, lost))

    near = lost & (scan.range < 40)
    inner = near & np.roll(scan.group == LidarGroup.ROAD, 1, 0)
    np.testing.assert_allclose(filled.scan.range[inner], scan.range[inner], rtol=1e-6)
    assert (filled.scan.group[inner] == LidarGroup.ROAD).all()


def test_a_gap_in_a_wall_is_bridged_by_the_wall() -> None:
    """Range is linear in its inverse, which is exact on a plane but for the bend of the azimuth."""
    scan = whole(720)
    lost = np.zeros(scan.range.shape, np.bool_)
    lost[1, 175:179] = True

    filled = fill(without(scan, lost))

    np.testing.assert_allclose(filled.scan.range[lost], scan.range[lost], rtol=1e-3)
    assert filled.bridged.sum() == 4


def test_the_sky_stays_open() -> None:
    """Above everything, and with nothing to both sides within a few columns, nothing is known."""
    scan = whole()
    lost = np.zeros(scan.range.shape, np.bool_)
    lost[:4, 40:90] = True

    filled = fill(without(scan, lost))

    assert not filled.known[0, 50:80].any()
    assert np.isinf(filled.scan.range[0, 50:80]).all()


@pytest.mark.parametrize("seed", range(4))
def test_decoys_are_returned_and_about_as_many_as_lost(seed: int) -> None:
    """Half of what is bridged was lost, half was not."""
    scan = real(seed, beams=32, columns=360)

    hidden = decoys(scan, np.random.default_rng(seed))

    lost = (fill(scan).known & ~scan.returned).sum()
    assert (hidden <= scan.returned).all()
    assert 0.5 * lost < hidden.sum() < 2.0 * lost


def test_hidden_echoes_keep_their_truth() -> None:
    """A decoy is shown bridged, but counts as returned, with its own intensity."""
    scan = real(1, beams=32, columns=360)
    hidden = decoys(scan, np.random.default_rng(0))

    filled = fill(scan, hidden)

    both = hidden & filled.known
    assert filled.bridged[both].all()
    assert filled.returned[both].all()
    np.testing.assert_array_equal(filled.intensity[both], scan.intensity[both])

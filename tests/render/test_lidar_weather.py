"""Air and laser pulses: limits, monotony, closed forms."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from scenegen.render.lidar_weather import (
    LidarAir,
    extinctions,
    fog_profile,
    lidar_air,
    rain_extinction,
    snow_extinction,
)
from scenegen.scene import Conditions


def air(conditions: Conditions) -> LidarAir:
    """Give the air that a lidar with a reach of 50 m on 10 % meets."""
    return lidar_air(conditions, reach_dark=50.0, nearest=0.9, divergence=2e-3, pulse=5e-9)


def test_clear_air_does_nothing() -> None:
    """No extinction, no echo of fog, no drops."""
    clear = air(Conditions())

    assert clear.extinction == 0
    assert clear.fog_echo == 0
    assert not clear.particles.any()


def test_fog_has_the_extinction_of_koschmieder() -> None:
    """Over the visibility, contrast falls to 5 %, less the share of clear air."""
    total, fog = extinctions(Conditions(visibility=100.0))

    assert np.exp(-100 * (total + np.log(20) / 20_000)) == pytest.approx(0.05)
    assert total == fog


def test_rain_and_snow_have_the_extinction_of_their_sources() -> None:
    """1 mm/h of rain: 0.312 /km; 1 mm/h of wet snow: 3.88 dB/km."""
    assert rain_extinction(1.0) == pytest.approx(0.312e-3)
    assert 10 * np.log10(np.exp(1000 * snow_extinction(1.0))) == pytest.approx(3.878, abs=1e-3)


@pytest.mark.parametrize("field", ["rain_mm_per_h", "snow_mm_per_h"])
def test_more_falls_more_is_seen(field: str) -> None:
    """Particles up to every range, and extinction, grow with the rate, from nothing at zero."""
    rates = (0.0, 0.01, 0.3, 1.0, 3.0, 10.0, 20.0)

    airs = [air(replace(Conditions(), **{field: rate})) for rate in rates]

    for less, more in pairwise(airs):
        assert (more.particles >= less.particles).all()
        assert more.particles[-1] > less.particles[-1]
        assert more.extinction > less.extinction
    assert airs[1].particles[-1] < 1e-2


def test_thicker_fog_echoes_more() -> None:
    """Down to a visibility of 20 m the peak of the soft echo grows."""
    peaks = [air(Conditions(visibility=v)).fog_echo for v in (2000, 500, 200, 80, 40, 20)]

    assert peaks == sorted(peaks)


def test_the_echo_of_fog_is_the_integral_over_the_pulse() -> None:
    """At full overlap far out, thin fog echoes like a layer of half the pulse's length."""
    fog, pulse = 1e-6, 1e-9
    backscatter = 0.046 * fog / np.log(20)

    peak, _ = fog_profile(fog, pulse=pulse, nearest=6.0)

    layer = 299_792_458 * pulse / 2
    assert peak == pytest.approx(np.pi * backscatter * layer / 6.0**2, rel=0.06)


def test_echoes_of_fog_come_from_near() -> None:
    """Half of them come from within 4 m, none from before the overlap."""
    _, places = fog_profile(0.03, pulse=5e-9, nearest=0.9)

    assert (np.diff(places) >= 0).all()
    assert np.median(places) < 4.0
    assert places.min() > 0.9

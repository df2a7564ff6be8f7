"""The learned lidar within the sensor: what it decides, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch

from scenegen.appearance import lidar_appearance
from scenegen.appearance.lidar_appearance import LidarAppearance, LidarRenderer
from scenegen.appearance.lidar_models import LidarModel, build_lidar_model
from scenegen.arrays import Array
from scenegen.errors import CheckpointError
from scenegen.render import SurfaceClass
from scenegen.scene import Conditions
from scenegen.sensors import LIDAR_MODELS, RIGS, EgoPose, Lidar, Rig
from scenegen.sensors.lidar_renderer import LEARNED_MAKES, with_lidar_renderer
from scenegen.sensors.scan import scan
from tests.sensors.streets import BUSY, middle, sensed

MAKE = replace(LIDAR_MODELS["hdl64"], columns=256)
PLAIN = Lidar(model=MAKE, losses=True)


class Certain(LidarModel):
    """Keeps or loses every echo, and calls all things equally bright."""

    def __init__(self, keep: bool) -> None:
        """Decide."""
        super().__init__()
        self.keep = keep

    def forward(
        self, x: torch.Tensor, noise: torch.Tensor, preset: torch.Tensor, is_round: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the same for every ray: reflectivity 0.4 of a white wall."""
        del noise, preset, is_round
        lost = torch.full_like(x[:, 0], -40.0 if self.keep else 40.0)
        return lost, torch.full_like(lost, float(np.sqrt(40.0 / 255.0)))


def told(model: LidarModel, lidar: Lidar = PLAIN) -> Lidar:
    """The lidar with a learned part."""
    return replace(lidar, appearance=LidarAppearance(model))


def keys(arrays: Mapping[str, Array]) -> set[tuple[int, ...]]:
    """Ring, time and instance of every point."""
    columns = (arrays["ring"], arrays["time"], arrays["instance"])
    return set(zip(*(np.asarray(c).tolist() for c in columns), strict=True))


def test_a_model_that_loses_nothing_leaves_every_ray_its_point() -> None:
    """All that lies within reach is seen, and only what lies beyond is listed as lost."""
    view = middle()
    arrays = sensed(told(Certain(True)), view)
    far = scan(MAKE, view, PLAIN.ego_from_sensor).first.range

    within = int((far < MAKE.reach - 0.2).sum())
    assert within <= len(arrays["ring"]) <= int((far < MAKE.reach + 0.2).sum())
    assert (arrays["lost_range"] > MAKE.reach - 0.2).all()


def test_a_model_that_loses_all_gives_no_point() -> None:
    """Every ray that meets a thing is listed as lost."""
    arrays = sensed(told(Certain(False)), middle())

    assert len(arrays["ring"]) == 0
    assert len(arrays["lost_ray"]) > 1000


def test_points_keep_their_labels() -> None:
    """A point that both lidars report has the same place, class and instance."""
    plain, learned = (sensed(lidar, middle()) for lidar in (PLAIN, told(Certain(True))))

    assert keys(plain) <= keys(learned)
    assert (learned["semantic"] > 0).all()


def test_materials_stand_out_from_what_is_typical_of_their_class() -> None:
    """The typical road reports what the model says; the parts of a car differ."""
    arrays = sensed(told(Certain(True)), middle())

    assert np.median(arrays["intensity"][arrays["semantic"] == SurfaceClass.ROAD]) == 40
    cars = arrays["intensity"][arrays["semantic"] == SurfaceClass.CAR]
    assert len(np.unique(cars)) > 1


def test_without_a_learned_part_nothing_changes() -> None:
    """No appearance, or a pattern that is no grid: the hand-made receiver, to the bit."""
    solid = Lidar(model=LIDAR_MODELS["mid40"])

    one, two = (sensed(lidar, middle()) for lidar in (solid, told(Certain(False), solid)))

    assert all(one[key].tobytes() == two[key].tobytes() for key in one)


@pytest.mark.parametrize("name", ["gan", "ring"])
def test_the_same_seed_gives_the_same_bytes(name: str) -> None:
    """Twice the same lidar; another seed is another scan."""
    lidar = told(build_lidar_model(name, {"widths": [8, 8, 8]}))

    one, two, other = (sensed(lidar, middle(seed=seed)) for seed in (1, 1, 2))

    assert all(one[key].tobytes() == two[key].tobytes() for key in one)
    assert len(one["ring"]) != len(other["ring"])


def test_worse_weather_loses_more_of_what_is_kept() -> None:
    """Fog takes echoes of a learned lidar, ray by ray, and weakens the others."""
    lidar = told(Certain(True))
    clear, haze, fog = (
        sensed(lidar, middle(BUSY, Conditions(visibility=v))) for v in (20_000.0, 300.0, 60.0)
    )

    lost = [set(a["lost_ray"].tolist()) for a in (clear, haze, fog)]
    assert lost[0] < lost[1] < lost[2]
    bright = [a["intensity"][a["is_weather"] == 0].mean() for a in (clear, fog)]
    assert bright[1] < 0.9 * bright[0]


def test_order_of_beams_does_not_matter() -> None:
    """A make that lists its beams upwards sees the same points."""
    turned = replace(MAKE, elevation_deg=MAKE.elevation_deg[::-1])
    model = build_lidar_model("unet", {"widths": [8, 8, 8]})
    view = middle()

    one, two = (sensed(told(model, replace(PLAIN, model=m)), view) for m in (MAKE, turned))

    counts = [np.bincount(a["ring"], minlength=64) for a in (one, two)]
    np.testing.assert_array_equal(counts[0], counts[1][::-1])


def test_a_rig_gets_the_renderer_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Base: none; gan: the shipped one on every lidar; without lidars, the rig itself."""
    shipped = LidarAppearance(Certain(True))
    monkeypatch.setattr("scenegen.sensors.lidar_renderer.shipped_lidar", lambda: shipped)

    for rig in RIGS.values():
        base = with_lidar_renderer(rig, LidarRenderer.BASE)
        learned = with_lidar_renderer(rig, LidarRenderer.GAN)
        assert all(s.appearance is None for s in base.sensors if isinstance(s, Lidar))
        assert all(s.appearance is shipped for s in learned.sensors if isinstance(s, Lidar))
    blind = Rig(name="blind", sensors=(EgoPose(),))
    assert with_lidar_renderer(blind, LidarRenderer.GAN) is blind


@pytest.mark.parametrize("make", ["pandar64", "vlp32", "hdl64", "mid40"])
def test_left_alone_only_makes_it_was_trained_on_are_learned(
    monkeypatch: pytest.MonkeyPatch, make: str
) -> None:
    """Weights that never saw a make are used on it only when they are asked for."""
    shipped = LidarAppearance(Certain(True))
    monkeypatch.setattr("scenegen.sensors.lidar_renderer.shipped_lidar", lambda: shipped)
    monkeypatch.setattr(
        "scenegen.sensors.lidar_renderer.default_lidar_renderer", lambda: LidarRenderer.GAN
    )
    rig = Rig(name="one", sensors=(EgoPose(), Lidar(model=LIDAR_MODELS[make])))

    (lidar,) = (s for s in with_lidar_renderer(rig).sensors if isinstance(s, Lidar))

    assert (lidar.appearance is shipped) == (make in LEARNED_MAKES)


@pytest.mark.parametrize("ships", [True, False])
def test_the_default_follows_what_ships(monkeypatch: pytest.MonkeyPatch, ships: bool) -> None:
    """Learned where the weights are there, hand-made where they are not."""
    monkeypatch.setattr(lidar_appearance, "is_lidar_shipped", lambda: ships)

    chosen = lidar_appearance.default_lidar_renderer()

    assert chosen is (LidarRenderer.GAN if ships else LidarRenderer.BASE)


def test_asking_for_weights_that_do_not_ship_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is sensed."""

    def absent(name: str) -> None:
        raise FileNotFoundError(name)

    monkeypatch.setattr(lidar_appearance, "asset_path", absent)

    with pytest.raises(CheckpointError, match="ask for 'base'"):
        with_lidar_renderer(RIGS["front"], LidarRenderer.GAN)

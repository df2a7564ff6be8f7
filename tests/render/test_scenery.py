"""Houses, cars, plants and furniture are built as they are meant."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from scenegen.maps import MAP_SOURCES
from scenegen.render import SurfaceClass
from scenegen.render.meshes.buildings import BAY, RECESS, VARIANTS, building
from scenegen.render.meshes.cars import CAR_SHAPES, car
from scenegen.render.surfaces import MATERIAL_INDEX
from scenegen.render.world.agents import library
from tests.render.test_world import at_lane, draw, grown, stand


@pytest.mark.parametrize("variant", range(VARIANTS))
def test_near_fronts_have_openings_of_the_same_total_size(variant: int) -> None:
    """Wall and panes together cover the front exactly; panes lie RECESS behind it."""
    mesh = building(4, 5, shops=True, variant=variant).levels[0]
    corners = mesh.vertices[mesh.faces].astype(float)
    flat = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    walls = [MATERIAL_INDEX[n] for n in ("brick", "plaster", "ashlar", "panel", "office", "hall")]
    mine = np.isin(mesh.material, [*walls, MATERIAL_INDEX["shop"]])
    facing = mine & (np.abs(flat[:, 1]) > 0.999 * np.linalg.norm(flat, axis=1))
    area = 0.5 * np.abs(flat[:, 1])
    front = facing & (np.abs(corners[..., 1]).max(1) < 1e-5)
    recessed = facing & (np.abs(corners[..., 1] - RECESS).max(1) < 1e-5)

    assert recessed.sum() == 2 * 4 * 5
    np.testing.assert_allclose(area[front].sum() + area[recessed].sum(), 4 * BAY * 5 * BAY)


@pytest.mark.parametrize("name", CAR_SHAPES)
def test_no_painted_metal_hangs_over_a_wheel(name: str) -> None:
    """The flank is cut out where the wheels are: the disc of a wheel is free of paint."""
    shape = CAR_SHAPES[name]
    mesh = car(name).levels[0]
    corners = mesh.vertices[mesh.faces[mesh.material == MATERIAL_INDEX["paint"]]].astype(float)
    # The mesh is fitted to its nominal box, which moves the axles by a few centimetres.
    for axle in shape.axles:
        away = np.hypot(corners[..., 0] - axle, corners[..., 2] - shape.wheel_radius).min(1)
        aside = np.abs(corners[..., 1]).max(1) > 0.8 * shape.size[1] / 2
        assert away[aside].min() > 0.9 * shape.wheel_radius


@pytest.mark.parametrize("name", CAR_SHAPES)
def test_cars_have_lamps_plates_and_glass_all_round(name: str) -> None:
    """Headlamps point forward, tail lamps backward; a plate is at either end."""
    mesh = car(name).levels[0]
    middle = mesh.vertices[mesh.faces].mean(1)

    def where(material: str) -> np.ndarray:
        return np.asarray(middle[mesh.material == MATERIAL_INDEX[material]])

    half = CAR_SHAPES[name].size[0] / 2
    assert (where("headlamp")[:, 0] > 0.75 * half).all()
    assert (where("taillamp")[:, 0] < 0).all()
    assert where("plate")[:, 0].max() > 0.95 * half
    assert where("plate")[:, 0].min() < -0.95 * half
    glass = where("glass")
    assert (glass[:, 1] > 0.5).any()
    assert (glass[:, 1] < -0.5).any()


@pytest.mark.parametrize("name", MAP_SOURCES)
def test_a_frame_keeps_to_its_budget_of_triangles(name: str) -> None:
    """Between ten and a hundred thousand triangles stand around the ego."""
    triangles = stand(grown(name), at_lane(draw(name)))

    assert 10_000 < triangles.count < 100_000


@pytest.mark.parametrize("name", ["urban", "four_way", "highway"])
def test_wear_lies_flat_on_the_road_below_the_paint(name: str) -> None:
    """Tracks, patches and cracks are on the asphalt, over it and under the markings."""
    world = grown(name)
    names = np.array(world.bank.names)
    road = [n for n in names if n.startswith("road/")]
    area = shapely.union_all(
        [
            shapely.Polygon(corner[:, :2])
            for n in road
            for corner in _corners(world.bank.models[world.bank.index[n]].levels[0])
        ]
    ).buffer(0.3)
    shapely.prepare(area)

    worn = [n for n in names if n.startswith(("tracks/", "wear/"))]
    assert worn
    for n in worn:
        points = world.bank.models[world.bank.index[n]].levels[0].vertices
        assert points[:, 2].min() >= 0.001 - 1e-6
        assert points[:, 2].max() <= 0.0035
        assert shapely.contains_xy(area, points[:, 0], points[:, 1]).mean() > 0.995


def _corners(mesh: object) -> np.ndarray:
    return np.asarray(mesh.vertices[mesh.faces])  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["rural", "highway"])
def test_fields_lie_under_the_road(name: str) -> None:
    """Fields may cross the road because they lie below it."""
    world = grown(name)
    names = np.array(world.bank.names)[world.scenery.model]

    height = world.scenery.position[names == "field", 2]
    assert len(height) > 0
    assert height.max() < -0.01


@pytest.mark.parametrize("name", ["urban", "four_way", "roundabout"])
def test_furniture_keeps_off_the_carriageway(name: str) -> None:
    """No bin, bench, board or shelter stands where vehicles drive."""
    drivable = draw(name).drivable_area.buffer(-0.3)
    shapely.prepare(drivable)
    triangles = stand(grown(name), at_lane(draw(name)))
    kinds = [SurfaceClass.BARRIER, SurfaceClass.SIGN, SurfaceClass.POLE, SurfaceClass.BUILDING]
    face = np.isin(triangles.surface[triangles.owner], kinds)

    low = triangles.vertices[triangles.faces[face]].reshape(-1, 3)
    low = low[low[:, 2] < 1.5, :2] + triangles.origin[:2]

    assert len(low)
    assert not shapely.contains_xy(drivable, low[:, 0], low[:, 1]).any()


def test_wires_hang_high_above_people_and_vehicles() -> None:
    """The lowest point of a wire is over 6 m."""
    assert library()["wires"].levels[0].vertices[:, 2].min() > 6.0

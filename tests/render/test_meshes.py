"""Meshes are well formed."""

from __future__ import annotations

import numpy as np
import pytest

from scenegen.render.mesh import Model
from scenegen.render.meshes.cars import CAR_SHAPES
from scenegen.render.surfaces import MATERIALS
from scenegen.render.world.agents import library

MODELS = library()


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_meshes_are_finite_with_unit_normals_and_known_materials(model: Model) -> None:
    """No level holds a broken vertex, a dark normal, a missing vertex or an unknown material."""
    for mesh in model.levels:
        assert np.isfinite(mesh.vertices).all()
        assert np.isfinite(mesh.uv).all()
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-4)
        assert 0 <= mesh.faces.min() <= mesh.faces.max() < len(mesh.vertices)
        assert mesh.material.max() < len(MATERIALS)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_coarser_levels_have_fewer_triangles_and_about_the_same_size(model: Model) -> None:
    """A change of level saves work and does not make the thing jump in size."""
    counts = [len(mesh.faces) for mesh in model.levels]
    assert counts == sorted(counts, reverse=True)
    fine = np.ptp(np.stack(model.levels[0].bounds), axis=0)
    for mesh in model.levels[1:]:
        assert (np.ptp(np.stack(mesh.bounds), axis=0) > 0.6 * fine).all()
        assert (np.ptp(np.stack(mesh.bounds), axis=0) < 1.45 * fine).all()


@pytest.mark.parametrize("name", CAR_SHAPES)
def test_cars_fill_their_box_and_stand_on_their_wheels(name: str) -> None:
    """A car spans exactly its nominal box, so that labels fit; its lowest part is rubber."""
    mesh = MODELS[name].levels[0]
    low, high = mesh.bounds
    names = list(MATERIALS)

    np.testing.assert_allclose(high - low, CAR_SHAPES[name].size, rtol=1e-4)
    lowest = mesh.vertices[mesh.faces][..., 2].min(-1) < 0.01
    assert {names[m] for m in mesh.material[lowest]} == {"rubber"}


def test_fitting_keeps_normals_square_to_their_surface() -> None:
    """Uneven scaling stretches positions and turns normals the other way."""
    mesh = MODELS["walker/0"].levels[0]

    scaled = mesh.fitted((2.0, 0.5, 1.0))

    a, b, c = (scaled.vertices[scaled.faces[:, k]] for k in range(3))
    flat = np.cross(b - a, c - a)
    area = np.linalg.norm(flat, axis=1)
    mean = scaled.normals[scaled.faces].mean(1)
    cosine = (flat * mean).sum(-1) / np.maximum(area * np.linalg.norm(mean, axis=1), 1e-9)
    assert np.median(cosine[area > 1e-6]) > 0.95

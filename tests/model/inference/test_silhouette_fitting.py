import numpy as np
import pytest
from maquette.core.arrays import MeshArrays, View
from maquette.core.cameras import look_at, perspective_camera, side_camera
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference.silhouette_fitting import fit_to_views

LINE = np.linspace(-0.55, 0.55, 49)
GRID = np.stack(np.meshgrid(LINE, LINE, LINE, indexing="ij"), axis=-1)


def ellipsoid(half):
    field = 1 - np.linalg.norm(GRID / half, axis=-1)
    return surface_nets(field.astype(np.float32), 0.0, np.full(3, -0.55), LINE[1] - LINE[0])


def view(name, half):
    """View from the side ``name`` of an ellipsoid with the half axes ``half`` about the origin."""
    camera = side_camera(name, 1.1, 96)
    rows, columns = np.mgrid[:96, :96] + 0.5
    pixels = np.stack((columns.ravel(), rows.ravel()), 1)
    points = camera.unproject(pixels, np.full(96 * 96, 2.0))
    is_view_axis = np.abs(camera.to_world[:3, 2]) > 0.5
    radius = np.linalg.norm(np.where(is_view_axis, 0, points) / half, axis=1).reshape(96, 96)
    image = np.full((96, 96, 4), 0.5, np.float32)
    image[..., 3] = ((1 - radius) * 20 + 0.5).clip(0, 1)
    return View(image, camera)


@pytest.mark.parametrize("true", [(0.45, 0.3, 0.4), (0.38, 0.26, 0.34)])
def test_a_mesh_is_fitted_to_the_outlines_of_the_views(true):
    mesh = ellipsoid((0.42, 0.28, 0.37))
    fitted, fit = run_to_end(
        fit_to_views(mesh, [view(name, np.array(true)) for name in ("front", "right", "top")])
    )
    assert max(fit.before) < 0.92
    assert min(fit.after) > 0.97
    np.testing.assert_allclose(np.abs(fitted.vertices).max(0), true, atol=0.008)
    np.testing.assert_array_equal(fitted.faces, mesh.faces)


def test_a_mesh_that_fits_already_stays():
    half = np.array((0.42, 0.28, 0.37))
    mesh = ellipsoid(half)
    fitted, fit = run_to_end(fit_to_views(mesh, [view(name, half) for name in ("front", "right")]))
    assert min(fit.before) > 0.97 and min(fit.after) >= min(fit.before) - 0.005
    assert np.abs(fitted.vertices - mesh.vertices).max() < 0.006


def test_the_sides_of_a_thin_plate_are_not_swapped():
    """Of a plate two pixels thick, each side is pulled by the same side of the contour."""
    field = np.minimum(0.4 - np.abs(GRID[..., :2]).max(-1), 0.03 - np.abs(GRID[..., 2]))
    plate = surface_nets(field.astype(np.float32), 0.0, np.full(3, -0.55), LINE[1] - LINE[0])
    camera = side_camera("front", 1.1, 96)
    image = np.full((96, 96, 4), 0.5, np.float32)
    image[..., 3] = 0
    image[46:50, 13:83, 3] = 1
    fitted, _ = run_to_end(fit_to_views(plate, [View(image, camera)]))
    middle = np.abs(plate.vertices[:, :2]).max(1) < 0.3
    up = plate.vertices[:, 2] > 0
    assert (
        fitted.vertices[middle & up, 2].min() > 0.01
        and fitted.vertices[middle & ~up, 2].max() < -0.01
    )


def test_an_empty_mask_has_no_effect():
    mesh, true = ellipsoid((0.42, 0.28, 0.37)), np.array((0.45, 0.3, 0.4))
    empty = View(np.zeros((96, 96, 4), np.float32), side_camera("right", 1.1, 96))
    alone, fit = run_to_end(fit_to_views(mesh, [empty]))
    assert alone is mesh and fit.before == fit.after == (0.0,)
    both, fit = run_to_end(fit_to_views(mesh, [view("front", true), empty]))
    assert fit.after[0] > 0.97 > 0.92 > fit.before[0] and fit.after[1] == 0.0
    assert np.abs(both.vertices[:, 1]).max() < 0.31


@pytest.mark.parametrize("away", [0.3, 0.45])
def test_parts_behind_a_camera_are_ignored(away):
    """The camera is inside of the mesh, or only the rim is behind it."""
    mesh = ellipsoid((0.42, 0.42, 0.37))
    camera = perspective_camera(look_at(np.array((0, -away, 0)), np.zeros(3)), 2.0, 96)
    image = np.zeros((96, 96, 4), np.float32)
    image[30:66, 30:66, 3] = 1
    fitted, fit = run_to_end(
        fit_to_views(mesh, [View(image, camera), view("top", np.array((0.45, 0.45, 0.4)))])
    )
    assert np.isfinite(fitted.vertices).all() and np.mean(fit.after) >= np.mean(fit.before)


def test_a_sparse_product_has_the_gradient_of_its_matrix():
    """Also with an open mesh, whose matrix has another pattern than its transpose."""
    import torch
    from maquette.core.model.inference.silhouette_fitting import _NeighborSmoothing

    average = _NeighborSmoothing(
        MeshArrays(np.eye(3, dtype=np.float32), np.array(((0, 1, 2),), np.int32))
    )
    field = torch.rand(3, 2, dtype=torch.float32, requires_grad=True)
    weight = torch.rand(3, 2)
    (average(field) * weight).sum().backward()
    matrix = torch.tensor(((1.0, 1, 0), (0, 1, 1), (1, 0, 1))) / 2
    torch.testing.assert_close(average(field), matrix @ field)
    torch.testing.assert_close(field.grad, matrix.T @ weight)


def test_a_view_far_from_the_mesh_leaves_it_intact():
    mesh = ellipsoid((0.2, 0.2, 0.2))
    image = np.zeros((96, 96, 4), np.float32)
    image[:12, :12, 3] = 1
    fitted, fit = run_to_end(fit_to_views(mesh, [View(image, side_camera("front", 1.1, 96))]))
    assert isinstance(fitted, MeshArrays) and np.isfinite(fitted.vertices).all()
    assert fit.after[0] >= fit.before[0]

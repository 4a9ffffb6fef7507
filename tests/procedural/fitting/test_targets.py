import numpy as np
import pytest
from maquette.core.arrays import MeshArrays, View
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.errors import MeshError
from maquette.core.geometry.silhouette import render_silhouette
from maquette.core.procedural.fitting.candidates import Genome, evaluate
from maquette.core.procedural.fitting.targets import normalized_mesh, target_of_mesh


def picture_of(mesh, size):
    """A picture of a mesh from above its front."""
    pose = look_at(np.array((1.2, -2.5, 1.0)), np.zeros(3))
    camera = perspective_camera(pose, 0.7, size)
    image = np.zeros((size, size, 4), np.float32)
    image[..., 3] = render_silhouette(mesh, camera)
    return View(image, camera)


def test_an_object_agrees_with_itself(mesh_of):
    mesh = mesh_of("mug", 3)
    score = evaluate(Genome("mug", 3, {}, 0.0), target_of_mesh(mesh)).score
    assert score.silhouette == 1
    assert score.field > 0.97
    assert score.depth > 0.99
    assert score.stretch == pytest.approx(0, abs=1e-6)


def test_a_picture_becomes_a_window_about_the_object(mesh_of):
    mesh = mesh_of("mug", 3)
    target = target_of_mesh(mesh, [picture_of(mesh, 300)])
    (view,) = target.views
    rows, columns = np.nonzero(view.drawing.mask)
    assert max(np.ptp(rows), np.ptp(columns)) in (56, 57, 58)
    assert target.is_turned_freely
    score = evaluate(Genome("mug", 3, {}, 0.0), target).score
    assert score.silhouette > 0.97
    turned = evaluate(Genome("mug", 3, {}, np.pi), target).score
    assert turned.silhouette < 0.95


def test_what_encloses_nothing_is_refused():
    plane = np.array(((0, 0, 0), (1, 0, 0), (0, 1, 0)), np.float32)
    with pytest.raises(MeshError, match="no volume"):
        target_of_mesh(MeshArrays(plane - 0.5, np.array([[0, 1, 2]], np.int32)))
    with pytest.raises(MeshError, match="no extent"):
        normalized_mesh(np.zeros((4, 3), np.float32))


def test_a_picture_without_an_object_is_refused(mesh_of):
    mesh = mesh_of("mug", 3)
    view = picture_of(mesh, 50)
    with pytest.raises(MeshError, match="no object"):
        target_of_mesh(mesh, [View(np.zeros_like(view.image), view.camera)])

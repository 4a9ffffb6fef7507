import numpy as np
import pytest
from maquette.core.arrays import MeshArrays, View
from maquette.core.cameras import side_camera
from maquette.core.jobs.task import run_to_end
from maquette.core.procedural import make_object
from maquette.core.procedural.fitting.candidates import join_parts
from maquette.core.procedural.fitting.part_colors import part_colors
from maquette.core.procedural.fitting.poses import Pose
from maquette.core.procedural.fitting.results import fit_mesh
from maquette.core.procedural.fitting.search import SearchSettings
from maquette.core.procedural.recipes import make

UNMOVED = Pose(0.0, np.ones(3), np.zeros(3))


def test_the_recipe_stands_where_the_mesh_is(mesh_of):
    mesh = mesh_of("sofa", 5002)
    moved = MeshArrays((mesh.vertices * 3 + (5, -2, 1)).astype(np.float32), mesh.faces)
    fit = run_to_end(fit_mesh(moved, settings=SearchSettings(evaluations=70)))
    recipe = fit.recipe("OBJECTS")
    assert recipe.parts == "OBJECTS"
    assert recipe.values
    vertices, _ = join_parts(make(recipe))
    placed = Pose(fit.yaw, fit.scale, fit.location).apply(vertices)
    np.testing.assert_allclose(placed.min(0), moved.vertices.min(0), atol=0.01)
    np.testing.assert_allclose(placed.max(0), moved.vertices.max(0), atol=0.01)
    assert fit.agreement() == f"silhouette {fit.silhouette:.0%}, volume {fit.volume:.0%}"


def test_parts_get_the_colors_of_the_pixels_that_show_them():
    made = make_object("table", 3)
    low_leg = min(part.mesh.vertices[:, 2].min() for part in made.parts)
    top = next(part for part in made.parts if part.label == "top").mesh.vertices[:, 2].min()
    camera = side_camera("front", 1.2, 200)
    image = np.ones((200, 200, 4), np.float32)
    centers = camera.unproject(np.argwhere(np.ones((200, 200)))[:, ::-1] + 0.5, np.ones(40000))
    height = centers[:, 2].reshape(200, 200)
    image[..., :3] = np.where((height > top)[..., None], (1.0, 0.0, 0.0), (0.0, 0.0, 1.0))
    assert low_leg < top
    colors = part_colors(made, UNMOVED, [View(image, camera)])
    assert colors["top"] == pytest.approx((1, 0, 0))
    assert colors["leg"] == pytest.approx((0, 0, 1))


def test_parts_that_no_picture_shows_get_the_colors_of_the_mesh():
    made = make_object("table", 3)
    vertices, triangles = join_parts(made)
    colors = np.zeros((len(vertices), 3), np.float32)
    count = 0
    for part in made.parts:
        colors[count : count + len(part.mesh.vertices)] = (0, 1, 0) if part.label == "leg" else 0.5
        count += len(part.mesh.vertices)
    mesh = MeshArrays(vertices.astype(np.float32), triangles, colors)
    found = part_colors(made, UNMOVED, (), mesh)
    assert found["leg"] == pytest.approx((0, 1, 0))
    assert part_colors(made, UNMOVED, ()) == {}

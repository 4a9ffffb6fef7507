import numpy as np
import pytest
from maquette.core.arrays import View
from maquette.core.cameras import side_camera
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.geometry.silhouette import render_silhouette
from maquette.core.jobs.task import run_to_end
from maquette.core.model import metrics
from maquette.core.model.evaluation.evaluate import build_case, predict_mesh
from maquette.core.model.evaluation.test_cases import INPUT_VARIANTS
from maquette.core.model.inference.pipeline import reconstruct_views
from maquette.core.model.inference.weights import load_weights


@pytest.fixture(scope="session")
def hull_network(weights):
    """A network that gives the visual hull of the masks."""
    return load_weights(weights)[0]


def test_an_object_deeper_than_the_volume_is_not_cut_off(hull_network):
    image = np.ones((128, 128, 4), np.float32)
    image[:20], image[108:], image[:, :40], image[:, 88:] = 0, 0, 0, 0
    mesh = run_to_end(
        reconstruct_views([View(image, side_camera("front", 1.1, 128))], hull_network, 64)
    )
    width, depth, height = np.ptp(mesh.vertices, axis=0)
    assert width == pytest.approx(48 / 128 * 1.1, abs=0.03) and height == pytest.approx(
        88 / 128 * 1.1, abs=0.03
    )
    assert depth > 2


@pytest.mark.parametrize("resolution", [64, 128])
@pytest.mark.parametrize("width", [2, 4, 6, 8])
def test_a_thin_object_in_the_center_keeps_its_thickness(hull_network, resolution, width):
    """No corner of the grid is at the center: it would be the only one inside."""
    image = np.zeros((256, 256, 4), np.float32)
    image[20:236, 128 - width // 2 : 128 - width // 2 + width] = 1
    views = [View(image, side_camera(name, 1.1, 256)) for name in ("front", "right")]
    mesh = run_to_end(reconstruct_views(views, hull_network, resolution))
    true, cell = width / 256 * 1.1, 1.1 / resolution
    for found in np.ptp(mesh.vertices, axis=0)[:2]:
        assert 0.75 * true < found < true + 1.2 * cell


@pytest.mark.parametrize("deep", [False, True], ids=["a cube", "one deeper than the volume"])
def test_visible_parts_have_the_colors_of_the_images(hull_network, deep):
    image = np.zeros((512, 512, 4), np.float32)
    image[90:422, 210 if deep else 90 : 302 if deep else 422, 3] = 1
    image[:, (np.arange(512) + 4) // 8 % 2 == 0, 0] = 1
    views = [
        View(image, side_camera(name, 1.1, 512))
        for name in (("front",) if deep else ("front", "right"))
    ]
    mesh = run_to_end(reconstruct_views(views, hull_network, 128))
    low, high = mesh.vertices.min(0), mesh.vertices.max(0)
    for name, axis, across in (("front", 1, 0), ("right", 0, 1))[: len(views)]:
        surface = (
            mesh.vertices[:, axis] < low[1] + 0.003
            if axis
            else mesh.vertices[:, axis] > high[0] - 0.003
        )
        inner = np.abs(mesh.vertices - (low + high) / 2) < (high - low) / 2 - 0.03
        faced = surface & np.delete(inner, axis, 1).all(1)
        pixel = (mesh.vertices[faced, across] / 1.1 + 0.5) * 512 + 4
        middle = np.abs(pixel % 8 - 4) < 1
        assert middle.sum() > 100, name
        np.testing.assert_allclose(
            mesh.colors[faced][middle, 0], pixel[middle] // 8 % 2 == 0, atol=0.2
        )
        assert mesh.colors[faced, 1:].max() < 0.02


@pytest.mark.parametrize("question", INPUT_VARIANTS[:2], ids=lambda question: question.name)
def test_a_predicted_mesh_is_in_the_frame_of_its_case(hull_network, dataset, question):
    """An unposed view is reconstructed upright, and its mesh is rotated back."""
    judged = build_case(ObjectFile(dataset / "objects/e03.tar"), question)
    mesh = run_to_end(predict_mesh(judged, hull_network, 64))
    view = judged.views[0]
    assert metrics.iou(render_silhouette(mesh, view.camera), view.image[..., 3] > 0.5) > 0.88


def test_masks_of_all_views_count_though_the_network_looks_at_four(hull_network, monkeypatch):
    square = np.zeros((128, 128, 4), np.float32)
    square[34:94, 34:94] = 1
    narrow = square.copy()
    narrow[:, :49] = 0
    narrow[:, 79:] = 0
    names = ("front", "right", "back", "top", "left", "bottom")
    views = [View(square, side_camera(name, 1.1, 128)) for name in names[:5]]
    views.append(View(narrow, side_camera("bottom", 1.1, 128)))

    looked_at = []
    encode = hull_network.encode_views

    def remember(images, cameras):
        looked_at.append(images.shape[1])
        return encode(images, cameras)

    monkeypatch.setattr(hull_network, "encode_views", remember)
    mesh = run_to_end(reconstruct_views(views, hull_network, 64))
    width, depth, height = np.ptp(mesh.vertices, axis=0)
    assert looked_at == [4]
    assert width == pytest.approx(30 / 128 * 1.1, abs=0.03)
    assert depth == pytest.approx(60 / 128 * 1.1, abs=0.03)
    assert height == pytest.approx(60 / 128 * 1.1, abs=0.03)


def test_a_sheet_that_falls_between_two_pixels_is_there(hull_network):
    """Seen from its edge it covers each of them by less than half."""
    square = np.zeros((128, 128, 4), np.float32)
    square[10:118, 10:118] = 1
    edge = np.zeros((128, 128, 4), np.float32)
    edge[10:118, 63:65] = 0.45
    views = [
        View(square, side_camera("front", 1.1, 128)),
        View(edge, side_camera("right", 1.1, 128)),
    ]
    mesh = run_to_end(reconstruct_views(views, hull_network, 128))
    width, depth, height = np.ptp(mesh.vertices, axis=0)
    assert width == pytest.approx(108 / 128 * 1.1, abs=0.03)
    assert height == pytest.approx(108 / 128 * 1.1, abs=0.03)
    assert 0.4 / 128 * 1.1 < depth < 4 / 128 * 1.1

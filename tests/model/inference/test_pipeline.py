import numpy as np
import pytest
from maquette.core.arrays import View
from maquette.core.cameras import side_camera
from maquette.core.dataset.records import ObjectFile
from maquette.core.errors import ImageError
from maquette.core.geometry.silhouette import render_silhouette
from maquette.core.jobs.task import run_to_end
from maquette.core.model import metrics
from maquette.core.model.evaluation.evaluate import INPUT_VARIANTS, build_case, predict_mesh
from maquette.core.model.inference.pipeline import reconstruct_views, segment_foreground
from maquette.core.model.inference.weights import load_weights


@pytest.fixture(scope="session")
def hull_network(weights):
    """It sees a solid wherever the masks do."""
    return load_weights(weights)[0]


def test_a_depth_that_needs_more_room_gets_it(hull_network):
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
def test_a_thin_thing_in_the_middle_is_as_thick_as_it_is(hull_network, resolution, width):
    """The frame's middle is its own: no corner of the grid lies there, which would be all that is within it."""
    image = np.zeros((256, 256, 4), np.float32)
    image[20:236, 128 - width // 2 : 128 - width // 2 + width] = 1
    views = [View(image, side_camera(name, 1.1, 256)) for name in ("front", "right")]
    mesh = run_to_end(reconstruct_views(views, hull_network, resolution))
    true, cell = width / 256 * 1.1, 1.1 / resolution
    for found in np.ptp(mesh.vertices, axis=0)[:2]:
        assert 0.75 * true < found < true + 1.2 * cell


@pytest.mark.parametrize("deep", [False, True], ids=["a cube", "one that needs more room"])
def test_what_a_picture_sees_has_its_colors(hull_network, deep):
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


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_an_empty_picture_shows_no_object(shade):
    image = np.full((64, 64, 4), shade, np.float32) + np.random.default_rng(0).uniform(
        -0.02, 0.02, (64, 64, 4)
    )
    image[..., 3] = 1
    with pytest.raises(ImageError, match="a single color"):
        run_to_end(segment_foreground(image.clip(0, 1), load_weights()[1]))


@pytest.mark.parametrize("question", INPUT_VARIANTS[:2], ids=lambda question: question.name)
def test_an_answer_is_in_the_frame_of_its_question(hull_network, dataset, question):
    """A free picture is looked at upright, and its mesh turned back."""
    judged = build_case(ObjectFile(dataset / "objects/e03.tar"), question)
    mesh = run_to_end(predict_mesh(judged, hull_network, 64))
    view = judged.views[0]
    assert metrics.iou(render_silhouette(mesh, view.camera), view.image[..., 3] > 0.5) > 0.88


def boxes(*within):
    """A white picture (240, 320, 4) with boxes (left, top, right, bottom), each of another shade."""
    image = np.ones((240, 320, 4), np.float32)
    for index, (left, top, right, bottom) in enumerate(within):
        image[top:bottom, left:right, :3] = (0.6, 0.3, 0.1 * index)
    return image


@pytest.mark.parametrize("inset", [0, 4])
@pytest.mark.parametrize("wide", [1, 4])
def test_a_frame_is_no_object(inset, wide):
    """Neither one drawn along a scan's border, nor one with a margin."""
    thing = 60, 50, 200, 180
    image = boxes(thing)
    image[inset : inset + wide, inset : 320 - inset, :3] = 0
    image[240 - inset - wide : 240 - inset, inset : 320 - inset, :3] = 0
    image[inset : 240 - inset, inset : inset + wide, :3] = 0
    image[inset : 240 - inset, 320 - inset - wide : 320 - inset, :3] = 0
    found = run_to_end(segment_foreground(image, load_weights()[1]))
    np.testing.assert_array_equal(found[..., 3] > 0.5, boxes(thing)[..., 1] < 1)


def test_finding_an_object_can_be_stopped_between_its_looks():
    busy = np.random.default_rng(0).random((240, 320, 4)).astype(np.float32)
    busy[60:180, 100:220, :3], busy[..., 3] = (0.9, 0.1, 0.1), 1
    work = segment_foreground(busy, load_weights()[1])
    assert [next(work).stage for _ in range(4)] == ["Finding the object"] * 4


@pytest.mark.parametrize(
    "part", [(300, 110, 308, 130), (20, 20, 300, 110)], ids=["handle", "drawer"]
)
def test_a_cupboard_seen_straight_on_is_no_frame(part):
    cupboard = 4, 4, 316, 236
    drawn = [cupboard, part] + ([(20, 125, 300, 220)] if part[0] == 20 else [])
    found = run_to_end(segment_foreground(boxes(*drawn), load_weights()[1]))
    np.testing.assert_array_equal(found[..., 3] > 0.5, boxes(cupboard)[..., 1] < 1)

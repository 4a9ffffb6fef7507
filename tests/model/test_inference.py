import numpy as np
import pytest
from maquette.core.arrays import View
from maquette.core.cameras import side
from maquette.core.dataset.records import ObjectFile
from maquette.core.model import metrics
from maquette.core.model.evaluation import QUESTIONS, answer, judge
from maquette.core.model.inference import reconstruct_views
from maquette.core.model.weights import load
from maquette.core.silhouette import silhouette
from maquette.core.work import run_to_end


@pytest.fixture(scope="session")
def hull_network(weights):
    """It sees a solid wherever the masks do."""
    return load(weights)[0]


def test_a_depth_that_needs_more_room_gets_it(hull_network):
    image = np.ones((128, 128, 4), np.float32)
    image[:20], image[108:], image[:, :40], image[:, 88:] = 0, 0, 0, 0
    mesh = run_to_end(reconstruct_views([View(image, side("front", 1.1, 128))], hull_network, 64))
    width, depth, height = np.ptp(mesh.vertices, axis=0)
    assert width == pytest.approx(48 / 128 * 1.1, abs=0.03) and height == pytest.approx(88 / 128 * 1.1, abs=0.03)
    assert depth > 2


@pytest.mark.parametrize("question", QUESTIONS[:2], ids=lambda question: question.name)
def test_an_answer_is_in_the_frame_of_its_question(hull_network, dataset, question):
    """A free picture is looked at upright, and its mesh turned back."""
    judged = judge(ObjectFile(dataset / "objects/e03.tar"), question)
    mesh = run_to_end(answer(judged, hull_network, 64))
    view = judged.views[0]
    assert metrics.iou(silhouette(mesh, view.camera), view.image[..., 3] > 0.5) > 0.88

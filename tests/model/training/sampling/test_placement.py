"""Objects in the network's frame."""

import numpy as np
import pytest
from maquette.core.errors import DatasetError
from maquette.core.model.training.objects import load_split
from maquette.core.model.training.sampling.augmentation import AugmentationConfig
from maquette.core.model.training.sampling.placement import (
    ViewQuery,
    frame_object,
    has_views,
    is_usable,
    load_usable_objects,
)

from ...conftest import write_set


@pytest.mark.parametrize(("count", "unposed"), [(1, False), (1, True), (2, True)])
def test_points_map_there_and_back(dataset, count, unposed):
    training_object = load_split([dataset], "train")[0]
    framed = frame_object(
        training_object, ViewQuery(count, unposed), np.random.default_rng(3), AugmentationConfig()
    )
    points = training_object.near_points[:50]
    there = framed.mapping.forward(points)
    np.testing.assert_allclose(framed.mapping.inverse(there), points, atol=1e-5)


def test_an_unposed_image_is_seen_upright(dataset):
    training_object = load_split([dataset], "train")[0]
    framed = frame_object(training_object, ViewQuery(1, unposed=True), np.random.default_rng(0))
    low, high = framed.mapping.forward(np.array(((0, 0, -0.05), (0, 0, 0.05))))
    rise = (high - low) / np.linalg.norm(high - low)
    # but for the perspective that is not known
    np.testing.assert_allclose(rise, (0, 0, 1), atol=0.02)


def test_an_object_has_its_views_and_no_more(tmp_path):
    folder = write_set(tmp_path / "few", sides=("front", "right"))
    training_object = load_split([folder], "train")[0]
    expected = {1: (True, True), 2: (True, True), 3: (False, False), 4: (False, False)}
    for count, (posed, unposed) in expected.items():
        assert has_views(training_object, ViewQuery(count, unposed=False)) == posed
        assert has_views(training_object, ViewQuery(count, unposed=True)) == unposed
        assert is_usable(training_object, count) == (posed or unposed)


def test_sets_without_a_usable_view_are_refused(tmp_path):
    folder = write_set(tmp_path / "orbit", sides=(), free="orbit")
    with pytest.raises(DatasetError, match=r"free:6"):
        load_usable_objects([folder], "train")

"""Relightable objects in memory are what their files hold, packed or not."""

import shutil

import numpy as np
import pytest
from maquette.core.dataset import shards
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.training.dense.objects import load_dense_split


def test_packed_sets_hold_all_that_training_needs(relightable, ellipsoids, tmp_path):
    folder = tmp_path / "set"
    shutil.copytree(relightable, folder)
    written = run_to_end(shards.pack_shards(folder, 100_000))
    assert len(written) > 2
    assert all(path.stat().st_size < 150_000 for path in written)
    shutil.rmtree(folder / "objects")
    packed = load_dense_split([folder], "train")
    assert [item.name for item in packed] == [item.name for item in ellipsoids]
    for one, other in zip(packed, ellipsoids, strict=True):
        assert np.array_equal(one.grid(), other.grid())
        for index in range(len(one.kinds)):
            views = one.view(index), other.view(index)
            for name in ("color", "albedo", "occlusion", "normal"):
                assert np.array_equal(*(getattr(view, name) for view in views))


def test_views_are_in_the_objects_frame(ellipsoids):
    item = ellipsoids[0]
    assert item.half.max() == pytest.approx(0.5)
    view = item.view(item.kinds.index("front"))
    shown = view.alpha > 127
    assert np.isfinite(view.depth[shown]).all()
    middle = view.depth[32, 32]
    assert middle == pytest.approx(-item.half[1], abs=0.01)
    assert view.normal[32, 32] == pytest.approx((0, -1, 0), abs=0.1)
    assert (view.albedo[shown] > 0).all()
    assert np.allclose(np.linalg.norm(view.normal[shown], axis=1), 1, atol=2e-3)


def test_ellipsoids_are_symmetric_and_their_box_is_that_of_their_grid(ellipsoids):
    for item in ellipsoids:
        assert item.mirror == pytest.approx((1, 0, 0))
        extent = np.ptp(item.box, axis=0) * 1.02 / 96
        assert extent == pytest.approx(2 * item.half, abs=0.025)


def test_points_are_kept_to_judge_by_and_not_to_train_on(relightable, ellipsoids):
    judged = load_dense_split([relightable], "validation")[0]
    points, inside = judged.points()
    assert (((points / judged.half) ** 2).sum(1) < 1).mean() == pytest.approx(
        inside.mean(), abs=0.01
    )
    with pytest.raises(DatasetError, match="shape"):
        ellipsoids[0].points()

"""The compact form is smaller, keeps masks and truth, the rest nearly; damage is found."""

import shutil

import numpy as np
import pytest
from maquette.core.dataset import index as dataset_index
from maquette.core.dataset.compact import QuantizedPoints
from maquette.core.dataset.conversion import copy_compact
from maquette.core.dataset.object_file import write_object
from maquette.core.dataset.records import Instance
from maquette.core.dataset.shards import pack_shards
from maquette.core.dataset.summary import format_summary, summarize_dataset
from maquette.core.dataset.validation import validate_dataset
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end


@pytest.fixture
def small(ellipsoids, tmp_path):
    assert run_to_end(copy_compact(ellipsoids, tmp_path / "small")) == 4
    return tmp_path / "small"


def both(ellipsoids, small, name="egg"):
    return dataset_index.build_index(ellipsoids).by_name[
        name
    ].open_object(), dataset_index.build_index(small).by_name[name].open_object()


def test_images_keep_their_masks_and_nearly_their_colors(ellipsoids, small):
    before, after = both(ellipsoids, small)
    assert after.is_compact and not before.is_compact
    for index in range(len(before.record.views)):
        one, other = before.read_color(index), after.read_color(index)
        np.testing.assert_array_equal(other[..., 3], one[..., 3])
        assert not other[one[..., 3] == 0].any()
        on = one[..., 3] > 0
        error = np.mean((one[on].astype(float) - other[on]) ** 2)
        assert 10 * np.log10(255**2 / error) > 35


def test_depth_to_a_hundredth_of_a_pixel_and_normals_from_it(ellipsoids, small):
    before, after = both(ellipsoids, small)
    for index in range(len(before.record.views)):
        one, other = before.read_view(index), after.read_view(index)
        assert ((other.depth > 0) == (one.depth > 0)).all()
        assert np.abs(other.depth - one.depth).max() < 3e-5  # of a thing 1 m long
        inner = (one.normal.astype(float) * one.camera.to_world[:3, 2]).sum(2) > 0.5
        cosine = (one.normal.astype(float) * other.normal).sum(2)[inner]
        assert inner.sum() > 200 and np.median(cosine) > 0.999 and cosine.min() > 0.97


def test_truth_is_the_same_to_a_step(ellipsoids, small):
    (before, after) = (file.read_shape() for file in both(ellipsoids, small))
    for name in ("uniform", "near", "surface"):
        assert np.abs(getattr(before, name) - getattr(after, name)).max() < 2e-5
    np.testing.assert_array_equal(before.near_inside, after.near_inside)
    np.testing.assert_array_equal(before.uniform_inside, after.uniform_inside)
    assert (before.surface_normals * after.surface_normals).sum(1).min() > 0.999


def test_a_small_set_is_good_smaller_and_counted_also_packed(ellipsoids, small):
    counted = [
        format_summary(run_to_end(summarize_dataset(folder, 1))).partition("skipped")[0]
        for folder in (ellipsoids, small)
    ]
    assert counted[0] == counted[1]
    for packing in (False, True):
        if packing:
            run_to_end(pack_shards(small, 2**20))
            shutil.rmtree(small / "objects")
        assert run_to_end(validate_dataset(small)) == []
    sizes = [
        sum(path.stat().st_size for path in folder.rglob("*.tar")) for folder in (ellipsoids, small)
    ]
    assert sizes[1] < sizes[0] / 2


def test_a_changed_bit_is_found(small):
    path = small / "objects/egg.tar"
    data = bytearray(path.read_bytes())
    data[data.index(b"VP8 ") + 200] ^= 1  # WebP itself has no checksum
    path.write_bytes(data)
    (problem,) = run_to_end(validate_dataset(small))
    assert problem.path == path and problem.what == "000.webp is damaged"


def test_goes_on_with_what_is_there(ellipsoids, small):
    before = (small / "objects/egg.tar").stat().st_mtime_ns
    (small / "objects/lens.tar").unlink()
    run_to_end(copy_compact(ellipsoids, small))
    assert (small / "objects/egg.tar").stat().st_mtime_ns == before and run_to_end(
        validate_dataset(small)
    ) == []


def test_whole_scenes_and_other_sets_are_refused(ellipsoids, set_copy, small, tmp_path):
    file = dataset_index.build_index(set_copy).by_name["egg"].open_object()
    instance = Instance(1, "egg", "", np.eye(4), file.record.bounds)
    views = [file.read_view(i) for i in range(len(file.record.views))]
    write_object(
        set_copy,
        type(file.record)(**{**vars(file.record), "instances": (instance,)}),
        file.read_shape(),
        views,
    )
    with pytest.raises(DatasetError, match=r"egg\.tar is a whole scene"):
        run_to_end(copy_compact(set_copy, tmp_path / "other"))
    (small / "dataset.json").write_text('{"version": 1, "seed": 5}')
    with pytest.raises(DatasetError, match="different settings"):
        run_to_end(copy_compact(ellipsoids, small))


def test_quantized_points_are_taken_out_like_those_of_an_array():
    points = np.random.default_rng(0).normal(size=(5, 40, 3)).astype(np.float32)
    kept = QuantizedPoints.quantize(points)
    assert len(kept) == 5 and kept.steps.dtype == np.uint16 and kept[2, [3, 4]].dtype == np.float32
    step = np.ptp(points.reshape(-1, 3), axis=0).max() / 65535
    assert (
        np.abs(kept[:] - points).max() <= step * 0.51
        and np.abs(kept[2, [3, 4]] - points[2, [3, 4]]).max() <= step
    )

"""The stream yields what the files hold once an epoch, reproducibly and however it is divided."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.dataset.index import build_index
from maquette.core.dataset.object_file import ObjectFile, write_object
from maquette.core.dataset.records import Instance
from maquette.core.dataset.shards import pack_shards
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from maquette.core.model.training.streaming_dataset import TrainingStream
from torch.utils.data import DataLoader


@pytest.fixture(scope="session")
def packed(dataset, tmp_path_factory):
    folder = shutil.copytree(dataset, tmp_path_factory.mktemp("packed") / "set")
    largest = max(path.stat().st_size for path in (folder / "objects").glob("*.tar"))
    assert len(run_to_end(pack_shards(folder, 3 * largest))) == 5
    shutil.rmtree(folder / "objects")
    return folder


def names(stream, epoch=0):
    stream.set_epoch(epoch)
    return [item["name"] for item in stream]


def test_an_item_is_what_the_file_holds(dataset):
    (item, *_) = TrainingStream(dataset, "train", shuffle=False)
    file = ObjectFile(dataset / f"objects/{item['name']}.tar")
    shape = file.read_shape()
    for index in range(len(file.record.views)):
        view = file.read_view(index)
        np.testing.assert_array_equal(item["colour"][index].permute(1, 2, 0), view.colour)
        np.testing.assert_array_equal(item["depth"][index], view.depth)
        np.testing.assert_array_equal(item["normal"][index].permute(1, 2, 0), view.normal)
        np.testing.assert_allclose(item["intrinsics"][index], view.camera.intrinsics, rtol=1e-6)
        np.testing.assert_allclose(item["camera_to_world"][index], view.camera.to_world, atol=1e-6)
        assert item["orthographic"][index] == view.camera.orthographic
        np.testing.assert_array_equal(item["mask"][index], view.depth > 0)
    np.testing.assert_array_equal(item["near"], shape.near)
    np.testing.assert_array_equal(item["near_inside"], shape.near_inside)
    assert "near_distance" not in item and item["kinds"].startswith("front,right")


def test_drawn_points_keep_what_belongs_to_them(dataset):
    (item, *_) = TrainingStream(dataset, "train", views=2, points=64)
    shape = ObjectFile(dataset / f"objects/{item['name']}.tar").read_shape()
    truth = {
        tuple(point): inside
        for point, inside in zip(shape.near.tolist(), shape.near_inside, strict=True)
    }
    assert [truth[tuple(point)] for point in item["near"].tolist()] == item["near_inside"].tolist()
    assert item["colour"].shape == (2, 4, 128, 128) and item["surface"].shape == (64, 3)


@pytest.mark.parametrize("kind", ["dataset", "packed"])
def test_every_object_once_in_an_order_of_the_epoch(kind, request):
    folder = request.getfixturevalue(kind)
    stream = TrainingStream(folder, "train", views=1, points=8, buffer=4)
    first, second = names(stream), names(stream, 1)
    assert sorted(first) == sorted(second) == [f"e{i:02d}" for i in range(8)]
    assert first != second and first == names(stream)
    assert first != names(TrainingStream(folder, "train", views=1, points=8, buffer=4, seed=1))


def test_what_is_drawn_does_not_depend_on_who_draws(dataset, packed):
    seen = [
        {item["name"]: item["near"] for item in TrainingStream(folder, "train", points=8)}
        for folder in (dataset, packed)
    ]
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in seen[0])


def test_ranks_share_the_files_evenly(dataset):
    shares = [
        names(TrainingStream(dataset, "train", views=1, points=8, rank=rank, ranks=3))
        for rank in range(3)
    ]
    assert [len(share) for share in shares] == [2, 2, 2]
    assert len({name for share in shares for name in share}) == 6


def test_workers_share_the_files_and_hear_of_the_epoch(dataset):
    stream = TrainingStream(dataset, "train", views=1, points=8)
    loader = DataLoader(stream, batch_size=2, num_workers=2, persistent_workers=True)
    orders = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        orders.append([name for batch in loader for name in batch["name"]])
    assert sorted(orders[0]) == sorted(orders[1]) == [f"e{i:02d}" for i in range(8)]
    assert orders[0] == orders[2] != orders[1]


def test_shards_of_other_splits_are_refused(packed, tmp_path):
    folder = shutil.copytree(packed, tmp_path / "set")
    splits = json.loads((folder / "splits.json").read_text())
    (folder / "splits.json").write_text(json.dumps({**splits, "e03": "test"}))
    (folder / "shards/splits.json").unlink()
    with pytest.raises(DatasetError, match="pack\" again"):
        names(TrainingStream(folder, "train"))


def test_a_set_that_has_grown_since_it_was_packed_is_refused(packed, tmp_path):
    folder = shutil.copytree(packed, tmp_path / "set")
    splits = json.loads((folder / "splits.json").read_text())
    (folder / "splits.json").write_text(json.dumps({**splits, "new": "train"}))
    with pytest.raises(DatasetError, match="pack again"):
        TrainingStream(folder, "train")
    TrainingStream(folder, "validation")


def test_a_damaged_file_is_told_by_name(dataset, tmp_path):
    folder = shutil.copytree(dataset, tmp_path / "set")
    path = folder / "objects/e02.tar"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DatasetError, match=r"e02"):
        names(TrainingStream(folder, "train"))
    with pytest.raises(DatasetError, match="'nothing'"):
        TrainingStream(folder, "nothing")


def test_nothing_is_lost_behind_a_damaged_header(packed, tmp_path):
    folder = shutil.copytree(packed, tmp_path / "set")
    place = build_index(folder).packed["e00"][0]
    data = bytearray(place.file.read_bytes())
    data[place.start + 150] ^= 1  # of its checksum
    place.file.write_bytes(data)
    with pytest.raises(
        DatasetError, match=r"train-00000\d\.tar is not a complete training set file"
    ):
        names(TrainingStream(folder, "train"))


@pytest.fixture
def changed(dataset, tmp_path):
    """Gives a set whose object e00 has other views and is a whole scene without ground truth."""

    def with_views(change):
        folder = shutil.copytree(dataset, tmp_path / "changed")
        file = ObjectFile(folder / "objects/e00.tar")
        views = [change(index, file.read_view(index)) for index in range(len(file.record.views))]
        instance = Instance(1, "e00", "", np.eye(4), file.record.bounds)
        recorded = [
            replace(old, camera=view.camera)
            for old, view in zip(file.record.views, views, strict=True)
        ]
        record = replace(file.record, instances=(instance,), views=tuple(recorded))
        write_object(folder, record, None, views)
        (folder / "splits.json").write_text('{"e00": "train"}')
        return folder

    return with_views


def test_shows_what_was_put_behind_if_asked(changed):
    folder = changed(lambda _, view: replace(view, surroundings=np.full_like(view.colour, 255)))
    (cut,), (whole,) = (TrainingStream(folder, composite=composite) for composite in (False, True))
    assert not cut["colour"][0, :, 0, 0].any() and (whole["colour"][0, :, 0, 0] == 255).all()
    assert torch.equal(cut["mask"], whole["mask"]) and "near" not in whole


def test_pictures_of_several_sizes_are_refused(changed):
    def crop(index, view):
        height = 64 if index == 1 else 128
        return replace(
            view,
            camera=view.camera.cropped(0, 0, 128, height),
            colour=view.colour[:height],
            depth=view.depth[:height],
            normal=view.normal[:height],
        )

    with pytest.raises(DatasetError, match="e00 has images of several sizes"):
        names(TrainingStream(changed(crop)))


def test_a_picture_of_another_size_than_its_camera_is_refused(changed):
    folder = changed(
        lambda index, view: replace(view, colour=view.colour[:64]) if index == 1 else view
    )
    with pytest.raises(
        DatasetError, match=r"e00\.tar: view 1, colour: the shape is \(64, 128, 4\)"
    ):
        names(TrainingStream(folder))

"""What is reported a set, and what of a damaged one."""

import io
import tarfile

import numpy as np
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.dataset import passes
from maquette.core.dataset import summary as dataset_summary
from maquette.core.dataset.object_file import ObjectFile, write_object
from maquette.core.dataset.records import Record, RenderedView
from maquette.core.dataset.summary import format_summary, summarize_dataset
from maquette.core.imaging.contact_sheet import contact_sheet
from maquette.core.jobs.task import run_to_end


def test_counts(ellipsoids):
    found = run_to_end(summarize_dataset(ellipsoids, 2))
    assert found.splits == {"train": 2, "validation": 1, "test": 1}
    assert found.families == {"round": 2, "long": 2}
    assert found.kinds == {
        "front, orthographic": 4,
        "right, orthographic": 4,
        "free, perspective": 12,
    }
    assert found.sizes == {(64, 64): 20}
    assert (min(found.longest), max(found.longest)) == (1, 2)
    assert found.problems == {} and list(found.skipped) == ["sheet"]
    text = format_summary(found)
    assert text.startswith("4 objects, 20 views\nsplits: train 2; ") and "64 x 64 20" in text
    assert "skipped: 1\n  sheet: It encloses almost no volume" in text


def test_rows_show_views_normals_and_coordinates(ellipsoids):
    rows = run_to_end(summarize_dataset(ellipsoids, 2)).rows
    assert [label for label, _ in rows] == ["egg  round", "stone  round"]
    for _, pictures in rows:
        assert len(pictures) == 5 + 2
        assert all(
            picture.shape == (64, 64, 4) and 0 <= picture.min() <= picture.max() <= 1
            for picture in pictures
        )
    sheet = contact_sheet(rows, 64, 2)
    assert np.ptp(sheet.reshape(-1, 3), axis=0).min() > 150


def test_problems_are_reported_by_object(set_copy):
    (set_copy / "objects/egg.tar").write_bytes(b"no tar")
    (set_copy / "objects/pill.tar").unlink()
    path = set_copy / "objects/lens.tar"
    with tarfile.open(path) as archive:
        members = {
            m.name: archive.extractfile(m).read() for m in archive if m.name != "lens.003.png"
        }
    with tarfile.open(path, "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    problems = run_to_end(summarize_dataset(set_copy, 0)).problems
    assert set(problems) == {"egg", "lens", "pill"}
    assert "lacks lens.003.png" in problems["lens"] and "its file is missing" in problems["pill"]


def test_an_empty_image_and_missing_views(set_copy):
    file = ObjectFile(set_copy / "objects/egg.tar")
    views = [file.read_view(index) for index in range(5)]
    empty = RenderedView(
        views[1].kind,
        views[1].camera,
        *(np.zeros_like(part) for part in (views[1].colour, views[1].depth, views[1].normal)),
    )
    write_object(set_copy, file.record, file.read_shape(), [views[0], empty, *views[2:]])
    lens = ObjectFile(set_copy / "objects/lens.tar")
    record = lens.record
    fewer = Record(
        record.name, "", record.family, record.bounds, record.fingerprint, record.views[:2]
    )
    write_object(set_copy, fewer, lens.read_shape(), [lens.read_view(0), lens.read_view(1)])
    problems = run_to_end(summarize_dataset(set_copy, 4)).problems
    assert problems["egg"] == "view 1 (right) shows 0 pixels of it"
    assert problems["lens"] == "its views are not those of most objects: 3 free less"


def test_without_splits(set_copy):
    (set_copy / "splits.json").unlink()
    (set_copy / "objects/sheet.skipped").unlink()
    found = run_to_end(summarize_dataset(set_copy, 1))
    assert found.splits == {"none": 4} and "no readable splits" in found.problems["splits.json"]
    (set_copy / "objects/a.skipped").write_text("why")
    assert run_to_end(summarize_dataset(set_copy, 1)).skipped == {"a": "why"}


def test_large_images_are_reduced_for_the_sheet_and_their_points_stay(ellipsoid_view, monkeypatch):
    camera = perspective_camera(look_at(np.array((0.0, -4, 1)), np.zeros(3)), 0.5, 60)
    view = ellipsoid_view("free", camera, np.array((0.4, 0.5, 0.6)), np.zeros(3))
    assert dataset_summary._reduced_view(view) is view
    monkeypatch.setattr(dataset_summary, "_SHEET_SIDE", 20)
    small = dataset_summary._reduced_view(view)
    assert small.colour.shape == (20, 20, 4) and small.camera.width == 20
    points = passes.world_points(view)[::3, ::3]
    np.testing.assert_allclose(passes.world_points(small), points, atol=1e-9)

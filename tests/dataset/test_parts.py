"""Parts of views and surfaces: the same again from both forms, shown, exported; damage is found."""

import dataclasses
import io
import json
import shutil
import tarfile
import zlib

import numpy as np
import pytest
from maquette.core.dataset import exporters, passes
from maquette.core.dataset.conversion import copy_compact
from maquette.core.dataset.exporters.selection import select_objects
from maquette.core.dataset.index import build_index
from maquette.core.dataset.members import encode_npz, encode_png
from maquette.core.dataset.object_file import ObjectFile, write_object
from maquette.core.dataset.shards import pack_shards
from maquette.core.dataset.summary import format_summary, summarize_dataset
from maquette.core.dataset.validation import validate_dataset
from maquette.core.errors import DatasetError
from maquette.core.jobs.task import run_to_end
from pycocotools.coco import COCO

NAMES = ("foot", "dome", "")


def part_of(points, center):
    """The part of points (..., 3) of an ellipsoid: below its middle, above it, or to the right."""
    beside = points[..., 0] > center[0] + 0.2
    return np.where(beside, 3, np.where(points[..., 2] < center[2], 1, 2)).astype(np.uint8)


@pytest.fixture
def whole(ellipsoids, tmp_path):
    """The ellipsoids with parts, in the full form."""
    folder = shutil.copytree(ellipsoids, tmp_path / "whole")
    for place in build_index(ellipsoids).by_name.values():
        file = place.open_object()
        center = file.record.bounds.mean(0)
        views = []
        for index in range(len(file.record.views)):
            view = file.read_view(index)
            numbers = part_of(passes.world_points(view), center)
            parts = np.where(view.depth > 0, numbers, 0).astype(np.uint8)
            views.append(dataclasses.replace(view, parts=parts))
        shape = file.read_shape()
        shape = dataclasses.replace(shape, surface_part=part_of(shape.surface, center))
        record = dataclasses.replace(file.record, parts=NAMES, parts_from="material")
        write_object(folder, record, shape, views)
    return folder


@pytest.fixture
def small(whole, tmp_path):
    run_to_end(copy_compact(whole, tmp_path / "small"))
    return tmp_path / "small"


def opened(folder, name="egg"):
    return build_index(folder).by_name[name].open_object()


def test_both_forms_give_back_what_was_written_packed_or_not(whole, small):
    for folder in (whole, small):
        for packed in (False, True):
            if packed:
                run_to_end(pack_shards(folder, 2**20))
                shutil.rmtree(folder / "objects")
            assert run_to_end(validate_dataset(folder)) == []
            file = opened(folder)
            center = file.record.bounds.mean(0)
            assert (file.record.parts, file.record.parts_from) == (NAMES, "material")
            shape = file.read_shape()
            assert set(np.unique(shape.surface_part)) == {1, 2, 3}
            exact = np.abs(shape.surface - center - (0.2, 0, 0))[:, (0, 2)].min(1) > 1e-3
            numbers = part_of(shape.surface, center)
            np.testing.assert_array_equal(shape.surface_part[exact], numbers[exact])
            for index in range(len(file.record.views)):
                view = file.read_view(index)
                assert view.parts.dtype == np.uint8 and view.parts.any()
                np.testing.assert_array_equal(view.parts > 0, view.depth > 0)
                offset = passes.world_points(view) - center - (0.2, 0, 0)
                exact = (np.abs(offset[..., (0, 2)]).min(2) > 1e-3) & (view.depth > 0)
                numbers = part_of(passes.world_points(view), center)
                np.testing.assert_array_equal(view.parts[exact], numbers[exact])


def test_sets_made_without_have_none(ellipsoids):
    file = opened(ellipsoids)
    assert file.record.parts == () and file.read_parts(0) is None
    assert file.read_view(0).parts is None and file.read_shape().surface_part is None
    stored = json.loads(file.read_member("json"))
    assert not {"parts", "parts_from"} & stored.keys()


def change_members(path, change):
    """Write the object at ``path`` after ``change`` of its members by kind; sums are right."""
    members = dict(ObjectFile(path).parts)
    change(members)
    if "crc.json" in members:
        sums = {kind: zlib.crc32(data) for kind, data in members.items()}
        del sums["json"], sums["crc.json"]
        members["crc.json"] = json.dumps(sums).encode()
    with tarfile.open(path, "w") as archive:
        for kind, data in members.items():
            info = tarfile.TarInfo(f"{path.stem}.{kind}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


FULL = np.full((64, 64), 2, np.uint8)
SURFACE = np.ones(600, np.uint8)
DAMAGES = {
    "a map of another size": ("001.parts.png", encode_png(FULL[:32]), "001.parts.png is damaged"),
    "a map with colors": (
        "001.parts.png",
        encode_png(np.dstack([FULL] * 3)),
        "001.parts.png is damaged: the image is RGB",
    ),
    "a map beside the object": ("001.parts.png", encode_png(FULL), "view 1, parts: not 0"),
    "an empty map": ("001.parts.png", encode_png(FULL * 0), "view 1, parts: 0 where depth is"),
    "a map of unknown parts": (
        "001.parts.png",
        encode_png(FULL * 2),
        "view 1, parts: a value refers to no part",
    ),
    "no map": ("000.parts.png", None, "lacks egg.000.parts.png"),
    "no parts of the surface": ("parts.npz", None, "lacks egg.parts.npz"),
    "too few points": (
        "parts.npz",
        encode_npz({"surface": SURFACE[:-1]}),
        "parts.npz, surface: the shape is (599,), not (600,)",
    ),
    "points of no part": (
        "parts.npz",
        encode_npz({"surface": SURFACE * 0}),
        "parts.npz, surface: a value refers to no part",
    ),
    "points of unknown parts": (
        "parts.npz",
        encode_npz({"surface": SURFACE * 4}),
        "parts.npz, surface: a value refers to no part",
    ),
    "numbers of another type": (
        "parts.npz",
        encode_npz({"surface": SURFACE.astype(np.int64)}),
        "the type is int64",
    ),
    "another array": ("parts.npz", encode_npz({"points": SURFACE}), "the arrays are points"),
}


@pytest.mark.parametrize("form", ["whole", "small"])
@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found(whole, small, form, name):
    kind, data, expected = DAMAGES[name]
    path = (whole if form == "whole" else small) / "objects/egg.tar"

    def change(members):
        del members[kind]
        if data is not None:
            members[kind] = data

    change_members(path, change)
    (problem,) = run_to_end(validate_dataset(path.parents[1]))
    assert problem.path == path and expected in problem.what


RECORDS = {
    "no list": ({"parts": "foot"}, "parts is not a list of 1 to 255 names"),
    "no part": ({"parts": []}, "parts is not a list of 1 to 255 names"),
    "too many": ({"parts": [str(number) for number in range(256)]}, "not a list of 1 to 255"),
    "no name": ({"parts": ["foot", 7]}, r"parts\[1\] is 7, not a text"),
    "twice": ({"parts": ["foot", "foot"]}, "parts has a name twice"),
    "from nowhere": ({"parts_from": "a dream"}, "parts_from is 'a dream', not one of"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_damaged_list_of_parts_is_refused(whole, name):
    change, expected = RECORDS[name]
    path = whole / "objects/egg.tar"

    def change_record(members):
        record = json.loads(members["json"])
        members["json"] = json.dumps({**record, **change}).encode()

    change_members(path, change_record)
    with pytest.raises(DatasetError, match=expected):
        ObjectFile(path)


def test_the_contact_sheet_shows_parts_in_distinct_colors(whole):
    summary = run_to_end(summarize_dataset(whole, 1))
    assert summary.parts == {"foot": 4, "dome": 4, "": 4}
    assert "parts: foot 4; dome 4; none 4" in format_summary(summary)
    ((_, images),) = summary.rows
    file = opened(whole)
    view = file.read_view(len(file.record.views) - 1)
    shown = np.unique(view.parts[view.parts > 0])
    colors = {tuple(images[-1][view.parts == number][0]) for number in shown}
    assert len(colors) == len(shown) > 1
    palette = passes.part_colors(np.arange(256, dtype=np.uint8)[None])[0]
    assert not palette[0].any() and ((palette >= 0) & (palette <= 1)).all()
    distance = np.linalg.norm(palette[1:13, None] - palette[None, 1:13], axis=2)
    assert (distance + np.eye(12) > 0.2).all()


def test_samples_beside_the_object_take_the_part_of_a_neighbor(ellipsoids):
    view = opened(ellipsoids).read_view(0)
    color = np.zeros((6, 6, 4), np.uint8)
    color[:5, :4, 3] = 255
    color[:5, 4, 3] = 100  # less than half
    depth = np.zeros((6, 6), np.float32)
    depth[:5, :3] = 2
    view = dataclasses.replace(view, colour=color, depth=depth)
    numbers = np.zeros((6, 6), np.uint8)
    numbers[:2, :3] = 1
    numbers[3:5, :3] = 2  # row 2 is unnamed, column 3 has no depth
    parts = passes.complete_part_map(numbers, view, 5)
    assert parts[:, 0].tolist() == [1, 1, 5, 2, 2, 0]
    assert parts[0].tolist() == [1, 1, 1, 1, 0, 0]
    assert parts[4].tolist() == [2, 2, 2, 2, 0, 0]
    named = passes.complete_part_map(numbers, view, 0)
    assert (named[:5, :4] > 0).all() and set(np.unique(named)) == {0, 1, 2}
    empty = passes.complete_part_map(np.zeros_like(numbers), view, 0)
    assert not empty.any()


def test_coco_has_a_category_for_each_part_of_a_family(whole, ellipsoids, tmp_path):
    out = tmp_path / "coco"
    run_to_end(exporters.export_selection(select_objects(whole), out, "coco"))
    plain = tmp_path / "plain"
    run_to_end(exporters.export_selection(select_objects(ellipsoids), plain, "coco"))
    assert not list(plain.rglob("parts_*"))
    parts = COCO(out / "annotations/parts_train.json")
    instances = COCO(out / "annotations/instances_train.json")
    assert [(each["name"], each["supercategory"]) for each in parts.dataset["categories"]] == [
        ("long/dome", "long"),
        ("long/foot", "long"),
        ("round/dome", "round"),
        ("round/foot", "round"),
    ]
    assert parts.dataset["images"] == instances.dataset["images"]

    # The masks are those of the maps, and each is of the object that it is in.
    (image,) = (each for each in parts.dataset["images"] if each["file_name"] == "egg_002.png")
    view = opened(whole).read_view(2)
    found = parts.loadAnns(parts.getAnnIds(imgIds=image["id"]))
    assert len(found) == 2
    for annotation in found:
        name = parts.loadCats(annotation["category_id"])[0]["name"]
        number = 1 + NAMES.index(name.removeprefix("round/"))
        np.testing.assert_array_equal(parts.annToMask(annotation), view.parts == number)
        assert annotation["area"] == (view.parts == number).sum()
        (owner,) = instances.loadAnns([annotation["object_id"]])
        assert owner["image_id"] == image["id"]

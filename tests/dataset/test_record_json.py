"""A record is read as it was written; an entry of another form is named."""

import copy
import json

import numpy as np
import pytest
from maquette.core.cameras import side_camera
from maquette.core.dataset.record_json import (
    camera_from_json,
    camera_to_json,
    read_settings,
    record_from_json,
    record_to_json,
)
from maquette.core.dataset.records import Instance, InstanceShape, Record, ViewRecord
from maquette.core.errors import DatasetError

BOX = np.array(((-1.0, -1, -1), (1, 1, 2)))
NAN = float("nan")


@pytest.fixture(scope="module")
def record():
    camera = side_camera("front", 2.0, 48)
    pose = np.eye(4)
    pose[:3, 3] = 1, 2, 3
    views = (
        ViewRecord("front", camera, {"background": {"kind": "plain"}, "occluders": [{}]}),
        ViewRecord("path", camera, frame=-3, moved={1: pose}),
    )
    return Record(
        "room",
        "room.blend",
        "kitchen",
        BOX,
        (1.0, 0.5),
        views,
        (Instance(1, "Cup", "cup", pose, BOX, "cup"),),
        {"drawn": {"pose": {"bounds": BOX.tolist(), "matrix": np.diag((2, 2, 2, 1)).tolist()}}},
        (InstanceShape("cup", BOX, 12, ("mesh", "shape")),),
    )


@pytest.fixture
def data(record):
    return json.loads(json.dumps(record_to_json(record)))


def test_a_record_is_as_it_was(record, data):
    read = record_from_json(copy.deepcopy(data))
    assert record_to_json(read) == data
    assert read.views[1].frame == -3 and list(read.views[1].moved) == [1]
    assert read.instances_in(1)[0].to_world[2, 3] == 3
    np.testing.assert_array_equal(read.unposed_bounds()[1], np.diag((2, 2, 2, 1)))
    for entry in ("instances", "shapes", "drawn"):
        del data[entry]
    del data["views"][0]["drawn"]
    assert record_from_json(data).instances == ()


def test_a_camera_is_as_it_was(record):
    camera = record.views[0].camera
    read = camera_from_json(camera_to_json(camera))
    np.testing.assert_array_equal(read.to_world, camera.to_world)
    np.testing.assert_array_equal(read.intrinsics, camera.intrinsics)
    assert (read.width, read.height, read.orthographic) == (48, 48, True)


WRONG = [
    ("version", 2, "version 2, not 1"),
    ("version", True, "version True, not 1"),
    ("name", 5, "name is damaged: the name is of the type int"),
    ("name", "../room", "name is damaged: the name '../room'"),
    ("source", None, "source is None, not a text"),
    ("family", {"a": 1}, "family is a dict, not a text"),
    ("family", "\ud800", "family has half of a character"),
    ("family", "a\0b", "family is too long a text, or has a NUL"),
    ("bounds", [], "bounds is not 2 x 3 finite numbers"),
    ("bounds", [[0, 0, 0], [1, 1]], "bounds is not 2 x 3 finite numbers"),
    ("bounds", [[0, 0, 0], [1, 1, NAN]], "bounds is not 2 x 3 finite numbers"),
    ("bounds", [[0, 0, 0], [1, 1, 10**400]], "bounds is not 2 x 3 finite numbers"),
    ("bounds", [[0, 0, 0], [1, 1, "1"]], "bounds is not 2 x 3 finite numbers"),
    ("bounds", [[0, 0, 0], [1, 1, True]], "bounds is not 2 x 3 finite numbers"),
    ("bounds", [[0, 0, 0], [0, 0, 0]], "bounds: bad bounds"),
    ("bounds", [[1, 0, 0], [0, 1, 1]], "bounds: bad bounds"),
    ("fingerprint", 3, "fingerprint is not a list"),
    ("fingerprint", [], "fingerprint is not any finite numbers"),
    ("fingerprint", [1, None], "fingerprint is not any finite numbers"),
    ("views", {}, "views is no list"),
    ("views", [], "views is empty"),
    ("views", [5], r"views\[0\] is no dictionary"),
    ("views.0.kind", 5, r"views\[0\]\.kind is 5, not a text"),
    ("views.1.width", "48", r"views\[1\]\.width is '48', not a whole number"),
    ("views.1.width", True, r"views\[1\]\.width is True, not a whole number"),
    ("views.1.width", 0, r"views\[1\]\.width is 0, not"),
    ("views.1.width", 2**70, r"views\[1\]\.width is a huge number"),
    ("views.0.height", 48.5, r"views\[0\]\.height is 48\.5"),
    ("views.0.height", 60_000, None),
    ("views.0.orthographic", 1, r"views\[0\]\.orthographic is 1, not true or false"),
    ("views.1.intrinsics", [[1, 0], [0, 1]], r"views\[1\]\.intrinsics is not 3 x 3"),
    ("views.1.intrinsics.0.0", 0, r"views\[1\]\.intrinsics is skewed, mirrored or empty"),
    ("views.1.intrinsics.0.1", 2, r"views\[1\]\.intrinsics is skewed, mirrored or empty"),
    ("views.1.camera_to_world_opengl", [[NAN] * 4] * 4, r"views\[1\]\.camera_to_world_opengl"),
    ("views.0.camera_to_world_opengl", [[0] * 4] * 4, "the pose is not rigid"),
    ("views.0.camera_to_world_opengl.3.3", 2, r"views\[0\].*: the pose is not rigid"),
    ("views.0.camera_to_world_opengl.0.0", 1e13, r"camera_to_world_opengl is not 4 x 4 finite"),
    ("views.0.drawn", [], r"views\[0\]\.drawn is no dictionary"),
    ("views.0.drawn.background", "plain", r"views\[0\]\.drawn\.background is no dictionary"),
    ("views.0.drawn.background.kind", 3, r"views\[0\]\.drawn\.background\.kind is 3"),
    ("views.0.drawn.occluders", 3, r"views\[0\]\.drawn\.occluders is no list"),
    ("views.1.frame", "1", r"views\[1\]\.frame is '1'"),
    ("views.1.moved", [], r"views\[1\]\.moved is no dictionary"),
    ("views.1.moved.x", [[1]], r"views\[1\]\.moved\.'x' is not the index"),
    ("views.1.moved.1", [[1]], r"views\[1\]\.moved\.1 is not 4 x 4"),
    ("instances", 3, "instances is no list"),
    ("instances.0.index", 0, r"instances\[0\]\.index is 0"),
    ("instances.0.name", 5, r"instances\[0\]\.name is 5, not a text"),
    ("instances.0.to_world", [[2] * 4] * 4, r"instances\[0\]\.to_world: the pose is not rigid"),
    ("instances.0.shape", None, r"instances\[0\]\.shape is None, not a text"),
    ("shapes.0.triangles", -1, r"shapes\[0\]\.triangles is -1"),
    ("shapes.0.holds", ["mesh", "../x"], r"shapes\[0\]\.holds has '\.\./x'"),
    ("shapes.0.holds", "mesh", r"shapes\[0\]\.holds is no list"),
    ("drawn.pose", 3, r"drawn\.pose is no dictionary"),
    ("drawn.pose.bounds", [1], r"drawn\.pose\.bounds is not 2 x 3"),
    ("drawn.pose.matrix", [[0] * 4] * 4, r"drawn\.pose\.matrix cannot be inverted"),
]


@pytest.mark.parametrize(("place", "value", "expected"), WRONG)
def test_an_entry_of_another_form_is_named(data, place, value, expected):
    *keys, last = [int(key) if key.isdecimal() else key for key in place.split(".")]
    section = data
    for key in keys:
        section = section[str(key) if isinstance(section, dict) else key]
    section[str(last) if isinstance(section, dict) else last] = value
    if expected is None:
        assert record_from_json(data).views[0].camera.height == value
        return
    with pytest.raises(ValueError, match=expected):
        record_from_json(data)


@pytest.mark.parametrize("key", ["version", "name", "bounds", "fingerprint", "views"])
def test_an_entry_that_is_missing_is_named(data, key):
    del data[key]
    with pytest.raises(ValueError, match=f"{key} is missing"):
        record_from_json(data)


def test_an_image_of_too_many_pixels_is_refused(data):
    data["views"][1].update(width=5000, height=5000)
    with pytest.raises(ValueError, match=r"views\[1\]\.width: 5000 x 5000 are more than"):
        record_from_json(data)


@pytest.mark.parametrize("wrong", [[], 5, None, "x", {}])
def test_a_record_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"no dictionary|version is missing"):
        record_from_json(wrong)


@pytest.mark.parametrize("content", ["{}", '{"version": "1"}', '{"version": 2}', "[1]", '{"a":'])
def test_settings_of_another_form_are_refused(tmp_path, content):
    path = tmp_path / "dataset.json"
    path.write_text(content)
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged"):
        read_settings(path)

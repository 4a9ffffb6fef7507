"""What is drawn: in its range, the same again, and each purpose for itself."""

import json

import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.cameras import look_at, perspective_camera, side_camera
from maquette.core.dataset.records import has_surroundings
from maquette.core.errors import DatasetError
from maquette.core.synthesis import samplers
from maquette.core.synthesis.occluders import sample_occluders
from maquette.core.synthesis.randomization import (
    Background,
    Purpose,
    Randomization,
    rng_for,
    to_json,
)
from PIL import Image

ALL = Randomization(
    lamps=3,
    materials=1,
    backgrounds=("plain", "hdri", "transparent"),
    turn="any",
    scale=(0.5, 2),
    occluders=3,
    hidden=0.2,
)
CENTER = np.array((1.0, -2, 0.5))


@pytest.fixture
def block():
    """A block of 1 x 0.4 x 0.6 metres about CENTRE."""
    corners = np.array([(x, y, z) for x in (-0.5, 0.5) for y in (-0.2, 0.2) for z in (-0.3, 0.3)])
    quads = np.array(
        ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    )
    return MeshArrays(
        (corners + CENTER).astype(np.float32), np.concatenate((quads[:, :3], quads[:, [0, 2, 3]]))
    )


def test_the_same_again_and_other_for_other_names_purposes_and_views():
    numbers = [
        rng_for(seed, name, purpose, view).random()
        for seed in (0, 1)
        for name in ("a", "b")
        for purpose in Purpose
        for view in (None, 0, 1)
    ]
    assert len(set(numbers)) == len(numbers)
    assert rng_for(1, "b", Purpose.POSE, 1).random() == rng_for(1, "b", Purpose.POSE, 1).random()
    assert np.random.default_rng((0, 1)).random() not in numbers


@pytest.mark.parametrize("turn", ["none", "z", "any"])
def test_a_pose_turns_and_scales_about_the_center(turn):
    rng = np.random.default_rng(0)
    for _ in range(20):
        pose = samplers.sample_pose(rng, Randomization(turn=turn, scale=(0.5, 2)), CENTER)
        np.testing.assert_allclose(pose.matrix @ (*CENTER, 1), (*CENTER, 1), atol=1e-12)
        turned = pose.matrix[:3, :3] / pose.scale
        np.testing.assert_allclose(turned @ turned.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turned) > 0 and 0.5 <= pose.scale <= 2
        np.testing.assert_allclose(turned, samplers.rotation_matrix(pose.quaternion))
        assert turn == "any" or np.allclose(turned[2], (0, 0, 1))
        assert turn != "none" or np.allclose(turned, np.eye(3))


def test_looks_are_drawn_as_often_as_asked():
    rng = np.random.default_rng(0)
    replaced = [
        len(samplers.sample_materials(rng, Randomization(materials=0.3), 2)) for _ in range(300)
    ]
    assert set(replaced) == {0, 2} and 60 < sum(map(bool, replaced)) < 120


def test_a_black_body_is_warm_then_white_then_cold():
    warm, white, cold = (samplers.black_body_color(kelvin) for kelvin in (2000, 6500, 12000))
    np.testing.assert_allclose(white, 1, atol=0.08)
    assert warm[0] > 1.5 > warm[1] > 5 * warm[2] and cold[2] > cold[1] > cold[0]
    for color in (warm, white, cold):
        assert color @ (0.2126, 0.7152, 0.0722) == pytest.approx(1, abs=0.05)


CAMERAS = {
    "front": side_camera("front", 1.4, 64).moved(
        np.block([[np.eye(3), CENTER[:, None]], [np.zeros(3), 1]])
    ),
    "free": perspective_camera(look_at(CENTER + (1.0, -2, 1), CENTER), 0.5, 64),
    "near": perspective_camera(look_at(CENTER + (0.2, -1, 0.2), CENTER), 1.2, 64).cropped(
        8, -6, 72, 48
    ),
}


@pytest.mark.parametrize("name", CAMERAS)
def test_occluders_stand_before_the_object_and_hide_some_but_not_too_much(block, name):
    camera = CAMERAS[name]
    near = camera.project(block.vertices.astype(float))[1].min()
    shares = []
    for seed in range(12):
        found, hidden = sample_occluders(np.random.default_rng(seed), ALL, camera, block)
        assert len(found) <= 3 and hidden <= 0.2 and (hidden > 0) == bool(found)
        shares.append(hidden)
        for one in found:
            radius = np.linalg.norm(one.matrix[:3, :3], axis=0).max()
            (pixel,), (depth,) = camera.project(one.matrix[None, :3, 3])
            assert radius < depth < near - radius
            assert (pixel > -2).all() and (pixel < (camera.width + 2, camera.height + 2)).all()
    assert max(shares) > 0.05


def test_no_occluder_where_none_can_be(block):
    inside = perspective_camera(look_at(CENTER, CENTER + (1, 0, 0)), 0.5, 64)
    away = perspective_camera(look_at(CENTER - (0, 5, 0), CENTER - (0, 9, 0)), 0.5, 64)
    for camera in (inside, away):
        assert sample_occluders(np.random.default_rng(0), ALL, camera, block) == ((), 0.0)


def test_what_was_drawn_is_json(block, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "one.png")
    random = Randomization(backgrounds=("image",), pictures=tmp_path)
    rng = np.random.default_rng(0)
    values = [
        samplers.sample_pose(rng, ALL, CENTER),
        samplers.sample_materials(rng, ALL, 3),
        samplers.sample_background(rng, random),
        samplers.sample_lights(rng, ALL, np.stack((CENTER - 1, CENTER + 1))),
        sample_occluders(rng, ALL, CAMERAS["free"], block)[0],
    ]
    told = to_json(values)
    assert json.loads(json.dumps(told)) == told
    assert told[2]["picture"] == "one.png" and "colour" not in told[2]
    assert has_surroundings({"background": told[2]}) and not has_surroundings(
        {"background": {"kind": "transparent"}}
    )
    assert has_surroundings({"occluders": [{}]}) and not has_surroundings(
        {"light": {}, "occluders": []}
    )


def test_backdrops(tmp_path):
    plain = samplers.background_image(Background("plain", (1, 2, 3)), 6, 4)
    assert plain.shape == (4, 6, 4) and (plain == (1, 2, 3, 255)).all()
    ramp = np.zeros((40, 80, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(80) * 3, np.arange(40)[:, None] * 6
    Image.fromarray(ramp).save(tmp_path / "ramp.png")
    cut = samplers.background_image(
        Background("image", None, tmp_path / "ramp.png", (1.0, 0.0, 0.5)), 20, 20
    )
    assert cut.shape == (20, 20, 4) and (cut[..., 3] == 255).all()
    np.testing.assert_allclose(
        cut[10, :, 0], ramp[10, 60:80, 0], atol=2
    )  # at the right, at the top, half as high
    np.testing.assert_allclose(cut[:, 10, 1], ramp[0:20, 70, 1], atol=2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lamps": 4}, "lamps per view must be 0 to 3"),
        ({"materials": 1.5}, "probability of random materials"),
        ({"backgrounds": ("plain", "blue")}, "blue"),
        ({"backgrounds": ()}, "Unknown background"),
        ({"backgrounds": ("image",)}, "Choose one"),
        ({"turn": "x"}, "Choose from none, z, any"),
        ({"scale": (2, 1)}, "minimum scale"),
        ({"hidden": -1}, "fraction hidden by occluders"),
    ],
)
def test_what_cannot_be_is_said(options, said):
    with pytest.raises(DatasetError, match=said):
        Randomization(**options).validate()


def test_a_folder_without_pictures_is_said(tmp_path):
    with pytest.raises(DatasetError, match="contains no images"):
        Randomization(textures=tmp_path).validate()

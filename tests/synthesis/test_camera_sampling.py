"""Sampled cameras are where their rigs put them, frame the object, and repeat for a seed."""

import numpy as np
import pytest
from maquette.core.dataset.records import ViewRecord
from maquette.core.errors import MeshError
from maquette.core.synthesis import camera_sampling
from maquette.core.synthesis.camera_rigs import parse_rigs

BOX = np.array([(x, y, z) for x in (-1, 1) for y in (0, 3) for z in (0, 0.5)], float)
CENTER, RADIUS = np.array((0, 1.5, 0.25)), float(np.linalg.norm((2, 3, 0.5))) / 2


def draw(words, seed=0, fault=lambda camera: None, of_scene=None, vertices=BOX):
    return camera_sampling.sample_views(
        parse_rigs(words.split()), vertices, 100, np.random.default_rng(seed), fault, of_scene or {}
    )


def directions(views):
    """From the object to each camera (N, 3): against the line of sight, unit length."""
    return np.array([view.camera.to_world[:3, 2] for view in views])


def extent(view):
    """Share of the image that the box fills, and the offset (2,) of its center in images."""
    pixels, depth = view.camera.project(BOX)
    assert (depth > 0).all()
    low, high = pixels.min(0) / 100, pixels.max(0) / 100
    return (high - low).max(), (low + high) / 2 - 0.5


def test_free_cameras_are_those_of_old():
    rng = np.random.default_rng(7)
    flat, deep = (camera_sampling.handheld_camera(BOX, 128, rng)[0] for _ in range(2))
    np.testing.assert_allclose(flat.to_world[:3, 3], (-4.166701, -4.02879, 2.501907), atol=1e-6)
    np.testing.assert_allclose(flat.intrinsics[:2], ((34.7034, 0, 64), (0, 34.7034, 64)), atol=1e-4)
    np.testing.assert_allclose(
        deep.to_world[0], (0.427669, 0.29944, -0.852898, -7.067622), atol=1e-6
    )
    np.testing.assert_allclose(
        deep.intrinsics[:2], ((237.0403, 0, 65.6179), (0, 237.0403, 60.4415)), atol=1e-4
    )
    assert flat.orthographic and not deep.orthographic


def test_the_same_seed_gives_the_same_cameras():
    words = "sides:top free:2 sphere:3 shell:3,orthographic=0.5 orbit:3,roll=-9..9"
    one, two, other = draw(words), draw(words), draw(words, seed=1)
    assert [view.kind for view in one] == [
        "top",
        *["free"] * 2,
        *["sphere"] * 3,
        *["shell"] * 3,
        *["orbit"] * 3,
    ]
    for a, b in zip(one, two, strict=True):
        assert a.drawn == b.drawn and (a.camera.to_world == b.camera.to_world).all()
        assert (a.camera.intrinsics == b.camera.intrinsics).all()
    assert all(
        (a.camera.to_world != b.camera.to_world).any()
        for a, b in zip(one[1:], other[1:], strict=True)
    )


def test_directions_are_even_on_the_sphere_and_above_the_ground():
    ball, dome = directions(draw("sphere:300")), directions(draw("hemisphere:300"))
    assert np.abs(ball.mean(0)).max() < 0.1 and np.abs(np.cov(ball.T) - np.eye(3) / 3).max() < 0.06
    assert dome[:, 2].min() > 0 and abs(dome[:, 2].mean() - 0.5) < 0.04
    for name, share in (
        ("z", ball[:, 2]),
        ("high", dome[:, 2] * 2 - 1),
    ):  # Archimedes: heights are even
        assert np.abs(np.quantile(share, (0.25, 0.5, 0.75)) - (-0.5, 0, 0.5)).max() < 0.14, name


def test_an_orbit_goes_evenly_around_at_one_elevation():
    views = draw("orbit:8,elevation=10..40,lens=30..90")
    azimuths, heights = (
        [view.drawn["azimuth"] for view in views],
        {view.drawn["elevation"] for view in views},
    )
    np.testing.assert_allclose(azimuths, np.arange(8) * 45)
    assert len(heights) == 1 and 10 < heights.pop() < 40
    backs = directions(views)
    np.testing.assert_allclose(backs[0][0], 0, atol=1e-12)
    assert backs[0][1] < 0 < backs[2][0]  # begins before the front and goes to the right
    assert len({view.drawn["angle"] for view in views}) == 8
    straight_down = draw("orbit:3,elevation=90")
    np.testing.assert_allclose(directions(straight_down), [(0, 0, 1)] * 3, atol=1e-12)


@pytest.mark.parametrize(
    "words", ["lens=20..90,fill=0.3..0.9", "angle=15..70,fill=0.8", "orthographic=1,fill=0.4"]
)
def test_the_object_fills_its_share_in_the_middle(words):
    for view in draw(f"sphere:20,{words},roll=-40..40"):
        share, off = extent(view)
        assert view.camera.orthographic == ("orthographic" in words)
        assert share == pytest.approx(view.drawn["fill"]) and np.abs(off).max() < 1e-3
        assert tuple(view.camera.intrinsics[:2, 2]) == (
            50,
            50,
        )  # framed by standing there, not by shifting the picture


@pytest.mark.parametrize("offset", [(5, -3, 1), (-40, 7, 0), (300, 300, -300)])
def test_objects_away_from_the_origin_are_framed_alike(offset):
    near = draw("orbit:6,fill=0.9")
    far = draw("orbit:6,fill=0.9", vertices=BOX + np.array(offset, float))
    for near_view, far_view in zip(near, far, strict=True):
        moved = far_view.camera.to_world[:3, 3] - offset
        np.testing.assert_allclose(moved, near_view.camera.to_world[:3, 3], atol=1e-9)


def test_of_many_vertices_the_outermost_are_framed():
    many = np.random.default_rng(0).uniform(BOX.min(0), BOX.max(0), (30000, 3)) * 0.99
    for view in draw("sphere:5", vertices=np.concatenate((many[:20000], BOX, many[20000:]))):
        assert extent(view)[0] == pytest.approx(view.drawn["fill"], rel=2e-3)


def test_intrinsics_follow_from_distance_and_fill():
    for view in draw("sphere:20,distance=1.5..6,fill=0.4..0.9"):
        share, off = extent(view)
        assert share == pytest.approx(view.drawn["fill"]) and np.abs(off).max() < 1e-9
        away = np.linalg.norm(view.camera.to_world[:3, 3] - CENTER) / RADIUS
        assert 1.5 <= away <= 6 and away == pytest.approx(view.drawn["distance"])


def test_a_shell_has_the_lens_and_the_distance_asked_for_and_looks_beside():
    views = draw("shell:40,lens=35,distance=2..4,aim=0.4")
    assert {round(view.drawn["angle"], 6) for view in views} == {
        round(2 * np.degrees(np.arctan(18 / 35)), 6)
    }
    away = np.array(
        [np.linalg.norm(view.camera.to_world[:3, 3] - CENTER) / RADIUS for view in views]
    )
    assert 2 <= away.min() < 2.3 and 3.7 < away.max() <= 4
    assert all("fill" not in view.drawn for view in views)
    missed = np.array(
        [
            np.linalg.norm(
                np.cross(CENTER - view.camera.to_world[:3, 3], -view.camera.to_world[:3, 2])
            )
            / RADIUS
            for view in views
        ]
    )
    assert 0.25 < missed.max() <= 0.4
    np.testing.assert_allclose(
        [np.linalg.norm(view.drawn["aim"]) for view in views], missed, atol=0.01
    )


def test_roll_turns_the_picture_against_the_camera():
    level, rolled = draw("orbit:4")[1], draw("orbit:4,roll=30")[1]
    cosine = level.camera.to_world[:3, 0] @ rolled.camera.to_world[:3, 0]
    assert cosine == pytest.approx(np.cos(np.radians(30))) and rolled.drawn["roll"] == 30
    assert rolled.camera.to_world[2, 0] > 0  # its right side rises


def test_a_camera_with_a_fault_is_drawn_again():
    asked = []

    def fault(camera):
        asked.append(camera)
        return "it is below" if camera.to_world[2, 3] < 1 else None

    views = draw("sphere:10", fault=fault)
    assert len(asked) > 10 and all(view.camera.to_world[2, 3] > 1 for view in views)


def test_an_object_that_no_camera_sees_is_told_of():
    with pytest.raises(
        MeshError, match=r"orbit:3,elevation=5 found no valid camera in 50 tries .the wall"
    ):
        draw("orbit:3,elevation=5", fault=lambda camera: "the wall")
    with pytest.raises(MeshError, match="next to or behind the camera"):
        draw("sphere:1,distance=0.1,fill=0.5")


def test_of_the_scenes_cameras_those_that_see_nothing_are_left_out():
    cameras = [view.camera for view in draw("orbit:3")]
    of_scene = {
        "path:1..3": [ViewRecord("path", camera, {"frame": i}) for i, camera in enumerate(cameras)]
    }
    views = draw(
        "path:1..3",
        fault=lambda camera: "a wall" if camera is cameras[1] else None,
        of_scene=of_scene,
    )
    assert [view.drawn["frame"] for view in views] == [0, 2]
    with pytest.raises(MeshError, match="None of the scene's 3 cameras can be used for it: a wall"):
        draw("path:1..3", fault=lambda camera: "a wall", of_scene=of_scene)

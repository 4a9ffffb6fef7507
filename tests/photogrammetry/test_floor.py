from dataclasses import replace

import numpy as np
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.photogrammetry.floor import find_world_frame, fit_floor, upright_direction

GENERATOR = np.random.default_rng(3)


def solver_space():
    """Floor, object and cameras, turned, moved and scaled as a solver may give them."""
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    floor = np.column_stack((GENERATOR.uniform(-2, 2, (300, 2)), GENERATOR.normal(0, 0.002, 300)))
    thing = GENERATOR.uniform((-0.4, -0.2, 0), (0.4, 0.2, 1.0), (200, 3))
    strays = GENERATOR.uniform(-2, 2, (60, 3))
    points = np.concatenate((floor, thing, strays))
    eyes = [3 * np.array((np.sin(a), -np.cos(a), 0.5)) for a in np.radians(np.arange(0, 180, 20))]
    transform = np.eye(4)
    transform[:3, :3] = turn
    transform[:3, 3] = (3, -2, 5)
    cameras = [
        perspective_camera(look_at(eye, np.array((0, 0, 0.4))), 0.6, 100).moved(transform)
        for eye in eyes
    ]
    on_object = np.repeat((0.0, 1.0, 0.0), (300, 200, 60))
    return cameras, points @ turn.T + (3, -2, 5), on_object, turn


def test_up_is_the_normal_of_the_floor_and_the_object_stands_on_it():
    cameras, points, on_object, turn = solver_space()
    frame = find_world_frame(cameras, points, on_object)
    assert frame.floor_found
    up = frame.rigid[:3, :3] @ turn @ (0, 0, 1)
    assert up[2] > np.cos(np.radians(0.2))
    world = frame.apply(points)
    assert abs(np.median(world[:300, 2])) < 0.003
    assert 0.93 < world[300:500, 2].max() / 1.0 < 1.07
    assert np.abs(world[300:500, :2].mean(0)).max() < 0.05
    first = cameras[0].moved(frame.rigid).to_world[:3, 3]
    assert first[1] < -2 and abs(first[0]) < 0.2


def test_without_masks_the_floor_is_found_all_the_same():
    cameras, points, _, turn = solver_space()
    frame = find_world_frame(cameras, points, np.full(len(points), np.nan))
    up = frame.rigid[:3, :3] @ turn @ (0, 0, 1)
    assert frame.floor_found and up[2] > np.cos(np.radians(0.2))


def test_where_there_is_no_floor_up_is_that_of_the_cameras():
    cameras, points, _, turn = solver_space()
    ball = GENERATOR.normal(size=(400, 3))
    ball = 0.5 * ball / np.linalg.norm(ball, axis=1, keepdims=True) + points.mean(0)
    frame = find_world_frame(cameras, ball, np.ones(400))
    up = frame.rigid[:3, :3] @ turn @ (0, 0, 1)
    assert not frame.floor_found and up[2] > np.cos(np.radians(1))


def test_few_points_are_no_floor():
    assert fit_floor(GENERATOR.normal(size=(20, 3)), np.ones((4, 3)), 0.1) is None


def test_photographs_turned_by_a_quarter_and_upside_down_still_tell_what_is_up():
    cameras, _, _, turn = solver_space()
    for turns in ((1,) * 9, (3, 1, 1, 1, 1, 3, 1, 1, 1), (0, 2, 0, 0, 0, 0, 2, 0, 0)):
        rolled = []
        for camera, quarters in zip(cameras, turns, strict=True):
            roll = np.eye(4)
            angle = np.pi / 2 * quarters
            roll[:2, :2] = ((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle)))
            rolled.append(replace(camera, to_world=camera.to_world @ roll))
        up = upright_direction(rolled) @ turn
        assert up[2] > np.cos(np.radians(1))

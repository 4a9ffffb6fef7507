import numpy as np
from maquette.core.synthesis.interiors import EYE, sample_interior

FAMILIES = ("chair", "mug")


def rooms(count=40):
    return [sample_interior(FAMILIES, np.random.default_rng(seed)) for seed in range(count)]


def test_a_room_is_the_same_again_and_no_other_is():
    first, second = rooms(), rooms()
    assert first == second and len({room.things for room in first}) == len(first)


def test_nothing_stands_in_another_thing_or_at_the_eye():
    for room in rooms():
        assert room.things and {thing.family for thing in room.things} <= set(FAMILIES)
        places = np.array([thing.foot[:2] for thing in room.things])
        radii = np.array([thing.size / 2 for thing in room.things])
        assert (np.hypot(*places.T) > radii + 0.5).all()
        apart = (
            np.linalg.norm(places[:, None] - places[None], axis=2) - radii[:, None] - radii[None]
        )
        assert (apart[np.triu_indices(len(places), 1)] > 0).all()


def test_things_stand_on_the_floor_or_a_plinth():
    for room in rooms():
        tops = [box.high for box in room.boxes]
        for thing in room.things:
            assert thing.foot[2] == 0 or any(
                top[2] == thing.foot[2] and top[0] > thing.foot[0] and top[1] > thing.foot[1]
                for top in tops
            )


def test_no_box_is_around_the_eye_and_lamps_are_where_a_ceiling_may_be():
    lit = [room for room in rooms() if room.lamps]
    assert 10 < len(lit) < 38
    for room in rooms():
        assert not any(
            (np.array(box.low) < (0, 0, EYE)).all() and (np.array(box.high) > (0, 0, EYE)).all()
            for box in room.boxes
        )
        assert all(lamp.place[2] > EYE for lamp in room.lamps) and not (room.lamps and room.sun)

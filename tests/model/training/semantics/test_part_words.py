import pytest
from maquette.core.model.training.semantics.part_words import group_of_name


@pytest.mark.parametrize(
    ("name", "family", "group"),
    [
        ("wood_leg", "table", "leg"),
        ("Leg_01", "animal", "limb"),
        ("legs", "other", None),
        ("carTire.003", "car", "wheel"),
        ("wheel_frontRight", "other", "wheel"),
        ("lightFront", "truck", "light"),
        ("Main_Light", "lamp", None),
        ("Lampshade", "lamp", "light"),
        ("Glass", "house", "window"),
        ("Glass", "bottle", "body"),
        ("glass", "other", None),
        ("DarkWood", "tree", "stem"),
        ("DarkWood", "chair", None),
        ("door_handle", "car", "handle"),
        ("handle_plate", "cabinet", None),
        ("Hair", "figure", "head"),
        ("Hair", "animal", None),
        ("trunk", "tree", "stem"),
        ("trunk", "car", None),
        ("arm", "sofa", "arm"),
        ("Base Material", "lamp", None),
        ("shader_shelves_black_wood", "shelf", None),
        ("stem", "bicycle", "post"),
        ("", "car", None),
    ],
)
def test_a_name_means_a_group_only_where_it_is_clear(name, family, group):
    assert group_of_name(name, family) == group

import pytest
from maquette.core.procedural.object_families import OTHER, UNSURE, family_of_name


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("pack__furniture__sofa_big_02", "sofa"),
        ("aws_01__meshes__aws_BalconyTable_01_visual", "table"),
        ("CC-0__chairWithCushion__chairWithCushion", "chair"),
        ("assets__street-lamp-A", "street_lamp"),
        ("crops_pack__TreePine", "tree"),
        ("objects__scorpion__scorpion_low_resolution", OTHER),
        ("random_urdfs__000__000", OTHER),
        ("car_wheel__meshes__car_wheel", UNSURE),
        ("bottle-ketchup", UNSURE),
    ],
)
def test_the_last_word_of_a_name_tells_the_family(name, family):
    assert family_of_name(name) == family

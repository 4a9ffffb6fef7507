"""Names of objects: safe for any file system, and distinct on it."""

from maquette.core.dataset.names import distinct_names, safe_name


def test_only_safe_characters_are_left():
    assert safe_name("toys/red car.001") == "toys__red_car_001"
    assert safe_name("Stuhl_ä-1") == "Stuhl_ä-1"


def test_names_that_would_be_equal_get_a_checksum():
    names = distinct_names({"a": "Cube.001", "b": "Cube_001", "c": "cube-001", "d": "Cube-001"})
    assert len({name.casefold() for name in names.values()}) == 4
    assert names["a"].startswith("Cube_001_") and names["d"].startswith("Cube-001_")


def test_names_that_are_distinct_stay():
    assert distinct_names({"a": "cup", "b": "mug"}) == {"a": "cup", "b": "mug"}

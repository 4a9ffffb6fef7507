"""Names of objects: safe for any file system, and distinct on it."""

import os

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


def test_long_names_are_cut_and_stay_distinct():
    longest = "x" * 230
    keys = {"short": longest, "a": "y" * 300 + "a", "b": "y" * 300 + "b", "c": "ж" * 200}
    names = distinct_names(keys)
    assert names["short"] == longest
    assert len(set(names.values())) == 4
    assert all(len(name.encode()) <= 230 for name in names.values())
    assert names["a"].startswith("y" * 160 + "_") and names["c"].startswith("ж" * 80 + "_")
    assert distinct_names({"a": keys["a"]}) == {"a": names["a"]}  # whatever else is there


def test_names_that_are_not_utf_8_are_kept_apart():
    files = [os.fsdecode(name) for name in (b"caf\xe9", b"caf\xea")]
    names = distinct_names({f"{name}.obj": name for name in files})
    assert len(set(names.values())) == 2
    assert all(name.startswith("caf_") for name in names.values())

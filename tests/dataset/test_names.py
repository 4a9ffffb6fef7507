"""Names of objects: safe for any file system, and distinct on it."""

import os

import pytest
from maquette.core.dataset.names import (
    LONGEST_NAME,
    check_member_name,
    check_name,
    distinct_names,
    safe_name,
)


def test_only_safe_characters_are_left():
    assert safe_name("toys/red car.001") == "toys__red_car_001"
    assert safe_name("Stuhl_ä-1") == "Stuhl_ä-1"


def test_names_that_would_be_equal_get_a_checksum():
    names = distinct_names({"a": "Cube.001", "b": "Cube_001", "c": "cube-001", "d": "Cube-001"})
    assert len({name.casefold() for name in names.values()}) == 4
    assert names["a"].startswith("Cube_001_") and names["d"].startswith("Cube-001_")


def test_names_that_are_distinct_stay():
    assert distinct_names({"a": "cup", "b": "mug"}) == {"a": "cup", "b": "mug"}


@pytest.mark.parametrize(
    "name", ["egg", "Stuhl_ä-1", "a.b", "console", "auxiliary", "-", "名前", "x" * LONGEST_NAME]
)
def test_names_of_files_are_names_of_objects(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../egg",
        "a/b",
        "/egg",
        "a\\b",
        "C:",
        "C:egg",
        "\\\\server",
        "a\0b",
        "a\nb",
        "a\x1b[31m",
        "\ud800",
        "a\u2028b",
        ".hidden",
        "egg.",
        "egg ",
        " egg",
        "con",
        "NUL",
        "aux.tar",
        "Com1",
        "lpt9 .x",
        "what?",
        "x" * (LONGEST_NAME + 1),
        "ä" * (LONGEST_NAME // 2 + 1),
        None,
        5,
        ["egg"],
        {},
        b"egg",
    ],
)
def test_others_are_refused(name):
    with pytest.raises(ValueError, match="name"):
        check_name(name)


def test_a_member_is_longer_by_its_ending():
    name = f"{'x' * LONGEST_NAME}.shapes.000.surface.npz"
    assert check_member_name(name) == name
    with pytest.raises(ValueError, match="longer than"):
        check_member_name("x" * 256)


@pytest.mark.parametrize("name", ["con", "Aux", "nul.001", "COM1"])
def test_a_safe_name_is_none_of_a_device(name):
    assert check_name(safe_name(name)).startswith(name[:3])
    assert safe_name("console") == "console"


def test_long_names_are_cut_and_stay_distinct():
    longest = "x" * LONGEST_NAME
    keys = {"short": longest, "a": "y" * 300 + "a", "b": "y" * 300 + "b", "c": "ж" * 200}
    names = distinct_names(keys)
    assert names["short"] == longest
    assert len(set(names.values())) == 4
    assert all(len(name.encode()) <= LONGEST_NAME for name in names.values())
    assert names["a"].startswith("y" * 160 + "_") and names["c"].startswith("ж" * 80 + "_")
    assert distinct_names({"a": keys["a"]}) == {"a": names["a"]}  # whatever else is there


def test_names_that_are_not_utf_8_are_kept_apart():
    files = [os.fsdecode(name) for name in (b"caf\xe9", b"caf\xea")]
    names = distinct_names({f"{name}.obj": name for name in files})
    assert len(set(names.values())) == 2
    assert all(name.startswith("caf_") for name in names.values())

"""JSON of bounded size and depth; what is wrong with a file is said in words."""

import os

import pytest
from maquette.core.dataset.reading import json_files, limits
from maquette.core.dataset.reading.json_files import parse_json, read_json_object
from maquette.core.errors import DatasetError


def test_json_is_parsed():
    assert parse_json('{"a": [1, 2.5, "ä", null]}'.encode()) == {"a": [1, 2.5, "ä", None]}


@pytest.mark.parametrize(
    "data", [b"[" * 100_000, b'{"a":', b"", b"\xff", b"1" * 5000, b'{"a": 1}{}', b"[1,]"]
)
def test_other_texts_are_refused(data):
    with pytest.raises(ValueError, match=r"."):
        parse_json(data)


@pytest.mark.parametrize("text", [b"[],", b"1,", b'"a":1,'])
def test_values_that_take_far_more_memory_than_their_text_are_refused(monkeypatch, text):
    monkeypatch.setattr(json_files, "_SMALL", 10)
    for name in ("JSON_CONTAINERS", "JSON_ENTRIES", "JSON_VALUES"):
        monkeypatch.setattr(limits, name, 100)
    begin, end = (b"{", b'"b":1}') if b":" in text else (b"[", b"1]")
    assert len(parse_json(begin + text * 50 + end)) > 1
    with pytest.raises(ValueError, match=r"containers, .* entries and .* values"):
        parse_json(begin + text * 200 + end)


def test_a_large_text_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "JSON_BYTES", 10)
    with pytest.raises(ValueError, match="11 bytes, more than 10"):
        parse_json(b"[          ]"[1:])


@pytest.mark.parametrize("content", [b"[1]", b"null", b"5", b'{"a":', b"\xff\xfe", b"[" * 10**5])
def test_a_file_that_is_no_dictionary_is_named(tmp_path, content):
    path = tmp_path / "dataset.json"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"dataset\.json is damaged: "):
        read_json_object(path)


def test_pipes_and_folders_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "nothing"):
        with pytest.raises(DatasetError, match="cannot be read"):
            read_json_object(tmp_path / name)

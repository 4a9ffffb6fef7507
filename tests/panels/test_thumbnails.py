import os
from pathlib import Path

from maquette.panels import thumbnails
from PIL import Image


def test_a_file_has_one_thumbnail_until_it_changes(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (32, 16), (200, 30, 30)).save(path)
    thumbnails.register()
    try:
        first = thumbnails.thumbnail(path)
        assert first.image_size[:] == (32, 16)
        assert thumbnails.thumbnail(path) == first
        os.utime(path, ns=(1, 1))
        assert thumbnails.thumbnail(path) != first
    finally:
        thumbnails.unregister()
    assert thumbnails._collection is None


def test_a_file_that_is_gone_has_none(tmp_path):
    thumbnails.register()
    try:
        assert thumbnails.thumbnail(tmp_path / "gone.png") is None
        assert thumbnails.thumbnail(Path("a\0b")) is None
    finally:
        thumbnails.unregister()

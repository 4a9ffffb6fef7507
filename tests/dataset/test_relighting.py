"""Albedo, occlusion, normals and the grid: the same again from both forms, damage is found."""

import dataclasses
import io
import json
import shutil
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
from maquette.core.dataset import index as dataset_index
from maquette.core.dataset.compact import (
    decode_normals,
    decode_pixels,
    encode_albedo,
    encode_normals,
    encode_shading,
)
from maquette.core.dataset.conversion import copy_compact
from maquette.core.dataset.members import decode_grid
from maquette.core.dataset.object_file import ObjectFile, write_object
from maquette.core.dataset.records import RenderedView
from maquette.core.dataset.shards import pack_shards
from maquette.core.dataset.summary import summarize_dataset
from maquette.core.dataset.validation import validate_dataset
from maquette.core.errors import DatasetError
from maquette.core.geometry.occupancy_grid import cell_centers
from maquette.core.jobs.task import run_to_end
from maquette.core.scene.rendering.occlusion_smoothing import along_surface
from PIL import Image


def relightable_view(view):
    """``view`` of an ellipsoid with an albedo of the place and an occlusion of the slope."""
    on = view.depth > 0
    albedo = np.where(on[..., None], view.colour[..., :3] // 2 + 60, 0).astype(np.uint8)
    occlusion = np.where(on, 128 + view.normal[..., 2].astype(float) * 100, 0).astype(np.uint8)
    return dataclasses.replace(view, albedo=albedo, occlusion=occlusion)


@pytest.fixture
def whole(ellipsoids, tmp_path):
    """The ellipsoids as a relightable set with grids, in the full form."""
    folder = shutil.copytree(ellipsoids, tmp_path / "whole")
    for place in dataset_index.build_index(ellipsoids).by_name.values():
        file = place.open_object()
        low, high = bounds = file.record.bounds
        grid = (((cell_centers(bounds) - (low + high) / 2) / (high - low) * 2) ** 2).sum(-1) < 1
        views = [relightable_view(file.read_view(index)) for index in range(len(file.record.views))]
        write_object(folder, file.record, dataclasses.replace(file.read_shape(), grid=grid), views)
    return folder


@pytest.fixture
def small(whole, tmp_path):
    run_to_end(copy_compact(whole, tmp_path / "small"))
    return tmp_path / "small"


def files(*folders):
    return [dataset_index.build_index(folder).by_name["egg"].open_object() for folder in folders]


def test_every_direction_comes_back_and_axes_exactly():
    vectors = np.random.default_rng(0).normal(size=(20000, 3))
    vectors = np.concatenate(
        (vectors, np.eye(3), -np.eye(3), [(1, 1, 0), (-1, 0, -1), (0, -1, -1e-9)])
    )
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    back = decode_normals(encode_normals(vectors), np.ones(len(vectors), bool)).astype(float)
    np.testing.assert_allclose(np.linalg.norm(back, axis=1), 1, atol=2e-3)
    cosine = (vectors * back).sum(1) / np.linalg.norm(back, axis=1)
    assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 1.5
    np.testing.assert_array_equal(back[20000:20006], np.concatenate((np.eye(3), -np.eye(3))))
    assert not encode_normals(np.zeros((2, 3))).any()


def test_the_full_form_gives_back_what_was_written(ellipsoids, whole):
    (before, after) = files(ellipsoids, whole)
    bounds = before.record.bounds
    for index in range(len(before.record.views)):
        view = after.read_view(index)
        for name, value in vars(relightable_view(before.read_view(index))).items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(getattr(view, name), value, err_msg=name)
    shape = after.read_shape()
    inside = (((cell_centers(bounds) - bounds.mean(0)) / np.ptp(bounds, axis=0) * 2) ** 2).sum(
        -1
    ) < 1
    np.testing.assert_array_equal(shape.grid, inside)


def test_the_compact_form_keeps_normals_to_a_degree_and_the_rest_nearly_or_exactly(whole, small):
    before, after = files(whole, small)
    assert after.is_compact and after.relightable
    np.testing.assert_array_equal(after.grid(), before.grid())
    for index in range(len(before.record.views)):
        one, other = before.read_view(index), after.read_view(index)
        np.testing.assert_array_equal(other.occlusion, one.occlusion)
        on = one.depth > 0
        cosine = (one.normal[on].astype(float) * other.normal[on]).sum(1)
        assert np.degrees(np.arccos(cosine.clip(-1, 1))).max() < 3 and not other.normal[~on].any()
        assert np.median(cosine) > np.cos(np.radians(1))
        clear = one.colour[..., 3] == 0
        assert not other.albedo[clear].any()
        error = np.mean((one.albedo[~clear].astype(float) - other.albedo[~clear]) ** 2)
        assert 10 * np.log10(255**2 / error) > 35


def test_sets_made_without_have_none(ellipsoids, tmp_path):
    run_to_end(copy_compact(ellipsoids, tmp_path / "small"))
    for file in files(ellipsoids, tmp_path / "small"):
        view = file.read_view(0)
        assert not file.relightable and view.albedo is None and view.occlusion is None
        assert file.grid() is None and file.read_shape().grid is None
        assert not [
            kind for kind in file.parts if "albedo" in kind or "shading" in kind or "grid" in kind
        ]


def test_good_in_all_forms_also_packed_and_shown(whole, small):
    for folder in (whole, small):
        assert run_to_end(validate_dataset(folder)) == []
        run_to_end(pack_shards(folder, 2**20))
        shutil.rmtree(folder / "objects")
        assert run_to_end(validate_dataset(folder)) == []
        (row,) = run_to_end(summarize_dataset(folder, 1)).rows
        assert len(row[1]) == 5 + 4  # views, normals, coordinates, albedo, occlusion


def change_members(path, change):
    """Write the object at ``path`` after ``change`` of its members by kind; sums are right."""
    parts = dict(ObjectFile(path).parts)
    change(parts)
    if "crc.json" in parts:
        sums = {kind: zlib.crc32(data) for kind, data in parts.items()}
        del sums["json"], sums["crc.json"]
        parts["crc.json"] = json.dumps(sums).encode()
    with tarfile.open(path, "w") as archive:
        for kind, data in parts.items():
            info = tarfile.TarInfo(f"{path.stem}.{kind}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def image_file(size, mode, kind="PNG"):
    buffer = io.BytesIO()
    Image.new(mode, size, "white").save(buffer, kind, lossless=True)
    return buffer.getvalue()


def grid_file(array, name="inside"):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{name: array})
    return buffer.getvalue()


WHITE = image_file((64, 64), "RGB")
EMPTY = np.zeros(96**3 // 8, np.uint8)
BAD_ALBEDO = "001.albedo.png is damaged: the image is RGB"
BAD_GRID = "grid.npz is damaged: the arrays are"
# name: form, the member, what it becomes (None: it goes), what is expected
DAMAGES = {
    "an albedo of another size": (
        "whole",
        "001.albedo.png",
        image_file((65, 64), "RGB"),
        BAD_ALBEDO,
    ),
    "an albedo beside the object": ("whole", "001.albedo.png", WHITE, "view 1, albedo: not 0"),
    "an occlusion with colors": ("whole", "000.occlusion.png", WHITE, "occlusion.png is damaged"),
    "an occlusion beside the object": (
        "whole",
        "000.occlusion.png",
        image_file((64, 64), "L"),
        "view 0, occlusion: not 0",
    ),
    "no occlusion": ("whole", "002.occlusion.png", None, "lacks egg.002.occlusion.png"),
    "no albedo in the first view alone": ("whole", "000.albedo.png", None, "does not list"),
    "no shading": ("small", "003.shading.webp", None, "lacks egg.003.shading.webp"),
    "a shading of another size": (
        "small",
        "003.shading.webp",
        image_file((32, 64), "RGB", "WEBP"),
        "003.shading.webp is damaged",
    ),
    "an albedo that is none": ("small", "000.albedo.webp", b"RIFF", "000.albedo.webp is damaged"),
    "a grid of fewer cells": ("whole", "grid.npz", grid_file(EMPTY[: 64**3 // 8]), BAD_GRID),
    "a grid too large": ("small", "grid.npz", grid_file(np.zeros(2**27, np.uint8)), BAD_GRID),
    "a grid of other numbers": (
        "small",
        "grid.npz",
        grid_file(EMPTY.view(np.uint64)),
        "grid.npz is damaged: the bits",
    ),
    "an empty grid": ("whole", "grid.npz", grid_file(EMPTY), "grid.npz: the cells contradict"),
    "a full grid": ("small", "grid.npz", grid_file(~EMPTY), "grid.npz: the cells contradict"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_found(whole, small, name):
    form, kind, data, expected = DAMAGES[name]
    path = (whole if form == "whole" else small) / "objects/egg.tar"

    def change(parts):
        del parts[kind]
        if data is not None:
            parts[kind] = data

    change_members(path, change)
    (problem,) = run_to_end(validate_dataset(path.parents[1]))
    assert problem.path == path and expected in problem.what


def test_a_changed_bit_of_what_has_no_checksum_is_found(small):
    path = small / "objects/egg.tar"
    data = bytearray(path.read_bytes())
    data[data.index(b"VP8L") + 60] ^= 1
    path.write_bytes(data)
    (problem,) = run_to_end(validate_dataset(small))
    assert problem.what == "000.shading.webp is damaged"


def test_no_more_memory_is_taken_than_a_grid_needs():
    data = grid_file(np.zeros(2**28, np.uint8))
    assert len(data) < 2**20
    with pytest.raises(ValueError, match="268435584"):
        decode_grid(data)
    with pytest.raises(zipfile.BadZipFile):
        decode_grid(b"nothing")


def test_what_lies_beside_an_edge_does_not_bleed_into_albedo():
    """A red disk on black stays red up to its edge, though chroma has half the resolution."""
    rows, columns = np.mgrid[:60, :70]
    shown = (rows - 30) ** 2 + (columns - 35) ** 2 < 20**2
    albedo = np.where(shown[..., None], (200, 30, 20), 0).astype(np.uint8)
    back = decode_pixels(encode_albedo(albedo, shown), (70, 60), "RGB")
    assert np.abs(back[shown].astype(int) - (200, 30, 20)).max() <= 6


def test_shading_is_exact():
    rng = np.random.default_rng(0)
    normal = rng.normal(size=(20, 30, 3))
    normal /= np.linalg.norm(normal, axis=2, keepdims=True)
    occlusion = rng.integers(0, 256, (20, 30)).astype(np.uint8)
    back = decode_pixels(encode_shading(normal, occlusion), (30, 20), "RGB")
    np.testing.assert_array_equal(back, np.dstack((encode_normals(normal), occlusion)))


def test_noise_goes_along_a_surface_and_edges_stay(ellipsoids):
    """Noise of single samples goes; of two walls that meet the edge between them stays."""
    view = files(ellipsoids)[0].read_view(0)
    rng = np.random.default_rng(0)
    on = view.depth > 0
    noisy = np.where(on, rng.random(on.shape) < 0.5, 0).astype(np.float32)
    smooth = along_surface(noisy, view, 0.02)
    assert smooth[on].std() < 0.3 * noisy[on].std() and not smooth[~on].any()
    assert smooth[on].mean() == pytest.approx(noisy[on].mean(), abs=0.03)
    upright = (np.arange(64) < 32)[None, :, None]
    walls = np.where(upright, (1, 0, 0), (0, -1, 0)) * np.ones((64, 64, 1))
    split = RenderedView(
        "walls",
        view.camera,
        view.colour,
        np.full((64, 64), 2.0, np.float32),
        walls.astype(np.float16),
    )
    edge = np.repeat(upright[..., 0], 64, axis=0).astype(np.float32)
    np.testing.assert_allclose(along_surface(edge, split, 10.0), edge, atol=1e-4)


def test_reading_a_part_that_is_damaged_says_so(whole):
    path = whole / "objects/egg.tar"
    change_members(path, lambda parts: parts.update({"000.albedo.png": b"no picture"}))
    with pytest.raises(DatasetError, match=r"000\.albedo\.png is damaged"):
        ObjectFile(path).albedo(0)

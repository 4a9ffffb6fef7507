"""Exports are as the documents of their formats say; test_readers.py has others read them."""

import json
from dataclasses import replace

import numpy as np
import pycolmap
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.dataset import exporters, passes
from maquette.core.dataset.exporters import bop, coco, colmap
from maquette.core.dataset.exporters.selection import select_objects
from maquette.core.dataset.object_file import ObjectFile, write_object
from maquette.core.errors import DatasetError, OutputError
from maquette.core.jobs.task import run_to_end
from PIL import Image
from pycocotools.coco import COCO

PINHOLE = (2, 3, 4)  # views of each ellipsoid that are not orthographic


@pytest.fixture(scope="module")
def exported(ellipsoids, tmp_path_factory):
    """Gives the folder of an export of the whole set in a format."""
    folder, done = tmp_path_factory.mktemp("exported"), {}

    def of(name):
        if name not in done:
            done[name] = run_to_end(
                exporters.export_selection(select_objects(ellipsoids), folder / name, name)
            )
        return folder / name

    of.done = done
    return of


def load(path):
    return json.loads(path.read_text())


def object_file(folder, name):
    return ObjectFile(folder / "objects" / f"{name}.tar")


class TestSelection:
    def test_a_split_and_a_limit(self, ellipsoids):
        assert select_objects(ellipsoids).names == ("egg", "lens", "pill", "stone")
        assert select_objects(ellipsoids, "train").names == ("egg", "lens")
        two, three = (set(select_objects(ellipsoids, limit=limit).names) for limit in (2, 3))
        assert len(two) == 2 and len(three) == 3 and two < three

    def test_numbers_are_of_the_whole_set(self, ellipsoids):
        assert [(item.name, item.number) for item in select_objects(ellipsoids, "test")] == [
            ("stone", 4)
        ]

    def test_no_such_object_or_set(self, ellipsoids, tmp_path):
        with pytest.raises(DatasetError, match="no objects in the split 'nope'"):
            select_objects(ellipsoids, "nope")
        with pytest.raises(DatasetError, match="no readable splits"):
            select_objects(tmp_path)


class TestExport:
    @pytest.mark.parametrize("name", exporters.FORMATS)
    def test_counts_and_nothing_left_beside(self, exported, name):
        out = exported(name)
        done = exported.done[name]
        assert (
            done == exporters.Exported(4, 20, 0) if name == "coco" else exporters.Exported(4, 12, 8)
        )
        assert not [path for path in out.rglob("*") if "partial" in path.name]

    @pytest.mark.parametrize(
        ("name", "image"),
        [
            ("nerf", "egg/images/002.png"),
            ("colmap", "egg/images/002.png"),
            ("coco", "images/egg_002.png"),
            ("bop", "train/000001/rgb/000002.png"),
        ],
    )
    def test_what_was_put_behind_is_shown_unless_cut_out(self, set_copy, tmp_path, name, image):
        file = ObjectFile(set_copy / "objects/egg.tar")
        views = [file.read_view(index) for index in range(5)]
        blue = np.broadcast_to(np.array((0, 0, 255, 255), np.uint8), views[0].colour.shape)
        write_object(
            set_copy,
            file.record,
            file.read_shape(),
            [replace(view, surroundings=blue) for view in views],
        )
        images = []
        for cut_out in (False, True):
            out = tmp_path / str(cut_out)
            run_to_end(
                exporters.export_selection(
                    select_objects(set_copy, "train", cut_out=cut_out), out, name
                )
            )
            images.append(np.asarray(Image.open(out / image)))
        whole, cut = images
        assert whole[0, 0].tolist() == [0, 0, 255, 255][: whole.shape[2]] and not cut[0, 0].any()
        on = views[2].colour[..., 3] == 255
        np.testing.assert_array_equal(whole[on], cut[on])

    def test_into_a_folder_in_use_is_refused(self, ellipsoids, set_copy):
        with pytest.raises(OutputError, match="is not empty"):
            run_to_end(exporters.export_selection(select_objects(ellipsoids), set_copy, "nerf"))

    def test_a_folder_that_cannot_be_made(self, ellipsoids, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match=r"could not be written \(Not a directory"):
            run_to_end(
                exporters.export_selection(
                    select_objects(ellipsoids), tmp_path / "file/out", "coco"
                )
            )

    def test_a_damaged_object_is_named(self, set_copy, tmp_path):
        (set_copy / "objects/egg.tar").write_bytes(b"no tar")
        with pytest.raises(DatasetError, match=r"egg\.tar is not a complete object"):
            run_to_end(
                exporters.export_selection(select_objects(set_copy), tmp_path / "out", "nerf")
            )

    @pytest.mark.parametrize("name", ["coco", "bop"])
    def test_a_damaged_image_is_named(self, set_copy, tmp_path, name):
        path = set_copy / "objects/egg.tar"
        data = path.read_bytes()
        path.write_bytes(data.replace(b"\x89PNG", b"\x89PAN"))
        with pytest.raises(DatasetError, match=r"egg\.tar: 00\d\.png is damaged"):
            run_to_end(exporters.export_selection(select_objects(set_copy), tmp_path / "out", name))


class TestNerf:
    def frames(self, exported, name):
        data = load(exported("nerf") / name / "transforms.json")
        shared = {key: value for key, value in data.items() if key != "frames"}
        return [{**shared, **frame} for frame in data["frames"]]

    def test_a_ray_of_the_file_meets_the_surface_at_its_depth(self, ellipsoids, exported):
        file = object_file(ellipsoids, "egg")
        frames = self.frames(exported, "egg")
        assert [frame["file_path"] for frame in frames] == [
            f"images/{index:03d}.png" for index in PINHOLE
        ]
        for index, frame in zip(PINHOLE, frames, strict=True):
            folder = exported("nerf") / "egg"
            depth = (
                np.load(folder / frame["depth_file_path"]) * 1e-3
            )  # nerfstudio's depth_unit_scale_factor
            pixels = np.asarray(Image.open(folder / frame["file_path"]))
            np.testing.assert_array_equal(pixels, file.read_color(index))
            assert depth.shape == (frame["h"], frame["w"]) == pixels.shape[:2]
            row, column = np.argwhere(depth)[40]
            # nerfstudio's rays: through the pixel's center, along -Z
            ray = (
                (column + 0.5 - frame["cx"]) / frame["fl_x"],
                -(row + 0.5 - frame["cy"]) / frame["fl_y"],
                -1,
            )
            pose = np.array(frame["transform_matrix"])
            point = pose[:3, 3] + depth[row, column] * pose[:3, :3] @ ray
            np.testing.assert_allclose(
                point, passes.world_points(file.read_view(index))[row, column], atol=1e-5
            )

    def test_intrinsics_stand_once_or_in_every_frame(self, exported):
        data = load(exported("nerf") / "egg/transforms.json")
        assert {"fl_x", "fl_y", "cy", "w", "h"} <= set(data) and "cx" not in data
        assert all("cx" in frame and "fl_x" not in frame for frame in data["frames"])

    def test_the_field_of_view_is_that_of_a_single_camera(self, ellipsoids, exported, tmp_path):
        from maquette.core.dataset.exporters.nerf import _field_of_view

        assert "camera_angle_x" not in load(exported("nerf") / "egg/transforms.json")
        shared = {"fl_x": 40.0, "fl_y": 40.0, "cx": 32.0, "cy": 24.0, "w": 64, "h": 48}
        angle = _field_of_view(shared)["camera_angle_x"]
        # As the original NeRF reads it: half the width over the tangent of half the angle.
        assert 0.5 * 64 / np.tan(0.5 * angle) == pytest.approx(40, rel=1e-12)
        for name, value in (("fl_y", 41.0), ("cx", 33.0), ("cy", 23.0)):
            assert not _field_of_view({**shared, name: value})
        del shared["fl_x"]
        assert not _field_of_view(shared)

    def test_a_set_of_one_camera_has_its_field_of_view(self, set_copy, tmp_path):
        name = "stone"
        file = object_file(set_copy, name)
        camera = file.record.views[PINHOLE[0]].camera
        intrinsics = camera.intrinsics.copy()
        intrinsics[:2, 2] = camera.width / 2, camera.height / 2
        intrinsics[1, 1] = intrinsics[0, 0]
        camera = replace(camera, intrinsics=intrinsics)
        views = [replace(view, camera=camera) for view in file.record.views]
        rendered = [replace(file.read_view(PINHOLE[0]), camera=camera) for _ in views]
        record = replace(file.record, views=tuple(views))
        write_object(set_copy, record, file.read_shape(), rendered)
        selection = replace(select_objects(set_copy), names=(name,))
        run_to_end(exporters.export_selection(selection, tmp_path / "out", "nerf"))
        data = load(tmp_path / "out" / name / "transforms.json")
        assert data["camera_angle_x"] == pytest.approx(
            2 * np.arctan(data["w"] / 2 / data["fl_x"]), rel=1e-12
        )

    def test_instant_ngp_sees_the_object_in_its_unit_cube(self, ellipsoids, exported):
        data = load(exported("nerf") / "stone/transforms.json")
        surface = object_file(ellipsoids, "stone").read_shape().surface
        scaled = surface * data["scale"] + data["offset"]
        assert scaled.min() > 0 and scaled.max() < 1 and np.ptp(scaled, axis=0).max() > 0.85


class TestColmap:
    def test_pycolmap_projects_points_where_our_camera_does(self, ellipsoids, exported):
        model = pycolmap.Reconstruction(exported("colmap") / "lens/sparse/0")
        file = object_file(ellipsoids, "lens")
        assert model.num_images() == len(PINHOLE)
        surface = file.read_shape().surface.astype(float)
        for image in model.images.values():
            index = int(image.name.removesuffix(".png"))
            expected, depth = file.record.views[index].camera.project(surface)
            local = np.array([image.cam_from_world() * point for point in surface])
            np.testing.assert_allclose(local[:, 2], depth, atol=1e-9)
            np.testing.assert_allclose(
                model.cameras[image.camera_id].img_from_cam(local), expected, atol=1e-6
            )

    def test_tracks_colors_and_images(self, exported):
        model = pycolmap.Reconstruction(exported("colmap") / "lens/sparse/0")
        assert 300 < model.num_points3D() < 600  # 600 sampled, some below that no image shows
        errors, colors = [], []
        for point in model.points3D.values():
            assert point.track.length() >= 1
            for element in point.track.elements:
                image = model.images[element.image_id]
                place = image.points2D[element.point2D_idx]
                assert (
                    place.point3D_id in model.points3D
                    and model.points3D[place.point3D_id] is not None
                )
                errors.append(np.linalg.norm(image.project_point(point.xyz) - place.xy))
                picture = np.asarray(Image.open(exported("colmap") / "lens/images" / image.name))
                column, row = place.xy.astype(int)
                assert picture[row, column, 3] > 127
                colors.append(np.abs(picture[row, column, :3].astype(int) - point.color).max())
        assert max(errors) < 1e-3 and np.median(colors) < 6

    def test_quaternions(self):
        rng = np.random.default_rng(0)
        for _ in range(50):
            turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
            turn *= np.linalg.det(turn)
            w, x, y, z = colmap.quaternion_of_rotation(turn)
            assert w >= 0
            np.testing.assert_allclose(
                pycolmap.Rotation3d(np.array((x, y, z, w))).matrix(), turn, atol=1e-9
            )


class TestCoco:
    @pytest.mark.parametrize(("split", "objects"), [("train", 2), ("validation", 1), ("test", 1)])
    def test_pycocotools_decodes_our_masks(self, ellipsoids, exported, split, objects):
        truth = COCO(str(exported("coco") / f"annotations/instances_{split}.json"))
        assert len(truth.imgs) == len(truth.anns) == 5 * objects
        for annotation in truth.anns.values():
            image = truth.imgs[annotation["image_id"]]
            name, _, index = image["file_name"].removesuffix(".png").rpartition("_")
            file = object_file(ellipsoids, name)
            mask = passes.object_mask(file.read_view(int(index)))
            np.testing.assert_array_equal(truth.annToMask(annotation), mask)
            rows, columns = np.nonzero(mask)
            assert annotation["bbox"] == [
                columns.min(),
                rows.min(),
                np.ptp(columns) + 1,
                np.ptp(rows) + 1,
            ]
            assert annotation["area"] == mask.sum()
            assert truth.cats[annotation["category_id"]]["name"] == file.record.family
            stored = np.asarray(Image.open(exported("coco") / "images" / image["file_name"]))
            np.testing.assert_array_equal(stored, file.read_color(int(index)))

    def test_pycocotools_loads_results_beside_it(self, exported):
        truth = COCO(str(exported("coco") / "annotations/instances_train.json"))
        first = next(iter(truth.anns.values()))
        found = {key: first[key] for key in ("image_id", "category_id", "bbox", "segmentation")}
        assert len(truth.loadRes([{**found, "score": 0.9}]).anns) == 1

    def test_a_name_is_one_category(self, set_copy, tmp_path):
        for name, family in (("egg", "object"), ("lens", "")):
            file = object_file(set_copy, name)
            rendered = [file.read_view(index) for index in range(len(file.record.views))]
            record = replace(file.record, family=family)
            write_object(set_copy, record, file.read_shape(), rendered)
        selection = select_objects(set_copy)
        run_to_end(exporters.export_selection(selection, tmp_path / "out", "coco"))
        data = load(tmp_path / "out/annotations/instances_train.json")
        names = [category["name"] for category in data["categories"]]
        assert names == sorted(set(names))
        assert names.count("object") == 1
        object_id = names.index("object") + 1
        assert {entry["category_id"] for entry in data["annotations"]} == {object_id}

    def test_every_split_has_the_same_categories(self, exported):
        files = [load(path) for path in (exported("coco") / "annotations").iterdir()]
        assert len(files) == 3
        assert all(
            data["categories"] == [{"id": 1, "name": "long"}, {"id": 2, "name": "round"}]
            for data in files
        )
        numbers = [image["id"] for data in files for image in data["images"]]
        assert len(set(numbers)) == len(numbers) == 20

    def test_run_lengths_go_down_the_columns(self):
        assert coco.run_lengths(np.array(((0, 1), (0, 1)), bool)) == [2, 2]
        assert coco.run_lengths(np.array(((1, 0), (1, 1)), bool)) == [0, 2, 1, 1]
        assert coco.run_lengths(np.zeros((2, 2), bool)) == [4]


class TestBop:
    def scene(self, exported, split, number):
        folder = exported("bop") / split / f"{number:06d}"
        return folder, *(
            load(folder / f"scene_{name}.json") for name in ("camera", "gt", "gt_info")
        )

    def model(self, exported, number):
        """Vertices (P, 9) of a .ply, and its entry of models_info.json."""
        header, _, body = (
            (exported("bop") / f"models/obj_{number:06d}.ply").read_text().partition("end_header\n")
        )
        vertices = np.array([line.split() for line in body.splitlines()], float)
        assert f"element vertex {len(vertices)}\n" in header and vertices.shape[1] == header.count(
            "property"
        )
        return vertices, load(exported("bop") / "models/models_info.json")[str(number)]

    @pytest.mark.parametrize(
        ("split", "number"), [("train", 1), ("train", 2), ("val", 3), ("test", 4)]
    )
    def test_as_the_format_document_says(self, exported, split, number):
        folder, cameras, poses, infos = self.scene(exported, split, number)
        assert list(cameras) == list(poses) == list(infos) == [str(index) for index in PINHOLE]
        for key, camera in cameras.items():
            ((pose,), (info,)) = poses[key], infos[key]
            assert len(camera["cam_K"]) == 9 and camera["depth_scale"] > 0
            assert pose["obj_id"] == number
            turn = np.reshape(pose["cam_R_m2c"], (3, 3))
            np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
            assert np.linalg.det(turn) == pytest.approx(1) and len(pose["cam_t_m2c"]) == 3
            rgb = np.asarray(Image.open(folder / f"rgb/{int(key):06d}.png"))
            depth = np.asarray(Image.open(folder / f"depth/{int(key):06d}.png"))
            mask, visible = (
                np.asarray(Image.open(folder / f"{name}/{int(key):06d}_000000.png"))
                for name in ("mask", "mask_visib")
            )
            assert rgb.shape == (64, 64, 3) and rgb.dtype == np.uint8
            assert depth.shape == (64, 64) and depth.dtype == np.uint16
            assert set(np.unique(mask)) == {0, 255} and (mask == visible).all()
            rows, columns = np.nonzero(mask)
            box = [columns.min(), rows.min(), np.ptp(columns), np.ptp(rows)]
            assert info["bbox_obj"] == info["bbox_visib"] == box
            assert info["px_count_all"] == info["px_count_visib"] == len(rows)
            assert (
                info["px_count_valid"] == ((mask > 0) & (depth > 0)).sum()
                and info["visib_fract"] == 1
            )

    def test_models_are_reported_in_millimeters(self, exported):
        vertices, info = self.model(exported, 1)
        assert [info[f"size_{axis}"] for axis in "xyz"] == pytest.approx([600, 800, 1000])
        assert [info[f"min_{axis}"] for axis in "xyz"] == pytest.approx([-300, -400, -500])
        apart = np.linalg.norm(vertices[:, None, :3] - vertices[:, :3], axis=2)
        assert (
            info["diameter"] == pytest.approx(apart.max(), rel=1e-4)
            and 960 < info["diameter"] <= 1000
        )
        np.testing.assert_allclose(np.linalg.norm(vertices[:, 3:6], axis=1), 1, atol=2e-3)

    def test_seen_points_have_their_color(self, exported):
        vertices, _ = self.model(exported, 1)
        expected = vertices[:, :3] / (300, 400, 500) * 100 + 120
        seen = (vertices[:, 6:] != 128).any(1)
        assert 0.5 < seen.mean() <= 1
        assert np.median(np.abs(vertices[:, 6:] - expected).max(1)[seen]) < 5

    def test_a_mesh_is_written_with_its_faces(self, set_copy, tmp_path, bop_toolkit):
        self.with_mesh(set_copy, lambda view: view)
        run_to_end(
            exporters.export_selection(select_objects(set_copy, "train"), tmp_path / "bop", "bop")
        )
        model = bop_toolkit.inout.load_ply(tmp_path / "bop/models/obj_000001.ply")
        vertices, faces = (
            np.hstack((model["pts"], model["normals"], model["colors"])),
            model["faces"].astype(int),
        )
        assert len(faces) == 2 * len(vertices) - 4
        corners = vertices[faces, :3]
        across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert ((across * corners.mean(1)).sum(1) > 0).all()
        outward = vertices[:, :3] / np.array((300, 400, 500)) ** 2
        cosine = (vertices[:, 3:6] * outward).sum(1) / np.linalg.norm(outward, axis=1)
        assert cosine.min() > 0.97
        assert (
            np.median(
                np.abs(vertices[:, 6:] - (vertices[:, :3] / (300, 400, 500) * 100 + 120)).max(1)
            )
            < 12
        )
        info = load(tmp_path / "bop/models/models_info.json")["1"]
        assert 960 < info["diameter"] <= 1000
        assert [info[f"size_{axis}"] for axis in "xyz"] == pytest.approx([600, 800, 1000])

    def test_what_an_occluder_hides_is_in_the_whole_mask(self, set_copy, tmp_path):
        hidden = np.zeros((64, 64, 1), bool)
        hidden[:, :32] = True

        def occluded(view):
            color = np.where(hidden, 0, view.colour).astype(np.uint8)
            depth, normal = (
                np.where(hidden[..., 0], 0, view.depth),
                np.where(hidden, 0, view.normal),
            )
            return replace(
                view,
                colour=color,
                depth=depth,
                normal=normal,
                surroundings=np.full_like(color, 255),
            )

        before = self.with_mesh(set_copy, occluded)
        run_to_end(
            exporters.export_selection(select_objects(set_copy, "train"), tmp_path / "bop", "bop")
        )
        folder = tmp_path / "bop/train/000001"
        for index in PINHOLE:
            true = passes.object_mask(before[index])
            mask, visible = (
                np.asarray(Image.open(folder / f"{name}/{index:06d}_000000.png")) > 0
                for name in ("mask", "mask_visib")
            )
            np.testing.assert_array_equal(visible, true & ~hidden[..., 0])
            assert (mask ^ true).sum() < 0.02 * true.sum()
            (info,) = load(folder / "scene_gt_info.json")[str(index)]
            assert info["px_count_all"] == mask.sum() and info["px_count_visib"] == visible.sum()
            assert (
                info["visib_fract"] == pytest.approx(visible.sum() / mask.sum())
                and 0.2 < info["visib_fract"] < 0.8
            )
            assert info["bbox_obj"][2] > 1.4 * info["bbox_visib"][2]

    def with_mesh(self, folder, change):
        """The egg gets its mesh, a net of 64 by 32, and changed views; returns the views before."""
        file = ObjectFile(folder / "objects/egg.tar")
        around, down = 64, 31
        polar, turn = np.meshgrid(
            np.arange(1, down + 1) / (down + 1) * np.pi, np.arange(around) / around * 2 * np.pi
        )
        rings = np.stack(
            (np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), np.cos(polar)), -1
        )
        vertices = np.concatenate(
            (rings.transpose(1, 0, 2).reshape(-1, 3), ((0, 0, 1), (0, 0, -1)))
        )
        faces = []
        for j in range(around):
            k = (j + 1) % around
            faces += [
                (around * down, j, k),
                (around * down + 1, around * (down - 1) + k, around * (down - 1) + j),
            ]
            for i in range(down - 1):
                a, b, c, d = (
                    around * i + j,
                    around * (i + 1) + j,
                    around * (i + 1) + k,
                    around * i + k,
                )
                faces += [(a, b, c), (a, c, d)]
        half, center = np.ptp(file.record.bounds, axis=0) / 2, file.record.bounds.mean(0)
        mesh = MeshArrays((vertices * half + center).astype(np.float32), np.array(faces, np.int32))
        views = [file.read_view(index) for index in range(5)]
        records = tuple(replace(view, drawn={"occluders": [{}]}) for view in file.record.views)
        record = replace(file.record, views=records)
        write_object(folder, record, file.read_shape(), [change(view) for view in views], mesh)
        return views

    def test_targets_are_of_the_test_split(self, exported):
        targets = load(exported("bop") / "test_targets_bop19.json")
        assert [target["im_id"] for target in targets] == list(PINHOLE)
        assert all((t["scene_id"], t["obj_id"], t["inst_count"]) == (4, 4, 1) for t in targets)

    def test_diameter_of_a_cube(self):
        corners = np.stack(np.meshgrid((0, 1), (0, 1), (0, 1)), axis=-1).reshape(-1, 3)
        assert bop.largest_distance(corners) == pytest.approx(np.sqrt(3))

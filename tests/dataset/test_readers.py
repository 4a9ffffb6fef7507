"""Sets read by the readers of others: they must see the ellipsoids where and as they are."""

import numpy as np
import pytest
import webdataset
from maquette.core.dataset import exporters
from maquette.core.dataset.exporters.selection import select_objects
from maquette.core.dataset.object_file import ObjectFile
from maquette.core.dataset.shards import pack_shards
from maquette.core.jobs.task import run_to_end

pytestmark = pytest.mark.filterwarnings("ignore")  # of theirs
PINHOLE = (2, 3, 4)  # views of each ellipsoid that are not orthographic


def object_file(folder, name):
    return ObjectFile(folder / "objects" / f"{name}.tar")


def half_and_center(record):
    return np.ptp(record.bounds, axis=0) / 2, record.bounds.mean(0)


def painted(points, half):
    """Color (P, 3) of the ellipsoid's points (P, 3) about its center."""
    return ((points / half + 1) * 100 + 20).clip(0, 255)


def met(origins, ways, half):
    """Return which rays (P, 3) hit the ellipsoid about the origin, and where (P, 3) first."""
    start, way = origins / half, ways / half
    a, b, c = (way**2).sum(1), (start * way).sum(1), (start**2).sum(1) - 1
    root = b * b - a * c
    return root > 0, origins + ways * ((-b - np.sqrt(root.clip(0))) / a)[:, None]


@pytest.mark.parametrize("name", ["egg", "lens", "stone"])
@pytest.mark.parametrize(
    "settings",
    [{}, {"orientation_method": "none", "center_method": "none", "auto_scale_poses": False}],
)
def test_the_rays_of_nerfstudio_meet_the_object_where_the_image_shows_it(
    ellipsoids, nerfstudio, tmp_path, name, settings
):
    """By default it turns, moves and scales the scene, and tells by how much."""
    run_to_end(exporters.export_selection(select_objects(ellipsoids), tmp_path / "out", "nerf"))
    data = nerfstudio(tmp_path / "out" / name, **settings)
    half, center = half_and_center(object_file(ellipsoids, name).record)
    outputs, scale = data._dataparser_outputs, data._dataparser_outputs.dataparser_scale
    turn, move = np.split(outputs.dataparser_transform.numpy().astype(float), (3,), axis=1)
    assert len(data) == len(PINHOLE)
    for index in range(len(data)):
        rays = data.cameras.generate_rays(camera_indices=index)
        origins, ways = (
            part.numpy().astype(float).reshape(-1, 3) for part in (rays.origins, rays.directions)
        )
        origins = (origins / scale - move.T) @ turn - center
        ways = ways @ turn
        hit, points = met(origins, ways, half)
        picture = data[index]["image"].numpy().reshape(-1, 4)
        assert (
            hit.sum() > 300 and (hit != (picture[:, 3] > 0.5)).sum() <= 2
        )  # float32 along the outline
        both = hit & (picture[:, 3] > 0.5)
        assert np.abs(picture[both, :3] * 255 - painted(points[both], half)).max() < 3
        metadata = outputs.metadata
        depth = (
            np.load(metadata["depth_filenames"][index]).ravel()
            * metadata["depth_unit_scale_factor"]
        )
        along = (
            depth * rays.metadata["directions_norm"].numpy().ravel()
        )  # from plane depth to that along the ray
        np.testing.assert_allclose(
            (origins + ways * along[:, None])[both], points[both], atol=2e-3 * half.max()
        )


@pytest.fixture(scope="module")
def bop(ellipsoids, tmp_path_factory):
    out = tmp_path_factory.mktemp("bop") / "out"
    run_to_end(exporters.export_selection(select_objects(ellipsoids), out, "bop"))
    return out


class TestBop:
    def test_models_are_as_their_info_says(self, ellipsoids, bop_toolkit, bop):
        infos = bop_toolkit.inout.load_json(bop / "models/models_info.json", keys_to_int=True)
        for number, name in enumerate(("egg", "lens", "pill", "stone"), 1):
            model, info = (
                bop_toolkit.inout.load_ply(bop / f"models/obj_{number:06d}.ply"),
                infos[number],
            )
            half, _ = half_and_center(object_file(ellipsoids, name).record)
            np.testing.assert_allclose(
                np.linalg.norm(model["pts"] / (1000 * half), axis=1), 1, atol=1e-4
            )
            low, size = np.split(np.array(bop_toolkit.misc.calc_3d_bbox(*model["pts"].T)), 2)
            stored_low, stored_size = (
                np.array([info[f"{kind}_{axis}"] for axis in "xyz"]) for kind in ("min", "size")
            )
            np.testing.assert_allclose(stored_size, 2000 * half)
            assert (low >= stored_low - 1e-3).all() and (size > 0.97 * stored_size).all()
            assert info["diameter"] == pytest.approx(
                bop_toolkit.misc.calc_pts_diameter2(model["pts"]), rel=1e-6
            )
            outward = model["pts"] / half**2
            cosine = (model["normals"] * outward).sum(1) / np.linalg.norm(outward, axis=1)
            assert cosine.min() > 0.999
            seen = (model["colors"] != 128).any(1)
            assert (
                np.median(np.abs(model["colors"] - painted(model["pts"] / 1000, half))[seen].max(1))
                < 5
            )

    @pytest.mark.parametrize(
        ("name", "folder"),
        [("egg", "train/000001"), ("pill", "val/000003"), ("stone", "test/000004")],
    )
    def test_the_toolkit_puts_the_model_on_its_image(
        self, ellipsoids, bop_toolkit, bop, name, folder
    ):
        inout, misc, scene = bop_toolkit.inout, bop_toolkit.misc, bop / folder
        file = object_file(ellipsoids, name)
        half, _ = half_and_center(file.record)
        cameras = inout.load_scene_camera(scene / "scene_camera.json")
        truth = inout.load_scene_gt(scene / "scene_gt.json")
        infos = inout.load_json(scene / "scene_gt_info.json", keys_to_int=True)
        assert sorted(cameras) == sorted(truth) == sorted(infos) == list(PINHOLE)
        for index in PINHOLE:
            camera, (pose,), (info,) = cameras[index], truth[index], infos[index]
            model = inout.load_ply(bop / f"models/obj_{pose['obj_id']:06d}.ply")
            picture = inout.load_im(scene / f"rgb/{index:06d}.png")
            mask = inout.load_im(scene / f"mask/{index:06d}_000000.png")
            depth = inout.load_depth(scene / f"depth/{index:06d}.png") * camera["depth_scale"]
            # the toolkit counts whole numbers at the pixels' centers
            rows, columns = np.mgrid[: len(picture), : picture.shape[1]].reshape(2, -1)
            ways = (
                np.stack((columns, rows, np.ones_like(rows)), axis=1)
                @ np.linalg.inv(camera["cam_K"]).T
            )
            turn, move = pose["cam_R_m2c"], pose["cam_t_m2c"].T
            hit, points = met(np.broadcast_to(-move @ turn, ways.shape) / 1000, ways @ turn, half)
            np.testing.assert_array_equal(hit.reshape(mask.shape), mask > 0)
            assert np.abs(picture.reshape(-1, 3)[hit] - painted(points[hit], half)).max() < 3
            local = misc.transform_pts_Rt(1000 * points[hit], turn, move.T)
            np.testing.assert_allclose(
                depth.ravel()[hit], local[:, 2], atol=0.6 * camera["depth_scale"] + 0.01
            )
            distance = misc.depth_im_to_dist_im(depth, camera["cam_K"]).ravel()[hit]
            np.testing.assert_allclose(
                distance, np.linalg.norm(local, axis=1), atol=camera["depth_scale"] + 0.01
            )
            assert (
                info["bbox_obj"] == info["bbox_visib"] == misc.calc_2d_bbox(*np.nonzero(mask)[::-1])
            )
            pixels = misc.project_pts(model["pts"], camera["cam_K"], turn, move.T)
            low, high = (
                np.array(info["bbox_obj"][:2]),
                np.add(info["bbox_obj"][:2], info["bbox_obj"][2:]),
            )
            assert (
                np.abs(pixels.min(0) - low).max() < 1.5 and np.abs(pixels.max(0) - high).max() < 1.5
            )
            world = misc.transform_pts_Rt(
                file.read_shape().surface * 1000.0, camera["cam_R_w2c"], camera["cam_t_w2c"]
            )
            local_surface = (world - move) @ turn / 1000
            np.testing.assert_allclose(np.linalg.norm(local_surface / half, axis=1), 1, atol=1e-5)


def test_webdataset_streams_the_shards(ellipsoids, set_copy):
    shards = sorted(map(str, run_to_end(pack_shards(set_copy, 1 << 26))))
    samples = {
        sample["__key__"]: sample
        for sample in webdataset.WebDataset(shards, shardshuffle=False).decode("rgba8")
    }
    assert sorted(samples) == ["egg", "lens", "pill", "stone"] and len(shards) == 3
    for name, sample in samples.items():
        file, record = object_file(ellipsoids, name), sample["json"]
        half, center = half_and_center(file.record)
        assert record["name"] == name and len(record["views"]) == 5
        surface = sample["shape.npz"]["surface"].astype(float)
        np.testing.assert_allclose(np.linalg.norm((surface - center) / half, axis=1), 1, atol=1e-5)
        for index, view in enumerate(record["views"]):
            picture, arrays = sample[f"{index:03d}.png"], sample[f"{index:03d}.npz"]
            assert picture.dtype == np.uint8 and picture.shape == (view["height"], view["width"], 4)
            rows, columns = np.nonzero(arrays["depth"])
            assert len(rows) > 250 and (picture[rows, columns, 3] == 255).all()
            depth = arrays["depth"][rows, columns].astype(float)[:, None]
            pixels = np.stack((columns + 0.5, rows + 0.5, np.ones_like(rows)), axis=1)
            ways = pixels @ np.linalg.inv(view["intrinsics"]).T
            local = ways * (1, 1, 0) + (0, 0, 1) * depth if view["orthographic"] else ways * depth
            points = (
                np.c_[local, np.ones(len(local))] @ np.linalg.inv(view["world_to_camera_opencv"]).T
            )
            points = points[:, :3] - center
            np.testing.assert_allclose(np.linalg.norm(points / half, axis=1), 1, atol=1e-4)
            assert np.abs(picture[rows, columns, :3] - painted(points, half)).max() < 3
            normal = points / half**2
            cosine = (arrays["normal"][rows, columns] * normal).sum(1) / np.linalg.norm(
                normal, axis=1
            )
            assert cosine.min() > 0.999

"""A whole scene of ellipsoids whose images are known exactly: its passes, checks and exports."""

import json
from dataclasses import replace

import numpy as np
import pycolmap
import pytest
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.dataset import exporters, passes, summary
from maquette.core.dataset.exporters.selection import select_objects
from maquette.core.dataset.object_file import ObjectFile, write_object
from maquette.core.dataset.records import Instance, Record, RenderedView, ViewRecord
from maquette.core.dataset.validation import validate_dataset
from maquette.core.jobs.task import run_to_end
from PIL import Image
from pycocotools.coco import COCO

SIZE = 64
EGG, BALL = np.array((0.3, 0.4, 0.5)), np.array((0.35, 0.35, 0.35))
THINGS = ((1, EGG, (0.0, 0.0, 0.0)), (2, EGG, (1.0, 0.6, 0.1)), (3, BALL, (-0.7, 0.9, -0.1)))
STEP = np.array((0.0, 0.0, 0.3))  # by which the first has moved in the second view


def place(center):
    pose = np.eye(4)
    pose[:3, 3] = center
    return pose


@pytest.fixture(scope="module")
def scene(ellipsoid_view, tmp_path_factory):
    """A set of one whole scene: two eggs, of which the first moves, and a ball behind."""
    folder = tmp_path_factory.mktemp("set") / "scenes"
    views, recorded = [], []
    for number, shift in enumerate((0 * STEP, STEP)):
        eye = np.array((0.5 + number, -5.0, 1.5))
        camera = perspective_camera(look_at(eye, np.array((0.2, 0.4, 0))), 0.6, SIZE)
        each = [
            ellipsoid_view("path", camera, half, center + shift * (i == 1))
            for i, half, center in THINGS
        ]
        nearest = np.argmin([np.where(view.depth > 0, view.depth, np.inf) for view in each], axis=0)

        def pick(kind, each=each, nearest=nearest):
            values = np.stack([getattr(view, kind) for view in each])
            return np.take_along_axis(
                values, nearest.reshape(1, SIZE, SIZE, *[1] * (values.ndim - 3)), 0
            )[0]

        depth = pick("depth")
        index = np.where(depth > 0, nearest + 1, 0).astype(np.uint16)
        flow = np.zeros((SIZE, SIZE, 4), np.float16)
        views.append(
            RenderedView(
                "path", camera, pick("colour"), depth, pick("normal"), index=index, flow=flow
            )
        )
        moved = {1: place(THINGS[0][2] + shift)} if shift.any() else {}
        recorded.append(ViewRecord("path", camera, frame=number + 1, moved=moved))
    instances = tuple(
        Instance(
            i,
            f"thing {i}",
            "ball" if i == 3 else "egg",
            place(center),
            np.stack((-half, half)),
            str(half),
        )
        for i, half, center in THINGS
    )
    bounds = np.array(((-1.05, -0.4, -0.5), (1.3, 1.25, 0.8)))
    record = Record("room", "test", "", bounds, (1.0, 2.0), tuple(recorded), instances)
    write_object(folder, record, None, views)
    (folder / "splits.json").write_text(json.dumps({"room": "test"}))
    (folder / "dataset.json").write_text(json.dumps({"version": 1}))
    return folder


def room(folder):
    return ObjectFile(folder / "objects/room.tar")


@pytest.fixture(scope="module")
def export(scene, tmp_path_factory):
    def of(name):
        out = tmp_path_factory.mktemp("out") / name
        run_to_end(exporters.export_selection(select_objects(scene), out, name))
        return out

    return of


def test_the_file_keeps_all(scene):
    file = room(scene)
    assert not file.has_ground_truth and [view.frame for view in file.record.views] == [1, 2]
    assert [one.name for one in file.record.instances] == ["thing 1", "thing 2", "thing 3"]
    np.testing.assert_array_equal(file.record.instances_in(1)[0].to_world[:3, 3], STEP)
    np.testing.assert_array_equal(
        file.record.instances_in(1)[1].to_world, file.record.instances[1].to_world
    )
    view = file.read_view(1)
    assert (view.index.dtype, view.flow.dtype, view.flow.shape) == (
        np.uint16,
        np.float16,
        (SIZE, SIZE, 4),
    )


@pytest.mark.parametrize("number", [0, 1])
def test_coordinates_and_classes(scene, number):
    file = room(scene)
    view, instances = file.read_view(number), file.record.instances_in(number)
    coordinates = passes.instance_coordinates(view, instances)
    for one, (_, half, _) in zip(instances, THINGS, strict=True):
        on = view.index == one.index
        assert on.sum() > 50
        local = (coordinates[on] - 0.5) * 2 * half.max()
        np.testing.assert_allclose(np.linalg.norm(local / half, axis=1), 1, atol=1e-4)
    assert (coordinates[view.index == 0] == 0).all()
    classes = passes.semantic_map(view, instances, ["ball", "egg"])
    np.testing.assert_array_equal(classes, np.array((0, 2, 2, 1))[view.index])


def test_a_whole_scene_is_good_and_its_families_are_counted(scene):
    assert run_to_end(validate_dataset(scene)) == []
    found = run_to_end(summary.summarize_dataset(scene, 1))
    assert found.families == {"egg": 2, "ball": 1} and found.problems == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda record, view: (record, replace(view, index=view.index + (view.index > 0))),
            "refers to no instance",
        ),
        (
            lambda record, view: (record, replace(view, index=np.uint16(view.index == 3) * 2)),
            "thing 2 is shown outside its bounds",
        ),
        (
            lambda record, view: (record, replace(view, index=np.ones_like(view.index))),
            "index: not 0 everywhere that depth is 0",
        ),
        (
            lambda record, view: (record, replace(view, index=view.index.astype(np.int32))),
            "int32, not uint16",
        ),
        (
            lambda record, view: (record, replace(view, flow=view.flow + np.float16(1))),
            "flow: not 0 everywhere that depth is 0",
        ),
        (
            lambda record, view: (
                replace(record, instances=(replace(record.instances[0], to_world=2 * np.eye(4)),)),
                view,
            ),
            "not rigid",
        ),
    ],
)
def test_what_is_wrong_with_a_scene_is_reported(scene, tmp_path, change, expected):
    file = room(scene)
    record, view = change(replace(file.record, views=file.record.views[:1]), file.read_view(0))
    write_object(tmp_path, record, None, [view])
    problems = {
        problem.path.name: problem.what for problem in run_to_end(validate_dataset(tmp_path))
    }
    assert expected in problems["room.tar"]


def test_coco_has_each_instance_with_its_family(scene, export):
    truth = COCO(str(export("coco") / "annotations/instances_test.json"))
    assert [category["name"] for category in truth.cats.values()] == ["ball", "egg"]
    file = room(scene)
    for image in truth.imgs.values():
        view = file.read_view(int(image["file_name"].removesuffix(".png").rpartition("_")[2]))
        found = truth.loadAnns(truth.getAnnIds(image["id"]))
        assert len(found) == 3
        decoded = np.zeros((SIZE, SIZE), np.uint16)
        for annotation, one in zip(found, file.record.instances, strict=True):
            assert truth.cats[annotation["category_id"]]["name"] == one.family
            decoded += np.uint16(one.index) * truth.annToMask(annotation)
        np.testing.assert_array_equal(decoded, view.index)


def test_bop_poses_put_each_model_on_its_mask(scene, export, bop_toolkit):
    out = export("bop")
    folder = out / "test/000001"
    inout = bop_toolkit.inout
    cameras, poses = (
        inout.load_scene_camera(folder / "scene_camera.json"),
        inout.load_scene_gt(folder / "scene_gt.json"),
    )
    infos, models = (
        inout.load_json(out / path, True)
        for path in (folder / "scene_gt_info.json", "models/models_info.json")
    )
    file = room(scene)
    assert sorted(models) == [2, 3] and not (folder / "mask").exists()
    for key, camera in cameras.items():
        view = file.read_view(key)
        assert [pose["obj_id"] for pose in poses[key]] == [2, 2, 3]  # copies are one object
        for number, (pose, info, one) in enumerate(
            zip(poses[key], infos[key], THINGS, strict=True)
        ):
            mask = np.asarray(Image.open(folder / f"mask_visib/{key:06d}_{number:06d}.png")) > 0
            np.testing.assert_array_equal(mask, view.index == number + 1)
            assert info["px_count_visib"] == mask.sum()
            depth = np.asarray(Image.open(folder / f"depth/{key:06d}.png")) * camera["depth_scale"]
            rows, columns = np.nonzero(mask)
            pixels = np.stack((columns, rows, np.ones_like(rows)), axis=1)
            local = pixels @ np.linalg.inv(camera["cam_K"]).T * depth[rows, columns, None]
            points = (local - pose["cam_t_m2c"].T) @ pose["cam_R_m2c"]
            np.testing.assert_allclose(
                np.linalg.norm(points / (1000 * one[1]), axis=1), 1, atol=2e-3
            )
    for number, half in ((2, EGG), (3, BALL)):
        vertices = inout.load_ply(out / f"models/obj_{number:06d}.ply")["pts"]
        np.testing.assert_allclose(np.linalg.norm(vertices / (1000 * half), axis=1), 1, atol=2e-3)
        assert models[number]["size_y"] == pytest.approx(2000 * half[1])
    targets = json.loads((out / "test_targets_bop19.json").read_text())
    assert [(t["im_id"], t["obj_id"], t["inst_count"]) for t in targets] == [
        (0, 2, 2),
        (0, 3, 1),
        (1, 2, 2),
        (1, 3, 1),
    ]


def test_colmap_has_points_that_the_images_show(export):
    model = pycolmap.Reconstruction(export("colmap") / "room/sparse/0")
    assert model.num_images() == 2 and model.num_points3D() > 500
    errors = []
    for point in model.points3D.values():
        for element in point.track.elements:
            image = model.images[element.image_id]
            errors.append(
                np.linalg.norm(
                    image.project_point(point.xyz) - image.points2D[element.point2D_idx].xy
                )
            )
    assert max(errors) < 1e-3


def test_nerf_has_all_views(export):
    data = json.loads((export("nerf") / "room/transforms.json").read_text())
    assert len(data["frames"]) == 2


def test_training_on_objects_leaves_scenes_out(scene):
    from maquette.core.dataset.index import ObjectLocation
    from maquette.core.model.training.objects import load_object

    assert load_object(ObjectLocation(scene / "objects/room.tar")) is None

import numpy as np
from maquette.core.photogrammetry.dense.outputs import write_cloud, write_voxels
from maquette.core.photogrammetry.dense.records import DenseCloud, VoxelGrid


def test_the_cloud_is_read_by_blender(tmp_path):
    import bpy

    bpy.ops.wm.read_factory_settings(use_empty=True)
    points = np.array(((0, 0, 0), (1, 0, 0.5), (0.25, -1, 1)), np.float32)
    normals = np.array(((0, 0, 1), (1, 0, 0), (0, -1, 0)), np.float32)
    colors = np.array(((1, 0, 0), (0, 1, 0), (0.2, 0.4, 0.6)), np.float32)
    cloud = DenseCloud(points, normals, colors, np.array((3, 4, 7), np.int32))
    path = tmp_path / "cloud.ply"
    write_cloud(path, cloud, 2.0)

    bpy.ops.wm.ply_import(filepath=str(path), import_attributes=True)
    mesh = bpy.context.active_object.data
    read = np.array([vertex.co for vertex in mesh.vertices])
    assert np.allclose(read, points * 2)
    counts = [round(value.value) for value in mesh.attributes["view_count"].data]
    assert counts == [3, 4, 7]
    first = mesh.color_attributes[0].data[2].color_srgb
    assert np.allclose(first[:3], colors[2], atol=0.01)


def test_voxels_are_in_meters(tmp_path):
    values = np.full((4, 5, 6), -0.1, np.float32)
    values[1:3, 1:3, 1:3] = 0.05
    path = tmp_path / "voxels.npz"
    write_voxels(path, VoxelGrid(values, np.array((-1.0, 0, 2)), 0.1), 0.5)
    stored = np.load(path)
    assert stored["occupancy"].shape == (4, 5, 6) and stored["occupancy"].sum() == 8
    assert np.allclose(stored["origin"], (-0.5, 0, 1)) and stored["spacing"] == 0.05
    assert np.allclose(stored["distance"][1, 1, 1], 0.025, atol=1e-4)

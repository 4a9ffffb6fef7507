import numpy as np
from maquette.core.arrays import MeshArrays
from maquette.core.geometry.shaded_picture import shaded_picture


def box(size):
    corners = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32)
    faces = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return MeshArrays(corners * np.array(size, np.float32), np.array(faces, np.int32))


def test_a_cube_is_wholly_within_the_picture_and_lit_from_above():
    image = shaded_picture(box((3.0, 3.0, 3.0)), 48)
    shown = image[..., 3] == 1
    assert shown[24, 24]
    edges = np.concatenate((shown[0], shown[-1], shown[:, 0], shown[:, -1]))
    assert not edges.any() and shown.any(axis=1).sum() > 36
    rows, columns = np.nonzero(shown)
    top = image[rows.min() + 4, columns[rows == rows.min()][0], :3]
    assert (image[..., :3] <= 1).all() and top.mean() > 0.5


def test_what_is_not_shown_is_transparent():
    image = shaded_picture(box((1.0, 0.1, 0.1)), 32)
    assert 0 < (image[..., 3] == 1).mean() < 0.3
    assert (image[image[..., 3] == 0] == 0)[:, 3].all()

"""Files with coordinates of a map, moved to the origin without loss."""

import os

import numpy as np


def test_an_obj_is_centered_to_the_digits_of_its_text(tmp_path):
    from maquette.core.scene.importing import far_files

    path = tmp_path / "map.obj"
    path.write_text(
        "mtllib sub/a b.mtl\n\nv 449995.001 10 -5399997.002 1 0 0\n"
        "v 450005.001 14 -5400003.002\nvt 0 0\nf 1 2\n"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    copy, offset = far_files.recentered_obj(path, scratch)
    np.testing.assert_allclose(offset, (450000.001, 5400000.002, 12), rtol=1e-15)
    library, _, first, second, *rest = copy.read_text().splitlines()
    corner = np.array([float(word) for word in first.split()[1:4]])
    np.testing.assert_allclose(corner, (-5, -2, 3), atol=1e-9)
    assert first.split()[4:] == ["1", "0", "0"] and len(second.split()) == 4
    assert rest == ["vt 0 0", "f 1 2"]
    found = os.path.normpath(scratch / library.removeprefix("mtllib "))
    assert found == str(tmp_path / "sub/a b.mtl")

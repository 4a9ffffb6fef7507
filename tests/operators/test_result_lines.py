"""What the status bar tells at the end: how good a result is, not its numbers."""

import re

import numpy as np
import pytest
from maquette.core.arrays import MeshArrays, SourceView
from maquette.core.cameras import look_at, perspective_camera

CAMERA = perspective_camera(look_at(np.array((0, -3, 0)), np.zeros(3)), 0.8, 4)
FACES = np.zeros((1234, 4), np.int32)


def mesh_of(*silhouettes):
    views = tuple(SourceView(np.zeros(1, np.uint8), CAMERA, pair) for pair in silhouettes)
    return MeshArrays(np.zeros((4, 3), np.float32), FACES, views=views)


@pytest.mark.parametrize(
    "silhouettes, line, summary",
    [
        ([], "1,234 faces", ""),
        ([(0.9, 0.976)], "silhouette matches 98% (1,234 faces)", "0.976 (IoU; before"),
        ([(0.9, 0.9)], "silhouette matches 90% (1,234 faces)", ", silhouettes 0.900 (IoU)"),
        (
            [(0.9, 0.93), (0.9, 0.98)],
            "silhouettes match 93% to 98% (1,234 faces)",
            "0.930, 0.980 (IoU; before the fit 0.900, 0.900)",
        ),
        ([(0.9, 0.98), (0.9, 0.98)], "silhouettes match 98% (1,234 faces)", "0.980, 0.980"),
    ],
)
def test_of_a_reconstruction(addon, silhouettes, line, summary):
    from maquette.operators import _results

    mesh = mesh_of(*silhouettes)
    assert _results.result_line(mesh) == line
    assert summary in _results.mesh_summary(mesh)  # of the command line


def test_of_finish_are_the_facts_that_are_no_details(addon):
    from maquette.operators import finish

    details = [finish.Fact("closed, manifold, outward", True), finish.Fact("size +0.1%", True)]
    report = [finish.Fact("998 quads"), *details, finish.Fact("not kept: 2 shape keys")]
    assert finish.result_line(report) == "998 quads, not kept: 2 shape keys"
    assert finish.fact_texts(report)[1:3] == ["closed, manifold, outward", "size +0.1%"]


def test_a_reconstruction_without_a_fit_knows_its_silhouette(addon, weights, pictures, capfd):
    import bpy

    path = str(pictures / "front.png")
    assert bpy.ops.maquette.reconstruct(filepath=path, resolution=32, weights=str(weights)) == {
        'FINISHED'
    }
    line = capfd.readouterr().out
    assert re.search(r"front: silhouette matches [89]\d% \([\d,]+ faces\)\n", line), line

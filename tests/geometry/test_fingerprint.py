"""Copies of a shape are found however they were moved; different objects are not copies."""

import numpy as np
import pytest
from maquette.core.arrays import MeshArrays
from maquette.core.dataset.splits import check_no_leak, group_duplicates
from maquette.core.errors import DatasetError
from maquette.core.geometry.fingerprint import shape_fingerprint
from maquette.core.procedural import FAMILIES, make_object


def whole(family, seed):
    """Vertices and triangles of a procedural object."""
    vertices, triangles = [], []
    for part in make_object(family, seed).parts:
        triangles.append(part.mesh.to_triangles() + sum(map(len, vertices)))
        vertices.append(part.mesh.vertices)
    return np.concatenate(vertices), np.concatenate(triangles)


def moved(vertices, rng, mirrored):
    """``vertices`` rotated by any angle, scaled, moved and, if asked for, mirrored."""
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turn *= np.linalg.det(turn) * (-1 if mirrored else 1)
    return (vertices @ turn.T * rng.uniform(0.01, 30) + rng.normal(size=3)).astype(np.float32)


def cut(vertices, triangles, rng):
    """The same surface of three times as many triangles, in another order."""
    middles = len(vertices) + np.arange(len(triangles))
    parts = [
        np.stack((triangles[:, a], triangles[:, b], middles), axis=1)
        for a, b in ((0, 1), (1, 2), (2, 0))
    ]
    return np.concatenate((vertices, vertices[triangles].mean(1))), rng.permutation(
        np.concatenate(parts)
    )


@pytest.fixture(scope="module")
def things():
    """Two objects of every family, by name."""
    return {
        f"{family}_{seed}": whole(family, seed) for family in sorted(FAMILIES) for seed in (1, 2)
    }


def test_copies_are_found_and_others_are_not_thrown_together(things):
    rng = np.random.default_rng(0)
    prints = {name: shape_fingerprint(MeshArrays(*mesh)) for name, mesh in things.items()}
    assert all(len(group) == 1 for group in group_duplicates(prints))
    copies = {}
    for i, name in enumerate(name for name in things if name.endswith("_2")):
        vertices, triangles = things[name]
        copy = moved(vertices, rng, mirrored=i % 2), triangles
        copies[f"{name} copy"] = shape_fingerprint(
            MeshArrays(*(cut(*copy, rng) if i % 3 else copy))
        )
    found = group_duplicates({**prints, **copies})
    expected = [
        [name, f"{name} copy"] if f"{name} copy" in copies else [name] for name in sorted(things)
    ]
    assert found == expected and len(copies) == len(FAMILIES)
    splits = {
        **dict.fromkeys(prints, "train"),
        **dict.fromkeys(copies, "train"),
        "chair_2 copy": "test",
    }
    with pytest.raises(
        DatasetError, match=r"chair_2 \(train\) and chair_2 copy \(test\) are copies of one shape"
    ):
        check_no_leak(splits, {**prints, **copies})


def test_a_copy_written_with_four_digits_is_found(things):
    vertices, triangles = things["teapot_1"]
    rounded = np.round(vertices + 50, 4).astype(np.float32)
    prints = [
        shape_fingerprint(MeshArrays(*mesh)) for mesh in (things["teapot_1"], (rounded, triangles))
    ]
    np.testing.assert_allclose(*prints, atol=5e-4)
    assert len(group_duplicates(dict(zip("ab", prints, strict=True)))) == 1


def test_numbers_of_a_square_and_of_nothing():
    """Of a square of side 1 the mean of x^2 is 1/12, of x^4 1/80, and of x^2 y^2 1/144."""
    corners = np.float32(((0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)))
    found = shape_fingerprint(MeshArrays(corners, np.int32(((0, 1, 2, 3),))))
    side = 6**0.5  # in root mean square distances
    along, across = side**4 / 80, side**4 / 144
    both = (along + across) ** 0.5
    fourth = (2 * along**2 + 6 * across**2) ** 0.5
    expected = (0, 0.5**0.5, 0.5**0.5, side, 3**0.5, 0, 0, 0, both, both, fourth)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert (
        shape_fingerprint(MeshArrays(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int32)))
        == (0.0,) * 11
    )

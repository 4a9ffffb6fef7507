import numpy as np
import pytest
from maquette.core.arrays import MeshArrays, View
from maquette.core.cameras import look_at, perspective_camera
from maquette.core.errors import ImageError, MeshError
from maquette.core.geometry.surface_nets import surface_nets
from maquette.core.jobs.task import run_to_end
from maquette.core.model.inference.meaning import part_labels
from maquette.core.model.inference.meaning.semantics import ImageMeaning

NAMES = ("body", "lid")


def ball():
    """A ball of radius 0.4 about the origin, as triangles."""
    line = (np.arange(24) + 0.5) / 24 - 0.5
    x, y, z = np.meshgrid(line, line, line, indexing="ij")
    cells = 0.4 - np.sqrt(x**2 + y**2 + z**2)
    mesh = surface_nets(cells, 0.0, spacing=1 / 24)
    center = (mesh.vertices.min(0) + mesh.vertices.max(0)) / 2
    return MeshArrays(mesh.vertices - center, mesh.to_triangles())


def front_view():
    """What a camera in front of it sees of the ball."""
    camera = perspective_camera(look_at(np.array((0, -3.0, 0)), np.zeros(3)), 0.4, 96)
    pixels, _ = camera.project(np.array(((0.4, 0, 0), (0, 0, 0))))
    radius = np.linalg.norm(pixels[0] - pixels[1])
    rows, columns = np.mgrid[0:96, 0:96] + 0.5
    image = np.full((96, 96, 4), 0.5, np.float32)
    image[..., 3] = np.hypot(rows - 48, columns - 48) < radius
    return View(image, camera)


def meaning_of(upper, lower, is_known=True):
    """The upper half shows one group, the lower one another, with a probability of 0.8."""
    parts = np.full((64, 64, 3), 0.1, np.float32)
    parts[:32, :, 1 + upper] = 0.8
    parts[32:, :, 1 + lower] = 0.8
    families = [("jar", 0.9), ("other", 0.1)]
    return ImageMeaning(families, is_known, {}, NAMES, parts, np.zeros(4, np.float32))


@pytest.fixture
def seen(monkeypatch):
    """The parts of a ball whose image shows a lid above and a body below."""

    def label(**options):
        meaning = meaning_of(1, 0, **options)
        monkeypatch.setattr(part_labels, "describe_image", lambda *_: meaning)
        return run_to_end(part_labels.label_surface(ball(), [front_view()]))

    return label


def heights():
    mesh = ball()
    return mesh.vertices[mesh.faces].mean(1)


def test_faces_have_the_part_of_the_pixel_that_shows_them_and_the_back_continues_it(seen):
    parts = seen()
    centers = heights()
    is_upper = centers[:, 2] > 0.06
    is_lower = centers[:, 2] < -0.06
    is_back = centers[:, 1] > 0.1
    assert (parts.groups[is_upper & ~is_back] == 1).all()
    assert (parts.groups[is_lower & ~is_back] == 0).all()
    assert (parts.groups[is_upper & is_back] == 1).mean() > 0.9
    assert (parts.groups[is_lower & is_back] == 0).mean() > 0.9
    assert parts.names == NAMES and parts.family == "jar"
    assert 0.3 < parts.seen_share < 0.5


@pytest.mark.parametrize(("is_known", "expected"), [(True, 0), (False, part_labels.UNKNOWN)])
def test_an_unsure_part_of_an_unknown_object_has_no_name(monkeypatch, is_known, expected):
    names = ("body", "lid", "handle")
    parts = np.zeros((64, 64, 4), np.float32)
    parts[..., 1:] = (0.4, 0.3, 0.3)
    vector = np.zeros(4, np.float32)
    meaning = ImageMeaning([("other", 1.0)], is_known, {}, names, parts, vector)
    monkeypatch.setattr(part_labels, "describe_image", lambda *_: meaning)
    labeled = run_to_end(part_labels.label_surface(ball(), [front_view()]))
    assert set(labeled.groups.tolist()) == {expected}


def test_no_image_and_no_face_are_told():
    with pytest.raises(ImageError, match="no image"):
        run_to_end(part_labels.label_surface(ball(), []))
    empty = MeshArrays(np.zeros((3, 3), np.float32), np.zeros((0, 3), np.int32))
    with pytest.raises(MeshError, match="no faces"):
        run_to_end(part_labels.label_surface(empty, [front_view()]))


def strip(count):
    """A row of triangles, each beside the next one."""
    first = np.arange(count)
    return np.stack((first, first + 1, first + 2), axis=1)


def test_neighbors_share_an_edge():
    pairs = part_labels.neighbor_pairs(strip(3))
    assert sorted(map(tuple, pairs.tolist())) == [(0, 1), (1, 0), (1, 2), (2, 1)]


def test_islands_take_the_group_of_their_surroundings_and_pieces_stay():
    groups = np.array([0] * 100 + [1] + [0] * 99 + [2])
    pairs = part_labels.neighbor_pairs(strip(200))  # the last face is a piece of its own
    result = part_labels.without_islands(groups, np.ones(201), pairs)
    assert result.tolist() == [0] * 200 + [2]
    halves = np.array([0] * 100 + [1] * 101)
    assert (part_labels.without_islands(halves, np.ones(201), pairs) == halves).all()


def test_evidence_spreads_from_the_nearest_seen_face():
    evidence = np.zeros((11, 2))
    evidence[0] = (3.0, 0.0)
    evidence[9] = (0.0, 0.1)
    values = part_labels.spread_over_surface(evidence, part_labels.neighbor_pairs(strip(10)))
    assert values[:5].argmax(1).tolist() == [0] * 5
    assert values[5:10].argmax(1).tolist() == [1] * 5
    assert values[10].tolist() == [0.5, 0.5]  # nothing borders on it
    assert np.allclose(values.sum(1), 1)


def test_a_family_has_the_groups_of_its_generator():
    assert {"seat", "leg", "back"} <= part_labels.family_groups("chair")
    assert "wheel" not in part_labels.family_groups("chair")

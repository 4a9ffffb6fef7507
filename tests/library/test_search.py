from pathlib import Path

import numpy as np
import pytest
from maquette.core.errors import LibraryError
from maquette.core.library import search
from maquette.core.library.search import Query, best_rows, find_matches, score_assets
from maquette.core.library.views import turn_to_front, view_directions

PATH = Path("index.npz")


def test_the_score_is_the_best_view_and_a_share_of_the_mean():
    vectors = np.array((((1, 0), (0, 1)), ((0.6, 0.8), (0.6, 0.8))), np.float32)
    query = Query(np.array(((1, 0),), np.float32), "test 1")
    scores, views = score_assets(vectors, query)
    np.testing.assert_allclose(scores, ((1 + 0.3 * 0.5) / 1.3, 0.6), rtol=1e-6)
    assert views[0] == 0


def test_half_precision_finds_what_a_loop_finds(unit_vectors):
    vectors = unit_vectors(50, 12, 16)
    queries = unit_vectors(5, 16)
    for query in queries:
        scores, views = score_assets(vectors.astype(np.float16), Query(query[None], "test 1"))
        for row, asset in enumerate(vectors):
            cosines = [float(view @ query) for view in asset]
            expected = (max(cosines) + 0.3 * np.mean(cosines)) / 1.3
            assert scores[row] == pytest.approx(expected, abs=2e-3)
        assert views[3] == (vectors[3] @ query).argmax()


def test_parts_give_what_one_product_gives(unit_vectors, monkeypatch):
    vectors = unit_vectors(23, 3, 8)
    query = Query(unit_vectors(1, 8), "test 1")
    whole, views = score_assets(vectors, query)
    monkeypatch.setattr(search, "_CHUNK", 5)
    in_parts, part_views = score_assets(vectors, query)
    np.testing.assert_allclose(in_parts, whole, rtol=1e-6)
    np.testing.assert_array_equal(part_views, views)


def test_a_mesh_is_compared_view_to_view():
    """Views that neither has like the other lower the score on both sides."""
    vectors = np.array((((1, 0), (0, 1)), ((1, 0), (1, 0))), np.float32)
    both = Query(np.eye(2, dtype=np.float32), "test 1", is_mesh=True)
    scores, _ = score_assets(vectors, both)
    np.testing.assert_allclose(scores, (1.0, (1.0 + 0.5) / 2), rtol=1e-6)


def test_the_best_come_first_from_several_indexes(make_index, unit_vectors):
    first = make_index(unit_vectors(6, 4, 8))
    second = make_index(-first.vectors, root="/other")
    query = Query(first.vectors[4, 2][None].astype(np.float32), "test 1")
    matches = find_matches([(PATH, second), (PATH, first)], query, 3)
    assert len(matches) == 3
    assert matches[0].entry.asset.name == "e"
    assert matches[0].file == Path("/library/e.glb")
    assert matches[0].view == 2
    assert matches[0].turn == turn_to_front(first.directions[2])
    assert matches[0].score > matches[1].score >= matches[2].score


def test_a_scene_that_was_not_saved_has_no_file(make_index, unit_vectors):
    from dataclasses import replace

    index = make_index(unit_vectors(1, 4, 8), root="")
    entry = replace(index.entries[0], path="")
    assert index.file_of(entry) is None


def test_an_index_of_another_model_is_refused(make_index, unit_vectors):
    index = make_index(unit_vectors(2, 4, 8), embedding="old 7")
    with pytest.raises(LibraryError, match=r"another model \(old 7, now test 1\)"):
        find_matches([(PATH, index)], Query(unit_vectors(1, 8), "test 1"), 3)


def test_an_empty_index_has_no_matches(make_index, unit_vectors):
    index = make_index(np.zeros((0, 4, 8)))
    assert find_matches([(PATH, index)], Query(unit_vectors(1, 8), "test 1"), 3) == []


def test_best_rows_are_sorted_and_at_most_all():
    scores = np.array((0.2, 0.9, 0.5))
    assert best_rows(scores, 2) == [1, 2]
    assert best_rows(scores, 9) == [1, 2, 0]


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_turned_copy_of_a_mesh_is_turned_back(make_index, unit_vectors, quarters):
    """The side of the mesh that is at its front is at that many quarters to the right of it."""
    from dataclasses import replace

    mesh = unit_vectors(12, 16)
    asset = mesh.copy()
    asset[:4] = np.roll(mesh[:4], quarters, axis=0)
    index = replace(make_index(asset[None]), directions=view_directions())
    (match,) = find_matches([(PATH, index)], Query(mesh, "test 1", is_mesh=True), 1)
    assert np.cos(match.turn + quarters * np.pi / 2) == pytest.approx(1)

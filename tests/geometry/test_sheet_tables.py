import numpy as np
from maquette.core.geometry.sheet_tables import EDGES, cuts_twice_table, sheet_table

SHEETS, COUNTS = sheet_table()


def corners_inside(code):
    return [bool(code >> corner & 1) for corner in range(8)]


def test_an_edge_has_a_sheet_if_its_ends_differ():
    for code in range(256):
        inside = corners_inside(code)
        differ = [inside[start] != inside[end] for _, start, end in EDGES]
        np.testing.assert_array_equal(SHEETS[code] >= 0, differ)


def test_sheets_are_numbered_from_zero():
    for code in range(256):
        assert sorted(set(SHEETS[code].tolist()) - {-1}) == list(range(COUNTS[code]))


def test_one_corner_has_one_sheet_and_two_opposite_ones_have_two():
    assert COUNTS[0] == COUNTS[255] == 0
    assert COUNTS[1] == 1 and COUNTS[1 | 1 << 7] == 2 and COUNTS[1 | 1 << 3] == 2


def test_a_face_is_cut_twice_only_where_its_corners_alternate():
    table = cuts_twice_table()
    for code in range(256):
        inside = corners_inside(code)
        for face in range(6):
            axis, end = divmod(face, 2)
            corners = [c for c in range(8) if c >> axis & 1 == end]
            a, b, c, d = (inside[corner] for corner in corners)
            if table[code, face]:
                assert a == d and b == c and a != b
    assert table.any()

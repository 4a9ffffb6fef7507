"""Arrays are as numpy reads them; what they claim is checked before memory is taken."""

import io
import tracemalloc
import zipfile

import numpy as np
import pytest
from maquette.core.dataset.reading import limits
from maquette.core.dataset.reading.arrays import read_npz, require_plausible_compression


def pack(save=np.savez_compressed, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def claim(shape, content=b"", descr="<f4"):
    """Return an .npz file whose array x claims ``shape``, with ``content`` behind the claim."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": descr, "fortran_order": False, "shape": shape}
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header.getvalue() + content)
    return buffer.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_are_as_numpy_reads_them(save):
    rng = np.random.default_rng(0)
    arrays = {
        "large": rng.random((400, 500, 3)),  # more than is read at once
        "half": rng.random((4, 5)).astype(np.float16),
        "turned": np.asfortranarray(rng.integers(0, 9, (3, 4))),
        "flags": rng.random(7) > 0.5,
        "number": np.array(3.5),
        "swapped": np.arange(5, dtype=">i2"),
        "empty": np.zeros((0, 3), np.float32),
    }
    data = pack(save, **arrays)
    read = read_npz(data, 2**24)
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)
        assert read[name].flags.writeable
    assert list(read_npz(io.BytesIO(data), 2**24, ("half", "none"))) == ["half"]


@pytest.mark.parametrize(
    ("shape", "descr"),
    [((10**6, 10**6), "<f4"), ((2**62, 4), "<f4"), ((3,), "<f4"), ((-1,), "<f4")],
)
def test_a_shape_that_the_bytes_are_not_is_refused(shape, descr):
    with pytest.raises(ValueError, match=r"declares the shape|has the shape"):
        read_npz(claim(shape, bytes(16), descr), 2**20)


@pytest.mark.parametrize("descr", ["|O", "<U3", "<c8", "<M8[s]", [("a", "<f4")]])
def test_arrays_of_other_types_are_refused(descr):
    with pytest.raises(ValueError, match="is of the type"):
        read_npz(claim((1,), bytes(64), descr), 2**20)


def test_arrays_larger_than_allowed_are_refused_before_they_are_read():
    data = pack(depth=np.zeros(2**24))
    assert len(data) < 2**18
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"134217856 bytes, more than 11024"):
        read_npz(data, 1024)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_directory_that_claims_too_little_frees_no_memory_for_the_rest():
    data = bytearray(claim((2**24,), bytes(2**26)))
    directory = data.index(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (256).to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises((ValueError, zipfile.BadZipFile)):
        read_npz(bytes(data), 1024)
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


def test_an_array_twice_and_other_files_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("x.npy", claim((0,)))
        archive.writestr("x.npy", claim((0,)))
    with pytest.raises(ValueError, match="header"):
        read_npz(buffer.getvalue(), 2**20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.pkl", b"")
    with pytest.raises(ValueError, match=r"x\.pkl.*no array"):
        read_npz(buffer.getvalue(), 2**20)


def test_only_what_is_small_may_be_mostly_zeros():
    rows = limits.SMALL_BYTES // 8
    require_plausible_compression(pack(x=np.zeros(rows // 2)))
    with pytest.raises(ValueError, match="not plausible"):
        require_plausible_compression(pack(x=np.zeros(rows + 1)))

"""Members of a tar: plain files with safe names, or an error before anything is read."""

import io
import struct
import tarfile

import pytest
from maquette.core.dataset.reading import limits
from maquette.core.dataset.reading.archives import (
    iterate_members,
    open_archive,
    read_member,
    require_archive_size,
)


def make_tar(*entries):
    """Return a tar of (name or TarInfo, content) pairs."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, content in entries:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return bytearray(stream.getvalue())


def read_all(data, most=100):
    with open_archive(io.BytesIO(data)) as archive:
        return {
            member.name: read_member(archive, member) for member in iterate_members(archive, most)
        }


def set_field(data, start, value):
    """Change the first header, whose checksum stays right."""
    data[start : start + len(value)] = value
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])


def test_plain_files_are_read():
    long_name = f"{'e' * 120}.json"
    data = make_tar(("egg.json", b"{}"), ("egg.000.png", b"pixels"), (long_name, b"long"))
    assert read_all(data) == {"egg.json": b"{}", "egg.000.png": b"pixels", long_name: b"long"}


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_folders_and_devices_are_refused(kind):
    info = tarfile.TarInfo("egg.json")
    info.type = kind
    info.linkname = "/etc/hostname"
    with pytest.raises(ValueError, match=r"'egg\.json' is a link, a folder"):
        read_all(make_tar((info, b"")))


@pytest.mark.parametrize("name", ["../egg.json", "/tmp/egg.json", "a/egg.json", "C:egg.json"])
def test_names_that_lead_elsewhere_are_refused(name):
    with pytest.raises(ValueError, match="is not that of a file"):
        read_all(make_tar((name, b"{}")))


def test_a_hole_is_refused_whatever_it_claims():
    data = make_tar(("egg.json", bytes(512)))
    data[386:398] = b"%011o\0" % 0
    data[398:410] = b"%011o\0" % 512
    data[483:495] = b"%011o\0" % (8 * 10**9)
    set_field(data, 156, tarfile.GNUTYPE_SPARSE)
    with pytest.raises(ValueError, match="a sparse file"):
        read_all(data)


@pytest.mark.parametrize(
    "size", [b"%011o\0" % 513, b"%011o\0" % (limits.MEMBER_BYTES + 1), b"77777777777\0"]
)
def test_a_member_that_claims_more_than_the_file_is_refused(size):
    data = make_tar(("egg.json", b"{}"))[:1024]
    set_field(data, 124, size)
    with pytest.raises((ValueError, tarfile.ReadError), match=r"unexpected end|declares"):
        read_all(data)


def test_a_negative_size_does_not_lead_in_circles():
    data = make_tar(("egg.json", b"{}"))
    set_field(data, 124, b"\xff" + struct.pack(">q", -1024).rjust(11, b"\xff"))
    with pytest.raises((ValueError, tarfile.ReadError)):
        read_all(data)


def test_more_members_than_allowed_are_refused():
    data = make_tar(*((f"egg.{number}", b"") for number in range(5)))
    assert len(read_all(data, most=5)) == 5
    with pytest.raises(ValueError, match="more than 4 members"):
        read_all(data, most=4)


def test_a_compressed_tar_is_refused():
    import gzip

    with pytest.raises(tarfile.ReadError):
        read_all(gzip.compress(make_tar(("egg.json", b"{}"))))


def test_the_headers_of_a_large_file_are_checked_before_it_is_read(tmp_path):
    path = tmp_path / "egg.tar"
    path.write_bytes(make_tar(("egg.json", b"{}")))
    size = limits.LARGE_ARCHIVE_BYTES + 1
    with path.open("r+b") as stream:
        stream.truncate(size)
        with pytest.raises(ValueError, match="something else 514 bytes"):
            require_archive_size(stream, 0, size)
        with pytest.raises(ValueError, match="more than"):
            require_archive_size(stream, 0, limits.ARCHIVE_BYTES + 1)
        require_archive_size(stream, 0, 10240)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_an_extension_that_claims_much_is_refused_at_once(kind):
    data = make_tar(("egg.json", b"1" * 10_000))
    set_field(data, 156, kind)
    with pytest.raises(ValueError, match=r"declares 10000 bytes|is a link"):
        read_all(data)


def test_an_extension_cannot_make_a_file_of_another_kind():
    info = tarfile.TarInfo("egg.json")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "8000000000"}
    with pytest.raises((ValueError, tarfile.ReadError), match=r"sparse file|declares"):
        read_all(make_tar((info, b"{}")))
    info.pax_headers = {"path": "../egg.json"}
    with pytest.raises(ValueError, match="is not that of a file"):
        read_all(make_tar((info, b"{}")))

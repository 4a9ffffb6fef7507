"""Files are regular and of bounded size; damage becomes one error."""

import pytest
from maquette.core.dataset.reading.files import describe_damage, open_regular, read_file
from maquette.core.errors import DatasetError, OutputError


def test_a_file_is_read_up_to_its_greatest_size(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_file(path, 5) == b"12345"
    with pytest.raises(ValueError, match="5 bytes, more than 4"):
        read_file(path, 4)


def test_a_device_behind_a_link_is_refused(tmp_path):
    (tmp_path / "zeros").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(tmp_path / "zeros")


@pytest.mark.parametrize(
    "error",
    [MemoryError(), OverflowError("too large"), RecursionError("deep\nand more"), KeyError()],
)
def test_damage_is_one_line_of_a_dataset_error(error):
    with pytest.raises(DatasetError) as raised, describe_damage("egg.tar is damaged"):
        raise error
    text = str(raised.value)
    assert text.startswith("egg.tar is damaged: ") and text[-2:] != ": " and "\n" not in text


def test_errors_for_the_user_pass():
    with pytest.raises(OutputError, match="full"), describe_damage("egg.tar is damaged"):
        raise OutputError("The disk is full")

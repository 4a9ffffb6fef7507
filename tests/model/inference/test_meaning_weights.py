import pytest
import torch
from maquette.core.errors import WeightsError
from maquette.core.model.inference.meaning_weights import load_part, save_part
from maquette.core.model.jobs.meaning import has_part


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "meaning.safetensors"
    kernel = torch.linspace(-1, 1, 6).reshape(2, 3)
    save_part(path, "heads", {"width": 3}, {"kernel": kernel, "bias": torch.ones(2)})
    save_part(path, "shapes", {"cells": [4, 4, 4]}, {"kernel": torch.zeros(1, 2)})
    return path


def test_a_part_comes_back_with_its_own_configuration_and_tensors(file):
    config, state = load_part("heads", file)
    assert config == {"width": 3}
    assert list(state) == ["kernel", "bias"]
    assert state["kernel"].dtype == torch.float32
    half = torch.linspace(-1, 1, 6).reshape(2, 3).half().float()
    assert torch.equal(state["kernel"], half)
    assert load_part("shapes", file)[0] == {"cells": [4, 4, 4]}


def test_one_part_is_replaced_and_the_others_stay(file):
    before = load_part("shapes", file)
    save_part(file, "heads", {"width": 1}, {"other": torch.ones(1)})
    config, state = load_part("heads", file)
    assert (config, list(state)) == ({"width": 1}, ["other"])
    config, state = load_part("shapes", file)
    assert config == before[0] and torch.equal(state["kernel"], before[1]["kernel"])


def test_a_missing_part_or_file_is_told_with_how_to_get_it(file, tmp_path):
    with pytest.raises(WeightsError, match=r"no part 'generator'.*--task generator"):
        load_part("generator", file)
    with pytest.raises(WeightsError, match=r"missing.*--task meaning"):
        load_part("heads", tmp_path / "none.safetensors")


def test_a_damaged_file_has_no_parts_and_is_not_replaced(file):
    data = bytearray(file.read_bytes())
    data[-1] ^= 0x55
    file.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        load_part("heads", file)
    with pytest.raises(WeightsError, match="damaged"):
        save_part(file, "heads", {}, {"kernel": torch.ones(1)})
    assert file.read_bytes() == data


def test_which_parts_there_are_is_told_without_reading_tensors(file, tmp_path):
    assert has_part("heads", file) and has_part("shapes", file)
    assert not has_part("generator", file)
    assert not has_part("heads", tmp_path / "none.safetensors")
    (tmp_path / "text.safetensors").write_bytes(b"no weights")
    assert not has_part("heads", tmp_path / "text.safetensors")
    save_part(file, "generator", {}, {"kernel": torch.ones(1)})
    assert has_part("generator", file)

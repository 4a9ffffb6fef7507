import pytest
import torch
from maquette.core.errors import DependencyError, DeviceError
from maquette.core.model.inference import devices


def test_exhausted_memory_is_reported():
    with (
        pytest.raises(DeviceError, match="CPU device ran out of memory"),
        devices.select_device("cpu") as device,
    ):
        assert device == torch.device("cpu")
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_missing_device_is_reported(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DependencyError, match=name.upper()), devices.select_device(name):
        pass
    with devices.select_device("auto") as device:
        assert device.type == "cpu"

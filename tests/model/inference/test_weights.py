import hashlib

import pytest
import safetensors.torch
import torch
from maquette.core.errors import WeightsError
from maquette.core.model.inference import weights
from maquette.core.model.networks.foreground import ForegroundNetwork
from maquette.core.model.networks.reconstruction import ReconstructionNetwork


@pytest.fixture
def file(tiny, tmp_path):
    torch.manual_seed(0)
    path = tmp_path / "w.safetensors"
    weights.save_weights(path, ReconstructionNetwork(tiny), ForegroundNetwork())
    return path


def test_kernels_are_saved_in_half_precision_as_the_safetensors_package_reads_them(file, tiny):
    torch.manual_seed(0)
    network = ReconstructionNetwork(tiny)
    loaded, _ = weights.load_weights(file)
    assert loaded.config == tiny
    other = safetensors.torch.load_file(file)
    for name, value in network.state_dict().items():
        kept = value.half() if value.is_floating_point() and value.dim() > 1 else value
        assert torch.equal(kept, other[f"reconstruction.{name}"])
        assert torch.equal(kept.to(value.dtype), loaded.state_dict()[name])


def hash_tensors(state):
    """A hash of all tensors and their keys, in the order of the keys."""
    total = hashlib.sha256()
    for key in sorted(state):
        total.update(f"{key} {tuple(state[key].shape)} {state[key].dtype}".encode())
        total.update(state[key].contiguous().numpy().tobytes())
    return total.hexdigest()


def test_the_bundled_file_loads_bit_for_bit_and_is_saved_with_the_same_keys(tmp_path):
    _, stored = weights.read_weights(weights.BUNDLED_WEIGHTS)
    reconstruction, foreground = weights.load_weights()
    loaded = {f"reconstruction.{key}": x for key, x in reconstruction.state_dict().items()}
    loaded |= {f"mask.{key}": x for key, x in foreground.state_dict().items()}
    assert list(loaded) == list(stored)
    as_stored = {key: value.to(stored[key].dtype) for key, value in loaded.items()}
    assert hash_tensors(as_stored) == hash_tensors(stored)

    copy = tmp_path / "copy.safetensors"
    weights.save_weights(copy, reconstruction, foreground)
    _, saved = weights.read_weights(copy)
    assert list(saved) == list(stored)
    assert hash_tensors(saved) == hash_tensors(stored)
    assert copy.read_bytes() == weights.BUNDLED_WEIGHTS.read_bytes()


@pytest.mark.parametrize(
    ("key", "attribute"),
    [
        ("occupied.weight", "occupancy_head.weight"),
        ("own_colour.bias", "color_head.bias"),
        ("trust.weight", "view_weight_head.weight"),
        ("point.2.weight", "point_mlp.2.weight"),
        ("tubes.join4.0.norm.running_var", "single_view.merge4.0.norm.running_var"),
        ("encoder.across5.bias", "encoder.lateral5.bias"),
        ("volume.join1.conv.weight", "volume.merge1.conv.weight"),
        ("shift", "threshold_shift"),
        ("curves", "calibration_curves"),
    ],
)
def test_the_bundled_tensors_are_in_the_attributes_of_their_keys(key, attribute):
    stored = weights.read_weights(weights.BUNDLED_WEIGHTS)[1][f"reconstruction.{key}"]
    value = weights.load_weights()[0]
    for name in attribute.split("."):
        value = getattr(value, name)
    assert torch.equal(value, stored.to(value.dtype))


def test_weights_are_cached_until_the_file_changes(file, tiny):
    first = weights.load_weights(file)
    assert weights.load_weights(file) is first
    weights.save_weights(file, ReconstructionNetwork(tiny), ForegroundNetwork())
    assert weights.load_weights(file) is not first


@pytest.mark.parametrize("at", [3, 30, -1])
def test_a_flipped_byte_is_detected(file, at):
    data = bytearray(file.read_bytes())
    data[at] ^= 0x55
    file.write_bytes(data)
    with pytest.raises(WeightsError, match=file.name):
        weights.load_weights(file)


@pytest.mark.parametrize("size", [0, 5, 4000])
def test_a_truncated_file_is_detected(file, size):
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(WeightsError, match=file.name):
        weights.load_weights(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"nothing\.safetensors"):
        weights.load_weights(tmp_path / "nothing.safetensors")


def test_a_folder_cannot_be_read_as_weights(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.load_weights(tmp_path)


@pytest.mark.slow
def test_an_exported_run_takes_untrained_networks_from_the_bundled_file(
    dataset, tiny, tmp_path, monkeypatch
):
    from maquette.core.errors import DatasetError
    from maquette.core.jobs.task import run_to_end
    from maquette.core.model.training import export
    from maquette.core.model.training.config_file import TrainingConfig
    from maquette.core.model.training.export import export_run
    from maquette.core.model.training.foreground_trainer import ForegroundConfig, train_mask
    from maquette.core.model.training.trainer import train_network

    monkeypatch.setattr(export, "_CONFIDENCE_OBJECTS", 1)
    run, file = tmp_path / "run", tmp_path / "w.safetensors"
    with pytest.raises(DatasetError, match=r"neither checkpoint\.pt nor mask\.pt"):
        export_run(run, [dataset], file)
    run_to_end(
        train_network([dataset], run, TrainingConfig(steps=1, eval_every=1, val_objects=1), tiny)
    )
    export_run(run, [dataset], file)
    assert weights.load_weights(file)[0].config == tiny
    bundled, taken = (weights.load_weights(path)[1].state_dict() for path in (None, file))
    assert all(torch.equal(bundled[key], taken[key]) for key in bundled)
    config = ForegroundConfig(steps=300, batch_size=2, pretrained=False)
    for progress in train_mask([dataset], run, config):
        if progress.stage.startswith("Step 1,"):
            (run / "stop").touch()
    assert [line.split(",")[0] for line in (run / "mask.csv").read_text().split()] == ["3"]
    export_run(run, [dataset], file)
    own = weights.load_weights(file)[1].state_dict()
    assert not all(torch.equal(bundled[key], own[key]) for key in bundled)
    (run / "checkpoint.pt").unlink()
    export_run(run, [dataset], file)
    (known, _), (taken, mask) = weights.load_weights(), weights.load_weights(file)
    assert all(
        torch.equal(value, taken.state_dict()[key]) for key, value in known.state_dict().items()
    )
    assert all(torch.equal(value, mask.state_dict()[key]) for key, value in own.items())

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


def test_come_back_with_their_kernels_in_half_precision_and_the_safetensors_package_reads_them(
    file, tiny
):
    torch.manual_seed(0)
    network = ReconstructionNetwork(tiny)
    loaded, _ = weights.load_weights(file)
    assert loaded.config == tiny
    other = safetensors.torch.load_file(file)
    for name, value in network.state_dict().items():
        kept = value.half() if value.is_floating_point() and value.dim() > 1 else value
        assert torch.equal(kept, other[f"reconstruction.{name}"])
        assert torch.equal(kept.to(value.dtype), loaded.state_dict()[name])


def test_are_kept_between_calls_until_the_file_changes(file, tiny):
    first = weights.load_weights(file)
    assert weights.load_weights(file) is first
    weights.save_weights(file, ReconstructionNetwork(tiny), ForegroundNetwork())
    assert weights.load_weights(file) is not first


@pytest.mark.parametrize("at", [3, 30, -1])
def test_a_flipped_byte_is_found(file, at):
    data = bytearray(file.read_bytes())
    data[at] ^= 0x55
    file.write_bytes(data)
    with pytest.raises(WeightsError, match=file.name):
        weights.load_weights(file)


@pytest.mark.parametrize("size", [0, 5, 4000])
def test_a_truncated_file_is_found(file, size):
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(WeightsError, match=file.name):
        weights.load_weights(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"nothing\.safetensors"):
        weights.load_weights(tmp_path / "nothing.safetensors")


def test_a_folder_is_no_weights(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.load_weights(tmp_path)


def test_a_run_is_exported_and_what_it_lacks_is_the_bundled(dataset, tiny, tmp_path):
    from maquette.core.errors import DatasetError
    from maquette.core.jobs.task import run_to_end
    from maquette.core.model.training.config_file import TrainingConfig
    from maquette.core.model.training.export import export_run
    from maquette.core.model.training.foreground_trainer import ForegroundConfig, train_mask
    from maquette.core.model.training.trainer import train_network

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

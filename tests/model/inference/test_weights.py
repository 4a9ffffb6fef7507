import hashlib
import json
import os
import struct

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


def split_file(path):
    """Return header and body of a file."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def write_file(path, header, body, checksum=True):
    """Write a file whose checksums hold, or one as older versions wrote it."""
    header["__metadata__"]["sha256"] = hashlib.sha256(body).hexdigest()
    header["__metadata__"].pop("file_sha256", None)
    if checksum:
        header["__metadata__"]["file_sha256"] = "0" * 64
    text = json.dumps(header).encode()
    data = struct.pack("<Q", len(text)) + text + body
    digest = hashlib.sha256(data).hexdigest()
    path.write_bytes(data.replace(b"0" * 64, digest.encode(), 1) if checksum else data)


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
    (header, body), (bundled_header, bundled_body) = map(
        split_file, (copy, weights.BUNDLED_WEIGHTS)
    )
    del header["__metadata__"]["file_sha256"]  # which the bundled file lacks
    assert json.dumps(header) == json.dumps(bundled_header) and body == bundled_body


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


CONFIGS = {
    "volume": (0, "volume in the configuration is not in 4..64"),
    "picture": (100_000, "picture in the configuration is not in 32..512"),
    "hidden": (True, "hidden in the configuration is not 1 whole numbers"),
    "pyramid": ([16], "pyramid in the configuration is not 2 whole numbers"),
    "depth_bins": ("4", "depth_bins in the configuration is not 1 whole numbers"),
    "tube_depths": (15, r"single_view|tubes.*, not"),
    "unknown": (1, "unknown entry 'unknown'"),
}


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_that_does_not_fit_is_refused(file, name, checksum):
    value, expected = CONFIGS[name]
    header, body = split_file(file)
    config = json.loads(header["__metadata__"]["config"]) | {name: value}
    header["__metadata__"]["config"] = json.dumps(config)
    write_file(file, header, body, checksum)
    with pytest.raises(WeightsError, match=expected):
        weights.load_weights(file)


@pytest.mark.parametrize("config", ["[]", "null", "5", "[" * 100_000])
def test_a_configuration_of_another_form_is_refused(file, config):
    header, body = split_file(file)
    header["__metadata__"]["config"] = config
    write_file(file, header, body)
    with pytest.raises(WeightsError, match=r"no dictionary|nested too deeply"):
        weights.load_weights(file)


def test_a_configuration_that_was_changed_has_another_checksum(file):
    data = file.read_bytes()
    changed = data.replace(b'\\"picture\\": 64', b'\\"picture\\": 96')
    assert changed != data
    file.write_bytes(changed)
    with pytest.raises(WeightsError, match="wrong checksum"):
        weights.load_weights(file)


HEADERS = [b"5", b"null", b"[]", b"{}", b"[" * 100_000, b'{"__metadata__": 3}', b'{"a": 1}']


@pytest.mark.parametrize("text", HEADERS)
def test_a_header_of_another_form_is_refused(file, text):
    _, body = split_file(file)
    file.write_bytes(struct.pack("<Q", len(text)) + text + body)
    with pytest.raises(WeightsError, match="is not a Maquette weights file"):
        weights.load_weights(file)


def test_a_header_that_claims_more_than_there_is_is_refused(file):
    file.write_bytes(struct.pack("<Q", 2**62) + file.read_bytes()[8:])
    with pytest.raises(WeightsError, match="is not a Maquette weights file"):
        weights.load_weights(file)


def swap_offsets(header, one, other):
    first, second = header[one], header[other]
    first["data_offsets"], second["data_offsets"] = second["data_offsets"], first["data_offsets"]


def swap_names(header, one, other):
    order = {one: other, other: one}
    entries = {order.get(key, key): entry for key, entry in header.items()}
    header.clear()
    header.update(entries)


def claim_billions(header, one, other):
    header[other]["shape"] = [2**40, 2**40]


def leave_a_gap(header, one, other):
    del header[other]


ENTRIES = [swap_offsets, swap_names, claim_billions, leave_a_gap]


@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("change", ENTRIES)
def test_tensors_that_are_not_where_they_should_be_are_refused(file, change, checksum):
    header, body = split_file(file)
    change(header, "reconstruction.encoder.across5.bias", "reconstruction.encoder.across4.bias")
    write_file(file, header, body, checksum)
    with pytest.raises(WeightsError, match=r"is not a Maquette weights file|the order"):
        weights.load_weights(file)


@pytest.mark.parametrize("change", ["swapped", "config"])
def test_a_changed_header_of_the_bundled_file_is_noticed(tmp_path, change):
    header, body = split_file(weights.BUNDLED_WEIGHTS)
    if change == "swapped":
        swap_names(header, "reconstruction.trust.bias", "reconstruction.occupied.bias")
    else:
        config = json.loads(header["__metadata__"]["config"]) | {"picture": 64}
        header["__metadata__"]["config"] = json.dumps(config)
    path = tmp_path / "w.safetensors"
    write_file(path, header, body, checksum=False)
    with pytest.raises(WeightsError, match="wrong checksum"):
        weights.load_weights(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_numbers_with_which_no_network_computes_are_blamed_on_the_file(file, value):
    header, body = split_file(file)
    key = "reconstruction.encoder.backbone.stem.0.norm.running_var"
    begin = header[key]["data_offsets"][0]
    body = body[:begin] + struct.pack("<f", value) + body[begin + 4 :]
    write_file(file, header, body)
    with pytest.raises(WeightsError, match=rf"{file.name} contain values .*{key}"):
        weights.load_weights(file)


def test_a_file_of_an_older_version_is_read(file, tiny):
    state = weights.read_weights(file)[1]
    header, body = split_file(file)
    write_file(file, header, body, checksum=False)
    assert weights.load_weights(file)[0].config == tiny
    assert hash_tensors(weights.read_weights(file)[1]) == hash_tensors(state)


def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "w.safetensors"
    os.mkfifo(path)
    with pytest.raises(WeightsError, match="not a regular file"):
        weights.load_weights(path)


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

"""Files of settings: what they hold under which names, and what they may not."""

import json
from dataclasses import asdict, fields, replace

import pytest
from maquette.core.errors import DatasetError
from maquette.core.model.networks.reconstruction import NetworkConfig
from maquette.core.model.training.config_file import (
    STORED_KEYS,
    TrainingConfig,
    TrainingRecipe,
    read_settings,
    write_config,
)
from maquette.core.model.training.losses import LossConfig
from maquette.core.model.training.sampling.batches import SINGLE_VIEW, SamplingConfig

TOML = """
datasets = ["sets/one", "/sets/two"]
run = "runs/a"
start = "bundled"
[training]
steps = 300
rate = 1e-4
imagenet = false
[network]
volume = 8
pyramid = [16, 8]
"""


def test_reads_toml_with_paths_of_its_own_folder(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(TOML)
    settings = read_settings(path)
    assert [str(one) for one in settings.datasets] == [str(tmp_path / "sets/one"), "/sets/two"]
    assert (
        settings.run == tmp_path / "runs/a"
        and settings.start.name == "bundled"
        and settings.weights is None
    )
    assert settings.training == {"steps": 300, "rate": 1e-4, "imagenet": False}
    assert settings.network.pyramid == (16, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ({"sets": []}, "no setting 'sets'"),
        ({"training": {"step": 1}}, "no setting 'step'.*steps"),
        ({"training": {"steps": "many"}}, "steps is 'many'"),
        ({"training": {"steps": True}}, "steps is True"),
        ({"network": {"volume": 1.5}}, "volume is 1.5"),
        ({"sampling": {"view_counts": 1}}, "view_counts is 1"),
        ({"losses": {"colour": 1.0}}, "unknown setting 'colour'.*depth"),
        ([], "an object"),
    ],
)
def test_what_it_does_not_know_is_named(tmp_path, text, message):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(text))
    with pytest.raises(DatasetError, match=message):
        read_settings(path)


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"nothing\.json"):
        read_settings(tmp_path / "nothing.json")
    (tmp_path / "bad.toml").write_text("= 1")
    with pytest.raises(DatasetError, match="is not TOML"):
        read_settings(tmp_path / "bad.toml")


def test_stored_keys_are_those_of_older_files():
    """Files of settings and config.json of all versions have these keys."""
    assert TrainingConfig().to_stored() == {
        "steps": 5000,
        "rate": 1.5e-3,
        "imagenet": True,
        "backbone": 0.3,
        "one_picture": False,
        "warmup": 100,
        "decay": 0.02,
        "clip": 1.0,
        "average": 0.995,
        "seed": 0,
        "every": 250,
        "validation": 96,
        "precision": "automatic",
    }
    assert set(STORED_KEYS) <= {field.name for field in fields(TrainingConfig)}


def test_stored_values_become_the_configuration():
    config = TrainingConfig.from_stored({"steps": 7, "rate": 1e-4, "one_picture": True})
    assert config == TrainingConfig(steps=7, learning_rate=1e-4, single_view_only=True)
    assert TrainingConfig.from_stored(config.to_stored()) == config


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 0, "steps is 0"),
        ("eval_every", 0, "every is 0"),
        ("val_objects", 0, "validation is 0"),
        ("warmup", -1, "warmup is -1"),
        ("learning_rate", 0.0, "rate is 0.0"),
        ("ema_decay", 1.0, "average is 1.0"),
        ("precision", "float8", "precision is float8.*bfloat16"),
    ],
)
def test_settings_out_of_range_are_refused_by_their_stored_names(name, value, message):
    with pytest.raises(DatasetError, match=f"^{message}"):
        replace(TrainingConfig(), **{name: value})


def test_a_recipe_is_read_from_a_file(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        TOML
        + """
[losses]
color = 1
[sampling]
points = 100
view_counts = [1, 2]
view_count_shares = [0.5, 0.5]
batch_sizes = [4, 2]
[augmentation]
mirror_odds = 0.0
"""
    )
    recipe = read_settings(path).training_recipe()
    assert recipe.losses == LossConfig(color=1)
    assert recipe.sampling == SamplingConfig(
        points=100, view_counts=(1, 2), view_count_shares=(0.5, 0.5), batch_sizes=(4, 2)
    )
    assert recipe.augmentation.mirror_odds == 0


def test_the_single_view_network_has_a_recipe_of_its_own(tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"training": {"one_picture": True}, "sampling": {"points": 99}}))
    assert read_settings(path).training_recipe().sampling == replace(SINGLE_VIEW, points=99)


@pytest.mark.parametrize("single_view_only", [False, True])
def test_the_config_of_a_run_is_a_file_of_settings(tmp_path, single_view_only):
    """A run can be repeated from it alone."""
    config = TrainingConfig(steps=3, learning_rate=1e-4, single_view_only=single_view_only)
    recipe = replace(TrainingRecipe.for_training(config), losses=LossConfig(depth=1.0))
    network = NetworkConfig(volume=12)
    write_config(tmp_path, config, network, recipe)
    write_config(tmp_path, config, network, recipe)
    settings = read_settings(tmp_path / "config.json")
    assert settings.training_config() == config
    assert settings.network == network
    assert settings.training_recipe() == recipe
    with pytest.raises(DatasetError, match="different configuration"):
        write_config(tmp_path, config, network, TrainingRecipe.for_training(config))


def test_an_old_config_counts_as_the_defaults(tmp_path):
    path = tmp_path / "config.json"
    config = TrainingConfig(single_view_only=True)
    network = NetworkConfig(picture=64)
    old = {"training": {"one_picture": True}, "network": {"picture": 64}}
    path.write_text(json.dumps(old))
    recipe = TrainingRecipe(sampling=replace(SINGLE_VIEW, image_size=64))
    write_config(tmp_path, config, network, recipe)
    assert json.loads(path.read_text())["sampling"]["batch_size"] == 48
    path.write_text(json.dumps(old))
    with pytest.raises(DatasetError, match="different configuration"):
        write_config(tmp_path, config, network, TrainingRecipe())
    assert json.loads(path.read_text()) == old


def test_all_numbers_of_a_recipe_are_in_the_config(tmp_path):
    recipe = TrainingRecipe()
    write_config(tmp_path, TrainingConfig(), NetworkConfig(), recipe)
    content = json.loads((tmp_path / "config.json").read_text())
    assert content.keys() == {"training", "network", "losses", "sampling", "augmentation"}
    assert content["augmentation"] == asdict(recipe.augmentation)

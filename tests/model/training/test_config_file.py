import json

import pytest
from maquette.core.errors import DatasetError
from maquette.core.model.training.config_file import read_settings

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
    ("text", "said"),
    [
        ({"sets": []}, "no setting 'sets'"),
        ({"training": {"step": 1}}, "no setting 'step'.*steps"),
        ({"training": {"steps": "many"}}, "steps is 'many'"),
        ({"training": {"steps": True}}, "steps is True"),
        ({"network": {"volume": 1.5}}, "volume is 1.5"),
        ([], "an object"),
    ],
)
def test_what_it_does_not_know_is_named(tmp_path, text, said):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(text))
    with pytest.raises(DatasetError, match=said):
        read_settings(path)


def test_missing_and_damaged_files_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"nothing\.json"):
        read_settings(tmp_path / "nothing.json")
    (tmp_path / "bad.toml").write_text("= 1")
    with pytest.raises(DatasetError, match="is not TOML"):
        read_settings(tmp_path / "bad.toml")

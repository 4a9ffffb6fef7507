import json

import pytest
from maquette.core.procedural.draw_targets import draw_targets
from maquette.core.procedural.object_families import OTHER
from PIL import Image


@pytest.fixture
def maquette(addon):
    """Runs a command line in this Blender."""
    from maquette.operators.cli import main

    return lambda *arguments: main.run_command([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def heads(weights, tmp_path_factory):
    """A file of untrained heads for the trunk of ``weights``."""
    import torch
    from maquette.core.model.inference.meaning.semantics import load_trunk
    from maquette.core.model.inference.meaning_weights import HEADS, save_part
    from maquette.core.model.networks.semantics import SemanticHeads, SemanticsConfig

    torch.manual_seed(0)
    trunk = load_trunk(weights)
    config = SemanticsConfig(
        trunk_channels=trunk.channels,
        trunk=trunk.fingerprint(),
        families=("bottle", OTHER),
        draws={"bottle": draw_targets()["bottle"]},
        groups=("neck", "body"),
        known_margin=100.0,
    )
    path = tmp_path_factory.mktemp("heads") / "meaning.safetensors"
    save_part(path, HEADS, config.as_dict(), SemanticHeads(config).state_dict())
    return path


def test_prints_families_parts_and_draws_and_writes_a_sheet(
    maquette, heads, weights, pictures, tmp_path, capfd
):
    sheet = tmp_path / "sheet.png"
    photos = [pictures / "front.png", pictures / "top.png"]
    options = ["--weights", weights, "--heads", heads, "--json", "-o", sheet]
    assert maquette("describe", *photos, *options) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["image"] for line in lines] == [str(photo) for photo in photos]
    for line in lines:
        assert line["known"] is False
        assert set(line["families"]) == {"bottle", OTHER}
        assert sum(line["families"].values()) == pytest.approx(1, abs=1e-3)
        assert sum(line["parts"].values()) > 0.95 and set(line["parts"]) <= {"neck", "body"}
        assert list(line["draws"]["bottle"]) == [
            target.address for target in draw_targets()["bottle"]
        ]
    with Image.open(sheet) as image:
        assert image.width > 2 * 256 and image.height > 2 * 256


def test_prints_words_for_people(maquette, heads, weights, pictures, capfd):
    photo = pictures / "front.png"
    assert maquette("describe", photo, "--weights", weights, "--heads", heads) == 0
    first, second, third = capfd.readouterr().out.splitlines()
    assert first.startswith(f"{photo}: unknown object (")
    assert second.startswith("  parts: ") and third.startswith("  draws of bottle: ")


def test_missing_heads_and_images_are_told(maquette, weights, pictures, tmp_path, capfd):
    missing = tmp_path / "none"
    assert maquette("describe", pictures / "front.png", "--heads", missing) == 1
    assert "maquette train --task meaning" in capfd.readouterr().err
    assert maquette("describe", missing) == 1
    assert str(missing) in capfd.readouterr().err

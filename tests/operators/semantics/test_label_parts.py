"""Parts of an object that was reconstructed with a tiny network, by untrained heads."""

import bpy
import numpy as np
import pytest
from maquette.core.scene import meshes
from maquette.core.scene.semantics.part_attributes import read_parts


@pytest.fixture(scope="module")
def heads(weights, tmp_path_factory):
    """A file of heads for ``weights`` that see one part everywhere."""
    import torch
    from maquette.core.model.inference.meaning.semantics import load_trunk
    from maquette.core.model.inference.meaning_weights import HEADS, save_part
    from maquette.core.model.networks.semantics import SemanticHeads, SemanticsConfig
    from maquette.core.procedural.draw_targets import draw_targets
    from maquette.core.procedural.object_families import OTHER

    torch.manual_seed(0)
    trunk = load_trunk(weights)
    config = SemanticsConfig(
        trunk_channels=trunk.channels,
        trunk=trunk.fingerprint(),
        families=("bottle", OTHER),
        draws={"bottle": draw_targets()["bottle"]},
        groups=("neck", "body"),
        known_margin=-100.0,
    )
    network = SemanticHeads(config)
    last = network.parts.layers[-1]
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.zeros_(last.bias)
    last.bias.data[4:] = 5.0  # the second group, at each of 2 x 2 pixels
    network.family.layers[-1].bias.data[0] = 20.0
    path = tmp_path_factory.mktemp("heads") / "meaning.safetensors"
    save_part(path, HEADS, config.as_dict(), network.state_dict())
    return path


@pytest.fixture
def bottle(addon, pictures, weights, monkeypatch):
    """The object of an image of a bottle, which is active."""
    from maquette.operators.semantics import label_parts

    monkeypatch.setattr(label_parts, "weights_file", lambda chosen="": weights)
    result = bpy.ops.maquette.reconstruct(
        filepath=str(pictures / "front.png"), resolution=32, weights=str(weights)
    )
    assert result == {'FINISHED'}
    return bpy.context.active_object


def test_a_reconstructed_object_gets_its_parts(bottle, heads):
    faces = len(bottle.data.polygons)
    assert bpy.ops.maquette.label_parts(heads=str(heads)) == {'FINISHED'}
    numbers, names = read_parts(bottle.data)
    assert names == ["body"] and (numbers == 1).all() and len(numbers) == faces
    assert [group.name for group in bottle.vertex_groups] == ["body"]
    assert bottle.data.materials[bottle.data.polygons[0].material_index].name == "body"


def test_an_object_without_images_cannot_be_labeled(addon):
    bpy.ops.mesh.primitive_cube_add()
    assert not bpy.ops.maquette.label_parts.poll()


def test_missing_heads_are_told_and_nothing_is_changed(bottle, tmp_path):
    before = meshes.to_arrays(bottle.data)
    with pytest.raises(RuntimeError, match="missing"):
        bpy.ops.maquette.label_parts(heads=str(tmp_path / "none.safetensors"))
    assert meshes.to_arrays(bottle.data).has_same_surface(before)
    assert not bottle.vertex_groups and read_parts(bottle.data)[1] == []


def test_another_object_with_the_same_mesh_stays_as_it_is(bottle, heads):
    other = bpy.data.objects.new("Other", bottle.data)
    bpy.ops.maquette.label_parts(heads=str(heads))
    assert read_parts(bottle.data)[1] == ["body"]
    assert read_parts(other.data)[1] == [] and not np.any(read_parts(other.data)[0])


def test_a_reconstruction_is_labeled_at_once_if_wanted(
    addon, pictures, weights, heads, monkeypatch
):
    from maquette.core.model.inference.meaning import semantics
    from maquette.operators.semantics import label_parts

    monkeypatch.setattr(label_parts, "weights_file", lambda chosen="": weights)
    monkeypatch.setattr(semantics, "MEANING_WEIGHTS", heads)
    result = bpy.ops.maquette.reconstruct(
        filepath=str(pictures / "front.png"),
        resolution=32,
        weights=str(weights),
        label_parts=True,
    )
    assert result == {'FINISHED'}
    obj = bpy.context.active_object
    assert read_parts(obj.data)[1] == ["body"] and "body" in obj.data.materials


def test_a_reconstruction_stays_where_its_parts_cannot_be_seen(
    addon, pictures, weights, monkeypatch, tmp_path
):
    from maquette.core.model.inference.meaning import semantics

    monkeypatch.setattr(semantics, "MEANING_WEIGHTS", tmp_path / "none.safetensors")
    result = bpy.ops.maquette.reconstruct(
        filepath=str(pictures / "front.png"),
        resolution=32,
        weights=str(weights),
        label_parts=True,
    )
    assert result == {'FINISHED'}
    obj = bpy.context.active_object
    assert len(obj.data.polygons) > 100 and read_parts(obj.data)[1] == []


class TestCommandLine:
    @pytest.fixture
    def reconstruct(self, addon, pictures, weights, heads, tmp_path):
        """Runs ``maquette reconstruct`` with parts, and returns the objects that it wrote."""
        from maquette.operators.cli import main

        def run(*options):
            out = tmp_path / "out.blend"
            command = ["reconstruct", pictures / "front.png", "-o", out, "--resolution", 32]
            command += ["--weights", weights, "--parts", "--heads", heads, *options]
            assert main.run_command([str(word) for word in command]) == 0
            with bpy.data.libraries.load(str(out)) as (inside, loaded):
                loaded.objects = list(inside.objects)
            return loaded.objects

        return run

    def test_the_file_holds_the_parts(self, reconstruct, capfd):
        (obj,) = reconstruct()
        numbers, names = read_parts(obj.data)
        assert names == ["body"] and (numbers == 1).all()
        assert [group.name for group in obj.vertex_groups] == ["body"]
        assert obj.data.materials[-1].name.startswith("body")
        assert "; bottle, body; the images show " in capfd.readouterr().out

    def test_a_finished_object_has_them_too(self, reconstruct):
        (obj,) = reconstruct("--preset", "block-out")
        numbers, names = read_parts(obj.data)
        assert names == ["body"] and len(numbers) == len(obj.data.polygons) < 2000

    def test_only_a_mesh_has_parts(self, addon, capfd):
        from maquette.operators.cli import main

        command = ["reconstruct", "photo.png", "-o", "out.npz", "--as", "voxels", "--parts"]
        assert main.run_command(command) == 2
        assert "--parts and --assets need --as mesh" in capfd.readouterr().err

"""Python in .blend files is not run, though the preferences allow it."""

import subprocess
import sys

import bpy
import pytest
from maquette.core.scene.importing.mesh_import import imported_objects

# A file whose every part would leave a trace, and one that links a part of it.
MAKE = """
import bpy, os, sys
folder = sys.argv[1]
bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.mesh.primitive_cube_add()
obj = bpy.context.object
material = bpy.data.materials.new("Material")
material.use_nodes = True
obj.data.materials.append(material)
obj.shape_key_add(name="Basis")
key = obj.shape_key_add(name="Key")
modifier = obj.modifiers.new("Bevel", 'BEVEL')
group = bpy.data.node_groups.new("Group", 'ShaderNodeTree')
value = group.nodes.new('ShaderNodeValue')
material.node_tree.nodes.new('ShaderNodeGroup').node_tree = group
text = bpy.data.texts.new("script.py")
text.write(f"open({folder!r} + '/trace_text', 'w')")
text.use_module = True

def leave_trace(curve, name):
    curve.driver.type = 'SCRIPTED'
    path = f"{folder}/trace_{name}"
    curve.driver.expression = f"len([open({path!r}, 'w')])"

leave_trace(obj.driver_add("location", 0), "object")
leave_trace(key.driver_add("value"), "key")
leave_trace(modifier.driver_add("width"), "modifier")
leave_trace(material.driver_add("roughness"), "material")
shader = next(node for node in material.node_tree.nodes if node.type == 'BSDF_PRINCIPLED')
leave_trace(shader.inputs["Roughness"].driver_add("default_value"), "nodes")
leave_trace(value.outputs[0].driver_add("default_value"), "group")
leave_trace(obj.driver_add("scale", 0), "scale")
arithmetic = obj.driver_add("location", 1)
arithmetic.driver.expression = "2 * frame + 1"
bpy.ops.wm.save_as_mainfile(filepath=folder + "/hostile.blend")

bpy.ops.wm.read_factory_settings(use_empty=True)
bpy.ops.mesh.primitive_cube_add()
with bpy.data.libraries.load(folder + "/hostile.blend", link=True) as (source, target):
    target.materials = source.materials
bpy.context.object.data.materials.append(target.materials[0])
bpy.ops.wm.save_as_mainfile(filepath=folder + "/linking.blend")
sys.stdout.flush()
os._exit(0)
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    words = [sys.executable, "-c", MAKE, str(folder)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    return folder


@pytest.fixture
def scripts_allowed(addon):
    paths = bpy.context.preferences.filepaths
    before = paths.use_scripts_auto_execute
    paths.use_scripts_auto_execute = True
    yield
    paths.use_scripts_auto_execute = before


@pytest.mark.parametrize("name", ["hostile.blend", "linking.blend"])
def test_nothing_of_an_imported_file_runs(hostile, scripts_allowed, name):
    for trace in hostile.glob("trace_*"):  # of making the file
        trace.unlink()
    with imported_objects(hostile / name) as objects:
        bpy.context.view_layer.update()
        bpy.context.scene.frame_set(5)
        assert not list(hostile.glob("trace_*"))
        if name == "hostile.blend":
            # Arithmetic goes on, and runs nothing.
            graph = bpy.context.evaluated_depsgraph_get()
            assert objects[0].evaluated_get(graph).location.y == 11


@pytest.mark.parametrize("name", ["hostile.blend", "linking.blend"])
def test_the_file_would_run_without_this(hostile, scripts_allowed, monkeypatch, name):
    from maquette.core.scene.importing import scripts

    monkeypatch.setattr(scripts, "remove_script_drivers", lambda blocks: None)
    for trace in hostile.glob("trace_*"):
        trace.unlink()
    with imported_objects(hostile / name):
        bpy.context.scene.frame_set(5)
    assert (hostile / "trace_nodes").exists()

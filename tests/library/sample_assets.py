"""Four assets that nobody confuses, in .blend files as object and collection, and as a mesh."""

import bpy
from maquette.core.scene import compat

COLORS = {
    "box": (0.8, 0.05, 0.03, 1.0),
    "ball": (0.05, 0.5, 0.1, 1.0),
    "post": (0.05, 0.1, 0.8, 1.0),
    "plate": (0.9, 0.8, 0.1, 1.0),
}


def new_file():
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)


def paint(obj, color):
    material = bpy.data.materials.new(obj.name)
    compat.use_nodes(material)
    material.node_tree.nodes["Principled BSDF"].inputs["Base Color"].default_value = color
    obj.data.materials.append(material)


def add_shape(name, location=(0, 0, 0)):
    """Add the object ``name`` of COLORS in its color."""
    if name == "ball":
        bpy.ops.mesh.primitive_uv_sphere_add(segments=16, ring_count=8, location=location)
    else:
        bpy.ops.mesh.primitive_cube_add(size=1, location=location)
    obj = bpy.context.object
    obj.scale = {"post": (0.2, 0.2, 2.0), "plate": (2.0, 2.0, 0.1)}.get(name, (1, 1, 1))
    obj.name = name
    paint(obj, COLORS[name])
    return obj


def save(path):
    """Save the file and close it, since nothing can be loaded from an open one."""
    bpy.ops.wm.save_as_mainfile(filepath=str(path), compress=False)
    new_file()


def write_box(path):
    """Write the object asset "box", beside an object that is none."""
    new_file()
    add_shape("box", (3, 0, 0)).asset_mark()
    add_shape("ball", (9, 0, 0))
    save(path)


def write_library(folder):
    """Write box.blend, ball.blend, sub/post.blend (a collection) and plate.obj."""
    folder.mkdir(exist_ok=True)
    (folder / "sub").mkdir(exist_ok=True)
    write_box(folder / "box.blend")

    new_file()
    add_shape("ball").asset_mark()
    save(folder / "ball.blend")

    # Two objects in a collection; the second one stands on the first one.
    new_file()
    collection = bpy.data.collections.new("post")
    bpy.context.scene.collection.children.link(collection)
    for height in (0.0, 2.0):
        obj = add_shape("post", (0, 0, height))
        bpy.context.scene.collection.objects.unlink(obj)
        collection.objects.link(obj)
    collection.asset_mark()
    save(folder / "sub/post.blend")

    new_file()
    add_shape("plate")
    bpy.ops.wm.obj_export(filepath=str(folder / "plate.obj"))
    new_file()
    return folder


def write_picture(path, name, direction=(20, 15)):
    """Write an image of an asset, rendered from another direction than those of an index."""
    from maquette.core.atomic_files import write_png
    from maquette.core.scene.rendering.thumbnails import render_thumbnails

    obj = add_shape(name)
    (pixels,) = render_thumbnails(obj, 96, (direction,), samples=2)
    write_png(path, (pixels * 255 + 0.5).astype("uint8"))
    bpy.data.objects.remove(obj)
    return path

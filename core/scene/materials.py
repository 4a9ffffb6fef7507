"""Materials for reconstructed objects, which show vertex colors or a texture."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable

import bpy
import numpy as np
from numpy.typing import NDArray

from ..imaging import color as color_space
from . import compat

# The colors contain the light of the photograph: a shiny surface would add a second one.
_ROUGHNESS = 0.7
# Nodes whose inputs have a plain value in place of an image; other nodes compute with the image.
_PLAIN_INPUTS = ("BSDF_", "EMISSION", "NORMAL_MAP", "BUMP", "DISPLACEMENT", "SUBSURFACE")
_COPY_NUMBER = re.compile(r"\.\d{3,}$")  # that Blender adds to a name that is taken
_IMAGE_NODES = ('TEX_IMAGE', 'TEX_ENVIRONMENT')


def showing_attribute(name: str, attribute: str, mean: NDArray[np.floating]) -> bpy.types.Material:
    """Return a material whose base color is a color attribute.

    Args:
        name: Of the material.
        attribute: Name of the mesh's color attribute.
        mean: (3,) sRGB in 0..1, which Solid view shows while its colors come from materials.
    """
    # This kind of node is the one that the glTF exporter looks for.
    material, node = _principled_material(name, 'ShaderNodeVertexColor', mean)
    node.layer_name = attribute
    return material


def showing_image(
    name: str, image: bpy.types.Image, mean: NDArray[np.floating]
) -> bpy.types.Material:
    """Return a material whose base color is an image on the mesh's UV map.

    Args:
        name: Of the material.
        image: The texture.
        mean: (3,) sRGB in 0..1, which Solid view shows while its colors come from materials.
    """
    material, node = _principled_material(name, 'ShaderNodeTexImage', mean)
    node.image = image
    material.node_tree.nodes.active = node  # Solid view shows the texture of the active node
    return material


def show_attribute(material: bpy.types.Material, attribute: str) -> None:
    """Let the base color of ``material`` be a color attribute, unless it has a texture."""
    nodes = material.node_tree.nodes if material.node_tree else ()
    for shader in nodes:
        if shader.type == 'BSDF_PRINCIPLED' and not shader.inputs["Base Color"].is_linked:
            node = nodes.new('ShaderNodeVertexColor')
            node.layer_name = attribute
            material.node_tree.links.new(node.outputs["Color"], shader.inputs["Base Color"])


def image_source(image: bpy.types.Image) -> str:
    """Return a text that tells where an image is read from; "" if it is made by Blender.

    The absolute path of its file, or the name and size of a packed one: the same whichever file it
    is imported into.
    """
    if image.source not in ('FILE', 'SEQUENCE', 'MOVIE', 'TILED'):
        return ""
    if image.packed_file:
        name = _COPY_NUMBER.sub("", image.name)
        return f"{name}, {image.packed_file.size} bytes"
    path = bpy.path.abspath(image.filepath, library=image.library)
    return os.path.normpath(path) if path else ""


def has_pixels(image: bpy.types.Image) -> bool:
    """Return whether an image can be read; loads it."""
    return bool(image.size[0])


def remove_images(
    block: bpy.types.Material | bpy.types.NodeTree, images: Collection[bpy.types.Image]
) -> None:
    """Let a material or node group do without ``images``, which would be shown in magenta.

    What an image was the color or value of gets its plain one, and emits no light; where nodes
    compute with it, it is replaced by 1.
    """
    tree = block.node_tree if isinstance(block, bpy.types.Material) else block
    nodes = list(tree.nodes) if tree else ()
    for node in nodes:
        if node.type not in _IMAGE_NODES or node.image not in images:
            continue
        links = [link for output in node.outputs for link in output.links]
        for link in links:
            _replace_link(tree, link)
        node.image = None  # the renderer would load it all the same


def _replace_link(tree: bpy.types.NodeTree, link: bpy.types.NodeLink) -> None:
    """Replace the link from an image by a plain value."""
    socket = link.to_socket
    if link.to_node.type.startswith(_PLAIN_INPUTS):
        tree.links.remove(link)
        if socket.type == 'RGBA' and socket.name.startswith("Emission"):
            socket.default_value = (0.0, 0.0, 0.0, 1.0)
        return

    is_color = link.from_socket.type == 'RGBA'
    plain = tree.nodes.new('ShaderNodeRGB' if is_color else 'ShaderNodeValue')
    plain.outputs[0].default_value = (1.0, 1.0, 1.0, 1.0) if is_color else 1.0
    tree.links.new(plain.outputs[0], socket)


def images_of(obj: bpy.types.Object) -> list[bpy.types.Image]:
    """Return the images of the texture nodes of the object's materials, each once."""
    images: dict[bpy.types.Image, None] = {}
    for slot in obj.material_slots:
        if slot.material:
            images.update(dict.fromkeys(_material_images(slot.material)))
    return list(images)


def remove_unused(materials: Iterable[bpy.types.Material | None]) -> None:
    """Remove those of ``materials`` without users, and the images that only they used."""
    unused = {material for material in materials if material and not material.users}

    # Images are collected first, because the node tree goes with the material.
    for material in unused:
        images = set(_material_images(material))
        bpy.data.materials.remove(material)

        # Images that another material shows stay.
        for image in images:
            if not image.users:
                bpy.data.images.remove(image)


def _material_images(material: bpy.types.Material) -> list[bpy.types.Image]:
    """Return the images of the material's texture nodes."""
    nodes = material.node_tree.nodes if material.node_tree else ()
    return [node.image for node in nodes if node.type == 'TEX_IMAGE' and node.image]


def _principled_material(
    name: str, kind: str, mean: NDArray[np.floating]
) -> tuple[bpy.types.Material, bpy.types.ShaderNode]:
    """Return a material whose base color comes from a new node of type ``kind``, and the node."""
    material = bpy.data.materials.new(name)
    compat.use_nodes(material)
    tree = material.node_tree
    tree.nodes.clear()

    # Color -> Principled BSDF -> Output, from the right to the left.
    output = tree.nodes.new('ShaderNodeOutputMaterial')
    shader = tree.nodes.new('ShaderNodeBsdfPrincipled')
    color = tree.nodes.new(kind)
    shader.location = (-300, 0)
    color.location = (-600, 0)

    shader.inputs["Roughness"].default_value = _ROUGHNESS
    tree.links.new(color.outputs["Color"], shader.inputs["Base Color"])
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])

    # What Solid view shows.
    material.diffuse_color = (*color_space.to_linear(mean).tolist(), 1.0)
    material.roughness = _ROUGHNESS
    return material, color

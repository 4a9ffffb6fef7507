"""Materials for what we make."""

from __future__ import annotations

from collections.abc import Iterable

import bpy
import numpy as np
from numpy.typing import NDArray

from ..imaging import color as color_space
from . import compat

_ROUGHNESS = (
    0.7  # the colours hold the photograph's own light: a shiny surface would add a second one
)


def showing_attribute(name: str, attribute: str, mean: NDArray[np.floating]) -> bpy.types.Material:
    """A material whose base colour is a colour attribute.

    Args:
        name: of the material.
        attribute: name of the mesh's colour attribute.
        mean: (3,) sRGB in 0..1, what Solid view shows while its colours come from materials.
    """
    # the node that the glTF exporter looks for
    material, node = _principled_material(name, 'ShaderNodeVertexColor', mean)
    node.layer_name = attribute
    return material


def showing_image(
    name: str, image: bpy.types.Image, mean: NDArray[np.floating]
) -> bpy.types.Material:
    """A material whose base colour is ``image`` by the mesh's UV map; ``name`` and ``mean`` as above."""
    material, node = _principled_material(name, 'ShaderNodeTexImage', mean)
    node.image = image
    material.node_tree.nodes.active = node  # what Solid views show that show textures
    return material


def images_of(obj: bpy.types.Object) -> list[bpy.types.Image]:
    """The images of the texture nodes of its materials, each once."""
    slots = [slot.material for slot in obj.material_slots if slot.material]
    return list(dict.fromkeys(image for material in slots for image in _material_images(material)))


def remove_unused(materials: Iterable[bpy.types.Material | None]) -> None:
    """Remove those ``materials`` that nothing uses any more, and the images that were theirs alone."""
    for material in {each for each in materials if each and not each.users}:
        images = set(_material_images(material))
        bpy.data.materials.remove(material)
        for image in images:
            if not image.users:
                bpy.data.images.remove(image)


def _material_images(material: bpy.types.Material) -> list[bpy.types.Image]:
    nodes = material.node_tree.nodes if material.node_tree else ()
    return [node.image for node in nodes if node.type == 'TEX_IMAGE' and node.image]


def _principled_material(
    name: str, kind: str, mean: NDArray[np.floating]
) -> tuple[bpy.types.Material, bpy.types.ShaderNode]:
    """A material whose base colour comes from a node of that ``kind``, and the node."""
    material = bpy.data.materials.new(name)
    compat.use_nodes(material)
    tree = material.node_tree
    tree.nodes.clear()
    output = tree.nodes.new('ShaderNodeOutputMaterial')
    shader = tree.nodes.new('ShaderNodeBsdfPrincipled')
    color = tree.nodes.new(kind)
    shader.location = (-300, 0)
    color.location = (-600, 0)
    shader.inputs["Roughness"].default_value = _ROUGHNESS
    tree.links.new(color.outputs["Color"], shader.inputs["Base Color"])
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    material.diffuse_color = (*color_space.to_linear(mean).tolist(), 1.0)
    material.roughness = _ROUGHNESS
    return material, color

"""Random materials: a Principled shader with a procedural texture or a projected image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import bpy
import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...imaging import color as color_space
from ...synthesis.randomization import MaterialParams
from .. import compat

# For each texture its node, the output that separates the two colors, and the values of that output
# between which the colors blend.
_TEXTURES = {
    "noise": ('ShaderNodeTexNoise', 0, (0.4, 0.6)),
    "checker": ('ShaderNodeTexChecker', 1, (0.0, 1.0)),
    "voronoi": ('ShaderNodeTexVoronoi', 0, (0.2, 0.8)),
    "bricks": ('ShaderNodeTexBrick', 1, (0.0, 1.0)),
}
_MORTAR_SIZE = 0.05  # the default of 0.02 is hardly visible in small images
_BOX_BLEND = 0.2  # of the sides of a projected image


def plain_material(color: Sequence[float]) -> MaterialParams:
    """Return a half rough material of one ``color`` (3,), sRGB in 0..1."""
    return MaterialParams(
        texture="none",
        picture=None,
        colours=(tuple(color), tuple(color)),
        roughness=0.5,
        metallic=0.0,
        frequency=1.0,
        offset=(0.0, 0.0, 0.0),
    )


@contextmanager
def temporary_material(
    params: MaterialParams, extent: NDArray[np.floating]
) -> Iterator[bpy.types.Material]:
    """Yield a material for a mesh; it is removed on exit.

    Args:
        params: Of the material.
        extent: (3,) width, depth and height of the mesh, divided by the longest of them.

    Raises:
        DatasetError: The image of the material cannot be read.
    """
    with ExitStack() as stack:
        # The image, if the material has one.
        image = None
        if params.picture:
            image = bpy.data.images.load(str(params.picture))
            stack.callback(bpy.data.images.remove, image)
            if not image.size[0]:
                raise DatasetError(
                    f"{params.picture} cannot be read. Remove it from the texture folder"
                )

        material = bpy.data.materials.new("Maquette Look")
        stack.callback(bpy.data.materials.remove, material)
        compat.use_nodes(material)
        _build_nodes(material.node_tree, params, image, extent)
        yield material


def _build_nodes(
    tree: bpy.types.NodeTree,
    params: MaterialParams,
    image: bpy.types.Image | None,
    extent: NDArray[np.floating],
) -> None:
    """Fill the node tree of a material."""
    tree.nodes.clear()
    output = tree.nodes.new('ShaderNodeOutputMaterial')
    shader = tree.nodes.new('ShaderNodeBsdfPrincipled')
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])

    # The first color stays if there is no texture.
    shader.inputs["Base Color"].default_value = _linear_rgba(params.colours[0])
    shader.inputs["Roughness"].default_value = params.roughness
    shader.inputs["Metallic"].default_value = params.metallic
    if params.texture == "none":
        return

    # The texture replaces the base color.
    coordinates = _coordinates_socket(tree, params, extent)
    if image:
        color = _image_socket(tree, image, coordinates)
    else:
        color = _procedural_socket(tree, params, coordinates)

    tree.links.new(color, shader.inputs["Base Color"])


def _coordinates_socket(
    tree: bpy.types.NodeTree, params: MaterialParams, extent: NDArray[np.floating]
) -> bpy.types.NodeSocket:
    """Return texture coordinates in the mesh's bounding box, so that no UV map is needed."""
    mapping = tree.nodes.new('ShaderNodeMapping')
    mapping.inputs["Location"].default_value = params.offset

    # So many periods along the longest side, whatever the proportions.
    mapping.inputs["Scale"].default_value = extent * params.frequency

    coordinates = tree.nodes.new('ShaderNodeTexCoord')
    tree.links.new(coordinates.outputs["Generated"], mapping.inputs["Vector"])
    return mapping.outputs["Vector"]


def _image_socket(
    tree: bpy.types.NodeTree, image: bpy.types.Image, coordinates: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    """Return the color of ``image`` projected from all sides."""
    node = tree.nodes.new('ShaderNodeTexImage')
    node.image = image
    node.projection = 'BOX'
    node.projection_blend = _BOX_BLEND
    tree.links.new(coordinates, node.inputs["Vector"])
    return node.outputs["Color"]


def _procedural_socket(
    tree: bpy.types.NodeTree, params: MaterialParams, coordinates: bpy.types.NodeSocket
) -> bpy.types.NodeSocket:
    """Return the color of a procedural texture that mixes the two colors."""
    kind, output, blend_range = _TEXTURES[params.texture]
    node = tree.nodes.new(kind)
    node.inputs["Scale"].default_value = 1.0
    if params.texture == "bricks":
        node.inputs["Mortar Size"].default_value = _MORTAR_SIZE
    tree.links.new(coordinates, node.inputs["Vector"])

    # A ramp turns the value of the texture into the two colors.
    ramp = tree.nodes.new('ShaderNodeValToRGB')
    tree.links.new(node.outputs[output], ramp.inputs[0])
    elements = ramp.color_ramp.elements
    for element, position, color in zip(elements, blend_range, params.colours, strict=True):
        element.position = position
        element.color = _linear_rgba(color)
    return ramp.outputs["Color"]


def _linear_rgba(color: Sequence[float]) -> tuple[float, ...]:
    """Return linear RGBA of an sRGB ``color`` (3,) in 0..1."""
    return (*color_space.to_linear(np.array(color)).tolist(), 1.0)

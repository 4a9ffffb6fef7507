"""Materials that were drawn: a Principled shader with a procedural texture, or a picture put on from all sides."""

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

# The node of each texture, which of its outputs tells the two colours apart, and where one goes over into the other.
_TEXTURES = {
    "noise": ('ShaderNodeTexNoise', 0, (0.4, 0.6)),
    "checker": ('ShaderNodeTexChecker', 1, (0.0, 1.0)),
    "voronoi": ('ShaderNodeTexVoronoi', 0, (0.2, 0.8)),
    "bricks": ('ShaderNodeTexBrick', 1, (0.0, 1.0)),
}


def plain_material(color: Sequence[float]) -> MaterialParams:
    """Half rough, of one ``colour`` (3,), sRGB in 0..1."""
    return MaterialParams(
        "none", None, (tuple(color), tuple(color)), 0.5, 0.0, 1.0, (0.0, 0.0, 0.0)
    )


@contextmanager
def temporary_material(
    look: MaterialParams, extent: NDArray[np.floating]
) -> Iterator[bpy.types.Material]:
    """``look`` for a mesh that is ``extent`` (3,) longest sides wide, deep and high; gone afterwards.

    Raises:
        DatasetError: its picture cannot be read.
    """
    with ExitStack() as stack:
        image = None
        if look.picture:
            image = bpy.data.images.load(str(look.picture))
            stack.callback(bpy.data.images.remove, image)
            if not image.size[0]:
                raise DatasetError(
                    f"{look.picture} cannot be read. Remove it from the texture folder"
                )
        made = bpy.data.materials.new("Maquette Look")
        stack.callback(bpy.data.materials.remove, made)
        compat.use_nodes(made)
        _build_nodes(made.node_tree, look, image, extent)
        yield made


def _build_nodes(
    tree: bpy.types.NodeTree,
    look: MaterialParams,
    image: bpy.types.Image | None,
    extent: NDArray[np.floating],
) -> None:
    tree.nodes.clear()
    output = tree.nodes.new('ShaderNodeOutputMaterial')
    shader = tree.nodes.new('ShaderNodeBsdfPrincipled')
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    shader.inputs["Base Color"].default_value = _linear_rgba(look.colours[0])
    shader.inputs["Roughness"].default_value = look.roughness
    shader.inputs["Metallic"].default_value = look.metallic
    if look.texture != "none":
        tree.links.new(_texture_socket(tree, look, image, extent), shader.inputs["Base Color"])


def _texture_socket(
    tree: bpy.types.NodeTree,
    look: MaterialParams,
    image: bpy.types.Image | None,
    extent: NDArray[np.floating],
) -> bpy.types.NodeSocket:
    """The socket of the texture's colour, in the frame of the mesh's box so that no UV map is needed."""
    place = tree.nodes.new('ShaderNodeMapping')
    place.inputs["Location"].default_value = look.offset
    place.inputs["Scale"].default_value = extent * look.frequency
    tree.links.new(
        tree.nodes.new('ShaderNodeTexCoord').outputs["Generated"], place.inputs["Vector"]
    )
    if image:
        node = tree.nodes.new('ShaderNodeTexImage')
        node.image = image
        node.projection = 'BOX'
        node.projection_blend = 0.2
        tree.links.new(place.outputs["Vector"], node.inputs["Vector"])
        return node.outputs["Color"]
    kind, output, ends = _TEXTURES[look.texture]
    node = tree.nodes.new(kind)
    node.inputs["Scale"].default_value = 1.0
    if look.texture == "bricks":
        node.inputs[
            "Mortar Size"
        ].default_value = 0.05  # of the usual 0.02 little is left in small pictures
    tree.links.new(place.outputs["Vector"], node.inputs["Vector"])
    ramp = tree.nodes.new('ShaderNodeValToRGB')
    tree.links.new(node.outputs[output], ramp.inputs[0])
    for element, end, color in zip(ramp.color_ramp.elements, ends, look.colours, strict=True):
        element.position = end
        element.color = _linear_rgba(color)
    return ramp.outputs["Color"]


def _linear_rgba(color: Sequence[float]) -> tuple[float, ...]:
    return (*color_space.to_linear(np.array(color)).tolist(), 1.0)

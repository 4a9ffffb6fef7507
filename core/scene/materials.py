"""Materials for what we make."""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import srgb
from . import compat

_ROUGHNESS = 0.7  # the colours hold the photograph's own light: a shiny surface would add a second one


def showing_attribute(name: str, attribute: str, mean: NDArray[np.floating]) -> bpy.types.Material:
    """A material whose base colour is a colour attribute.

    Args:
        name: of the material.
        attribute: name of the mesh's colour attribute.
        mean: (3,) sRGB in 0..1, what Solid view shows while its colours come from materials.
    """
    material = bpy.data.materials.new(name)
    compat.use_nodes(material)
    tree = material.node_tree
    tree.nodes.clear()
    output = tree.nodes.new('ShaderNodeOutputMaterial')
    shader = tree.nodes.new('ShaderNodeBsdfPrincipled')
    colour = tree.nodes.new('ShaderNodeVertexColor')  # the node that the glTF exporter looks for
    shader.location, colour.location = (-300, 0), (-500, 0)
    colour.layer_name = attribute
    shader.inputs["Roughness"].default_value = _ROUGHNESS
    tree.links.new(colour.outputs["Color"], shader.inputs["Base Color"])
    tree.links.new(shader.outputs["BSDF"], output.inputs["Surface"])
    material.diffuse_color = (*srgb.to_linear(mean).tolist(), 1.0)
    material.roughness = _ROUGHNESS
    return material

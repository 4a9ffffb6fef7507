"""Every difference between the Blenders that we support, each with the version that ends it."""

from __future__ import annotations

import bpy


def use_nodes(block: bpy.types.World | bpy.types.Material) -> None:
    """Give a world or material its node tree. From 5.0 on it always has one, and the switch is deprecated."""
    if bpy.app.version < (5, 0, 0):
        block.use_nodes = True


def write_multilayer_exr(settings: bpy.types.ImageFormatSettings) -> None:
    """Write all passes of a picture into one 32 bit EXR file. From 5.0 on the kind of media comes first."""
    if bpy.app.version >= (5, 0, 0):
        settings.media_type = 'MULTI_LAYER_IMAGE'
    settings.file_format = 'OPEN_EXR_MULTILAYER'
    settings.color_depth = '32'
    settings.exr_codec = 'ZIP'

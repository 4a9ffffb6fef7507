"""Every difference between the Blenders that we support, each with the version that ends it."""

from __future__ import annotations

import bpy

# A path property says so if it knows Blender's "//" (the folder of the open file). Before 4.5 none could, and all did.
PATH_OPTIONS = (
    frozenset({'PATH_SUPPORTS_BLEND_RELATIVE'}) if bpy.app.version >= (4, 5, 0) else frozenset()
)


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
    settings.exr_codec = 'NONE'  # read at once and thrown away: packing took longer
    if bpy.app.version >= (5, 0, 0):
        settings.use_exr_interleave = (
            True  # else every pass is a part of its own, which core.imaging.exr does not read
        )


def write_exr(settings: bpy.types.ImageFormatSettings) -> None:
    """Write colour alone into a 16 bit EXR file, small with little loss. From 5.0 on the kind of media comes first."""
    if bpy.app.version >= (5, 0, 0):
        settings.media_type = 'IMAGE'
    settings.file_format = 'OPEN_EXR'
    settings.color_mode = 'RGB'
    settings.color_depth = '16'
    settings.exr_codec = 'DWAA'


def write_png(settings: bpy.types.ImageFormatSettings) -> None:
    """Write 8 bit colour and alpha. From 5.0 on the kind of media comes first."""
    if bpy.app.version >= (5, 0, 0):
        settings.media_type = 'IMAGE'
    settings.file_format = 'PNG'
    settings.color_mode = 'RGBA'
    settings.color_depth = '8'
    settings.compression = 15

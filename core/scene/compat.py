"""All differences between the supported versions of Blender, each with the version that ends it."""

from __future__ import annotations

import bpy

# Options of a path property that accepts "//" (the folder of the open file). Blender 4.5 added the
# option; before, every path property accepted it.
PATH_OPTIONS = (
    frozenset({'PATH_SUPPORTS_BLEND_RELATIVE'}) if bpy.app.version >= (4, 5, 0) else frozenset()
)


# Names of render passes in files from 5.0 on, and before, as ``core.scene`` knows them.
_OLD_PASS_NAMES = {
    "Diffuse Color": "DiffCol",
    "Glossy Color": "GlossCol",
    "Transmission Color": "TransCol",
    "Ambient Occlusion": "AO",
    "Material Index": "IndexMA",
}


def pass_channel(name: str) -> str:
    """Return the name before 5.0 of a channel of a render pass, such as "DiffCol.R"."""
    pass_name, _, channel = name.rpartition(".")
    return f"{_OLD_PASS_NAMES.get(pass_name, pass_name)}.{channel}"


def use_nodes(block: bpy.types.World | bpy.types.Material) -> None:
    """Give a world or material its node tree.

    From 5.0 on it always has one, and the property is deprecated.
    """
    if bpy.app.version < (5, 0, 0):
        block.use_nodes = True


def write_multilayer_exr(settings: bpy.types.ImageFormatSettings) -> None:
    """Set the output to one 32 bit EXR file with all passes.

    From 5.0 on the media type has to be set first.
    """
    if bpy.app.version >= (5, 0, 0):
        settings.media_type = 'MULTI_LAYER_IMAGE'
    settings.file_format = 'OPEN_EXR_MULTILAYER'
    settings.color_depth = '32'

    # The file is read at once and deleted: compressing it takes longer than it saves.
    settings.exr_codec = 'NONE'
    if bpy.app.version >= (5, 0, 0):
        # Without it every pass is a part of the file, which core.imaging.exr does not read.
        settings.use_exr_interleave = True


def write_exr(settings: bpy.types.ImageFormatSettings) -> None:
    """Set the output to a 16 bit EXR file with color only, small at little loss.

    From 5.0 on the media type has to be set first.
    """
    if bpy.app.version >= (5, 0, 0):
        settings.media_type = 'IMAGE'
    settings.file_format = 'OPEN_EXR'
    settings.color_mode = 'RGB'
    settings.color_depth = '16'
    settings.exr_codec = 'DWAA'


def write_png(settings: bpy.types.ImageFormatSettings) -> None:
    """Set the output to a PNG file with 8 bit color and alpha.

    From 5.0 on the media type has to be set first.
    """
    if bpy.app.version >= (5, 0, 0):
        settings.media_type = 'IMAGE'
    settings.file_format = 'PNG'
    settings.color_mode = 'RGBA'
    settings.color_depth = '8'
    settings.compression = 15


def animation_curves(data: bpy.types.AnimData) -> list[bpy.types.FCurve]:
    """Return the f-curves of the actions of an animated data-block, those of its strips included.

    From 4.4 on the curves of an action are in the channel bags of its layers, and from 5.0 on only
    there.
    """
    actions = [data.action]
    for track in data.nla_tracks:
        actions += [strip.action for strip in track.strips]

    curves: list[bpy.types.FCurve] = []
    for action in actions:
        if action is None:
            continue
        if bpy.app.version < (4, 4, 0):
            curves += action.fcurves
            continue
        for layer in action.layers:
            for strip in layer.strips:
                for bag in strip.channelbags:
                    curves += bag.fcurves

    return curves

"""Movies written by Blender, for tests of what reads them."""

import bpy
from maquette.core.console import silence_stdout
from PIL import Image


def write_movie(frames, path):
    """Write image files of one size in one folder as an MP4 with H.264; empties the open file."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    editor = scene.sequence_editor_create()
    strips = editor.strips if hasattr(editor, "strips") else editor.sequences
    strip = strips.new_image("walk", str(frames[0]), 1, 1)
    for frame in frames[1:]:
        strip.elements.append(frame.name)
    strip.frame_final_duration = len(frames)
    scene.frame_start = 1
    scene.frame_end = len(frames)
    scene.view_settings.view_transform = 'Standard'

    render = scene.render
    render.resolution_x, render.resolution_y = Image.open(frames[0]).size
    render.resolution_percentage = 100
    if hasattr(render.image_settings, "media_type"):
        render.image_settings.media_type = 'VIDEO'
    render.image_settings.file_format = 'FFMPEG'
    render.ffmpeg.format = 'MPEG4'
    render.ffmpeg.codec = 'H264'
    render.ffmpeg.constant_rate_factor = 'HIGH'
    render.use_file_extension = False
    render.filepath = str(path)
    with silence_stdout():
        bpy.ops.render.render(animation=True)
    bpy.ops.wm.read_factory_settings(use_empty=True)

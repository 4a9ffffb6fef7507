"""Everything that reads or changes Blender's data: meshes, images, cameras, materials, files.

Uses bpy and never torch; ``core.model`` is not imported here. The files of this folder serve its
packages: ``rendering`` makes images of objects, ``finishing`` remeshes and textures them, and
``datagen`` renders training sets. Operators and panels may use all of it; importing a module has
no effect.
"""

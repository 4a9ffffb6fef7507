"""Pictures of objects: a temporary studio scene, its lights, materials and cameras, and thumbnails.

Uses bpy. For ``core.scene.datagen`` and the operators.
"""

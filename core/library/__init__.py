"""Libraries of assets that are found by images: the index on disk, its update, and the search.

NumPy alone: the views are rendered by ``core.scene.library`` and embedded by
``core.model.inference.meaning.embedding``.
"""

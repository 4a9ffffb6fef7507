"""From solved photographs to a closed surface: masks, hull, depth maps, field, mesh.

    views -> hull -> depth maps -> consistent depth -> field -> surface

:mod:`.reconstruct` is the entry; it imports PyTorch when it runs, as do the steps. World axes and
units are those of :mod:`core.photogrammetry`: the object's longest side is about 1.
"""

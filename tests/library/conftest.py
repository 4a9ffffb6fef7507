import numpy as np
import pytest


@pytest.fixture
def make_index():
    """Returns an index of whole files ``a.glb``, ``b.glb`` ... with the given vectors."""
    from maquette.core.library import records
    from maquette.core.library.index_file import LibraryIndex, compress_thumbnail
    from maquette.core.library.views import SIZE

    def make(vectors, embedding="test 1", root="/library"):
        vectors = np.asarray(vectors, np.float16)
        files = {}
        entries = []
        thumbnails = []
        for row in range(len(vectors)):
            name = chr(ord("a") + row)
            path = f"{name}.glb"
            asset = records.AssetName(records.FILE, name)
            stamp = records.FileStamp(row + 1, 100, f"digest {name}")
            files[path] = records.LibraryFile(path, stamp, (asset,))
            entries.append(records.AssetEntry(records.asset_id(path, asset), path, asset))
            thumbnails.append(compress_thumbnail(np.full((SIZE, SIZE, 4), row, np.uint8)))
        directions = np.eye(3, dtype=np.float32)[np.arange(vectors.shape[1]) % 3]
        return LibraryIndex(
            embedding=embedding,
            root=root,
            source="FOLDER",
            files=files,
            entries=tuple(entries),
            vectors=vectors,
            thumbnails=tuple(thumbnails),
            directions=directions,
        )

    return make


@pytest.fixture
def unit_vectors():
    """Returns random unit vectors of a shape, always the same."""

    def draw(*shape):
        values = np.random.default_rng(0).normal(size=shape)
        return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)

    return draw

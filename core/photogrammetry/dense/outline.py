"""The visual hull alone, to be shown while depth is measured."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ...arrays import MeshArrays
from ...geometry.surface_nets import surface_nets
from ...jobs import messages
from ...jobs.dependencies import require_packages
from ...jobs.task import Task, subtask
from ..records import SolvedScene
from .records import DenseSettings
from .view_reading import ObjectViews, read_views

_CELLS = 72  # along the longest side: enough to see whether it is right
_READ = 0.8  # share of the time


@dataclass(frozen=True)
class _Kept:
    """Views that were read for an outline; the surface of the same scene needs them again."""

    key: bytes
    views: ObjectViews


_kept: _Kept | None = None


def outline_surface(solved: SolvedScene, settings: DenseSettings) -> Task[MeshArrays]:
    """Return the visual hull of the object as a coarse closed mesh.

    The photographs are read once: :func:`views_once` has them if it is called in this process.

    Args:
        solved: Photographs with cameras.
        settings: Of the surface.

    Raises:
        ImageError: The object cannot be told from its background, or a photograph cannot be read.
        DependencyError: PyTorch or Pillow is not installed.
    """
    global _kept
    require_packages("torch", "PIL")
    from .hull import build_hull

    _kept = None
    with single_threaded():
        views = yield from subtask(read_views(solved, settings), 0.0, _READ)
        cells = min(settings.resolution, _CELLS)
        hull = yield from subtask(build_hull(views.views, cells, views.floor), _READ, 1.0)

    _kept = _Kept(_key(solved, settings), views)
    return surface_nets(hull.values, origin=hull.origin, spacing=hull.spacing)


def views_once(solved: SolvedScene, settings: DenseSettings) -> Task[ObjectViews]:
    """Return what :func:`read_views` does, if possible as read for :func:`outline_surface`.

    They are kept for one call, so that they do not take memory for long.
    """
    global _kept
    kept = _kept
    _kept = None
    if kept is not None and kept.key == _key(solved, settings):
        return kept.views
    return (yield from read_views(solved, settings))


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let PyTorch use one thread for each operation, since views are measured beside each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _key(solved: SolvedScene, settings: DenseSettings) -> bytes:
    """Return a digest of all that the views depend on, but for the pixels."""
    digest = hashlib.sha256()
    for part in messages.message_parts((solved, settings)):
        digest.update(part)
    return digest.digest()

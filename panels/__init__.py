"""The sidebar tab "Maquette" and the preferences. Only the add-on itself imports this package."""

from ..operators._translation import set_contexts
from . import (
    batch,
    dataset,
    finish,
    image_editor,
    library,
    photographs,
    preferences,
    procedural,
    reconstruct,
    references,
    shapes,
    thumbnails,
    train,
    translations,
)

_MODULES = (
    translations,
    preferences,
    thumbnails,
    reconstruct,
    references,
    batch,
    photographs,
    finish,
    procedural,
    library,
    shapes,
    dataset,
    train,
    image_editor,
)


def register() -> None:
    """Register the preferences and the panels."""
    for module in _MODULES:
        set_contexts(module)
        module.register()


def unregister() -> None:
    """Unregister them in the reverse order."""
    for module in reversed(_MODULES):
        module.unregister()

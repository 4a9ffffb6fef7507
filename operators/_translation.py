"""The translation context of this add-on's texts.

Blender translates texts of one word by its own dictionary, with the meaning that the word has
elsewhere: "Sides" becomes the number of edges. Texts of a context of their own are translated by
``panels.translations`` alone, or stay English.
"""

from __future__ import annotations

import typing
from types import ModuleType

import bpy

CONTEXT = "Maquette"


def translated(text: str) -> str:
    """Return a label in the language of the interface; as it is if it has no translation.

    Blender does this itself for the names of classes and properties, and for the argument ``text``
    of a layout where ``text_ctxt=CONTEXT`` is beside it. It is needed for texts with values:
    ``translated("Queued: {}").format(name)``.
    """
    return bpy.app.translations.pgettext_iface(text, CONTEXT)


def set_contexts(module: ModuleType) -> None:
    """Give the classes that ``module`` will register, and their properties, the context."""
    for cls in vars(module).values():
        is_own = isinstance(cls, type) and cls.__module__ == module.__name__
        if is_own and issubclass(cls, bpy.types.bpy_struct):
            _set_context(cls)


def _set_context(cls: type) -> None:
    if issubclass(cls, bpy.types.Operator | bpy.types.Panel | bpy.types.Menu):
        cls.bl_translation_context = CONTEXT

    # Annotations are texts until they are evaluated, and a new property at each time. Those that
    # have the context replace the texts, in the mix-ins as well.
    properties = typing.get_type_hints(cls)
    for base in cls.__mro__:
        annotations = getattr(base, "__annotations__", {})
        for name in annotations:
            deferred = properties[name]
            if isinstance(deferred, bpy.props._PropertyDeferred):
                deferred.keywords.setdefault("translation_context", CONTEXT)
                annotations[name] = deferred

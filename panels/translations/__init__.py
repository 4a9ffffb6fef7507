"""The labels of the main panels in other languages, one module a language.

Each maps an English text to its translation. Texts of the panels Training Data and Training, and
tooltips, are English in every language.
"""

from __future__ import annotations

import bpy

from ...operators._translation import CONTEXT
from . import chinese, french, german, japanese, spanish

_PACKAGE = __package__.rpartition(".panels.")[0]
# Blender looks for the language and the country, then for the language alone.
LABELS = {
    "de": german.LABELS,
    "es": spanish.LABELS,
    "fr": french.LABELS,
    "ja": japanese.LABELS,
    "zh_HANS": chinese.LABELS,
}


def register() -> None:
    """Let Blender know the labels."""
    messages = {
        language: {(CONTEXT, text): label for text, label in labels.items()}
        for language, labels in LABELS.items()
    }
    bpy.app.translations.register(_PACKAGE, messages)


def unregister() -> None:
    """Let Blender forget them."""
    bpy.app.translations.unregister(_PACKAGE)

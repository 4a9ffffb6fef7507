"""The sidebar in other languages.

    blender --python drive_languages.py

Reads ``front.png`` and ``right.png`` beside it; writes the same as ``drive.py``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
from drive import HERE, drive, open_panels, result, screenshot, view

# As Blender's preferences call them; versions differ in the country.
LANGUAGES = ("en", "de", "ja", "zh_HANS", "es", "fr")
CONTEXT = "Maquette"


def choose_language(code: str) -> None:
    """Set the language of the interface."""
    preferences = bpy.context.preferences.view
    names = [item.identifier for item in preferences.bl_rna.properties["language"].enum_items]
    known = list(bpy.app.translations.locales) + names
    preferences.language = next(name for name in known if name.startswith(code))
    preferences.use_translate_interface = True


def story() -> Iterator[float]:
    open_panels("MAQUETTE_PT_batch", "MAQUETTE_PT_photographs")
    area, sidebar = view()
    area.spaces.active.show_region_ui = True
    settings = bpy.context.scene.maquette
    settings.image = bpy.data.images.load(str(HERE / "front.png"))
    settings.front_image = settings.image
    settings.right_image = bpy.data.images.load(str(HERE / "right.png"))
    settings.top = "//an_older_scene.png"
    yield 1
    sidebar.active_panel_category = "Maquette"
    yield 1

    labels = result["labels"] = {}
    for code in LANGUAGES:
        choose_language(code)
        translate = bpy.app.translations.pgettext_iface
        labels[code] = [translate(text, CONTEXT) for text in ("Front", "Sides", "Reconstruct")]
        for source in ('IMAGE', 'SIDES', 'REFERENCES'):
            settings.source = source
            area.tag_redraw()
            yield 1.5
            screenshot(f"languages-{code}-{source.lower()}")
    choose_language("en")


if __name__ == "__main__":
    steps = story()
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)

"""The sidebar in other languages.

    blender --python drive_languages.py

Reads ``front.png`` and ``right.png`` beside it; writes the same as ``drive.py``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import bpy
from drive import HERE, NAME, drive, open_panels, result, screenshot, view
from drive_install import hide_packages, preferences_window

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


def redraw(area: bpy.types.Area) -> Iterator[float]:
    """Draw the sidebar again, and wait until its panels have moved to their places."""
    for _ in range(4):
        area.tag_redraw()
        yield 0.5


def story() -> Iterator[float]:
    hide_packages()  # so that the notice is drawn
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
            yield from redraw(area)
            screenshot(f"languages-{code}-{source.lower()}")

    # The same notice in the preferences.
    for code in ("de", "ja"):
        choose_language(code)
        with bpy.context.temp_override(window=bpy.context.window_manager.windows[0]):
            bpy.ops.preferences.addon_show('INVOKE_DEFAULT', module=NAME)
        yield 2
        screenshot(f"languages-{code}-preferences")
        with bpy.context.temp_override(window=preferences_window()):
            bpy.ops.wm.window_close()
        yield 1
    choose_language("en")


if __name__ == "__main__":
    steps = story()
    bpy.app.timers.register(lambda: drive(steps), first_interval=3)

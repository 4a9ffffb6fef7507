"""The images that an object is reconstructed from, as properties of operators."""

from __future__ import annotations

from bpy.props import StringProperty

from ...core.cameras import SIDES
from ...core.errors import ImageError
from .paths import file_property, side_name_property, side_property
from .scene import side_image_name

PHOTO = "photo"  # name of the single image among images that are called by their sides
_NOT_SAVED = frozenset({'SKIP_SAVE'})  # the images of the last call must not come back in the next


class ImageInputs:
    """Mix-in of operators that reconstruct from one image, or from images of sides."""

    filepath: file_property(
        "File",
        "Image file of the object. If it has no alpha channel, the background is removed "
        "automatically",
        _NOT_SAVED,
    )
    image: StringProperty(
        name="Image",
        description="Name of an image in the current blend file, used instead of an image file",
        options={'SKIP_SAVE'},
    )
    front: side_property("front", _NOT_SAVED)
    right: side_property("right", _NOT_SAVED)
    back: side_property("back", _NOT_SAVED)
    left: side_property("left", _NOT_SAVED)
    top: side_property("top", _NOT_SAVED)
    bottom: side_property("bottom", _NOT_SAVED)
    front_image: side_name_property("front")
    right_image: side_name_property("right")
    back_image: side_name_property("back")
    left_image: side_name_property("left")
    top_image: side_name_property("top")
    bottom_image: side_name_property("bottom")

    def side_paths(self) -> dict[str, str]:
        """Return the image files of the sides that are set."""
        paths = {side: getattr(self, side) for side in SIDES}
        return {side: path for side, path in paths.items() if path}

    def image_names(self) -> dict[str, str]:
        """Return the names of the images of the file by their side, or ``PHOTO``."""
        names = {side: getattr(self, side_image_name(side)) for side in SIDES}
        names[PHOTO] = self.image
        return {key: name for key, name in names.items() if name}

    def check_choice(self) -> None:
        """Check which of the images are set.

        Raises:
            ImageError: there is none, or too many.
        """
        paths = self.side_paths()
        names = self.image_names()
        has_sides = bool(paths or names.keys() - {PHOTO})
        if bool(self.filepath) + bool(self.image) + has_sides != 1:
            raise ImageError("Choose one image, or images of the object's sides")
        for side in SIDES:
            if side in paths and side in names:
                raise ImageError(f"The {side} has a file and an image. Choose one of them")

    def image_sources(self) -> list[str]:
        """Return the names and paths of the images, sides in their order."""
        sources = {**self.side_paths(), **self.image_names()}
        ordered = [sources[key] for key in (*SIDES, PHOTO) if key in sources]
        return [*ordered, self.filepath] if self.filepath else ordered

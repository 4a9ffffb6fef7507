"""What to do about a missing package, onto the clipboard. An extension may not run pip itself."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty
from bpy.types import Context

from ..core import dependencies


class MAQUETTE_OT_copy_install_command(bpy.types.Operator):
    """Copy the command that installs the missing package, to paste it into a terminal"""

    bl_idname = "maquette.copy_install_command"
    bl_label = "Copy Install Command"
    bl_options = {'INTERNAL'}

    package: StringProperty(name="Package", description="Name of the package that is missing", default="torch")

    def execute(self, context: Context) -> set[str]:
        context.window_manager.clipboard = dependencies.advice(self.package)
        self.report({'INFO'}, f"Copied: {dependencies.advice(self.package)}")
        return {'FINISHED'}


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_copy_install_command,))

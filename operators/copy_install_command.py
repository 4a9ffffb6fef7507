"""Copy the commands that install missing packages. An extension may not run pip itself."""

from __future__ import annotations

import bpy
from bpy.types import Context

from ..core.jobs import dependencies
from . import _compute


class MAQUETTE_OT_copy_install_command(bpy.types.Operator):
    """Copy the commands that install the missing packages. Paste them into a terminal"""

    bl_idname = "maquette.copy_install_command"
    bl_label = "Copy Install Command"
    bl_options = {'INTERNAL'}

    def execute(self, context: Context) -> set[str]:
        missing = _compute.missing_packages()
        commands = [dependencies.install_command(package) for package in missing]
        context.window_manager.clipboard = "\n".join(commands)
        self.report({'INFO'}, f"Copied: {'; '.join(commands)}")
        return {'FINISHED'}


register, unregister = bpy.utils.register_classes_factory((MAQUETTE_OT_copy_install_command,))

"""Install PyTorch and Pillow by a button, remove them, or copy the commands that install them.

They go into a folder of the extension's own, which only worker processes have on their path:
Blender's modules and other extensions never see them.
"""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty
from bpy.types import Context, Event

from ..core.errors import DependencyError, MaquetteError
from ..core.jobs import dependencies, package_install
from ..core.jobs.interpreters import PythonInterpreter
from ..core.jobs.package_install import InstallRequest
from ..core.jobs.python_probe import PythonInfo
from ..core.jobs.task import Task
from . import _compute, _task_operator
from ._results import absolute_path
from ._task_operator import TaskOperator
from .properties.paths import folder_property
from .worker import last_problem, store_problem, store_test_result

_BUILDS = (
    ('CPU', "CPU", "Runs on every computer. Downloads about 0.25 GB, takes 1 GB of disk space"),
    (
        'CUDA',
        "CUDA",
        "For NVIDIA GPUs on Linux and Windows. Downloads gigabytes",
    ),
)


class MAQUETTE_OT_install_packages(TaskOperator, bpy.types.Operator):
    """Download PyTorch and Pillow into a folder of this extension"""

    bl_idname = "maquette.install_packages"
    bl_label = "Install PyTorch"
    bl_description = (
        "Download PyTorch and Pillow into a folder of this extension. Only Maquette's background "
        "process uses them. An interrupted download continues where it stopped"
    )
    bl_options = {'INTERNAL'}

    build: EnumProperty(
        name="Build", description="Kind of PyTorch to install", items=_BUILDS, options={'SKIP_SAVE'}
    )
    wheels: folder_property(
        "Wheels", "Folder of wheels to install from instead of the network", {'SKIP_SAVE'}
    )

    def start(self, context: Context) -> Task[PythonInfo]:
        if not self.wheels and not bpy.app.online_access:
            raise DependencyError(
                "Online access is off. Allow it in Preferences > System > Network, or choose a "
                "Python that has PyTorch"
            )

        store_test_result(None)
        _compute.end_workers()  # one may use the packages that are replaced
        request = InstallRequest(
            root=_compute.packages_root(),
            python=PythonInterpreter.current(),
            build=self.build.lower(),
            wheels=absolute_path(self.wheels) if self.wheels else None,
        )
        return package_install.install_packages(request)

    def finish(self, context: Context, result: PythonInfo) -> None:
        store_test_result(result)
        self.report({'INFO'}, f"Installed. {result.status_text()}")

    def report_error(self, error: MaquetteError) -> set[str]:
        store_problem(error)
        return super().report_error(error)


class MAQUETTE_OT_remove_packages(bpy.types.Operator):
    """Remove the PyTorch that was installed by the button"""

    bl_idname = "maquette.remove_packages"
    bl_label = "Remove PyTorch"
    bl_options = {'INTERNAL'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        if _task_operator.running_task():
            cls.poll_message_set("Wait until the running task has finished")
            return False
        if not _compute.packages_root().exists():
            cls.poll_message_set("Nothing was installed by Maquette")
            return False
        return True

    def invoke(self, context: Context, event: Event) -> set[str]:
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context: Context) -> set[str]:
        _compute.end_workers()
        try:
            package_install.remove_packages(_compute.packages_root())
        except MaquetteError as error:
            self.report({'ERROR'}, str(error))
            return {'CANCELLED'}

        store_test_result(None)
        self.report({'INFO'}, "Removed the PyTorch that Maquette had installed")
        return {'FINISHED'}


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


class MAQUETTE_OT_copy_problem(bpy.types.Operator):
    """Copy the whole message, to search for it or to report it"""

    bl_idname = "maquette.copy_problem"
    bl_label = "Copy Message"
    bl_options = {'INTERNAL'}

    @classmethod
    def poll(cls, context: Context) -> bool:
        return bool(last_problem())

    def execute(self, context: Context) -> set[str]:
        context.window_manager.clipboard = last_problem()
        self.report({'INFO'}, "Copied the message")
        return {'FINISHED'}


register, unregister = bpy.utils.register_classes_factory(
    (
        MAQUETTE_OT_install_packages,
        MAQUETTE_OT_remove_packages,
        MAQUETTE_OT_copy_install_command,
        MAQUETTE_OT_copy_problem,
    )
)

"""Settings of a training, for the operator and the panel."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty

from .paths import folder_property

TRAINING_SET = folder_property(
    "Training Set", "Folder of the training set, as written by Render Dataset"
)
RUN_FOLDER = folder_property(
    "Run Folder",
    "Folder for the log, preview images and checkpoint. Leave empty to create it next to the "
    "training set",
)


class TrainingProperties:
    """Mix-in of the operator that trains, and of the settings in the panel."""

    others: folder_property(
        "Replay Set",
        "A second training set (about 100 varied objects) mixed in so that the model does not "
        "forget other shapes. Leave empty to skip",
    )
    start: EnumProperty(
        name="Initial Weights",
        description="Weights that training starts from",
        items=(
            (
                'BUNDLED',
                "Bundled Weights",
                "Weights bundled with Maquette. A new category is learned in a few hundred steps",
            ),
            ('RUN', "Earlier Run", "Checkpoint of an earlier training run"),
        ),
    )
    start_run: folder_property("Checkpoint Folder", "Folder of the earlier run to start from")
    steps: IntProperty(
        name="Steps",
        description="Number of training steps (batches of 8 to 16 objects). More steps learn the "
        "new objects better and forget more of the others. A step takes seconds on a CPU",
        default=200,
        min=1,
        soft_max=5000,
        max=1000000,
    )
    rate: FloatProperty(
        name="Learning Rate",
        description="Peak learning rate. A higher rate learns faster and forgets more of the "
        "other shapes",
        default=3e-4,
        min=1e-6,
        max=1e-2,
        precision=5,
    )


class MaquetteTraining(TrainingProperties, bpy.types.PropertyGroup):
    """What the panel Training shows: ``scene.maquette.training``."""

    dataset: TRAINING_SET
    run: RUN_FOLDER

    def apply_to(self, button: bpy.types.OperatorProperties) -> None:
        """Set the properties of the operator behind ``button``, which trains."""
        button.folder = self.dataset
        for name in TrainingProperties.__annotations__:
            setattr(button, name, getattr(self, name))


register, unregister = bpy.utils.register_classes_factory((MaquetteTraining,))

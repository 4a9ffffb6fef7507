"""What the panel Training shows and the file keeps: ``scene.maquette.training``."""

from __future__ import annotations

import bpy
from bpy.props import EnumProperty, FloatProperty, IntProperty, StringProperty

from ..train import DATASET, OTHERS, RATE, RUN, START, START_RUN, STEPS


class MaquetteTraining(bpy.types.PropertyGroup):
    dataset: StringProperty(**DATASET)
    others: StringProperty(**OTHERS)
    run: StringProperty(**RUN)
    start: EnumProperty(**START)
    start_run: StringProperty(**START_RUN)
    steps: IntProperty(**STEPS)
    rate: FloatProperty(**RATE)


register, unregister = bpy.utils.register_classes_factory((MaquetteTraining,))

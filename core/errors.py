"""What can go wrong, named for the person who can put it right.

Every text raised from here is shown to the user as it is: say what is wrong with
what, and what to do about it. Anything else that is raised is a bug of ours.
"""


class MaquetteError(Exception):
    """Base of every error that an operator reports instead of letting it fly."""


class Cancelled(MaquetteError):
    """The user stopped the work."""


class ImageError(MaquetteError):
    """A reference image is missing, empty or of the wrong form."""


class MeshError(MaquetteError):
    """A mesh is missing, empty or not what the work needs."""


class WeightsError(MaquetteError):
    """The model weights are missing, damaged or do not fit the model."""


class DatasetError(MaquetteError):
    """A training set is missing, incomplete or not in our format."""


class SceneError(MaquetteError):
    """The scene lacks what the work needs."""


class OutputError(MaquetteError):
    """A result cannot be written where it was asked for."""


class DependencyError(MaquetteError):
    """A Python package that this work needs is not installed in this Python."""


class DeviceError(MaquetteError):
    """What the model computes on has too little memory."""


class WorkerError(MaquetteError):
    """A process that works for this one cannot be started, or has ended."""


class StartError(WorkerError):
    """It cannot be started, or has ended before it could be given anything to do."""

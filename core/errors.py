"""Errors that are reported to the user.

Their texts are shown as they are, so each is a full sentence: what is wrong, with which file or
object, and what to do. Any other exception is a bug of Maquette.
"""


class MaquetteError(Exception):
    """Base of every error that an operator or a command reports."""


class Cancelled(MaquetteError):
    """The user stopped the task."""


class ImageError(MaquetteError):
    """A reference image is missing, empty or in an unsupported form."""


class CameraFileError(MaquetteError):
    """A file of solved cameras is missing, damaged, of an unknown format, or fits no photograph."""


class MeshError(MaquetteError):
    """A mesh is missing, empty or unsuitable for the task."""


class WeightsError(MaquetteError):
    """The model weights are missing, damaged or do not fit the model."""


class DatasetError(MaquetteError):
    """A training set is missing, incomplete or in another format."""


class LibraryError(MaquetteError):
    """A library of assets or its index is missing, damaged, out of date or in another format."""


class TrainingError(MaquetteError):
    """Training cannot go on."""


class SceneError(MaquetteError):
    """The scene lacks something that the task needs."""


class OutputError(MaquetteError):
    """A result cannot be written to the chosen path."""


class DependencyError(MaquetteError):
    """A Python package that the task needs is not installed in this Python."""


class DeviceError(MaquetteError):
    """The device that the model runs on has too little memory."""


class WorkerError(MaquetteError):
    """A worker process cannot be started, or has ended."""


class StartError(WorkerError):
    """A worker process cannot be started, or has ended before it received a task."""


def failure_reason(error: Exception) -> str:
    """Return why one item of a batch failed, as a sentence for the user.

    A batch goes on after any failure, so besides the errors of this module it meets those of the
    system and of libraries, whose texts do not say what they are.
    """
    if isinstance(error, MaquetteError):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory for it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"It failed unexpectedly ({type(error).__name__}: {error})"

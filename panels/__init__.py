"""What the user sees: the sidebar tab "Maquette" and the preferences. Nothing imports this but the add-on itself."""

from . import batch, dataset, finish, photographs, preferences, reconstruct, references, train

_MODULES = (preferences, reconstruct, references, batch, photographs, finish, dataset, train)


def register() -> None:
    for module in _MODULES:
        module.register()


def unregister() -> None:
    for module in reversed(_MODULES):
        module.unregister()

"""What is missing and why is told alike in the sidebar and the preferences."""

from types import SimpleNamespace

import pytest
from maquette.core.jobs import dependencies

PROBLEM = "The download failed: no route to host. " + "Check the connection and install again. " * 3


class RecordedLayout:
    """Stands for a UILayout: records the labels and buttons that are drawn, also in its parts."""

    def __init__(self, drawn):
        self.drawn = drawn

    def label(self, text="", **options):
        self.drawn.append(text)

    def operator(self, name, **options):
        self.drawn.append(name)
        return SimpleNamespace()

    def __getattr__(self, name):
        return lambda *values, **options: RecordedLayout(self.drawn)


@pytest.fixture
def preferences(addon, monkeypatch, tmp_path):
    """Preferences of a Blender without packages, in which nothing was tested or installed."""
    from maquette.operators import _compute

    made = SimpleNamespace(python="", told="", failed=False, found_devices="")
    monkeypatch.setattr(_compute, "addon_preferences", lambda: made)
    monkeypatch.setattr(_compute, "packages_root", lambda: tmp_path / "python")
    monkeypatch.setattr(dependencies, "is_installed", lambda package: False)
    return made


def drawn_in_both():
    """What the sidebar and what the preferences draw, each as a list."""
    from maquette.panels import dependency_notice

    sidebar = []
    dependency_notice.draw_missing(RecordedLayout(sidebar), "MAQUETTE_PT_reconstruct")
    settings = []
    dependency_notice.draw_setup(RecordedLayout(settings), "MaquettePreferences")
    return sidebar, settings


def test_a_failed_test_is_told_whole_beside_the_help(preferences):
    preferences.told = PROBLEM
    preferences.failed = True
    sidebar, settings = drawn_in_both()
    for drawn in (sidebar, settings):
        text = " ".join(drawn)
        assert "Maquette needs PyTorch and Pillow. Install it here" in text
        assert PROBLEM.strip() in text
        assert "maquette.copy_problem" in drawn and "maquette.install_packages" in drawn
    assert "preferences.addon_show" in sidebar
    sidebar.remove("preferences.addon_show")
    assert "".join(sidebar).replace(" ", "") == "".join(settings).replace(" ", "")


def test_a_chosen_python_that_fails_is_told_in_the_sidebar(preferences):
    preferences.python = "/somewhere/python"
    assert drawn_in_both()[0] == []
    preferences.told = PROBLEM
    preferences.failed = True
    sidebar, settings = drawn_in_both()
    for drawn in (sidebar, settings):
        assert "Choose another Python" in " ".join(drawn)
        assert "maquette.install_packages" not in drawn


def test_nothing_is_drawn_in_the_sidebar_where_nothing_is_missing(preferences, monkeypatch):
    monkeypatch.setattr(dependencies, "is_installed", lambda package: True)
    preferences.told = "Python 3.11, PyTorch 2.13, devices: CPU"
    sidebar, settings = drawn_in_both()
    assert sidebar == [] and preferences.told in " ".join(settings)


def test_a_stopped_installation_is_no_problem(preferences):
    from maquette.core.errors import Cancelled, DependencyError
    from maquette.operators import worker

    worker.store_problem(Cancelled("Stopped"))
    assert worker.last_problem() == ""
    worker.store_problem(DependencyError("There is no torch"))
    worker.store_problem(Cancelled("Stopped"))
    assert worker.last_problem() == "There is no torch"

import shutil

import bpy
import pytest


@pytest.fixture(scope="session")
def library_template(sample_assets, tmp_path_factory):
    """The folder of a library of four assets, which no test changes."""
    return sample_assets.write_library(tmp_path_factory.mktemp("template") / "library")


@pytest.fixture
def library(library_template, addon, rendering_here, tmp_path):
    """A copy of the library."""
    return shutil.copytree(library_template, tmp_path / "library")


@pytest.fixture
def index_file(tmp_path):
    return tmp_path / "index.npz"


@pytest.fixture
def indexed(library_template, addon, rendering_here, index_file):
    """Options of the operators for the library, which is indexed."""
    options = {"source": 'FOLDER', "folder": str(library_template), "index_file": str(index_file)}
    made = library_template.with_name("index.npz")
    if not made.exists():
        bpy.ops.maquette.index_library(**{**options, "index_file": str(made)})
    shutil.copy(made, index_file)
    return options


@pytest.fixture
def asset_library(library):
    """The library among the asset libraries of the preferences."""
    libraries = bpy.context.preferences.filepaths.asset_libraries
    bpy.ops.preferences.asset_library_add(directory=str(library))
    added = libraries[-1]
    added.name = "Test Library"
    yield added
    bpy.ops.preferences.asset_library_remove(index=len(libraries) - 1)


@pytest.fixture
def found():
    """Returns what was found last."""
    return lambda: bpy.context.window_manager.maquette_library.matches

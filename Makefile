# make demo [IMAGE=photo.png]   pictures into meshes: out/demo.glb, out/demo.blend, out/demo.png
# make test [ARGS="-k images"]  all tests, or some
# make gallery DIR=photos       a contact sheet of every picture in a folder
# make zip                      the extension for Blender: dist/maquette-x.y.z.zip
# make setup                    only .venv with all that these need

PYTHON ?= python3.11
VENV ?= .venv
TORCH ?= 2.13.0
BPY ?= 4.5.*
# Where PyTorch's CPU builds are, if the configured package index has none: the build that Linux gets
# by default is CUDA's, with gigabytes of companions.
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Where Blender's own modules are, if the package index has dropped the version.
BPY_INDEX ?= https://download.blender.org/pypi/

# With which tests read what is exported, as nerfstudio and BOP's toolkit do; what they ask for is gigabytes.
READERS := nerfstudio==1.1.5 easydatasettobop==1.0.2

RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check

.PHONY: setup demo test gallery zip
setup: $(VENV)/.ready

# Done once, and again when the packages change: the second make needs no network.
$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) "torch==$(TORCH)+cpu" 2>/dev/null || $(PIP) --extra-index-url $(TORCH_INDEX) "torch==$(TORCH)+cpu" || $(PIP) "torch==$(TORCH)"
	$(PIP) "bpy==$(BPY)" 2>/dev/null || $(PIP) --extra-index-url $(BPY_INDEX) "bpy==$(BPY)"
	$(PIP) --editable ".[test]"
	$(PIP) --no-deps $(READERS)
	touch $@

demo: $(VENV)/.ready
	$(VENV)/bin/maquette demo $(if $(IMAGE),"$(IMAGE)")

test: $(VENV)/.ready
	$(RUN) -m pytest $(ARGS)

gallery: $(VENV)/.ready
	$(VENV)/bin/maquette gallery "$(DIR)"

zip: $(VENV)/.ready
	mkdir -p dist
	$(RUN) "$$($(RUN) -c 'import bpy; print(bpy.utils.system_resource("SCRIPTS"))')/addons_core/bl_pkg/cli/blender_ext.py" \
	  build --source-dir . --output-dir dist

# make demo [IMAGE=photo.png]   pictures into meshes: out/demo.glb, out/demo.blend, out/demo.png
# make demo-photographs         16 bundled photographs into cameras, points and a textured mesh: out/photographs.blend, .glb
# make test [ARGS="-k images"]  all tests, or some
# make quick                    the tests that take under ten seconds each; JOBS=0 for one process and --pdb
# make check                    style, types: ruff and mypy
# make test-newest              the tests of Blender with the newest bpy of this Python, in .venv-newest
# make fuzz                     an attack with mutated files, kills and hostile programs, counted: [FUZZ="--only pictures"]
# make gallery DIR=photos       a contact sheet of every picture in a folder
# make zip                      the extension for Blender: dist/maquette-x.y.z.zip
# make zip-full                 the same with PyTorch in it, for one platform and Python: [PLATFORM=linux-x64] [ABI=cp311]
# make repository               dist/repository, a folder to put on any web server: Blender adds it by its address
# make training-sets              the training sets of the bundled model, from seeds; continues where it stopped (about 10 h)
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

# How many processes the tests run in.
JOBS ?= 2
PARALLEL = -n $(JOBS) --dist loadfile --no-loadscope-reorder --max-worker-restart 2

RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check

.PHONY: setup check demo demo-photographs test quick test-newest fuzz gallery zip zip-full repository
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

demo-photographs: $(VENV)/.ready
	mkdir -p out
	$(VENV)/bin/maquette photographs core/samples/photographs -o out/photographs.blend --size 0.3 --preset game \
	  --also out/photographs.glb

# Tests with a window first, which need the computer for themselves; then the others, a file after another in each of
# JOBS processes. Pytest's status 5 says that there was nothing to run.
test: $(VENV)/.ready
	@window=0; $(RUN) -m pytest -m window $(ARGS) || window=$$?; \
	others=0; $(RUN) -m pytest -m "not window" $(PARALLEL) $(ARGS) || others=$$?; \
	if [ $$window -eq 5 ]; then exit $$others; fi; \
	if [ $$others -eq 5 ] || [ $$others -eq 0 ]; then exit $$window; fi; \
	exit $$others

# Those that take under ten seconds each.
quick: $(VENV)/.ready
	$(RUN) -m pytest -m "not window and not slow" $(PARALLEL) $(ARGS)

check: $(VENV)/.ready
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

NEWEST_BPY ?= 5.0.*
test-newest:
	$(MAKE) setup VENV=$(VENV)-newest BPY='$(NEWEST_BPY)'
	$(VENV)-newest/bin/python -m pytest -m "not window and not slow" $(PARALLEL) $(ARGS) \
	  tests/scene tests/operators tests/procedural/test_reproducible.py tests/test_names.py

# About an hour; docs/reliability.md has the counts.
fuzz: $(VENV)/.ready
	$(RUN) tests/fuzz/run.py $(FUZZ)

gallery: $(VENV)/.ready
	$(VENV)/bin/maquette gallery "$(DIR)"

VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' blender_manifest.toml)
# Blender's own command for extensions, which is plain Python.
BLENDER_EXT = "$$($(RUN) -c 'import bpy; print(bpy.utils.system_resource("SCRIPTS"))')/addons_core/bl_pkg/cli/blender_ext.py"

zip: $(VENV)/.ready
	mkdir -p dist
	$(RUN) $(BLENDER_EXT) build --source-dir . --output-dir dist

# linux-x64, windows-x64, windows-arm64 or macos-arm64; cp311 for Blender 4.2 to 5.0, cp313 from 5.1 on
PLATFORM ?= linux-x64
ABI ?= cp311
zip-full: zip
	$(RUN) .ci/full_zip.py dist/maquette-$(VERSION).zip --platform $(PLATFORM) --python $(ABI) \
	  --torch $(TORCH) --index $(TORCH_INDEX) --blender-ext $(BLENDER_EXT)

# The self-contained zips that are built, or else the small one: a Blender must find one of them alone to fit it.
repository: zip
	rm -rf dist/repository && mkdir dist/repository
	cp $$(ls dist/maquette-$(VERSION)-*.zip 2>/dev/null || echo dist/maquette-$(VERSION).zip) dist/repository
	$(RUN) $(BLENDER_EXT) server-generate --repo-dir dist/repository --html

# 20,000 objects in all: mesh archives of MESHES (NAME.tar.xz with NAME/*.glb) and procedural objects. Each set is made by
# one process: make -j2 training-sets takes two cores. Three families are in a set of their own, never to be trained on.
MESHES ?= ../shared/meshes
HDRI ?= ../shared/hdri
SETS ?= data/sets
SEED := 1000
PROCEDURAL := 12000
HELD_OUT := lantern,mailbox,wheelbarrow
ARCHIVES := $(sort $(wildcard $(MESHES)/*.tar.xz))
FAMILIES = $$($(RUN) -c 'import maquette.core.procedural as p; print(",".join(sorted(set(p.FAMILIES) - set("$(HELD_OUT)".split(",")))))')
RENDER = OMP_NUM_THREADS=1 $(VENV)/bin/maquette dataset
LOOK := --cameras sides free:6 --size 128 --samples 4 --denoise --points 8192 --most-triangles 20000 \
  --hdri $(HDRI) --compact --relightable --grid

.PHONY: training-sets training-sets-meshes training-sets-procedural
training-sets: training-sets-meshes training-sets-procedural

# In rounds of more and more objects, drawn as by chance, so that what is there at any time is of all kinds.
training-sets-meshes: $(VENV)/.ready
	mkdir -p $(SETS)/meshes
	for limit in 40 120 400 100000; do \
	  for archive in $(ARCHIVES); do \
	    name=$$(basename $$archive .tar.xz); \
	    test -d $(SETS)/meshes/$$name || { rm -rf $(SETS)/meshes/.part && mkdir $(SETS)/meshes/.part && \
	      tar -C $(SETS)/meshes/.part -xJf $$archive && mv $(SETS)/meshes/.part/* $(SETS)/meshes; } || exit 1; \
	    $(RENDER) $(SETS)/$$name --meshes $(SETS)/meshes/$$name --seed $(SEED) --limit $$limit $(LOOK) || exit 1; \
	  done; \
	done

training-sets-procedural: $(VENV)/.ready
	for limit in 1000 2000 4000 8000 $(PROCEDURAL); do \
	  $(RENDER) $(SETS)/procedural --procedural $(FAMILIES) --count $(PROCEDURAL) --seed $(SEED) --limit $$limit --parts $(LOOK) || exit 1; \
	done
	$(RENDER) $(SETS)/held_out --procedural $(HELD_OUT) --count 150 --seed $(SEED) --parts $(LOOK)

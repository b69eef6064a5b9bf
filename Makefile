PYTHON ?= python

.PHONY: check lint types test run bench fuzz scaling survival validation

check: lint types test run  ## everything that CI runs

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

test:
	$(PYTHON) -m pytest -n 2 --dist loadfile

run:
	$(PYTHON) -m benchmark run --out "$$(mktemp -d)"

bench:
	$(PYTHON) -m benchmark.speed
	$(PYTHON) -m benchmark.speed_deepgaze
	$(PYTHON) -m benchmark.speed_maps
	$(PYTHON) -m benchmark.speed_service
	$(PYTHON) -m benchmark.speed_batching

survival:
	$(PYTHON) -m benchmark.survival

validation:
	$(PYTHON) -m benchmark.validation

fuzz:
	$(PYTHON) -m benchmark.fuzzing --atheris 60

scaling:
	$(PYTHON) -m benchmark.scaling

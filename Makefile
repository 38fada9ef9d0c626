# `make run` is an exchange with somebody to trade with, `make test` its tests. Both install first, once.

PYTHON ?= python3
VENV := .venv
INSTALLED := $(VENV)/.installed

.PHONY: help run test test-compose lint bench install clean

help:
	@echo 'make run      an exchange on this machine, with bots to trade with; Ctrl-C stops it'
	@echo 'make test     the tests'
	@echo 'make test-compose  the venue in containers: builds an image with podman, which takes minutes'
	@echo 'make lint     ruff and mypy'
	@echo 'make bench    the benchmarks; results go to tests/benchmarks/results.json'
	@echo 'make install  what the others do first: everything into $(VENV)'
	@echo 'make clean    remove $(VENV) and caches; data/ stays'

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@PYTHON='$(PYTHON)' sh ./install.sh $(VENV)
	@touch $@

run: $(INSTALLED)
	@$(VENV)/bin/fixserver run --config config/exchange.toml --data data --bots

test: $(INSTALLED)
	$(VENV)/bin/pytest -n auto --dist loadfile -m 'not alone'
	$(VENV)/bin/pytest -m alone

test-compose: $(INSTALLED)
	FIXSERVER_COMPOSE=1 $(VENV)/bin/pytest -rs tests/compose

lint: $(INSTALLED)
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy

bench: $(INSTALLED)
	$(VENV)/bin/python -m tests.benchmarks

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

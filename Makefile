# `make` alone lists what there is. Every target makes what it needs; a second run is fast.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

python := .venv/bin/python
pip := $(python) -m pip --disable-pip-version-check --quiet
pytest := $(python) -m pytest
# A worker for each core; tests/conftest.py says which tests stay together.
workers := --numprocesses auto --dist loadscope --no-loadscope-reorder
# More for pytest: make test ARGS="-k ping -x"
ARGS :=

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

.PHONY: lab
lab: .venv/core ## a first walk through a small broken site, in the terminal
	@.venv/bin/netwerf tour
	@command -v netwerf >/dev/null || printf '\nIn this shell, first: . .venv/bin/activate\n'

.PHONY: test
test: .venv/dev ## every test
	@$(pytest) $(workers) $(ARGS)

.PHONY: lint
lint: .venv/dev ## format and lint, without changing anything
	@$(python) -m ruff format --check .
	@$(python) -m ruff check .

.PHONY: fix
fix: .venv/dev ## format, and mend what the linter can mend
	@$(python) -m ruff check --fix-only .
	@$(python) -m ruff format .

.PHONY: types
types: .venv/dev ## type check
	@$(python) -m mypy

.PHONY: docs
docs: .venv/dev ## check the pages: links, examples, published names
	@$(pytest) tests/test_docs.py tests/test_public_names.py $(ARGS)

.PHONY: notebooks
notebooks: .venv/dev ## execute every notebook
	@$(pytest) -m notebook $(ARGS)

.PHONY: prove
prove: .venv/dev ## let every scenario prove itself
	@.venv/bin/netwerf prove --all

.PHONY: verdicts
verdicts: .venv/dev ## judge every repair of the corpus; a table of false passes and false fails
	@$(python) -m tests.verdicts

.PHONY: bench
bench: .venv/dev ## measure, each figure beside its rival
	@for file in benchmarks/[a-z]*.py; do \
		case "$$file" in */common.py) continue ;; esac; \
		name=$${file#benchmarks/}; \
		echo; $(python) -m "benchmarks.$${name%.py}" || exit 1; \
	done

.PHONY: golden
golden: .venv/dev ## write the golden files anew; read the difference before you commit it
	@$(pytest) --regenerate-golden $(ARGS)
	@git --no-pager diff --stat -- tests || true

.PHONY: messages
messages: .venv/dev ## collect the texts of the interface for translation, and compile the translations
	@$(python) .ci/messages.py

.PHONY: commands
commands: .venv/dev ## write docs/commands.md anew: every command, its options and who shows them
	@$(python) .ci/commands.py

.PHONY: images
images: .venv/dev ## draw the pictures of the README anew (needs chromium)
	@$(python) docs/images/make.py

.PHONY: dist
dist: .venv/dev ## build the wheel and the source archive into dist/
	@rm -rf dist
	@$(python) -m build --outdir dist .

.PHONY: clean
clean: ## remove .venv and everything that can be made again
	@rm -rf .venv dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment. Each stamp is newer than pyproject.toml once what it names is installed.

.venv/made: .ci/venv
	@.ci/venv
	@touch $@

.venv/core: pyproject.toml .venv/made
	@echo "Installing Netwerf into .venv (once)"
	@$(pip) install --editable .
	@touch $@

.venv/dev: pyproject.toml .venv/made
	@echo "Installing Netwerf with the tools of its developers into .venv (once, some minutes)"
	@$(pip) install --editable ".[dev,notebook,kernel]"
	@touch .venv/core $@

.venv/oracles: pyproject.toml .venv/made
	@echo "Installing a BDD library, a SAT solver and an SMT solver into .venv (once)"
	@$(pip) install --editable ".[oracles]"
	@touch .venv/core $@

# Needs make and a Python >= 3.11 that has venv; all else comes from the package registry into .venv.
#   make demo      make test      make test PYTHON=python3.13 VENV=.venvs/all-3.13

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SDKS   := $(VENV)/.sdks
RAY    := .venvs/ray
# Every driver's SDK. ministack pins an older botocore than aiobotocore takes, so it comes without its own wishes.
EXTRAS := anthropic,azure,bedrock,docling,fal,gateway,google,huggingface,linkup,local,mistral,openai,openrouter,portkey,tables
MINISTACK := hypercorn pyyaml defusedxml jsonata-python graphql-core==3.2.12

# Many tests start processes: without compiled modules at hand each would compile the project anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: weights ## a third-party plugin, a caught mistake, a model's answer, a PDF's text
	@$(BIN)/python -m demo

.PHONY: test
test: lint check ## everything that must pass quickly: lint, types, generated files, tests
	$(BIN)/python -m pytest -n 3 --dist loadfile

.PHONY: test-thorough
test-thorough: $(SDKS) ## the files of tests that take long: every fault with every driver, corpus, real trees, freezing
	$(BIN)/python -m pytest -m 'thorough and not heavy' -n 3 --dist loadfile

.PHONY: test-pythons
test-pythons: ## what depends on the interpreter, on each Python from 3.11 to 3.13 that is found
	@.ci/pythons

.PHONY: test-servers
test-servers: $(SDKS) ## the drivers against servers that others wrote for node, and what takes long of the tests
	$(BIN)/python -m pytest tests/servers -n 2 --dist loadfile
	$(BIN)/python -m pytest -m heavy -n 2 --dist loadfile

.PHONY: test-bulk
test-bulk: $(SDKS) ## many rows: a million in flat memory, fifty kills
	$(BIN)/python -m pytest -m heavy tests/bulk

.PHONY: test-ray
test-ray: $(RAY)/.ready ## many rows on a Ray cluster of several processes: kills, a lost node, other versions
	$(RAY)/bin/python -m pytest -m ray tests/ray

.PHONY: test-slow
test-slow: $(SDKS) ## the gateway against a large proxy of another project
	$(BIN)/python -m pytest tests/slow

.PHONY: test-corpus
test-corpus: $(SDKS) ## documents that others made, by the models that need no key; RECORD=1 writes the counts anew
	$(BIN)/python -m pip install --quiet --group corpus
	$(BIN)/python -m tests.documents $(if $(RECORD),--record)

.PHONY: rehearse
rehearse: $(SDKS) ## carry changes of the contract through on copies of the project: diff, bump, upgrade
	$(BIN)/python -m pytest tests/rehearsals -m rehearsal -n 2

.PHONY: lint
lint: $(SDKS) ## ruff (rules and format), mypy --strict
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: check
check: $(SDKS) ## hold the generated files against spi.toml and src/
	$(BIN)/python -m codegen --check --full
	$(BIN)/python -m codegen diff --accept-declared --no-witness

.PHONY: generate
generate: $(READY) ## write the generated files anew
	$(BIN)/python -m codegen

.PHONY: bench
bench: $(READY) ## measure everything beside its peers, in half an hour; writes benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks

.PHONY: wheel
wheel: $(READY) ## build the wheel and the sdist into dist/
	$(BIN)/python -m build --no-isolation --outdir dist

.PHONY: weights
weights: $(READY) ## fetch the local model's weights (93 MB, once, into your cache folder)
	@$(BIN)/pipelex local install

.PHONY: clean
clean: ## remove all that make made in this folder, .venv too
	rm -rf $(VENV) .venvs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .codegen-cache .bench-cache .cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is older than pyproject.toml when the dependencies may have changed.
$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed: PYTHON=python3.12 make ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --group dev --editable '.[local]'
	@touch $@

$(SDKS): $(READY)
	$(BIN)/python -m pip install --quiet --group dev --editable '.[$(EXTRAS)]'
	$(BIN)/python -m pip install --quiet $(MINISTACK)
	$(BIN)/python -m pip install --quiet --no-deps ministack==1.5.33
	@touch $@

# An environment of its own: Ray brings much that nothing else here needs.
$(RAY)/.ready: pyproject.toml
	$(PYTHON) -m venv $(RAY)
	$(RAY)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(RAY)/bin/python -m pip install --quiet --group pythons --editable '.[ray]'
	@touch $@

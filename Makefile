PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
DEMO := demo
# one thread a process: the work is spread over processes, and results do not depend on how many cores there are
export OMP_NUM_THREADS = 1

.PHONY: setup demo screenshots notebooks types quick test lint check-all check-aws check-cluster check-pythons check-install load bench lock release licences docs-pages site clean

setup: .venv/.done

# uv installs the lock in a fraction of pip's time; where it can't (a platform without its wheel), pip does. It does not
# read pip's settings: extra places of wheels are handed on. PyTorch comes as its build for the CPU (make setup TORCH=auto
# takes the one for the graphics card at hand), or, where its own index is out of reach, as the package index has it.
TORCH ?= cpu
INSTALL = UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" VIRTUAL_ENV=.venv
.venv/.done: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' \
		|| { echo "tenor is developed on Python 3.11 to 3.14: set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --quiet $$(grep '^uv==' requirements.lock) || true
	$(INSTALL) UV_HTTP_RETRIES=1 $(BIN)/uv pip install --quiet --torch-backend=$(TORCH) -r requirements.lock 2>/dev/null \
		|| $(INSTALL) $(BIN)/uv pip install --quiet -r requirements.lock \
		|| $(BIN)/pip install --disable-pip-version-check --quiet -r requirements.lock
	$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation -e .
	@touch $@

# the main job: real bars -> trained model -> judged on data it never saw -> report
demo: setup
	$(BIN)/tenor data import embedded --store $(DEMO)/lake
	$(BIN)/python train_model.py --store $(DEMO)/lake --config examples/demo.toml
	# before the report, which shows what it finds
	$(BIN)/tenor ablate --store $(DEMO)/lake --config examples/demo.toml --without news --arms kinds --report $(DEMO)/news.html
	$(BIN)/python evaluate_model.py --store $(DEMO)/lake --config examples/demo.toml --report $(DEMO)/report.html
	$(BIN)/tenor predict AAPL --store $(DEMO)/lake
	# what the news did to a range: the day of its quarterly results
	$(BIN)/tenor predict AAPL --store $(DEMO)/lake --session 2015-10-27
	@echo "The report: $(DEMO)/report.html; does the news help: $(DEMO)/news.html"

# the examples as executed notebooks with their outputs and figures, in notebooks/
notebooks: setup
	$(BIN)/uv pip install --quiet --target .notebooks jupytext nbconvert ipykernel
	mkdir -p notebooks
	cd notebooks && for script in ../examples/*.py; do \
		PYTHONPATH=../.notebooks "$(CURDIR)/$(BIN)/python" -m jupytext --to ipynb --execute \
			--output $$(basename $$script .py).ipynb $$script || exit 1; \
	done

# the examples by pyright, another type checker than ours; it runs on node, and fetches one where there is none
types: setup
	$(BIN)/uv pip install --quiet --target .pyright pyright
	PYTHONPATH=.pyright $(BIN)/python -m pyright

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# while working: about a minute; no training, no browser, no S3 server
quick: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pytest -n 2 -q -m "not slow and not aws and not cluster and not browser and not s3 and not torch and not processes" tests

test: lint
	$(BIN)/pytest -n 2 -m "not slow and not aws and not cluster"

# everything, slow checks included
check-all: lint
	$(BIN)/pytest -n 2 -m "not aws and not cluster" --timeout=1800 --hypothesis-profile=explore
	$(MAKE) load

# 200 clients for a minute on the demo's forecasts: no error, p99 within 20 times p50
load: setup
	@test -d $(DEMO)/lake || $(MAKE) demo
	$(BIN)/tenor refresh --store $(DEMO)/lake
	$(BIN)/python perf/serving_load.py --store $(DEMO)/lake

# the AWS functions as they are packed, under Lambda's emulator against a real S3 server; the template's linters
check-aws: setup
	$(MAKE) -C deployment check
	$(BIN)/pytest -m aws tests/aws --timeout=1800

# a Ray cluster of two nodes on this machine, one of which is killed; Ray lies beside the environment, in .ray
check-cluster: setup
	test -d .ray/ray || UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" $(BIN)/uv pip install --quiet --python $(BIN)/python --target .ray 'ray[client]>=2.50'
	PYTHONPATH="$(CURDIR)/.ray:$(CURDIR)/tests/support" $(BIN)/pytest -m cluster tests/engines --timeout=900

# the wheel with each extra on each Python at hand, from wheels alone: make check-pythons ONLY="--python 3.12 --extra train"
check-pythons: setup
	$(BIN)/python scripts/check_pythons.py $(ONLY)

# what the docs promise a newcomer, on each Python at hand, in a fresh clone and an empty home: the wheel with each extra,
# the set-up, the tutorial and the site; PARTS="--part demo --part test" runs the two commands of README as well
check-install: check-pythons
	$(BIN)/python scripts/check_install.py $(PARTS)

# tenor beside other tools, which are installed below .bench/: make bench ONLY="--only training"; writes docs/performance.md
bench: setup
	$(BIN)/python perf/beside $(ONLY)
	$(BIN)/python perf/lake_at_size.py
	$(BIN)/python perf/lake_reads.py

# make lock UPGRADE=--upgrade takes the newest versions
lock: setup
	$(BIN)/python scripts/lock.py $(UPGRADE)

# the bill of materials and the licences of what `tenor[all]` installs, in dist/
licences: setup
	$(BIN)/python scripts/licences.py

# a version: make release VERSION=0.2.0; docs/releasing.md has the rest
release: setup
	$(BIN)/python scripts/release.py $(VERSION)

# the pictures of the dashboard in docs/images, from the demo
screenshots: setup
	$(BIN)/tenor refresh --store $(DEMO)/lake
	$(BIN)/python scripts/write_screenshots.py --store $(DEMO)/lake

# the pages of docs/ that come from the code: settings, commands, Python API, decisions, the table of features
docs-pages: setup
	$(BIN)/python scripts/write_docs_pages.py

# what each example prints, for the site: executed once, and again where it changed
OUTPUTS = $(patsubst examples/%.py,.outputs/%.txt,$(wildcard examples/*.py))
.outputs/%.txt: examples/%.py | setup
	rm -rf .outputs/$* && mkdir -p .outputs/$*
	cd .outputs/$* && MPLBACKEND=Agg "$(CURDIR)/$(BIN)/python" -B "$(CURDIR)/$<" > ../$*.new
	mv .outputs/$*.new $@

# the site of the docs, in site/, in an environment of its own; a broken link or name is an error (spelling, blocks of code
# and commands are checked by the tests)
site: setup $(OUTPUTS)
	test -d .site-venv || $(PYTHON) -m venv .site-venv
	UV_FIND_LINKS="$${UV_FIND_LINKS:-$$PIP_FIND_LINKS}" VIRTUAL_ENV=.site-venv $(BIN)/uv pip install --quiet -r docs/requirements.txt
	.site-venv/bin/zensical build --clean --strict

clean:
	rm -rf .venv .site-venv .outputs site $(DEMO)

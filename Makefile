# Commands of the laboratory; `make` alone lists them. Everything is installed under the repository (.venv/, bin/).
# Recipes quote every path and targets are relative, so that a checkout whose path holds a space works.

PYTHON  ?= python3
NB      ?=
ROOT    := $(CURDIR)
PY      := .venv/bin/python
STAMPS  := .venv/stamps
GO_VERSION := $(shell go env GOVERSION 2>/dev/null)

# The only place that sets how Go builds: kernel.json copies it. A different GOEXPERIMENT in a cell costs a full rebuild.
export GOEXPERIMENT := simd
export GOFLAGS := -buildvcs=false
export GOWORK := off

# Jupyter and the caches of pip, staticcheck, goimports and npm stay in .venv; in the user's home only Go's own caches.
export GOCACHE := $(shell go env GOCACHE 2>/dev/null)
export XDG_CACHE_HOME := $(ROOT)/.venv/cache
export npm_config_cache := $(ROOT)/.venv/cache/npm
export JUPYTER_CONFIG_DIR := $(ROOT)/.venv/etc/jupyter
export JUPYTER_DATA_DIR := $(ROOT)/.venv/share/jupyter
export JUPYTER_RUNTIME_DIR := $(ROOT)/.venv/share/jupyter/runtime
export JUPYTER_PLATFORM_DIRS := 1
export IPYTHONDIR := $(ROOT)/.venv/etc/ipython
export PIP_DISABLE_PIP_VERSION_CHECK := 1

export SCORESDE_ROOT := $(ROOT)
export PJRT_PLUGIN_LIBRARY_PATH := $(ROOT)/.venv/lib/pjrt
export GOMLX_NO_AUTO_INSTALL := 1
NVIDIA := .venv/lib/nvidia
ifneq ($(wildcard $(NVIDIA)),)
export LD_LIBRARY_PATH := $(ROOT)/$(NVIDIA)/cu13/lib:$(ROOT)/$(NVIDIA)/cudnn/lib:$(ROOT)/$(NVIDIA)/nccl/lib:$(ROOT)/$(NVIDIA)/nvshmem/lib:$(LD_LIBRARY_PATH)
endif

GO_FILES  := $(shell find pkg -name '*.go' ! -name '*_test.go' 2>/dev/null)
REPORTER  := .ci/execute.py .ci/report.py .ci/templates/report/index.html.j2
NOTEBOOKS := $(patsubst notebooks/%.ipynb,%,$(wildcard notebooks/*.ipynb))
CHOSEN    := $(strip $(foreach n,$(NOTEBOOKS),$(if $(findstring $(NB),$(n)),$(n))))

.PHONY: help setup report notebook lab test lint go-test slurm-test notebook-test bench gpu check-tools kernel clean distclean
.DELETE_ON_ERROR:
.NOTPARALLEL:

help:
	@echo 'make report            set up, execute the notebooks, write results/ and results/html/index.html'
	@echo 'make test              set up, lint, test the packages, execute the notebooks with the quick budget'
	@echo 'make lab               set up and open JupyterLab'
	@echo 'make notebook NB=000b  report on the notebooks whose name contains 000b'
	@echo 'make setup [PJRT=upstream] | lint | bench | gpu | clean | distclean'

# --- set-up ---------------------------------------------------------------------------------------------------------

setup: check-tools $(STAMPS)/python $(STAMPS)/go-$(GO_VERSION) kernel

check-tools:
	@PYTHON="$(PYTHON)" sh .ci/check_tools.sh

$(STAMPS)/python: requirements.txt | check-tools
	@echo '== Python packages -> .venv'
	@[ -x $(PY) ] && $(PY) -c '' 2>/dev/null || "$(PYTHON)" -m venv --clear .venv
	@$(PY) -m pip install --quiet --require-hashes --no-deps -r requirements.txt || { \
		echo 'set-up stopped: not every file could be fetched with the SHA-256 that requirements.txt names (see above)' >&2; exit 1; }
	@mkdir -p $(STAMPS) && touch $@

# `go list -m all` reads the whole module graph once: cells build in a workspace, offline, and need it.
$(STAMPS)/go-$(GO_VERSION): go.mod go.sum | check-tools $(STAMPS)/python
	@echo '== Go modules and tools -> bin; first build of the packages'
	@mkdir -p bin && go build -o bin/ tool
	@go list -m all >/dev/null
	@go build ./pkg/... || echo 'pkg/ does not build: notebooks will not run before it does'
	@touch $@

kernel: | $(STAMPS)/python $(STAMPS)/go-$(GO_VERSION)
ifeq ($(PJRT),upstream)
	@go run .ci/pjrt_upstream.go .venv/lib
endif
	@$(PY) .ci/kernel.py

gpu: setup
	@sh .ci/gpu.sh

# --- main job -------------------------------------------------------------------------------------------------------

report: $(NOTEBOOKS:%=results/html/%.html)
	@$(PY) .ci/report.py

notebook: $(CHOSEN:%=results/html/%.html)
	@[ -n "$(CHOSEN)" ] || { echo 'no notebook in notebooks/ has "$(NB)" in its name' >&2; exit 1; }
	@$(PY) .ci/report.py

report notebook: | setup

results/html/%.html: notebooks/%.ipynb $(GO_FILES) go.mod $(REPORTER) | setup
	@SCORESDE_BUDGET=full SCORESDE_RESULTS="$(ROOT)/results" $(PY) .ci/execute.py --report $<

lab: setup
	@$(PY) -m jupyterlab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir="$(ROOT)" \
		--LabApp.default_url=/lab/tree/notebooks $$([ "$$(id -u)" = 0 ] && echo --allow-root) $(LAB_ARGS)

# --- checks ---------------------------------------------------------------------------------------------------------

test: lint go-test slurm-test notebook-test

lint: setup
	@echo '== lint'
	@bad=$$("$$(go env GOROOT)/bin/gofmt" -l pkg .ci); [ -z "$$bad" ] || { echo "not gofmt-ed: $$bad" >&2; exit 1; }
	@go vet ./pkg/... && go vet .ci/pjrt_upstream.go
	@bin/staticcheck ./pkg/...
	@$(PY) .ci/lint_notebooks.py

# Nothing here measures time: it passes on a busy machine too.
go-test: lint
	@echo '== go test'
	@SCORESDE_BACKEND= go test -timeout 60m ./pkg/...

# A real Slurm is started on this machine, where one is installed; SCORESDE_SLURM=install installs it (as root, on Debian).
slurm-test: go-test
	@SCORESDE_BACKEND= sh .ci/slurm.sh

# results/test is emptied first: nothing of an earlier run can pass for a result of this one. Two notebooks at a time keep
# two processors busy, since a cell compiles on one; runs that both need are locked.
notebook-test: slurm-test
	@echo '== notebooks, quick budget'
	@rm -rf results/test
	@rc=0; printf '%s\n' $(NOTEBOOKS:%=notebooks/%.ipynb) | \
		SCORESDE_BUDGET=quick SCORESDE_RESULTS="$(ROOT)/results/test" xargs -n 1 -P 2 $(PY) .ci/execute.py || rc=1; \
	$(PY) .ci/checks.py results/test $(NOTEBOOKS) || rc=1; exit $$rc

# The second part holds the ratios against what they are to be, with a margin for work beside it.
bench: setup
	@go run ./pkg/cmd/scoresde bench
	@SCORESDE_TIMING=1 go test -count=1 -timeout 60m -run '^TestRequiredRatios$$' ./pkg/cmd/scoresde

clean:
	rm -rf results/html results/test results/runs

distclean: clean
	rm -rf .venv bin

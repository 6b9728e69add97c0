# Every target sets up what it needs first: packages, LibTorch, configuration. All of it is a no-op
# of less than a second when it is there already. `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
# more for the program or for ctest: make serve ARGS="--port 9000", make test ARGS="-R batching"
ARGS ?=

NINJA_STATUS := [%f/%t %es]$(if $(MAKE_TERMOUT), , )
export NINJA_STATUS

say = @printf '\n== %s\n' '$(1)'

.PHONY: help setup serve test build debug bench check format tidy parity install clean

help: ## this list
	@echo 'troupe: many PyTorch models from one process, with no Python'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18
	@echo
	@echo 'variables: PREFIX=$(PREFIX) JOBS=$(JOBS) ARGS= TORCH_ROOT= TROUPE_GPU=1'

setup: ## installs the packages and fetches LibTorch, where missing
	@scripts/setup-packages.sh
	@scripts/fetch-libtorch.sh >/dev/null

# CMake configures itself anew when its files change; only another LibTorch has to be told.
define cmake_build
	@root=$$(scripts/fetch-libtorch.sh); \
	if [ ! -f build/$(1)/build.ninja ] || [ "$$(cat build/$(1)/torch-root 2>/dev/null)" != "$$root" ]; then \
	  cmake --preset $(1) -DTORCH_ROOT="$$root" && echo "$$root" >build/$(1)/torch-root; \
	fi
	@cmake --build build/$(1) --parallel $(JOBS)
endef

build: setup ## builds build/release/troupe
	$(call say,building (release))
	$(call cmake_build,release)

debug: setup ## builds build/debug with AddressSanitizer and UndefinedBehaviorSanitizer
	$(call say,building (debug, sanitizers))
	$(call cmake_build,debug)

serve: build ## builds and serves the shipped classifier on 127.0.0.1:8000
	@exec build/release/troupe serve --config config/serve.json $(ARGS)

test: build debug ## builds all and runs all tests; the unit tests and a server also under sanitizers
	$(call say,testing (release))
	@ctest --preset release $(ARGS)
	$(call say,testing (debug, sanitizers))
	@ctest --preset debug $(ARGS)

bench: setup ## builds and runs the benchmarks, results in bench/RESULTS.md
	@scripts/setup-packages.sh bench
	$(call say,building (bench))
	$(call cmake_build,bench)
	@bench/run.sh build/bench $(ARGS)

check: ## all tests under sanitizers, schemathesis against a sanitized server, then clang-tidy
	@scripts/setup-packages.sh check
	@$(MAKE) debug
	$(call say,testing (debug, sanitizers))
	@ctest --test-dir build/debug --output-on-failure
	$(call say,schemathesis (debug, sanitizers))
	@scripts/schemathesis.sh build/debug/troupe
	@$(MAKE) tidy

format: ## lays our sources out as .clang-format says (make test checks it)
	@scripts/setup-packages.sh
	@scripts/format.sh

tidy: setup ## clang-tidy over our sources (FILES="a.cpp b.cpp" for some)
	@scripts/setup-packages.sh check
	@scripts/tidy.sh $(FILES)

parity: setup ## makes the reference outputs anew with PyTorch and transformers (some 5 GB), checks the stand-ins
	@scripts/setup-packages.sh parity
	@scripts/parity.sh

install: build ## installs a tree that can be moved: make install PREFIX=/opt/troupe
	@cmake --install build/release --prefix '$(PREFIX)'

clean: ## removes build/ (LibTorch stays in the cache)
	rm -rf build

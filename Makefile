# Two commands matter: `make up` brings the whole system up, `make test` runs every test.
#   make up ARGS="--data-dir D --detach"    arguments go to `daas up`
SHELL := /bin/bash
HOST  := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
DAAS  := target/$(HOST)/release/daas
ARGS  ?=

.PHONY: help up down status build deps test-deps test test-move lint bench enclave

help: ## What the targets do
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' Makefile

deps: ## Install what running needs (containerd, runc, CNI plugins…)
	@scripts/deps.sh run

test-deps: ## Install what the tests need besides
	@scripts/deps.sh test

build: deps ## Build the release binary
	cargo build --release --locked -p daas

up: build ## Ledger, control plane, worker and a sample workload on this machine
	$(DAAS) up $(ARGS)

down: ## Stop all of it and leave nothing behind
	$(DAAS) down $(ARGS)

status: ## Show all parts
	$(DAAS) status $(ARGS)

test: test-deps ## Every test, Move included
	node contracts/test.mjs
	cargo nextest run --workspace --locked $(NEXTEST_ARGS)

lint: ## Formatting and clippy, warnings are errors
	@scripts/deps.sh build
	cargo fmt --all --check
	scripts/lint.sh
	cargo clippy --workspace --all-targets --locked -- -D warnings

enclave: ## Build the enclave image, reproducibly (DEPLOYMENT=deployment.json of its cluster)
	@scripts/deps.sh build
	scripts/enclave.sh $(DEPLOYMENT)

bench: build ## Measure the whole system (bench/results.json), then the parts
	python3 scripts/bench.py $(DAAS)
	cargo bench --workspace --locked --benches

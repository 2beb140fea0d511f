# `make run` and `make test` do everything from a fresh clone; `make help` lists the rest.

CARGO ?= cargo
PROFILE := demo
BINARY := target/$(PROFILE)/rampart

.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what building and running needs
	@scripts/setup build

setup-test: ## install what the tests need besides: nginx, wrk, node-exporter, PostgreSQL, Node, Chromium, a mail sink, an object store, DuckDB
	@scripts/setup test

setup-bench: ## install what is measured beside: nginx, wrk, h2load, Go for hey, DuckDB
	@scripts/setup bench

build: setup ## build the binary with the demo profile
	@echo "building rampart with the $(PROFILE) profile; the first time takes some minutes, nearly all of it for dependencies"
	$(CARGO) build --locked --profile $(PROFILE) --bin rampart

run: build ## build and start Rampart with the demo functions
	@exec $(BINARY) demo $(ARGS)

fmt: ## format the sources
	$(CARGO) fmt --all

lint: setup ## rustfmt and clippy, warnings are errors
	@scripts/lint

unit: ## every test except the end-to-end ones
	@scripts/setup unit
	$(CARGO) test --locked --workspace --lib --bins

test: setup-test ## every check, the same as CI
	@scripts/test

soak: setup ## kill the server a hundred times, lose power in thousands of seeds, damage every byte, alert for 10,000 days
	@scripts/soak

fuzz: ## fuzz the log, the manifest, NDJSON and exposition text; needs nightly Rust and cargo-fuzz; SECONDS_EACH=60
	@scripts/fuzz

pages: ## build the pages from dashboards/web; needs Node
	@cd dashboards/web && npm ci --no-progress --loglevel=error && node types.mjs && npm run --silent build

screenshots: setup-test build ## take the screenshots of docs/images from the real pages
	@RAMPART_BINARY=$(CURDIR)/$(BINARY) scripts/screenshots

bench-page: setup-test build ## measure the pages: size, first chart, filter, list of functions
	@RAMPART_BINARY=$(CURDIR)/$(BINARY) scripts/bench-page

bench: setup-test ## measure the figures of the README on this machine
	@scripts/bench

bench-loadtest: setup-bench ## measure the load tester beside wrk, h2load, oha and hey
	@scripts/bench-loadtest

bench-store: setup-bench ## measure the store, its SQL beside DuckDB on the same files
	@scripts/bench-store

bench-rules: setup ## measure a tick of five rules over up to a million functions; UPDATE=1 writes docs/rules-bench.md
	@scripts/bench-rules

bench-faults: setup ## measure early detection on simulated faults; UPDATE=1 writes docs/early-bench.md
	@$(CARGO) run --quiet --locked --release -p early --example bench-faults

bench-alerting: setup ## measure a storm, deliveries and the way of one alert
	@scripts/bench-alerting

clean: ## remove what was built
	$(CARGO) clean

.PHONY: help setup setup-test setup-bench build run fmt lint unit test soak fuzz pages screenshots bench-page bench bench-loadtest bench-store bench-rules bench-faults bench-alerting clean

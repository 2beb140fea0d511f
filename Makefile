# `make run` and `make test` do everything from a fresh clone; `make help` lists the rest.

CARGO ?= cargo
PROFILE := demo
BINARY := target/$(PROFILE)/rampart

.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what building and running needs
	@scripts/setup build

setup-test: ## install what the tests need besides: nginx, wrk, node-exporter, Node, Chromium, a mail sink
	@scripts/setup test

setup-bench: ## install what the load tester is measured beside: nginx, wrk, h2load, Go for hey
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

unit: setup ## every test except the end-to-end ones
	$(CARGO) test --locked --workspace --lib --bins

test: setup-test ## every check, the same as CI
	@scripts/test

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

bench-alerting: setup ## measure a storm, deliveries and the way of one alert
	@scripts/bench-alerting

soak: setup ## simulate more than 10,000 days of alerting; SOAK_NIGHTS=n for another length
	@RAMPART_NIGHTS=$(or $(SOAK_NIGHTS),60000) $(CARGO) test --locked --release -p alerting --lib night::seeds -- --nocapture

clean: ## remove what was built
	$(CARGO) clean

.PHONY: help setup setup-test setup-bench build run fmt lint unit test pages screenshots bench-page bench bench-loadtest bench-alerting soak clean

# `make` alone lists the targets.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 10s
FUZZ        ?=
DEMO_FLAGS  ?=
TEST_FLAGS  ?=
MUTANT      ?=
ROW         ?=
IDLE_FOR    ?= 1h
N           ?= 5000
FLEET_FLAGS ?=
FOR         ?= 30m
SEED        ?=
TAGS        ?=
GOBUILD     := CGO_ENABLED=0 $(GO) build -trimpath $(if $(TAGS),-tags '$(TAGS)')

.DEFAULT_GOAL := help
.PHONY: help build demo dist test guests prove soak mutants bench bench-idle fleet flame peers check fmt-check cross wasm fuzz corpus docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

build: ## build bin/xtls-agent and bin/xtlsctl (TAGS=minimal leaves out what a device without display does not need)
	$(GOBUILD) -o bin/xtls-agent ./cmd/xtls-agent
	$(GOBUILD) -o bin/xtlsctl ./cmd/xtlsctl

demo: ## a device and its owner in one terminal, no server needed (DEMO_FLAGS=--auto plays both)
	@$(GOBUILD) -o bin/xtls-agent ./cmd/xtls-agent
	@bin/xtls-agent demo $(DEMO_FLAGS)

dist: ## build what is given to people, into dist/: static programs and .deb for ARMv6, arm64, amd64 (build/arm/README.md)
	@GO="$(GO)" build/arm/dist.sh

# What runs the two programs as processes comes last and alone: a machine that does other things starves them.
test: ## run every test with the race detector; installs the peers first if they are missing
	@build/peers.sh --check || $(MAKE) --no-print-directory peers
	$(GO) test -race $(TEST_FLAGS) $$($(GO) list ./... | grep -v -e /internal/e2e -e /internal/guest/boards -e /internal/dist)
	$(GO) test -race -timeout 30m $(TEST_FLAGS) ./internal/e2e
	cd bench && $(GO) test -race $(TEST_FLAGS) ./...
	$(GO) test -count=1 $(TEST_FLAGS) ./internal/dist
	@$(MAKE) --no-print-directory guests

# Two machines at a time, each of one core. -v shows what they do; -count=1, since go does not see that the programs have changed.
guests: ## run the programs on real kernels: a Pi Zero, an arm64 board, a PC, played by QEMU; kernels come from Debian at the first time
	@build/peers.sh --check || $(MAKE) --no-print-directory peers
	$(GO) test -race -v -count=1 -parallel 2 -timeout 20m $(TEST_FLAGS) ./internal/guest/boards

prove: ## what `make test` plays a sample of, whole: power cuts, plans of an evil server, bad lines (an hour and more)
	@XTLS_PROVE=1 $(MAKE) --no-print-directory test TEST_FLAGS="-count=1 -timeout 90m $(TEST_FLAGS)"

# -v shows how it goes. It fails at the first thing that is wrong, and tells the seed.
soak: ## cut, stall and corrupt connections for as long as FOR (30m) says, SEED=… to play a run again; writes docs/reliability.md
	@build/peers.sh --check || $(MAKE) --no-print-directory peers
	XTLS_FOR=$(FOR) XTLS_SEED=$(SEED) XTLS_TABLE=$(CURDIR)/docs/reliability.md \
		$(GO) test -race -v -count=1 -timeout 0 $(TEST_FLAGS) -run '^TestSoak$$' ./internal/e2e

mutants: ## remove the security checks one at a time; a test must notice each (takes a while; MUTANT=PATTERN for some)
	@build/peers.sh --check || $(MAKE) --no-print-directory peers
	$(GO) run ./internal/mutants '$(MUTANT)'

bench: ## time it beside the programs that people would use instead (ROW=PATTERN for some); writes docs/performance.md
	@build/peers.sh --check || $(MAKE) --no-print-directory peers
	@cd bench && $(GO) run . -row '$(ROW)'

bench-idle: ## let the agent idle beside other clients for an hour (IDLE_FOR=6m only prints); writes docs/performance.md
	@build/peers.sh --check || $(MAKE) --no-print-directory peers
	@cd bench && $(GO) run . -idle $(IDLE_FOR)

fleet: ## run 5,000 agents against a cluster of two nodes, and kill one; writes docs/fleet.md (N=200 for so many, and only prints)
	@build/peers.sh --check || $(MAKE) --no-print-directory peers
	@cd bench && $(GO) run ./fleet -n $(N) $(if $(filter 5000,$(N)),-docs ../docs) $(FLEET_FLAGS)

flame: ## draw where time goes: docs/flame-handshake.svg and docs/flame-record.svg
	@cd bench && $(GO) run ./flame

peers: ## install the programs that the tests talk to (Debian 12, apt; says what it will do)
	@build/peers.sh

check: fmt-check ## formatting, vet, staticcheck, the order of the house, cross builds
	$(GO) vet ./...
	$(GO) vet -tags minimal ./...
	$(GO) vet -tags guest ./hw/...
	$(GO) run $(STATICCHECK) ./...
	cd bench && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...
	$(GO) test ./internal/deps
	@$(MAKE) --no-print-directory cross wasm

fmt-check:
	@bad=$$(gofmt -l .); [ -z "$$bad" ] || { printf 'gofmt would change:\n%s\n' "$$bad" >&2; exit 1; }

# What an owner runs is also built for his laptop; what a device runs, for the boards that it is made for.
cross: ## build both programs for each platform, into bin/OS-ARCH/ (TAGS=minimal as above)
	GOOS=linux GOARCH=amd64 $(GOBUILD) -o bin/linux-amd64/ ./cmd/...
	GOOS=linux GOARCH=arm64 $(GOBUILD) -o bin/linux-arm64/ ./cmd/...
	GOOS=linux GOARCH=arm GOARM=6 $(GOBUILD) -o bin/linux-armv6/ ./cmd/...
	GOOS=darwin GOARCH=amd64 $(GOBUILD) -o bin/darwin-amd64/ ./cmd/xtlsctl
	GOOS=darwin GOARCH=arm64 $(GOBUILD) -o bin/darwin-arm64/ ./cmd/xtlsctl
	GOOS=windows GOARCH=amd64 $(GOBUILD) -o bin/windows-amd64/ ./cmd/xtlsctl

# The owner's library takes its link and its store from outside, so it also runs in a browser.
wasm:
	GOOS=js GOARCH=wasm $(GO) build ./owner/...

fuzz: ## run each fuzz target for FUZZTIME (10s), or one: FUZZ=FuzzParsePIN; FUZZWORKERS at once
	@GO="$(GO)" FUZZTIME="$(FUZZTIME)" FUZZ="$(FUZZ)" build/fuzz.sh

corpus: ## keep some of the inputs that fuzzing collected, in testdata/fuzz
	@GO="$(GO)" FUZZ="$(FUZZ)" build/fuzz.sh corpus

docs: ## draw docs/*.svg anew: what the demo prints, and how things are wired to a Pi
	@$(GOBUILD) -o bin/xtls-agent ./cmd/xtls-agent
	bin/xtls-agent demo --auto </dev/null | $(GO) run docs/demosvg.go >bin/demo.svg && mv bin/demo.svg docs/demo.svg
	$(GO) run docs/wiringsvg.go docs

clean: ## remove what was built
	rm -rf bin dist

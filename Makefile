# Evenkeel. `make demo` shows it, `make test` proves it; the rest is for developers.

GO      ?= go
BIN     := bin/evenkeel
export CGO_ENABLED = 0

.PHONY: demo test check build peers unit simulate system test-ipvs race soak bench-failover bench-gate bench-http bench-l4 fuzz generate clean

## What a newcomer needs

demo: build ## build, then let the lab tell its story and stand until Ctrl-C
	./$(BIN) lab --story

test: peers check simulate system ## install the peers, run every test
	@echo "make test: all passed"

## The developer's inner loop

build:
	$(GO) build -trimpath -o $(BIN) ./cmd/evenkeel

check: ## vet, staticcheck, house rules, unit tests with the race detector
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	CGO_ENABLED=1 $(GO) test -race -short ./...

## The parts of `make test` that take longer

peers: ## Debian's packages of the programs the tests compare with
	./test/install-peers

simulate: ## the election, 100 000 random sites
	$(GO) test -timeout 15m -run 'Simulation|GateRules' ./vrrp -seeds 100000

system: ## everything against real kernels and peers, one package at a time
	$(GO) test -timeout 30m -p 1 -parallel 8 -count 1 ./...

test-ipvs: peers ## what drives the kernel's IPVS, in an emulated machine with Debian's kernel
	$(GO) test -timeout 30m -count 1 -v ./test/ipvs

## Measurements: each prints its ratios against the reference in one run

bench-failover: peers ## takeover times and floods of forged adverts, ours and keepalived's pairs in turns; and how long a killed worker is missed
	$(GO) test -run '^$$' -bench 'Takeover|Flood' -benchtime 1x -timeout 30m ./test/failover
	$(GO) test -run '^$$' -bench WorkerKilled -benchtime 1x -timeout 5m ./test/proxy

bench-gate: ## what the lease gate costs a packet
	$(GO) test -run '^$$' -bench . ./linux/gate

bench-http: peers ## CPU per request, p99 and memory beside haproxy: one configuration, the same core, in turns
	$(GO) test -run '^$$' -bench HTTP -benchtime 1x -timeout 30m ./test/proxy

bench-l4: peers ## packets and connections through a director, beside ip forwarding, nft's DNAT and haproxy, in turns; and beside the kernel's IPVS in an emulated machine
	$(GO) test -run '^$$' -bench L4 -benchtime 1x -timeout 30m ./test/l4
	$(GO) test -run '^$$' -bench Guest -benchtime 1x -timeout 30m ./test/ipvs

SOAK ?= 30m
soak: ## mixed load, good and bad, with reloads, on a build with the race detector
	EVENKEEL_RACE=1 $(GO) test -run Soak -v -timeout 3h ./test/proxy -soak $(SOAK)

FUZZTIME ?= 60s
fuzz: ## every fuzz target for FUZZTIME
	@for pkg in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

generate: ## eBPF objects and generated documents
	$(GO) generate ./...

clean:
	rm -rf bin

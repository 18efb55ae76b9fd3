# Evenkeel. `make demo` shows it, `make test` proves it; the rest is for developers.

GO      ?= go
BIN     := bin/evenkeel
export CGO_ENABLED = 0

# Tests that need a real kernel, root, namespaces or the peers, one package at a time; every other package is of `make check`.
RACED := ./daemon ./failover ./linux/gate ./linux/ipvs ./linux/netif ./linux/realserver ./linux/rawsock ./linux/sock ./lvs
KERNEL := $(RACED) ./linux/xdp ./lab/launcher ./test/failover ./test/ipvs ./test/l4 ./test/lvs ./test/netns ./test/proxy
# Packages with recorded verdicts of the reference programs, and the tests that ask those.
PEERS := ./admin ./probe ./config/haproxy ./config/keepalived ./sample ./test/differential
ASKING := Against|Reference|TestConfig$$

PURE = $(filter-out $(subst ./,github.com/evenkeel/evenkeel/,$(KERNEL)),$(shell $(GO) list ./...))

.PHONY: demo test check build peers test-peers test-long simulate system test-ipvs soak bench-failover bench-gate bench-http bench-l4 fuzz generate clean

## What a newcomer needs

demo: build ## build, then let the lab tell its story and stand until Ctrl-C
	./$(BIN) lab --story

test: peers check test-peers simulate system ## install the peers, run every test once
	@echo "make test: all passed"

## The developer's inner loop

build:
	$(GO) build -trimpath -o $(BIN) ./cmd/evenkeel

check: ## vet, staticcheck, house rules, every test that needs neither kernel nor peers, with the race detector
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not gofmt'ed:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	CGO_ENABLED=1 $(GO) test -race -short -vet=off $(PURE)

## The parts of `make test` that take longer

peers: ## Debian's packages of the programs the tests compare with
	./test/install-peers

test-peers: peers ## the recorded verdicts, compared with the programs; -update in place of -peers records them
	$(GO) test -timeout 15m -count 1 -run '$(ASKING)' $(PEERS) -peers

simulate: ## the election: the random sites that `make check` leaves out, up to 100 000, and that each rule of the gate is needed; the proxy: 10 000 sites, and that planted mistakes are seen
	$(GO) test -timeout 15m -run '^TestSimulation|GateRules' ./vrrp -first 501 -seeds 100000
	$(GO) test -timeout 15m -run '^TestVoting' ./vrrp -seeds 30000
	$(GO) test -timeout 15m -run Simulation ./proxy -seeds 10000
	$(GO) test -timeout 15m -run NeverTwoHolders ./lease
	$(GO) test -timeout 15m -count 1 ./test/planted -planted

system: build peers ## everything against real kernels and peers, two packages at a time, with one evenkeel
	CGO_ENABLED=1 $(GO) test -race -timeout 15m -p 1 -count 1 $(RACED)
	EVENKEEL_BUILT=$(CURDIR)/$(BIN) $(GO) test -timeout 30m -p 2 -parallel 8 -count 1 $(filter-out $(RACED),$(KERNEL))
	EVENKEEL_BUILT=$(CURDIR)/$(BIN) $(GO) test -timeout 15m -count 1 -skip "TestConfig$$|TestComplete" ./test/differential

## What takes hours: before a release

SEEDS ?= 1000000
test-long: peers build ## repetitions, long soak, long fuzz, a million sites
	$(GO) test -timeout 0 -run Simulation ./vrrp -seeds $(SEEDS)
	EVENKEEL_BUILT=$(CURDIR)/$(BIN) $(GO) test -timeout 0 -count 1 -run Gate ./test/failover -trials 100
	EVENKEEL_BUILT=$(CURDIR)/$(BIN) $(GO) test -timeout 0 -count 1 -run Reload ./test/proxy -reloads 1000
	$(MAKE) soak SOAK=60m
	$(MAKE) fuzz FUZZTIME=10m

test-ipvs: peers ## what drives the kernel's IPVS, in an emulated machine with Debian's kernel
	$(GO) test -timeout 30m -count 1 -v ./test/ipvs

## Measurements: each prints its ratios against the reference in one run

bench-failover: peers ## takeover times and floods of forged adverts, ours and keepalived's pairs in turns; and how long a killed worker is missed
	$(GO) test -run '^$$' -bench 'Takeover|Flood' -benchtime 1x -timeout 30m ./test/failover
	$(GO) test -run '^$$' -bench WorkerKilled -benchtime 1x -timeout 5m ./test/proxy

bench-gate: ## what the lease gate costs a packet
	$(GO) test -run '^$$' -bench . ./linux/gate

# Debian's own congestion control, in a network of its own: with BBR a large body's p99 is that of its pacing.
CONGESTION ?= cubic
bench-http: peers ## CPU per request, p99 and memory beside haproxy: one configuration, the same core, in turns
	unshare --net sh -c 'ip link set lo up && { sysctl -qw net.ipv4.tcp_congestion_control=$(CONGESTION) || \
		echo "not $(CONGESTION), which net.ipv4.tcp_allowed_congestion_control leaves out: these figures are of $$(sysctl -n net.ipv4.tcp_congestion_control)" >&2; } && \
		exec $(GO) test -run "^$$" -bench HTTP -benchtime 1x -timeout 30m ./test/proxy $(BENCH)'

bench-l4: peers ## packets and connections through a load balancer, beside ip forwarding, nft's DNAT and haproxy, in turns; and beside the kernel's IPVS in an emulated machine
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

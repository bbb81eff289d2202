# make run    build, turn samples/ into models, then serve the page (PHOTO=path, SERVE=0, LISTEN=host:port)
# make test   every test, after installing what the tests need
# make bench  what it costs: engine, queue (beside Celery and BullMQ), HTTP (beside a bare server), fidelity
# make soak   the long versions of the tests
# make chaos  ten thousand jobs while servers, workers, schedulers and Redis primaries are killed
# make hostile  every picture that other decoders are tested with, sent to a server (over a thousand)
# make e2e    how long requests wait when a primary of the store is killed, over a cluster and under sentinels
# make fuzz   ten minutes of invented input for each place that reads what others wrote (FUZZ_SECONDS, FUZZ_TARGETS)
# make web    the page alone;  make lint  formatting, clippy, documentation

.PHONY: run test bench soak chaos hostile e2e fuzz web lint tools

SHELL := /bin/bash
LISTEN ?= 127.0.0.1:8080
SERVE ?= 1
PHOTO ?=
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= picture mesh multipart archive options query links frames replies

run:
	@scripts/run.sh "$(PHOTO)" "$(SERVE)" "$(LISTEN)"

test: tools web lint
	cd web && npm run --silent check && npm test --silent
	cargo test --workspace

soak: tools web
	I2M_SOAK=1 cargo test --workspace

e2e: tools
	I2M_E2E=1 cargo test --package image2model --test it failover:: -- --nocapture --test-threads=1

chaos: tools
	I2M_CHAOS=1 cargo test -p image2model --test it -- --nocapture --test-threads 1 chaos::

hostile: tools
	I2M_HOSTILE=1 cargo test -p image2model --test it -- --nocapture hostile::

fuzz:
	@scripts/fuzz.sh $(FUZZ_SECONDS) $(FUZZ_TARGETS)

bench: tools
	benches/queue/install.sh
	cargo bench --workspace

web:
	@scripts/build-web.sh

lint:
	@. scripts/require.sh && require_rust && require_component clippy && require_component rustfmt
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --quiet

tools:
	@scripts/install-test-tools.sh

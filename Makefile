# Every target installs the Debian packages it needs first (tools/install) and never asks.
#
#   make            the release program: build/release/bin/outrigger, and daprd beside it
#   make dev        the same with address and undefined-behaviour sanitizers: build/dev
#   make demo       two small applications, each with a sidecar, in this terminal (KEEP=1: stays up)
#   make test       everything, against real servers; ends with "N passed, N failed"
#   make bench      the figures of the README, as ratios in one run
#   make tsan       the tests with ThreadSanitizer, also in each sidecar they start: about half an hour
#   make fuzz       every fuzz target for SECONDS=60 seconds
#   make format     clang-format over the sources
#   make tidy       the house rules, every header by itself, and clang-tidy over what changed
#   make install    to PREFIX=/usr/local under DESTDIR
#   make deb        build/deb/outrigger_*.deb
#   make clean
PREFIX ?= /usr/local
DESTDIR ?=
SECONDS ?= 60
KEEP ?=
SUITES ?=

.PHONY: all release dev tsan demo test bench fuzz format tidy install deb clean

all: release

release dev:
	@tools/install build $(if $(filter-out release,$@),test)
	cmake --preset $@ $(QUIET)
	cmake --build --preset $@ --target outrigger

demo: release
	@KEEP=$(KEEP) python3 demo/run.py --daprd build/release/bin/daprd

test:
	@tools/install build test
	@tools/test $(SUITES)

tsan:
	@tools/install build test
	@tools/test --races $(SUITES)

bench: release
	@tools/install bench
	@bench/run $(SCENARIOS)

fuzz:
	@tools/install build test
	@tools/fuzz-run --seconds $(SECONDS)

format:
	@tools/install build test
	git ls-files '*.cc' '*.h' | xargs clang-format-19 -i

tidy:
	@tools/install build test
	tools/tidy
	cmake --preset dev
	ninja -C build/dev headers_alone
	tools/clang-tidy-changed

install: release
	DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX) --strip

deb: release
	@tools/install deb
	cd build/release && cpack -G DEB -B ../deb

clean:
	rm -rf build

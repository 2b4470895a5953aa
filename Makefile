# SPDX-License-Identifier: GPL-2.0
# Everything that can be made here; `make` alone tells what that is.

B := $(or $(REGBUF_BUILD),build)
# The library of the server holds all but main, for the tests to link with.
SRV := $(wildcard srv/*.c srv/*/*.c srv/*/*/*.c)
SRV_OBJ := $(SRV:%.c=$(B)/obj/%.o)
LIB_OBJ := $(filter-out $(B)/obj/srv/main.o,$(SRV_OBJ))
TESTLIB_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/lib/*.c))
# The fuzzers: a library of all but main, as for the server.
FUZZ_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(filter-out tests/fuzz/main.c tests/fuzz/crowd.c,$(wildcard tests/fuzz/*.c)))
UNIT := $(patsubst tests/unit/%.c,$(B)/tests/unit/%,$(wildcard tests/unit/*.c))
GUEST := $(patsubst tests/guest/%.c,$(B)/tests/guest/%,$(wildcard tests/guest/*.c))

CC := gcc
CFLAGS ?= -O2 -g
WARN := \
	-Wall \
	-Wextra \
	-Wmissing-prototypes \
	-Wno-unused-parameter \
	-Wstrict-prototypes \
	-Wundef \
	-Wvla \
	# EOL
# The kernel's own headers: Debian's are of 6.1 and know less of ublk.  A package of the server brings them along.
HEADERS := $(B)/headers
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE -iquote srv -iquote tests/lib -iquote tests/fuzz -Iuapi -isystem $(HEADERS)/include $(WARN) $(CFLAGS)
LIBS := -luring -lpthread
TEST_LIBS := -lcriterion -lm $(LIBS)

Q := @
say = @printf '  %-7s %s\n' $(1) $(2);
ifeq ($(V),1)
Q :=
say :=
endif
export V

# What is no number is told before anything is built for it.
not_numbers := $(foreach v,MINUTES OPS SEED,$(if $($v),$(if $(shell printf '%s' '$($v)' | grep -xE '[0-9]+'),,$v='$($v)')))
ifneq ($(strip $(not_numbers)),)
$(error $(strip $(not_numbers)): right is a number)
endif

help: ## this list
	@printf 'make targets:\n'
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  \1\t\2/p' Makefile | expand -t 18
	@printf 'variables:\n'
	@printf '  %-15s %s\n' \
		V=1 'show the commands' \
		T=NAME 'test: one test program; T=NAME/PATTERN those of its tests' \
		'K="release"' 'test: on these kernels [release kasan lockdep debian13 backports; nofused debian12 debian12-6.12]; shell, fuzz, torture, powercut: on this one' \
		LEAK=1 'test: look for leaks too, on the KASAN kernel (slow)' \
		MODES='"auto handoff"' 'test, torture, powercut: by these modes only, where all are gone through' \
		TURN=N 'test: without T= and K=, which part of long programs is run where, 0 to 29 [0]' \
		JOBS=N 'test: so many guests at once [3]' \
		LIMIT=SECONDS 'test: that one test program may take [900]' \
		HERE=1 'test, demo: on this machine and its kernel, if that has the feature' \
		'DISKS="A B"' 'demo with HERE=1: overwrite these disks [files of its own]' \
		CONFIG=NAME 'deb: debian, local, guest or a file [debian]' \
		LSMOD=FILE 'deb: with CONFIG=local, a list of modules [those that are loaded]' \
		REGBUF_BUILD=DIR 'build there [build]' \
		REGBUF_BASE=FILE 'the kernel is of that linux-source-6.12_VERSION_all.deb [the installed package]'

# what HERE=1 needs is looked for before anything is installed or built
here:
	$(Q)scripts/here $(HERE_FOR)

deps: $(if $(HERE),here) ## install with apt what is missing
	$(Q)scripts/install-deps

kernel: ## the patched kernel, build/kernel-release
	$(Q)kernel/tree.sh build release
kernel-kasan: ## the same with KASAN
	$(Q)kernel/tree.sh build kasan
kernel-lockdep: ## the same with lockdep
	$(Q)kernel/tree.sh build lockdep

headers: ## the kernel's headers, build/headers
	$(Q)kernel/tree.sh headers

srv: $(B)/regbuf ## the server, build/regbuf
programs: srv $(UNIT) $(GUEST) $(B)/tests/fuzz/fuzz $(B)/tests/fuzz/crowd $(B)/tests/power/client $(B)/experiments/objections/ops ## the server and all test programs

# the command that makes kernel $(1), ours or Debian's
make_kernel = $(if $(filter backports debian%,$(1)),tests/vm/debian-kernel,kernel/tree.sh build) $(1)

shell: deps programs ## a prompt in the guest (K=kasan: on that kernel)
	$(Q)$(call make_kernel,$(or $(K),release))
	$(Q)tests/vm/guest --kernel $(or $(K),release)

demo: HERE_FOR := demo
demo: deps ## build, boot, show a mirror over zero copy and prove its data
	$(Q)HERE='$(HERE)' DISKS='$(DISKS)' experiments/demo/run

cost: deps ## instructions per I/O of every target and mode, build/cost.csv, and of I/Os that come alone, build/depth1.csv
	$(Q)perf-scripts/cost
	$(Q)perf-scripts/depth1
	$(Q)perf-scripts/bars

bars: ## whether build/cost.csv stays below the bars, and how others compare
	$(Q)perf-scripts/bars

tables: deps ## write the tables of figures into the documents
	$(Q)perf-scripts/report documents

plots: deps ## draw the plots that the experiments keep from their figures
	$(Q)experiments/plot

bench: deps ## throughput, latency and CPU in alternating rounds, build/bench.csv (perf-scripts/bench: options)
	$(Q)perf-scripts/bench

perf: deps ## profiles, flame graphs and their differences for each mode, build/perf
	$(Q)perf-scripts/perf

allocations: deps ## what lending and fused commands allocate for a request, counted over 10,000
	$(Q)perf-scripts/allocations

test: deps ## build everything, run every test (T=name, K=kernels, HERE=1 on this machine's kernel)
	$(Q)T='$(T)' K='$(K)' HERE='$(HERE)' LEAK='$(LEAK)' $(if $(TURN),TURN='$(TURN)') $(if $(LIMIT),LIMIT='$(LIMIT)') $(if $(MODES),MODES='$(MODES)') $(if $(JOBS),JOBS='$(JOBS)') tests/run

liburing-tests: ## liburing's own tests, with the series and without (ARGS=--help)
	$(Q)tests/compat/liburing $(ARGS)

selftests: ## the kernel's own selftests of ublk, of a later kernel (ARGS=--help)
	$(Q)tests/compat/selftests $(ARGS)

check-kernel: ## the kernel's tools on each patch: checkpatch, sparse, kernel-doc, builds (ARGS=--help)
	$(Q)tests/compat/check-kernel $(ARGS)

bases: ## the series on every 6.12.y that Debian 12 and 13 have (ARGS=--help)
	$(Q)tests/compat/bases $(ARGS)

newbase: deps ## the newest 6.12.y of Debian's archive: does the series fit, does it serve, what to change (ARGS=--apply)
	$(Q)tests/compat/newbase $(ARGS)

commits: deps ## does every commit build: since origin/main or the last tag, or SINCE=REV
	$(Q)scripts/commits $(SINCE)

fresh: ## make demo and make test on a bare Debian 12 and a bare Debian 13, as root (ARGS=--help, T=, K=)
	$(Q)T='$(T)' K='$(K)' $(if $(LIMIT),LIMIT='$(LIMIT)') scripts/fresh $(ARGS)

deb: deb-server ## Debian packages of the server and the patched kernel, build/deb (CONFIG=debian, local, guest or a file)
	$(Q)scripts/deb $(or $(CONFIG),debian)

deb-server: ## the server's alone: minutes
	$(Q)scripts/deb-server

system: ## the server's package in a real Debian 12 and 13 with systemd and udev, booted in QEMU (ARGS=--help)
	$(Q)tests/system/run $(ARGS)

PREFIX ?= /usr/local
install: srv ## regbuf, its manual page and completion for bash to $(PREFIX) (PREFIX=, DESTDIR=)
	$(Q)install -D -m 755 $(B)/regbuf $(DESTDIR)$(PREFIX)/sbin/regbuf
	$(Q)install -D -m 644 srv/regbuf.8 $(DESTDIR)$(PREFIX)/share/man/man8/regbuf.8
	$(Q)install -D -m 755 -t $(DESTDIR)$(PREFIX)/lib/regbuf srv/systemd/leave srv/systemd/hand-over srv/systemd/textfile
	$(Q)install -D -m 644 srv/completion/regbuf.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/regbuf

fuzz: deps programs ## random operations in the guest, alone and in a crowd (OPS=10000000, SEED=, K=kasan)
	$(Q)kernel/tree.sh build $(or $(K),kasan)
	$(Q)K='$(or $(K),kasan)' $(if $(OPS),OPS='$(OPS)') $(if $(SEED),SEED='$(SEED)') tests/fuzz/long
	$(Q)tests/vm/guest --kernel $(or $(K),kasan) --timeout 86400 $(B)/tests/fuzz/crowd --ops $(or $(OPS),10000000) $(if $(SEED),--seed $(SEED))

torture: deps programs ## storms of kills and over a set for MINUTES=10, on K=kasan, with SEED=n; WHAT=kill, set; LEAK=0: no kmemleak
	$(Q)kernel/tree.sh build $(or $(K),kasan)
	$(Q)WHAT='$(WHAT)' MINUTES='$(MINUTES)' SEED='$(SEED)' K='$(K)' LEAK='$(LEAK)' MODES='$(MODES)' tests/torture

powercut: deps programs ## cut the power of mirrors' legs, and of guests, for MINUTES=10, on K=release, with SEED=n; WHAT=power, machine
	$(Q)kernel/tree.sh build $(or $(K),release)
	$(Q)WHAT='$(or $(WHAT),cuts)' MINUTES='$(MINUTES)' SEED='$(SEED)' MODES='$(MODES)' K='$(or $(K),release)' tests/torture

clean: ## remove programs and test results; kernels stay
	$(Q)rm -rf $(B)/obj $(B)/tests $(B)/regbuf $(B)/*.a $(B)/test $(B)/torture $(B)/vm

$(B)/headers/key: FORCE
	$(Q)kernel/tree.sh headers

$(B)/obj/%.o: %.c Makefile | $(HEADERS)/key
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MD -MP -c -o $@ $<

$(B)/libregbuf.a: $(LIB_OBJ)
$(B)/libtest.a: $(TESTLIB_OBJ)
$(B)/libfuzz.a: $(FUZZ_OBJ)
$(B)/%.a:
	@rm -f $@
	$(call say,AR,$@)ar rcs $@ $^

$(B)/regbuf: $(B)/obj/srv/main.o $(B)/libregbuf.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/tests/fuzz/fuzz: $(B)/obj/tests/fuzz/main.o $(B)/libfuzz.a $(B)/libtest.a $(B)/libregbuf.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(CFLAGS) -o $@ $^ $(TEST_LIBS)

$(B)/experiments/%: $(B)/obj/experiments/%.o $(B)/libtest.a $(B)/libregbuf.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(CFLAGS) -o $@ $^ $(TEST_LIBS)

$(B)/tests/%: $(B)/obj/tests/%.o $(B)/libfuzz.a $(B)/libtest.a $(B)/libregbuf.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(CFLAGS) -o $@ $^ $(TEST_LIBS)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

.PHONY: \
	FORCE \
	allocations \
	bars \
	bases \
	bench \
	check-kernel \
	clean \
	commits \
	cost \
	deb \
	deb-server \
	demo \
	deps \
	fresh \
	fuzz \
	headers \
	help \
	here \
	install \
	kernel \
	kernel-kasan \
	kernel-lockdep \
	liburing-tests \
	newbase \
	perf \
	plots \
	powercut \
	programs \
	selftests \
	shell \
	srv \
	system \
	tables \
	test \
	torture \
	# EOL
.SECONDARY:
.DELETE_ON_ERROR:

# SPDX-License-Identifier: GPL-2.0-only
# The thin front: each target is one line to the part that does it.

all: lib pkcs11 pcsc tools

lib:
	$(MAKE) -C lib
pkcs11: lib
	$(MAKE) -C lib/pkcs11
pcsc: lib
	$(MAKE) -C lib/pcsc
tools: lib
	$(MAKE) -C tools
docs:
	$(MAKE) -f docs.mk docs
install uninstall:
	$(MAKE) -f install.mk $@
deb:
	$(MAKE) -f deb.mk deb
dist rpm:
	$(MAKE) -f dist.mk $@
kmod kmod-install kmod-uninstall dkms-install dkms-uninstall:
	$(MAKE) -f kmod.mk $@
install-deps:
	packaging/install-deps
setup:
	tests/setup
demo: setup
	tests/demo/run
check: setup
	tests/check
check-debug: setup
	tests/check --debug
# The patches that add the module to Linux, in build/kernel-series/.
kernel-series:
	tests/setup linux-source-6.12
	series/write $(or $(TOKMUX_CACHE),/var/cache/tokmux)/src/linux-source-6.12 build/kernel-series
attack: setup
	tests/attack
mutants: setup
	tests/mutants/run
fuzz: setup
	tests/fuzz/run
bench: setup
	tests/bench/run
bench-quick: setup
	tests/bench/run --quick
clean:
	rm -rf build

.PHONY: all lib pkcs11 pcsc tools docs install uninstall deb dist rpm kmod kmod-install kmod-uninstall \
	dkms-install dkms-uninstall install-deps kernel-series setup demo check check-debug attack mutants \
	fuzz bench bench-quick clean

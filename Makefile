# SPDX-License-Identifier: GPL-2.0-only
# The thin front: each target is one line to the part that does it.

all: lib pkcs11

lib:
	$(MAKE) -C lib
pkcs11: lib
	$(MAKE) -C lib/pkcs11
setup:
	tests/setup
demo: setup
	tests/demo/run
check: setup
	tests/check
attack: setup
	tests/attack
check-debug: setup
	tests/check --debug
clean:
	rm -rf build

.PHONY: all lib pkcs11 setup demo check check-debug attack clean

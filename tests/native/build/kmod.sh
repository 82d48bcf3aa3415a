#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make kmod-install and dkms-install, into directories of this test's own, for a
# kernel of the cache.
set -uo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
cd "$top" || exit
. tests/cache.bash
. tests/guest/kernel.bash

if [ -n "${SAN-}" ] || [ "${TOKMUX_TEST_ARBITER:-}" = kernel ]; then
	echo "1..0 # SKIP there is no more to see here"
	exit
fi
find_kernel "$default_series" && [ -n "$kernel_build" ] || {
	echo "1..0 # SKIP the cache has no kernel $default_series to build for"
	exit
}
# Debian's headers ask for the compiler that their kernel was built with.
compiler=$(sed -n 's/^CC = .*\(gcc-[0-9]*\)$/\1/p' "$kernel_build/.kernelvariables" 2>/dev/null)
command -v "${compiler:-gcc}" >/dev/null || {
	echo "1..0 # SKIP the headers of $kernel_release ask for $compiler, which isn't here"
	exit
}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL B
# A build leaves objects beside the sources, which are a copy for that.
cp -r Makefile ./*.mk Kbuild kmod include debian "$dir"
cd "$dir" || exit
rm -f kmod/*.o
installed=$dir/root/lib/modules/$kernel_release

kmod() { make -s "$1" "KDIR=$kernel_build" "INSTALL_MOD_PATH=$dir/root"; }
modules() { find "$installed" -name 'tokmux.ko*'; }
quietly() { kmod kmod-install >"$dir/said" 2>&1 && ! grep -i error "$dir/said" || { cat "$dir/said"; return 1; }; }
tap_check "make kmod-install" quietly
tap_check "it is in one place" test "$(modules | wc -l)" = 1
tap_check "modprobe finds it" test "$(modules)" = \
	"$(modinfo -b "$dir/root" -k "$kernel_release" -F filename tokmux)"
tap_check "and whoever opens its device" grep -q 'tokmux-control' "$installed/modules.devname"
tap_check "make kmod-uninstall" kmod kmod-uninstall
tap_check "it is gone" test -z "$(modules)"
# shellcheck disable=SC2016 # the shell that is called expands it
tap_check "without headers it says what is missing" sh -c \
	'! make -s kmod KDIR=/nowhere 2>"$1/said" && grep -q install-deps "$1/said"' - "$dir"

# dkms' own part: it has a tree of its own here, and builds for that kernel.
if ! command -v dkms >/dev/null; then
	tap_skip "dkms" "there is none"
	tap_end
	exit
fi
version=$(sed -n 's/^VERSION	*:= //p' build.mk)
tap_check "make dkms-copy" make -s -f kmod.mk dkms-copy "DESTDIR=$dir/dkms"
tree() { # verb
	dkms "$1" -m tokmux -v "$version" -k "$kernel_release" \
		--kernelsourcedir "$kernel_build" --sourcetree "$dir/dkms/usr/src" \
		--dkmstree "$dir/dkms/tree" --installtree "$dir/dkms/installed"
}
mkdir "$dir/dkms/tree" "$dir/dkms/installed"
if [ "$(id -u)" = 0 ]; then
	tap_check "dkms knows it" tree add
	tap_check "dkms builds it" tree build
	tap_check "with nothing but what was copied" \
		test -n "$(find "$dir/dkms/tree" -name 'tokmux.ko*')"
fi
tap_check "make dkms-uninstall removes the copy" \
	make -s -f kmod.mk dkms-uninstall "DESTDIR=$dir/dkms"
tap_check "all of it" test -z "$(ls "$dir/dkms/usr/src")"

# The names of packages.
deps() { DRY_RUN=1 "$top/packaging/install-deps" "$@"; }
tap_check "make install-deps: this system's packages" deps
for system in 'ID=fedora' 'ID=arch' 'ID=rocky ID_LIKE="rhel centos fedora"' \
	'ID=opensuse-tumbleweed ID_LIKE="opensuse suse"'; do
	echo "$system" >"$dir/os-release"
	tap_check "make install-deps: $system" deps "$dir/os-release"
done
echo ID=void >"$dir/os-release"
# shellcheck disable=SC2016
tap_check "another system is told what to look for" sh -c \
	'! DRY_RUN=1 "$1" "$2" 2>"$2.said" && grep -q libudev "$2.said"' - \
	"$top/packaging/install-deps" "$dir/os-release"
tap_end

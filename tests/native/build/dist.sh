#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make dist makes the same bytes wherever and whenever; make rpm makes packages of
# them, for a system with lib64.
set -uo pipefail
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
cd "$top" || exit

if [ -n "${SAN-}" ] || [ "${TOKMUX_TEST_ARBITER:-}" = kernel ]; then
	echo "1..0 # SKIP there is no more to see here"
	exit
fi
if ! git rev-parse HEAD >/dev/null 2>&1; then
	echo "1..0 # SKIP it is no checkout of git's"
	exit
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL B
version=$(sed -n 's/^VERSION	*:= //p' build.mk)
tarball=build/dist/tokmux-$version.tar.gz

# As it is committed; a clone has other times, modes and owners of its files.
tap_check "a clone" git clone -q . "$dir/one"
tap_check "make dist" make -s -C "$dir/one" dist
another() { (umask 077 && git clone -q . "$dir/two" && make -s -C "$dir/two" dist); }
tap_check "in another clone" another
tap_check "it is the same, byte by byte" cmp "$dir/one/$tarball" "$dir/two/$tarball"
complete() {
	diff <(git ls-files | sort) <(tar -tf "$dir/one/$tarball" |
		sed -n "s,^tokmux-$version/\(.*[^/]\)$,\1,p" | sort)
}
tap_check "it has all that is committed" complete
unpacked() {
	tar -C "$dir" -xf "$dir/one/$tarball" &&
		make -s -C "$dir/tokmux-$version" lib >/dev/null
}
tap_check "it can be built" unpacked
refused() { ! make -s -C "$dir/tokmux-$version" dist 2>&1; }
tap_check "but is not the origin of another" refused
tap_check "the spec has the version of build.mk" test "$version" = \
	"$(sed -n 's/^Version:	*//p' packaging/tokmux.spec)"

if ! command -v rpmbuild >/dev/null; then
	tap_skip "make rpm" "there is no rpmbuild"
	tap_end
	exit
fi
rpms=$dir/one/build/dist/rpm/RPMS
quiet() { "$@" >"$dir/log" 2>&1 || { tail -n 30 "$dir/log"; return 1; }; }
tap_check "make rpm" quiet env HOME="$dir" make -s -C "$dir/one" rpm
in_package() { # package file…
	local package=$1 file files
	shift
	files=$(rpm -qpl "$rpms"/*/"$package-$version"-*.rpm 2>/dev/null)
	for file; do
		grep -qxF "$file" <<<"$files" || { echo "no $file in:"; echo "$files"; return 1; }
	done
}
libdir=$(rpm -E %_libdir)
tap_check "tokmux" in_package tokmux /usr/bin/tokmux /usr/lib/udev/rules.d/69-tokmux.rules \
	/usr/lib/sysusers.d/tokmux.conf
tap_check "libtokmux" in_package libtokmux "$libdir/libtokmux.so.1"
tap_check "libtokmux-devel" in_package libtokmux-devel "$libdir/libtokmux.so" \
	/usr/include/tokmux.h /usr/include/tokmux/linux/tokmux.h "$libdir/pkgconfig/libtokmux.pc"
tap_check "tokmux-pkcs11" in_package tokmux-pkcs11 "$libdir/pkcs11/tokmux-pkcs11.so" \
	"$libdir/libtokmux-pkcs11-$version.so" \
	/usr/share/p11-kit/modules/tokmux.module
tap_check "tokmux-dkms" in_package tokmux-dkms "/usr/src/tokmux-$version/dkms.conf" \
	"/usr/src/tokmux-$version/kmod/token.c"
tap_end

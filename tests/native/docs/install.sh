#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make install and uninstall, into a DESTDIR: the list of files, what is in them,
# and that nothing is left.
set -u
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
if [ -n "${SAN-}" ] || [ -n "${TOKMUX_GUEST-}" ]; then
	echo "1..0 # SKIP there is no more to see here"
	exit
fi
unset B
dest=$(mktemp -d) || exit
trap 'rm -rf "$dest"' EXIT
multiarch=$(gcc -print-multiarch)
lib=/usr/lib/$multiarch
variables=(PREFIX=/usr "LIBDIR=$lib" "DESTDIR=$dest")
files() { (cd "$dest" && find . ! -type d -printf '%M %p %l\n' | sed 's/ $//' | LC_ALL=C sort -k 2); }

wanted() {
	cat <<-END
	-rwxr-xr-x ./usr/bin/tokmux
	-rw-r--r-- ./usr/include/linux/tokmux.h
	-rw-r--r-- ./usr/include/tokmux-card.h
	-rw-r--r-- ./usr/include/tokmux-pkcs11.h
	-rw-r--r-- ./usr/include/tokmux.h
	-rw-r--r-- ./usr/lib/sysusers.d/tokmux.conf
	-rw-r--r-- ./usr/lib/udev/rules.d/69-tokmux.rules
	-rw-r--r-- ./usr/lib/udev/rules.d/73-seat-enforce-tokmux.rules
	lrwxrwxrwx .$lib/libtokmux.so libtokmux.so.1
	lrwxrwxrwx .$lib/libtokmux.so.1 libtokmux.so.1.0.0
	-rw-r--r-- .$lib/libtokmux.so.1.0.0
	-rw-r--r-- .$lib/pkcs11/tokmux-pkcs11.so
	-rw-r--r-- .$lib/pkgconfig/tokmux.pc
	-rw-r--r-- ./usr/share/bash-completion/completions/tokmux
	-rw-r--r-- ./usr/share/doc/tokmux/examples/readers.conf
	-rw-r--r-- ./usr/share/doc/tokmux/examples/tokmux.conf
	-rw-r--r-- ./usr/share/p11-kit/modules/tokmux.module
	END
	for page in "$top"/Documentation/man/*.[1-9].rst; do
		page=${page##*/}
		page=${page%.rst}
		echo "-rw-r--r-- ./usr/share/man/man${page##*.}/$page"
	done
}

tap_check "make install" make -s -C "$top" install "${variables[@]}"
tap_check "it installs these files, and no others" diff <(wanted | LC_ALL=C sort -k 2) <(files)
at_home() { ! readelf -d "$1" | grep -E 'RPATH|RUNPATH'; }
tap_check "no run path: tokmux" at_home "$dest/usr/bin/tokmux"
tap_check "no run path: tokmux-pkcs11.so" at_home "$dest$lib/pkcs11/tokmux-pkcs11.so"
soname() { readelf -d "$dest$lib/libtokmux.so" | grep -q 'SONAME.*\[libtokmux.so.1\]'; }
tap_check "the soname" soname
mentions() { ! grep -rlF -e "$top" -e "$dest" "$dest/usr/share" "$dest/usr/lib/udev" "$dest$lib/pkgconfig" "$dest/usr/include"; }
tap_check "no text names where it was built" mentions
export LD_LIBRARY_PATH=$dest$lib
tap_check "tokmux starts" "$dest/usr/bin/tokmux" --version
tap_check "udev calls it where it is" grep -q 'IMPORT{program}="/usr/bin/tokmux ' \
	"$dest/usr/lib/udev/rules.d/69-tokmux.rules"
tap_check "at plug and at unplug" grep -q 'RUN+="/usr/bin/tokmux ' \
	"$dest/usr/lib/udev/rules.d/69-tokmux.rules"
tap_check "p11-kit's word of the module" grep -qx "module: $lib/pkcs11/tokmux-pkcs11.so" \
	"$dest/usr/share/p11-kit/modules/tokmux.module"
pc() { PKG_CONFIG_SYSROOT_DIR=$dest PKG_CONFIG_PATH=$dest$lib/pkgconfig pkg-config "$@" tokmux; }
builds() {
	# shellcheck disable=SC2046 # words
	gcc -x c -o "$dest/program" - $(pc --cflags --libs) <<-'END' && "$dest/program"
	#include <tokmux.h>
	int main(void) { return !tokmux_strerror(0); }
	END
}
tap_check "a program builds with what pkg-config says" builds
rm -f "$dest/program"
mkdir -p "$dest/usr/share/man/man8"
touch "$dest/usr/share/man/man8/other.8"
tap_check "make uninstall" make -s -C "$top" uninstall "${variables[@]}"
tap_check "it leaves nothing, and what is not ours" test "$(files)" = \
	"-rw-r--r-- ./usr/share/man/man8/other.8"
tap_check "not even directories" test "$(find "$dest" -type d | wc -l)" = 5
tap_end

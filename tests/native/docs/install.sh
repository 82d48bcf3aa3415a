#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make install and uninstall, into a DESTDIR: the list of files, what is in them,
# and that nothing is left.
set -u
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
tap_natively_only
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
	-rw-r--r-- ./usr/include/tokmux-card.h
	-rw-r--r-- ./usr/include/tokmux-pkcs11.h
	-rw-r--r-- ./usr/include/tokmux.h
	-rw-r--r-- ./usr/include/tokmux/linux/tokmux.h
	-rw-r--r-- ./usr/lib/sysusers.d/tokmux.conf
	-rw-r--r-- ./usr/lib/udev/rules.d/69-tokmux.rules
	-rw-r--r-- ./usr/lib/udev/rules.d/73-seat-enforce-tokmux.rules
	lrwxrwxrwx .$lib/libtokmux.so libtokmux.so.1
	lrwxrwxrwx .$lib/libtokmux.so.1 libtokmux.so.1.0.0
	-rw-r--r-- .$lib/libtokmux.so.1.0.0
	-rw-r--r-- .$lib/libtokmux-pkcs11-0.1.0.so
	-rw-r--r-- .$lib/pkcs11/tokmux-pkcs11.so
	-rw-r--r-- .$lib/tokmux/pcsc/libpcsclite.so.1
	-rw-r--r-- .$lib/pkgconfig/tokmux-pkcs11.pc
	-rw-r--r-- .$lib/pkgconfig/libtokmux.pc
	-rw-r--r-- ./usr/share/bash-completion/completions/tokmux
	-rw-r--r-- ./usr/share/doc/tokmux/ABI/sysfs-class-tokmux
	-rw-r--r-- ./usr/share/doc/tokmux/examples/readers.conf
	-rw-r--r-- ./usr/share/doc/tokmux/examples/tokmux.conf
	-rw-r--r-- ./usr/share/fish/vendor_completions.d/tokmux.fish
	-rw-r--r-- ./usr/share/p11-kit/modules/tokmux.module
	-rw-r--r-- ./usr/share/zsh/site-functions/_tokmux
	END
	for page in "$top"/Documentation/*.{rst,svg,txt}; do
		echo "-rw-r--r-- ./usr/share/doc/tokmux/${page##*/}"
	done
	for page in "$top"/Documentation/pictures/*.dot; do
		echo "-rw-r--r-- ./usr/share/doc/tokmux/pictures/${page##*/}"
	done
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
tap_check "no run path: its core" at_home "$dest$lib/libtokmux-pkcs11-0.1.0.so"
soname() { readelf -d "$dest$lib/libtokmux.so" | grep -q 'SONAME.*\[libtokmux.so.1\]'; }
tap_check "the soname" soname
mentions() { ! grep -rlF -e "$top" -e "$dest" "$dest/usr/share" "$dest/usr/lib/udev" "$dest$lib/pkgconfig" "$dest/usr/include"; }
tap_check "no text names where it was built" mentions
export LD_LIBRARY_PATH=$dest$lib
tap_check "tokmux starts" "$dest/usr/bin/tokmux" --version
rules=$dest/usr/lib/udev/rules.d/69-tokmux.rules
tap_check "udev calls it where it is, at plug" \
	grep -q 'RUN+="/usr/bin/tokmux register ' "$rules"
tap_check "and at unplug" grep -q 'RUN+="/usr/bin/tokmux unregister ' "$rules"
tap_check "p11-kit's word of the module" grep -qx "module: $lib/pkcs11/tokmux-pkcs11.so" \
	"$dest/usr/share/p11-kit/modules/tokmux.module"
# In a sysroot pkg-config says of the system's headers what is not so: copies.
pc() { PKG_CONFIG_SYSROOT_DIR=$dest PKG_CONFIG_PATH=$dest$lib/pkgconfig pkg-config "$@"; }
builds() {
	# shellcheck disable=SC2046 # words
	gcc -x c -o "$dest/program" - $(pc --cflags --libs libtokmux) <<-'END' && "$dest/program"
	#include <tokmux.h>
	#include <tokmux-card.h>
	int main(void) { tokmux_card_free(0); return !tokmux_strerror(0); }
	END
}
tap_check "a program builds with what pkg-config says" builds
rm -f "$dest/program"
builds_pkcs11() {
	# shellcheck disable=SC2046 # words
	gcc -x c -fsyntax-only - -I"$dest/usr/include" \
		$(PKG_CONFIG_PATH=$dest$lib/pkgconfig pkg-config --cflags tokmux-pkcs11) <<-'END'
	#include <tokmux-pkcs11.h>
	CK_RV (*new_caller)(CK_FUNCTION_LIST_PTR_PTR list) = tokmux_pkcs11_new_caller;
	END
}
tap_check "one that loads the module, too" builds_pkcs11
tap_check "pkg-config knows where the module is" test \
	"$(pc --variable=module tokmux-pkcs11)" = "$dest$lib/pkcs11/tokmux-pkcs11.so"

# Each package that a pkg-config file of ours asks for is one that libtokmux-dev
# depends on: nobody else brings it.
depends() {
	local name package wanted bad=0
	wanted=$(sed -n '/^Package: libtokmux-dev$/,/^Description:/p' "$top/debian/control")
	while read -r name _; do
		package=$(dpkg -S "$(pkg-config --variable=pcfiledir "$name")/$name.pc") || return
		grep -qE "[ ,]${package%%:*}([ ,(]|$)" <<<"$wanted" ||
			{ echo "$name: ${package%%:*} is not among its Depends"; bad=1; }
	done < <(cat "$dest$lib"/pkgconfig/*.pc | sed -n 's/^Requires[.a-z]*: *//p' | tr -s ', ' '\n')
	return $bad
}
tap_check "libtokmux-dev depends on what its files need" depends
# Nor is there a header of others' that nobody asks for.
headers() { ! grep -hE '^#include <' "$dest"/usr/include/tokmux*.h |
	grep -vE '<(std(bool|def|int)|linux/tokmux|tokmux|p11-kit/pkcs11)\.h>'; }
tap_check "its headers need no others" headers
mkdir -p "$dest/usr/share/man/man8"
touch "$dest/usr/share/man/man8/other.8"
tap_check "make uninstall" make -s -C "$top" uninstall "${variables[@]}"
tap_check "it leaves nothing, and what is not ours" test "$(files)" = \
	"-rw-r--r-- ./usr/share/man/man8/other.8"
tap_check "not even directories" test "$(find "$dest" -type d | wc -l)" = 5

# ---- without a DESTDIR, as README has it: to /usr/local, and it runs --------------

# After the one above, for another prefix. What it changes of this machine it
# changes in layers of its own.
if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
	tap_skip "make install, to here" "it needs root and mounts of its own"
	tap_end
	exit
fi
cat >"$dest/here" <<'END'
set -eu
cd "$1"
unset LD_LIBRARY_PATH
export PATH=/usr/local/bin:$PATH
make -s install >&2
status=0
tokmux check >"$2/check" || status=$?
echo "check $status"
tokmux check --help | grep -o '/.*/tokmux-pkcs11.so'
sed -n 's/^prefix=//p' /usr/local/lib/pkgconfig/libtokmux.pc
pkg-config --variable=module tokmux-pkcs11
ldconfig -p | grep -c libtokmux.so.1
make -s uninstall >&2
ldconfig -p | grep -c libtokmux.so.1 || :
find "$2"/layers/*/upper -name '*tokmux*'
END
here() {
	local output
	output=$("$top/tests/native/docs/layers.sh" "$dest" sh "$dest/here" "$top" "$dest" 2>"$dest/said") ||
		{ cat "$dest/said"; return 1; }
	# The check itself says no: the kernel module isn't loaded here.
	diff - <(echo "${output/#check 0/check 1}") <<-END || { cat "$dest/check"; return 1; }
	check 1
	/usr/local/lib/pkcs11/tokmux-pkcs11.so
	/usr/local
	/usr/local/lib/pkcs11/tokmux-pkcs11.so
	1
	0
	END
}
tap_check "make install; tokmux check; make uninstall" here
tap_end

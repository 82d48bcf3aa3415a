#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The library has pcsc-lite's symbols, sizes and numbers: a program that was built
# for the one runs with the other.
set -u
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
ours=${B:-$top/build/user}/pcsc/libpcsclite.so.1
theirs=$(ldconfig -p | sed -n 's/.*libpcsclite\.so\.1 .*x86-64.* => //p' | head -n 1)
tap_natively_only
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT

# Functions by name, data with its size.
symbols() {
	nm -D -S --defined-only "$1" | awk '$3 ~ /[RDB]/ { print $4, $2; next } { print $4 }' | sort
}
tap_check "the symbols are 22" test "$(symbols "$ours" | wc -l)" = 22
if [ -e "$theirs" ]; then
	tap_check "they are pcsc-lite's, with its sizes" \
		diff <(symbols "$theirs") <(symbols "$ours")
else
	tap_skip "they are pcsc-lite's, with its sizes" "there is no pcsc-lite"
fi
# versioned: a symbol of a program that wants a version would not be found
tap_check "they have no versions" test -z "$(nm -D --with-symbol-versions --defined-only "$ours" | grep @)"
soname() { readelf -d "$ours" | grep -q 'SONAME.*\[libpcsclite\.so\.1\]'; }
tap_check "the SONAME is pcsc-lite's" soname
stays() { readelf -d "$ours" | grep -q NODELETE; }
tap_check "it stays when a program unloads it" stays

# Each number that our header has, by pcsc-lite's headers and by ours.
numbers() { # include…
	{
		printf '#include %s\n' "$@"
		echo '#include <stdio.h>'
		echo 'int main(void) {'
		sed -nE 's/^#define ((SCARD|CM)_[A-Za-z0-9_]+)[ \t]+.*/\1/p' \
			"$top/lib/pcsc/winscard.h" |
			grep -vxE 'SCARD_(ATR_MAX|READER_NAME_MAX|INFINITE|PROTOCOL_ANY_OLD)' |
			sed 's/.*/printf("& %lx\\n", (unsigned long)(&));/'
		cat <<-'END'
			printf("%zu %zu %zu %zu %zu\n", sizeof(SCARD_READERSTATE),
			sizeof(SCARD_IO_REQUEST), sizeof(SCARDCONTEXT), sizeof(DWORD),
			__builtin_offsetof(SCARD_READERSTATE, rgbAtr));
			return 0; }
		END
	} >"$dir/numbers.c"
	gcc -I/usr/include/PCSC -o "$dir/numbers" "$dir/numbers.c" && "$dir/numbers"
}
if [ -e /usr/include/PCSC/winscard.h ]; then
	numbers '<winscard.h>' '<reader.h>' >"$dir/theirs"
	numbers "\"$top/lib/pcsc/winscard.h\"" >"$dir/ours"
	tap_check "numbers were compared" test "$(wc -l <"$dir/ours")" -gt 80
	tap_check "the numbers and sizes are pcsc-lite's" diff "$dir/theirs" "$dir/ours"

	# A program that isn't position-independent has copies of the library's data.
	cat >"$dir/fixed.c" <<-'END'
		#include <winscard.h>
		int main(void) { return g_rgSCardT1Pci.dwProtocol != SCARD_PROTOCOL_T1 ||
			SCARD_PCI_RAW->dwProtocol != SCARD_PROTOCOL_RAW; }
	END
	gcc -no-pie -fno-pic -I/usr/include/PCSC -o "$dir/fixed" "$dir/fixed.c" "$ours" \
		-Wl,-rpath,"${ours%/*}"
	copies() { readelf -r "$dir/fixed" | grep -q 'R_X86_64_COPY.*g_rgSCardT1Pci'; }
	[ "$(uname -m)" != x86_64 ] || tap_check "such a program copies them" copies
	tap_check "and runs" "$dir/fixed"
else
	tap_skip "the numbers and sizes" "there are no headers of pcsc-lite"
fi
tap_end

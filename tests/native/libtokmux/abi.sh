#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a program may rely on for years: headers that any C and C++ compiler takes,
# and structs that don't grow under it.
set -u
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
tap_natively_only
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT
# Not as a system's headers, in which compilers overlook much.
headers=(-I"$top/lib" -I"$top/include/uapi")

# ---- the headers, alone ---------------------------------------------------------

cat >"$dir/headers.c" <<'END'
#include <tokmux.h>
#include <tokmux-card.h>
#include <tokmux.h>
int main(void) { return !TOKMUX_VERSION; }
END
# What has one name needs no word before it to say which of two it is.
cat >"$dir/headers.cc" <<'END'
#include <tokmux-card.h>
static int use(tokmux_caller *caller, tokmux_card *card)
{
	tokmux_grant grant;
	tokmux_event event;
	tokmux_state state;
	tokmux_ejected ejected;
	tokmux_card_presence presence;
	int ret;

	ret = tokmux_info(caller, &state, sizeof(state)) + tokmux_eject(caller, &ejected) +
	      tokmux_acquire(caller, TOKMUX_SHARED, 0, &grant) +
	      tokmux_read_event(caller, 0, &event);
	presence = static_cast<tokmux_card_presence>(tokmux_card_status(card));
	return ret + presence;
}
int main() { return use(0, 0); }
END
strict=(-fsyntax-only -Wall -Wextra -Werror -pedantic-errors "${headers[@]}")
for compiler in gcc clang; do
	if ! command -v $compiler >/dev/null; then
		tap_skip "$compiler takes the headers" "there is no $compiler"
		continue
	fi
	for std in c90 c99 c11 c17; do
		tap_check "$compiler takes the headers as $std" \
			$compiler -std=$std "${strict[@]}" "$dir/headers.c"
	done
	for std in c++98 c++11 c++20; do
		tap_check "$compiler takes them as $std" \
			$compiler -std=$std "${strict[@]}" "$dir/headers.cc"
	done
done

# ---- a kernel's header of tomorrow ------------------------------------------------

# The library is built with structs that have grown. The program was built today.
mkdir -p "$dir/tomorrow/linux"
awk '/^struct tokmux_(info|eject) \{/ { inside = 1 }
	/^};/ && inside { print "\t__u64 tomorrow[16];"; inside = 0; grown++ }
	{ print } END { exit grown != 2 }' "$top/include/uapi/linux/tokmux.h" \
	>"$dir/tomorrow/linux/tokmux.h"
tap_check "the kernel's structs grow" test $? = 0
cat >"$dir/kernel.c" <<'END'
#include <string.h>
#include <sys/ioctl.h>
#include "internal.h"
int tokmux_ioctl(int fd, unsigned long cmd, void *arg)
{
	memset(arg, 0xff, _IOC_SIZE(cmd));
	return 0;
}
END
cat >"$dir/program.c" <<'END'
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <tokmux.h>

int tokmux_caller_from_fd(int fd, struct tokmux_caller **caller);

static int untouched(const unsigned char *bytes, size_t from, size_t to)
{
	while (from < to && bytes[from] == 0x5a)
		from++;
	return from == to;
}

static int zero(const unsigned char *bytes, size_t from, size_t to)
{
	while (from < to && !bytes[from])
		from++;
	return from == to;
}

int main(void)
{
	struct { struct tokmux_ejected ejected; unsigned char after[256]; } e;
	unsigned char bytes[1024];
	struct tokmux_state state;
	struct tokmux_caller *c;
	size_t size;

	if (tokmux_caller_from_fd(dup(0), &c))
		return 1;
	/* Programs of yesterday, today and tomorrow. */
	for (size = 0; size <= 512; size += 4) {
		memset(bytes, 0x5a, sizeof(bytes));
		if (tokmux_info(c, (void *)bytes, size) ||
		    !untouched(bytes, size, sizeof(bytes))) {
			printf("tokmux_info() overruns %zu bytes\n", size);
			return 1;
		}
		if (size > sizeof(state) && !zero(bytes, sizeof(state), size)) {
			printf("%zu bytes: not zero where nothing is known\n", size);
			return 1;
		}
	}
	tokmux_info(c, &state, sizeof(state));
	if (state.flags != ~0U || state.grants != ~0ULL || state.idle != ~0U) {
		puts("not what the kernel said");
		return 1;
	}
	memset(&e, 0x5a, sizeof(e));
	if (tokmux_eject(c, &e.ejected) || e.ejected.logins != ~0U ||
	    !untouched(e.after, 0, sizeof(e.after))) {
		puts("tokmux_eject() overruns its struct");
		return 1;
	}
	return 0;
}
END
tomorrow() {
	gcc -g -D_GNU_SOURCE -c -o "$dir/caller.o" -I"$dir/tomorrow" -I"$top/lib" "$top/lib/caller.c" &&
		gcc -g -D_GNU_SOURCE -c -o "$dir/kernel.o" -I"$dir/tomorrow" -I"$top/lib" "$dir/kernel.c" &&
		gcc -g -D_GNU_SOURCE -c -o "$dir/program.o" "${headers[@]}" "$dir/program.c" &&
		gcc -o "$dir/program" "$dir"/{program,caller,kernel}.o && "$dir/program"
}
tap_check "a program of today is not overrun" tomorrow

# ---- errors -----------------------------------------------------------------------

# Each errno that a header promises has a sentence of ours, in the one function.
sentences() {
	python3 - "$B/libtokmux.so" "$top"/lib/tokmux{,-card}.h <<-'END'
	import ctypes, errno, os, re, sys
	strerror = ctypes.CDLL(sys.argv[1]).tokmux_strerror
	strerror.restype = ctypes.c_char_p
	names = set(re.findall(r"-(E[A-Z0-9]+)\b", "".join(open(p).read() for p in sys.argv[2:])))
	bad = [name for name in names - {"EMFILE"}
	       if strerror(-getattr(errno, name)).decode() == os.strerror(getattr(errno, name))]
	print("no sentence:", *bad)
	sys.exit(bool(bad) or len(names) < 20)
	END
}
tap_check "tokmux_strerror() knows the errors of both headers" sentences

# ---- the version ------------------------------------------------------------------

version=$(sed -n 's/^VERSION	*:= //p' "$top/build.mk")
cat >"$dir/version.c" <<'END'
#include <stdio.h>
#include <tokmux.h>
int main(void)
{
	printf("%s %d.%d.%d\n", tokmux_version(), TOKMUX_VERSION >> 16,
	       TOKMUX_VERSION >> 8 & 255, TOKMUX_VERSION & 255);
	return 0;
}
END
says_version() {
	local output
	gcc -o "$dir/version" "${headers[@]}" "$dir/version.c" -L"$B" -ltokmux -Wl,-rpath,"$B" || return
	output=$("$dir/version")
	[ "$output" = "$version $version" ] || { echo "$output, not $version"; return 1; }
}
tap_check "library, header and packages have one version" says_version
tap_end

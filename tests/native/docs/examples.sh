#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the manuals show is done, as they show it. Where the kernel module is not
# loaded, what needs none of it.
set -u
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
docs=$top/Documentation
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT
export PATH=$B:$PATH

# The lines of a literal block that contains TEXT, without their indentation.
block() { # file text
	awk -v text="$2" '
		function flush() { if (!done && index(b, text)) { printf "%s", b; done = 1 } b = "" }
		/^(   |\t|$)/ { sub(/^(   |\t)/, ""); b = b $0 "\n"; next }
		{ flush() }
		END { flush() }
	' "$1" | sed -e '/./,$!d' -e '/^:caption:/d'
}

# ---- the complete program of the page for tool writers ------------------------

page=$docs/custom-tools.rst
block "$page" 'int main' >"$dir/custom-tool.c"
# As installed, see the Makefile.
installed=$B/tests/docs/installed
lib=$installed/usr/lib/$(gcc -print-multiarch)
export PKG_CONFIG_SYSROOT_DIR=$installed PKG_CONFIG_PATH=$lib/pkgconfig LD_LIBRARY_PATH=$lib
tap_check "what is installed is there" test -e "$lib/pkgconfig/libtokmux.pc"
compile() {
	local command
	command=$(grep -oE '^	cc -o custom-tool .*' "$page") &&
		cd "$dir" && eval "$command ${SAN:+-fsanitize=$SAN} -Wall -Wextra -Werror"
}
tap_check "the program of custom-tools.rst is complete" grep -q '^#include <tokmux.h>' "$dir/custom-tool.c"
tap_check "it compiles as the page says" compile
tap_check "it is a page long" test "$(wc -l <"$dir/custom-tool.c")" -lt 80
of_the_system() {
	local line
	line=$(block "$page" 'ret = tokmux_open(')
	[ -n "$line" ] || return
	awk -v line="$line" '/tokmux_open_user\(/ { print line; next } { print }' \
		"$dir/custom-tool.c" >"$dir/system.c"
	! grep -q tokmux_open_user "$dir/system.c" || return
	# shellcheck disable=SC2046 # words
	gcc -Wall -Wextra -Werror ${SAN:+-fsanitize=$SAN} -o "$dir/system" \
		"$dir/system.c" $(pkg-config --cflags --libs libtokmux)
}
tap_check "it compiles for a token of the system" of_the_system

# ---- in Python ------------------------------------------------------------------

block "$page" 'import ctypes' >"$dir/hold.py"
in_python() { # what it says
	local command output
	command=$(grep -oE '^	python3 hold.py .*' "$page") || return
	output=$(cd "$dir" && eval "$command" 2>&1)
	[[ $output == *$1* ]] || { echo "$output"; return 1; }
}
if [ -n "${SAN-}" ]; then
	tap_skip "the program in Python runs" "python3 isn't sanitized"
elif [ -e /dev/tokmux-control ]; then
	tap_check "the program in Python runs" in_python mine
else
	tap_check "the program in Python calls the library" in_python "not loaded"
fi

# ---- fragments: in a program that has what they leave out -----------------------

fragment() { # name page text
	{
		printf '#include <%s>\n' err.h fcntl.h stdio.h stdlib.h sys/ioctl.h tokmux-card.h
		echo 'static void reset_the_card(void) { }'
		echo 'int main(int argc, char **argv) { if (argc > 99) reset_the_card();'
		block "$2" "$3"
		echo '(void)argv; return 0; }'
	} >"$dir/$1.c"
	# shellcheck disable=SC2046 # words
	gcc -Wall -Wextra -Werror ${SAN:+-fsanitize=$SAN} -o "$dir/$1" "$dir/$1.c" \
		$(pkg-config --cflags --libs libtokmux)
}
tap_check "libtokmux(3): the example compiles" \
	fragment library "$docs/man/libtokmux.3.rst" 'tokmux_open_user("my-card"'
tap_check "libtokmux-card(3): the example compiles" \
	fragment card "$docs/man/libtokmux-card.3.rst" 'tokmux_card_begin(card, 5000)'
tap_check "uapi: the example compiles" fragment uapi "$docs/uapi.rst" 'TOKMUX_CTL_CREATE, &create'

# ---- tokmux.conf(5) ------------------------------------------------------------

# The example as it is, where the HSM is that it speaks of. Without the kernel
# module it is refused, and does the rest with another arbiter.
conf=$docs/man/tokmux.conf.5.rst
block "$conf" '[backend hsm]' >"$dir/example.conf"
with_hsm() { # configuration command…
	export TOKMUX_CONF=$1 TOKMUX_LOG=errors SOFTHSM2_CONF=$dir/softhsm2.conf
	shift
	unshare -m sh -ec 'mount -t tmpfs tmpfs /opt
		mkdir -p /opt/hsm/lib
		ln -s /usr/lib/softhsm/libsofthsm2.so /opt/hsm/lib/libpkcs11.so
		exec "$@"' sh "$@"
}
shows() { # configuration text
	local output
	output=$(with_hsm "$1" pkcs11-tool --module "$B/tokmux-pkcs11.so" -L 2>&1)
	grep -qF -- "$2" <<<"$output" || { echo "$output"; return 1; }
}
mkdir "$dir/tokens"
printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$dir/tokens" >"$dir/softhsm2.conf"
if [ -n "${SAN-}" ]; then
	tap_skip "tokmux.conf(5): the example" "pkcs11-tool isn't sanitized"
elif [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
	tap_skip "tokmux.conf(5): the example" "it needs root and mounts of its own"
else
	SOFTHSM2_CONF=$dir/softhsm2.conf softhsm2-util --init-token --free --label ca \
		--so-pin 12345678 --pin 1234 >/dev/null
	export SOFTHSM2_CONF=$dir/softhsm2.conf
	if [ -e /dev/tokmux-control ]; then
		tap_check "tokmux.conf(5): the example works" shows "$dir/example.conf" ': ca'
	else
		tap_check "tokmux.conf(5): the example wants the kernel" \
			shows "$dir/example.conf" 'arbiter = kernel, but the kernel module is not loaded'
		sed "s/arbiter = kernel/arbiter = local/" "$dir/example.conf" >"$dir/local.conf"
		tap_check "tokmux.conf(5): the rest of the example works" shows "$dir/local.conf" ': ca'
	fi
	block "$docs/administrators.rst" '[backend hsm]' >"$dir/hsm.conf"
	tap_check "administrators: the configuration for an HSM works" shows "$dir/hsm.conf" ': ca'
	calls() {
		local line
		# shellcheck disable=SC2034 # the line's
		local module=$B/tokmux-pkcs11.so
		line=$(grep '^	TOKMUX_LOG=calls ' "$docs/applications.rst") &&
			eval "$line" 2>&1 | grep -q 'C_GetTokenInfo caller'
	}
	tap_check "applications: each call is shown" calls
fi

if [ ! -e /dev/tokmux-control ]; then
	says() { "$dir/custom-tool" my-card 2>&1 | grep -q 'not loaded'; }
	tap_check "without the kernel module it says so" says
	tap_skip "the examples" "the kernel module is not loaded"
	tap_end
	exit
fi

alone() {
	local output
	output=$("$dir/custom-tool" my-card 2) || { echo "$output"; return 1; }
	[ "$output" = "somebody may have touched it: select, verify
nobody has touched it since: go on" ] || { echo "$output"; return 1; }
}
tap_check "alone, nobody has touched the token" alone
twice() {
	"$dir/custom-tool" my-card 5 >"$dir/one" &
	"$dir/custom-tool" my-card 5 >"$dir/two" || return
	wait $! || return
	cat "$dir/one" "$dir/two"
	# Both had turns in between the other's.
	grep -q 'somebody may' <(tail -n +2 "$dir/one") ||
		grep -q 'somebody may' <(tail -n +2 "$dir/two")
}
tap_check "run twice, they take turns" twice
# Numbers stand on the right of their column.
is() { # token column value
	[ "$(tokmux status "$1" -o "$2" --noheadings 2>/dev/null | tr -d ' ')" = "$3" ]
}
# It has the token: there is a moment between its being there and that.
held() { tap_await 60 is "$1" state exclusive; } # token
waited_for() { tap_await 60 is "$1" waiters 1; } # token
said() { tap_await 60 grep -q "$1" "$2"; } # pattern file
waits() {
	local fifo status=0
	mkfifo "$dir/fifo"
	tokmux lock my-card --user -- cat "$dir/fifo" &
	exec {fifo}>"$dir/fifo"
	held my-card || status=1
	"$dir/custom-tool" my-card 1 >"$dir/after" {fifo}>&- &
	waited_for my-card || status=1
	exec {fifo}>&-
	wait
	[ $status = 0 ] || return
	cat "$dir/after"
	grep -q 'select, verify' "$dir/after"
}
tap_check "it waits for another tool's lease" waits
killed() {
	local holder status=0
	"$dir/custom-tool" my-card 30 >"$dir/before" &
	holder=$!
	held my-card || status=1
	# Or it gives way to the other one.
	kill -STOP $holder
	"$dir/custom-tool" my-card 1 >"$dir/after" &
	waited_for my-card || status=1
	kill -KILL $holder
	wait
	cat "$dir/after"
	[ $status = 0 ] && grep -q 'unknown state' "$dir/after"
}
tap_check "its holder is killed, and the next one is told" killed
ejected() {
	local status=0 tool
	# More turns than it gets to, however long the rest takes.
	"$dir/custom-tool" my-card 300 >"$dir/after" &
	tool=$!
	held my-card && tokmux eject --force my-card &&
		said 'taken away' "$dir/after" && said 'unknown state' "$dir/after" ||
		status=1
	kill $tool
	wait
	cat "$dir/after"
	return $status
}
tap_check "so is who has it when the token is ejected" ejected

tap_check "libtokmux(3): the example runs" "$dir/library"
tap_check "uapi: the example runs" "$dir/uapi"

# ---- tokmux(8), tokmux(7), for applications ----------------------------------

man=$docs/man/tokmux.8.rst
example() { # page text: the example's lines that have it
	block "$1" "$2" | grep -F -- "$2"
}
state=$(example "$man" "tokens[0].state")
runs() { [ "$(eval "$1" 2>&1)" = "$2" ]; }
tap_check "tokmux(8): the state of a token" tokmux lock my-card --user -- \
	bash -c "[ \"\$($state)\" = exclusive ]"
tap_check "tokmux(8): tokens that are waited for" runs "$(example "$man" 'select(.waiters')" ""
# gpg stands there for any program; the test's machine need not have it.
printf '#!/bin/sh\necho "gpg $*"\n' >"$dir/gpg"
chmod +x "$dir/gpg"
export PATH=$dir:$PATH
tap_check "tokmux(8): one after the other" runs "$(example "$man" 'gpg --card-status')" "gpg --card-status"
tap_check "applications: take your turn" \
	runs "$(example "$docs/applications.rst" 'gpg --card-status')" "gpg --card-status"
registers() {
	local line found=''
	while read -r line; do
		found=1
		eval "$line" && tokmux unregister the-ca || return
	done < <(grep -oE '^	tokmux register the-ca .*' "$docs/administrators.rst")
	[ -n "$found" ]
}
if [ "$(id -u)" = 0 ]; then
	tap_check "administrators: a token for several users" registers
else
	tap_skip "administrators: a token for several users" "it needs root"
fi
tap_check "applications: is it free?" runs "$(example "$docs/applications.rst" 'echo free')" "free"
readme=$(grep -E '^    tokmux lock ' "$top/README.md")
tap_check "README: hold a token" runs "$readme" "mine"
readme=$(grep -E '^    tokmux list ' "$top/README.md")
tap_check "README: list them" runs "$readme" ""
readme=$(grep -E '^    tokmux who ' "$top/README.md")
tap_check "README: who uses them" runs "$readme" ""
seven=$docs/man/tokmux.7.rst
two_shells() {
	local first text status
	# A slow machine has not looked yet after five seconds.
	mkfifo "$dir/seen" || return
	text=$(example "$seven" 'sleep 5')
	bash -c "${text/sleep 5/cat $dir/seen}" &
	first=$!
	held demo && eval "$(example "$seven" 'tokmux who')" | grep -q exclusive
	status=$?
	timeout 10 tee "$dir/seen" </dev/null
	[ $status = 0 ] || return
	[ "$(eval "$(example "$seven" 'my turn')")" = "my turn" ] || return
	wait $first
}
tap_check "tokmux(7): two shells" two_shells
tap_end

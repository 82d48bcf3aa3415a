# SPDX-License-Identifier: LGPL-2.1-or-later
# What the tests with real clients share: a SoftHSM2 token "one" behind the
# module, with an RSA and an EC key, and a few words to test with. Sourced.
#
#	$module, $dir		the module, and a directory that goes at the end
#	client_token		makes the token, its PIN is 1234
#	tool ARGUMENT…		pkcs11-tool through the module
#	says TEXT COMMAND…	does it succeed and print that?
#	says_not TEXT COMMAND…	does it succeed and not print that?
#	not COMMAND…		does it fail?
# shellcheck shell=bash
# shellcheck disable=SC2034 # used where this is sourced
. "$(dirname "${BASH_SOURCE[0]}")/../../tap.bash"
B=${B:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd -P)/build/user}
module=$B/tokmux-pkcs11.so
bare=/usr/lib/softhsm/libsofthsm2.so
dir=$(mktemp -d /tmp/tokmux-client.XXXXXX) || exit
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/tokens" "$dir/home"
export SOFTHSM2_CONF=$dir/softhsm2.conf TOKMUX_CONF=$dir/tokmux.conf
# Nothing of the user's takes part, and nothing is left there.
export HOME=$dir/home
unset XDG_CONFIG_HOME
printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$dir/tokens" >"$SOFTHSM2_CONF"
cat >"$TOKMUX_CONF" <<END
[global]
arbiter = ${TOKMUX_TEST_ARBITER:-local}
[backend softhsm]
module = libsofthsm2.so
END
# A sanitized module in a program that isn't wants its library first.
case ${SAN-} in
*address*)
	preload=$(gcc -print-file-name=libasan.so)
	export ASAN_OPTIONS=detect_leaks=0
	;;
*thread*) preload=$(gcc -print-file-name=libtsan.so) ;;
esac
so=(--login --login-type so --so-pin 12345678)
user=(--login --pin 1234)
printf 'to be signed' >"$dir/data"

tool() { LD_PRELOAD=${preload-} pkcs11-tool --module "$module" "$@"; }
bare_tool() { pkcs11-tool --module "$bare" "$@"; }

# Without the module, whose own doing of this is another test's.
client_token() {
	bare_tool --init-token --slot-index 0 --label one --so-pin 12345678 &&
		bare_tool --token-label one "${so[@]}" --init-pin --pin 1234 &&
		bare_tool --token-label one "${user[@]}" --keypairgen \
			--key-type rsa:2048 --label rsa --id 01 &&
		bare_tool --token-label one "${user[@]}" --keypairgen \
			--key-type EC:prime256v1 --label ec --id 02
}

says() {
	local text=$1 output
	shift
	output=$("$@" 2>&1) || { echo "$output"; return 1; }
	grep -qF -- "$text" <<<"$output" || { echo "$output"; return 1; }
}
says_not() {
	local text=$1 output
	shift
	output=$("$@" 2>&1) || { echo "$output"; return 1; }
	! grep -F -- "$text" <<<"$output"
}
not() { ! "$@"; }

# SPDX-License-Identifier: GPL-2.0-only
# For tests of PC/SC programs in a guest: an ordinary user who may use tokens, with our
# libpcsclite.so.1. Sourced, after tests/tap.bash, with build set.
#
# Sets dir, which goes at the end with the processes in pids and the token "reader";
# its home is the user's, and its tokmux.conf has OpenSC.
# shellcheck shell=bash disable=SC2034,SC2154

tool=$build/tokmux
dir=$(mktemp -d /tmp/tokmux-pcsc.XXXXXX) || exit
chmod 755 "$dir"
mkdir -m 777 "$dir/home"
# For tokmux-pkcs11.so over OpenSC.
cat >"$dir/tokmux.conf" <<-'END'
	[global]
	arbiter = kernel
	[backend opensc]
	module = opensc-pkcs11.so
END
chmod 644 "$dir/tokmux.conf"
pids=()
pcsc_cleanup() {
	[ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null
	"$tool" unregister -f reader >/dev/null 2>&1
	rm -rf "$dir"
}
trap pcsc_cleanup EXIT

getent group tokmux >/dev/null || groupadd --system tokmux
# What udev has read without the group it reads anew only if a file is newer.
touch /run/udev/rules.d/69-tokmux.rules
udevadm control --reload
IFS=: read -r _ _ gid _ < <(getent group tokmux)

register_reader() { # its node
	"$tool" register --device "$1" reader >/dev/null && udevadm settle
}

# Programs that were built for pcsc-lite, by a user who may use tokens.
user() {
	setpriv --reuid 65534 --regid 65534 --groups "$gid" \
		env HOME="$dir/home" LD_LIBRARY_PATH="$build/pcsc" "$@"
}
# grep reads to the end: a program must not die by SIGPIPE in a transaction.
shown() { # pattern command…
	local pattern=$1
	shift
	user timeout 60 "$@" 2>&1 | tee /dev/stderr | grep -E "$pattern" >/dev/null
}

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# R18: in a sandbox that hides /dev or /sys, a process gets the token that all others
# have by that name, or an error. It never gets one of its own.
set -u
. "$(dirname "$0")/client.bash"
if [ -n "${SAN-}" ]; then
	tap_skip sandbox "the module is loaded by a program that isn't sanitized"
	tap_end
	exit
fi
if ! unshare -m true 2>/dev/null; then
	tap_skip sandbox "this user may not mount here"
	tap_end
	exit
fi
client_token >"$dir/token.log" 2>&1 || { cat "$dir/token.log"; exit 1; }

configure() { # arbiter token
	cat >"$TOKMUX_CONF" <<-END
	[global]
	arbiter = $1
	log = errors
	[backend softhsm]
	module = libsofthsm2.so
	token = $2
	END
}

# An empty /dev with these nodes; "sys" keeps /sys; "misc" shows a module in /proc/misc.
sandbox() { # words -- command…
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare -m --propagation private bash -c '
		dir=$1 && shift || exit 99
		mkdir -p "$dir/dev" && mount -t tmpfs none "$dir/dev" || exit 99
		hide=yes
		while [ "$1" != -- ]; do
			case $1 in
			sys) hide= ;;
			misc)
				echo "243 tokmux-control" >"$dir/misc"
				mount --bind "$dir/misc" /proc/misc || exit 99
				;;
			*) touch "$dir/dev/$1" && mount --bind "/dev/$1" "$dir/dev/$1" || exit 99 ;;
			esac
			shift
		done
		shift
		mount --move "$dir/dev" /dev || exit 99
		[ -z "$hide" ] || mount -t tmpfs none /sys || exit 99
		exec "$@"' sandbox "$dir" null urandom "$@"
}

export -f tool
export module
opens() { says 'Public Key Object' sandbox "$@" -- bash -c 'tool --token-label one -O'; }
fails() { # text words
	local text=$1 output
	shift
	output=$(sandbox "$@" -- bash -c 'tool --token-label one -O' 2>&1)
	# The program's own status says little: no object may be seen.
	if grep -q 'Object;' <<<"$output" || ! grep -qF -- "$text" <<<"$output"; then
		echo "$output"
		return 1
	fi
}

away="this process can't reach it"
if [ ! -e /dev/tokmux-control ]; then
	configure auto r18
	tap_check "without a kernel module auto is local" opens
	tap_check "a module whose node is hidden is named" fails \
		"arbiter = auto, but /dev/tokmux-control can't be used: it is there, but $away" misc
	configure kernel r18
	tap_check "kernel says that it is hidden" fails "arbiter = kernel, but /dev/tokmux-control" misc
	tap_check "kernel says that it is not loaded" fails "the kernel module is not loaded"
	configure local r18
	tap_check "local asks for no node" opens misc
	configure local system:r18
	tap_check "local has no token of the administrator's" fails "has to be the administrator's"
	tap_end
	exit
fi
if [ "$(id -u)" != 0 ]; then
	tap_skip "system tokens" "only root makes them"
	tap_end
	exit
fi

name=r18-$$
tokmux=$B/tokmux
configure auto "system:$name"
tap_check "a user token is none of the administrator's" fails "who has not registered it" tokmux-control sys
"$tokmux" register "$name" >/dev/null || exit
trap '"$tokmux" unregister "$name"; rm -rf "$dir"' EXIT
node=
for each in /sys/class/tokmux/*; do
	[ "$(cat "$each/name" 2>/dev/null)" != "$name" ] || node=${each##*/}
done
tap_await 10 test -e "/dev/$node"
tap_check "with all of it the administrator's token opens" opens tokmux-control "$node" sys
for arbiter in auto kernel; do
	configure $arbiter "$name"
	tap_check "$arbiter: with all of it the token opens" opens tokmux-control "$node" sys
	tap_check "$arbiter: without any node" fails "arbiter = $arbiter, but /dev/tokmux-control" sys
	tap_check "$arbiter: without any node and /sys" fails "arbiter = $arbiter, but /dev/tokmux-control"
	tap_check "$arbiter: without the token's node" fails "$away" tokmux-control sys
	tap_check "$arbiter: without the token's node and /sys" fails "$away" tokmux-control
	tap_check "$arbiter: without /sys" fails "$away" tokmux-control "$node"
done
tap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The module itself: it is not removed while it is in use, and leaves nothing
# behind when it is.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/tests/tap.bash"

control=/dev/tokmux-control
tap_check "the control device is everybody's" test "$(stat -c %a $control)" = 666
exec {fd}<>$control
refused() { ! rmmod tokmux 2>/dev/null; }
tap_check "rmmod is refused while the control device is open" refused
exec {fd}>&-
if [ -x "${B-}/tokmux" ]; then
	lock() { "$B/tokmux" lock in-use --user "$@"; }
	tap_check "while somebody holds a token" lock -- bash -c '! rmmod tokmux 2>/dev/null'
fi
tap_check "rmmod" rmmod tokmux
gone() { [ ! -e $control ] && [ ! -e /sys/class/tokmux ]; }
tap_check "nothing is left in /dev and /sys" gone
if [ -n "${TOKMUX_MINOR_KO-}" ]; then
	clash() { # says what to do, and leaves nothing
		insmod "$TOKMUX_MINOR_KO" || return
		! insmod "$TOKMUX_KO" && gone &&
			dmesg | tail -n 5 | grep ' tokmux: misc minor 243 is taken.*/proc/misc'
		local status=$?
		rmmod minor_taken
		return $status
	}
	tap_check "with its minor taken the module says so, and does not load" clash
fi
if [ -n "${TOKMUX_KO-}" ]; then
	tap_check "insmod" insmod "$TOKMUX_KO"
	udevadm settle
	tap_check "the control device is back" test -c $control
	tap_check "its parameter is documented" \
		test "$(cat /sys/module/tokmux/parameters/user_tokens)" = 64
fi
tap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What an administrator sees of a contended token: six processes that want it, one
# that lingers beyond the hold limit now and then, one that is killed. sysfs, fdinfo
# and the tracepoints are printed, and must agree with each other.
#
# TOKMUX_CONTENDED_SECONDS is for how long.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/tests/tap.bash"
if [ ! -x "${B-}/tokmux" ]; then
	echo "1..0 # SKIP needs the command line, in B"
	exit
fi
seconds=${TOKMUX_CONTENDED_SECONDS:-5}
dir=$(mktemp -d) || exit
name=busy-$$
trap 'touch "$dir/stop"; wait; "$B/tokmux" unregister "$name" >/dev/null; rm -rf "$dir"' EXIT
export PATH=$B:$PATH

tracefs=/sys/kernel/tracing
[ -d $tracefs/events ] || tracefs=/sys/kernel/debug/tracing
traced=
if [ -d $tracefs/events/tokmux ]; then
	traced=1
	echo 8192 >$tracefs/buffer_size_kb
	echo >$tracefs/trace
	echo 1 >$tracefs/events/tokmux/enable
fi

tokmux register --hold-limit 0.3 "$name" >/dev/null || exit
for sysfs in /sys/class/tokmux/*; do
	[ "$(cat "$sysfs/name")" != "$name" ] || break
done

worker() { # seconds to hold
	# bash tells of who was killed
	while [ ! -e "$dir/stop" ]; do
		tokmux lock "$name" -- sleep "$1"
	done 2>/dev/null
}
for hold in 0.05 0.05 0.05 0.1 0.1; do
	worker $hold &
done
worker 0.6 &
# The holder, whoever it is: its process is killed in the middle.
killer() {
	local pid
	while [ ! -e "$dir/stop" ]; do
		pid=$(cat "$sysfs/holder")
		[ "$pid" = 0 ] || kill -9 "$pid" 2>/dev/null
		sleep 0.5
	done
}
killer &

# Somebody holds and somebody waits, at that moment: without a process for each
# look, which would take longer than they do.
look() {
	local waiters file text attr value end=$((SECONDS + 30))
	while ((SECONDS < end)); do
		read -ra waiters <"$sysfs/waiter_pids"
		[ ${#waiters[@]} -gt 1 ] || continue
		for file in "/proc/${waiters[-1]}/fdinfo"/*; do
			mapfile -t text <"$file" || continue
			[[ ${text[*]} == *token:*$'waiting:\t1'* ]] || continue
			for attr in epoch exclusive grants holder holder_pids holders \
				longest_wait_us revocations uncleans waiters waiter_pids waits; do
				read -r value <"$sysfs/$attr"
				printf '%s:%s ' $attr "$value"
			done >"$dir/sysfs"
			printf '%s  ' "${text[@]}" >"$dir/fdinfo"
			return
		done
	done 2>/dev/null
	return 1
}
sleep "$seconds"
tap_check "a holder and one that waits, in sysfs and fdinfo" look
for file in sysfs fdinfo; do
	[ ! -e "$dir/$file" ] || tr '\t' ' ' <"$dir/$file" | fold -sw 76 | sed 's/^/# /'
	echo
done

touch "$dir/stop"
wait
idle() { [ "$(cat "$sysfs/holders" "$sysfs/waiters" "$sysfs/holder_pids" | xargs)" = "0 0" ]; }
tap_check "nobody is left" idle
value() { cat "$sysfs/$1"; }
tap_check "somebody waited, was thrown out, left it unclean" test "$(value waits)" -gt 0 -a \
	"$(value revocations)" -gt 0 -a "$(value uncleans)" -ge "$(value revocations)"
if [ -n "$traced" ]; then
	echo 0 >$tracefs/events/tokmux/enable
	grep " name=$name " $tracefs/trace >"$dir/trace"
	count() { grep -c " tokmux_$1: " "$dir/trace"; }
	tap_check "each grant is in the trace" test "$(count grant)" = "$(value grants)"
	tap_check "each wait" test "$(count wait)" = "$(value waits)"
	tap_check "each revocation" test "$(count revoke)" = "$(value revocations)"
	grep -A 3 -m 1 tokmux_revoke "$dir/trace" | sed 's/^ */# /'
fi
tap_end

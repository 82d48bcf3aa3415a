#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The tracepoints: each event of a small contended scene is in the trace, in
# order, with whom and what.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/tests/tap.bash"

tracefs=/sys/kernel/tracing
[ -d $tracefs/events ] || tracefs=/sys/kernel/debug/tracing
if [ ! -d $tracefs/events/tokmux ]; then
	tap_skip "tracepoints" "this kernel has none"
	tap_end
	exit
fi

echo >$tracefs/trace
echo 1 >$tracefs/events/tokmux/enable
"$top/build/kselftest/r2_death" >/dev/null 2>&1
"$top/build/kselftest/r4_hold" >/dev/null 2>&1
"$top/build/kselftest/r4_idle" >/dev/null 2>&1
"$top/build/kselftest/r6_logins" >/dev/null 2>&1
echo 0 >$tracefs/events/tokmux/enable
trace=$(mktemp)
cat $tracefs/trace >"$trace"

for event in wait grant release idle revoke end session login logout; do
	tap_check "tokmux_$event" grep -q " tokmux_$event: token=-1 name=test-[0-9]* " "$trace"
done
# A wait on a token comes before the grant that ends it, and after it there is
# one waiter less.
order() {
	awk '/tokmux_wait:/ { wait = NR } /tokmux_end:.*arg=1/ && wait { end = NR }
	     /tokmux_grant:/ && end > wait { found = 1 } END { exit !found }' "$trace"
}
tap_check "a wait, the holder's end, which leaves unclean, then the grant" order
sed -n '/tokmux_wait/,$p' "$trace" | head -n 6 | sed 's/^/# /'
rm -f "$trace"
tap_end

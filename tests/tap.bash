# SPDX-License-Identifier: GPL-2.0-only
# The Test Anything Protocol, for those who print it and those who run programs
# that do. Sourced.
#
#	tap_ok NAME			one test passed
#	tap_not_ok NAME			one test failed
#	tap_skip NAME WHY		one test could not be done here
#	tap_check NAME COMMAND…		passed if COMMAND does; its output only if not
#	tap_run NAME SECONDS COMMAND…	COMMAND prints TAP: count its tests as ours
#	tap_await SECONDS COMMAND…	until COMMAND does; fails, and says so, if it is not in time
#	tap_natively_only		all is skipped with sanitizers and in guests
#	tap_end				the plan; fails if a test did
# shellcheck shell=bash

tap_count=0 tap_passed=0 tap_failed=0 tap_skipped=0

tap_ok() { tap_passed=$((tap_passed + 1)); echo "ok $((++tap_count)) - $*"; }
tap_not_ok() { tap_failed=$((tap_failed + 1)); echo "not ok $((++tap_count)) - $*"; }
tap_skip() {
	tap_skipped=$((tap_skipped + 1))
	echo "ok $((++tap_count)) - $1 # SKIP $2"
}

# For tests of what neither a sanitizer nor a kernel can change.
tap_natively_only() {
	if [ -n "${SAN-}" ] || [ -n "${TOKMUX_GUEST-}" ]; then
		echo "1..0 # SKIP there is no more to see here"
		exit
	fi
}

tap_check() { # name command…
	local name=$1 output
	shift
	if output=$("$@" 2>&1 </dev/null); then
		tap_ok "$name"
	else
		# shellcheck disable=SC2001 # each line of it
		[ -z "$output" ] || sed 's/^/# /' <<<"$output"
		tap_not_ok "$name"
	fi
}

tap_await() { # seconds command…
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null; do
		[ $SECONDS -lt $until ] || { echo "not in time: $*"; return 1; }
		sleep 0.1
	done
}

# A line of somebody's TAP, renumbered. Sets plan, tests and bailed of tap_run.
tap_line() { # name line
	local word description
	if [[ $2 =~ ^(ok|not\ ok)($|[[:space:]]+(.*)) ]]; then
		word=${BASH_REMATCH[1]} description=${BASH_REMATCH[3]}
		tests=$((tests + 1))
		[[ ! $description =~ ^[0-9]+[[:space:]]*(.*) ]] || description=${BASH_REMATCH[1]}
		[[ ! $description =~ ^-[[:space:]]*(.*) ]] || description=${BASH_REMATCH[1]}
		description=$1${description:+: $description}
		if [[ $description =~ \#\ *([Ss][Kk][Ii][Pp]|TODO|XFAIL) ]]; then
			tap_skipped=$((tap_skipped + 1))
			echo "$word $((++tap_count)) - $description"
		elif [ "$word" = ok ]; then
			tap_ok "$description"
		else
			bad=$((bad + 1))
			tap_not_ok "$description"
		fi
	elif [[ $2 =~ ^1\.\.([0-9]+)(.*) ]]; then
		plan=${BASH_REMATCH[1]}
		if [ "$plan" = 0 ]; then
			tap_skip "$1" "${BASH_REMATCH[2]##*SKIP }"
		fi
	elif [[ $2 == 'Bail out!'* ]]; then
		bailed=$2
		echo "# $2"
	elif [[ $2 != 'TAP version '* ]]; then
		printf '%s\n' "$2"
	fi
}

# The program's output goes through a file: what it leaves behind may keep the
# file open for ever, as it would a pipe, and hold nobody up.
tap_run() { # name seconds command…
	local name=$1 seconds=$2 dir output in tail pid watchdog status line
	local plan='' tests=0 bad=0 bailed='' began=$SECONDS
	shift 2
	dir=$(mktemp -d "${TMPDIR:-/tmp}/tap.XXXXXX")
	output=$dir/output
	mkfifo "$dir/never"
	: >"$output"
	echo "# $name"
	setsid -w "$@" >"$output" 2>&1 </dev/null &
	pid=$!
	exec {in}< <(exec tail -n +1 -f -s 0.1 --pid=$pid "$output" 2>/dev/null)
	tail=$!
	(
		exec {in}<&- {never}<>"$dir/never"
		# A read that nothing answers is a sleep without a process.
		read -r -t "$seconds" -u $never
		echo "did not end in $seconds s" >"$dir/late"
		kill -TERM -- -$pid $pid
		read -r -t 2 -u $never
		kill -KILL -- -$pid $pid
		pkill -KILL -s $pid
		read -r -t 10 -u $never
		echo "did not end in $seconds s and cannot be killed" >"$dir/stuck"
		kill $tail
	) >/dev/null 2>&1 &
	watchdog=$!
	while IFS= read -r line || [ -n "$line" ]; do
		tap_line "$name" "$line"
	done <&$in
	exec {in}<&-
	status=0
	[ -e "$dir/stuck" ] || wait $pid 2>/dev/null || status=$?
	kill $watchdog 2>/dev/null && wait $watchdog 2>/dev/null || :
	# What it left behind must not disturb the next one.
	kill -KILL -- -$pid 2>/dev/null || :
	pkill -KILL -s $pid || :
	if [ -e "$dir/stuck" ]; then
		tap_not_ok "$name: $(cat "$dir/stuck")"
	elif [ -e "$dir/late" ]; then
		tap_not_ok "$name: $(cat "$dir/late")"
	elif [ -n "$bailed" ]; then
		tap_not_ok "$name: $bailed"
	elif [ $status = 4 ] && [ -z "$plan" ]; then
		tap_skip "$name" "exit status 4"	# kselftest's way
	elif [ -z "$plan" ]; then
		tap_not_ok "$name: no plan after $tests tests, exit status $status"
	elif [ "$tests" != "$plan" ]; then
		tap_not_ok "$name: $tests tests of $plan, exit status $status"
	elif [ $status != 0 ] && [ $bad = 0 ] && [ $status != 4 ]; then
		tap_not_ok "$name: exit status $status"
	fi
	rm -rf "$dir"
	# So that what makes a run long is seen.
	[ $((SECONDS - began)) -lt 5 ] || echo "# $name took $((SECONDS - began)) s"
}

tap_end() {
	echo "1..$tap_count"
	[ $tap_failed = 0 ]
}

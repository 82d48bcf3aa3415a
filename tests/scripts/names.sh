#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A name leads to the token of that name or to an error, also while udev is behind;
# lock says what it could not end; and no process can hang the tools that root uses
# against it.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/tests/tap.bash"
B=${B:-$top/build/user}
tool=$B/tokmux

if [ ! -c /dev/tokmux-control ] || [ "$(id -u)" != 0 ] || [ ! -S /run/udev/control ]; then
	echo "1..0 # SKIP no kernel module, no root, or no udevd"
	exit
fi
getent group tokmux >/dev/null || groupadd --system tokmux
touch /run/udev/rules.d/69-tokmux.rules
udevadm control --reload
IFS=: read -r _ _ gid _ < <(getent group tokmux)
as_other() { setpriv --reuid 1234 --regid 1234 --clear-groups "$@"; }
register() { "$tool" register "$1" >/dev/null && udevadm settle; }
unregister() { "$tool" unregister -f "$1" >/dev/null && udevadm settle; }
kernel_name() { cat "/sys/class/tokmux/${1##*/}/name"; }
answers() { # output status command…
	local want=$1 status=$2 output
	output=$("${@:3}" 2>/dev/null)
	[ $? = "$status" ] && [ "$(xargs <<<"$output")" = "$want" ] && return
	echo "$output"
	return 1
}

# ---- udev is behind: the index is another token's ------------------------------

register victim
node=$(readlink -f /dev/tokmux/by-name/victim)
udevadm control --stop-exec-queue
"$tool" unregister -f victim >/dev/null
"$tool" register evil >/dev/null
tap_check "the index is used again" test "$(kernel_name "$node")" = evil
# As udev's own link is, as long as it is there.
mkdir -p /run/late/tokmux/by-name
ln -s "$node" /run/late/tokmux/by-name/victim
link=/run/late/tokmux/by-name/victim
tap_check "list: the name that the kernel has" answers "evil $node" 0 \
	"$tool" list --noheadings -o name,device
tap_check "status: there is no such token" answers "" 66 "$tool" status victim
tap_check "status, by udev's link: neither" answers "" 66 "$tool" status $link
tap_check "status: by its own name" answers evil 0 "$tool" status --noheadings -o name evil
tap_check "status: by its device" answers evil 0 "$tool" status --noheadings -o name "$node"
tap_check "lock: no command runs" answers "" 66 "$tool" lock victim echo locked
tap_check "lock, by udev's link: neither" answers "" 66 "$tool" lock $link echo locked
tap_check "atr: there is no such token" answers "" 66 "$tool" atr victim
tap_check "apdu: no PIN goes to another token" answers "" 66 "$tool" apdu victim 0020000100
tap_check "eject: there is no such token" answers "" 66 "$tool" eject -f victim
tap_check "unregister: there is no such token" answers "" 66 "$tool" unregister -f victim
tap_check "and the other one stays" test "$(kernel_name "$node")" = evil
tap_check "a URI with the name finds none" answers "" 66 "$tool" status pkcs11:token=victim
tap_check "register: the name is free" answers "victim no" 0 \
	"$tool" register --dry-run --noheadings -o name,created victim
udevadm control --start-exec-queue
udevadm settle
unregister evil
rm -r /run/late

# ---- a command that has become another user's ----------------------------------

cp /usr/bin/setpriv /tmp/become
chmod 4755 /tmp/become
register card
# As sudo does.
setpriv --reuid 65534 --regid 65534 --groups "$gid" "$tool" lock card --kill -- \
	/tmp/become --reuid 0 --regid 0 --clear-groups sh -c 'echo $$; exec sleep 600' \
	>/tmp/become.pid 2>/tmp/become.said &
lock=$!
tap_await 10 test -s /tmp/become.pid
"$tool" eject -f card >/dev/null 2>&1
tap_await 10 test -s /tmp/become.said
tap_check "lock --kill: it can't, and says so" grep -q \
	"taken away; its command goes on without it, it can't be terminated: Operation not permitted" /tmp/become.said
kill "$(cat /tmp/become.pid)"
wait $lock
rm -f /tmp/become*
unregister card

# ---- a file that answers no stat() ----------------------------------------------

modprobe -q fuse
modprobe -q overlay
chmod 666 /dev/fuse 2>/dev/null
dir=$(as_other mktemp -d /dev/shm/unanswered.XXXXXX)
coproc file { exec setpriv --reuid 1234 --regid 1234 --clear-groups "$B/tests/tools/unanswered" "$dir" 2>&1; }
system=$!
read -r -t 30 -u "${file[0]}" word _
if [ "$word" = open ]; then
	register card
	exec {held}< <(exec setpriv --reuid 65534 --regid 65534 --groups "$gid" \
		"$tool" lock card -- sh -c 'echo held; exec sleep 600')
	holder=$!
	read -r -t 30 -u $held word || word=
	# In time, or it is in the file system's hands: then no signal ends it.
	in_time() { # output command…
		local output=$1 log=$dir.log pid i
		"${@:2}" >"$log" 2>&1 &
		pid=$!
		for ((i = 0; i < 100; i++)); do
			kill -0 $pid 2>/dev/null || break
			sleep 0.1
		done
		if kill -0 $pid 2>/dev/null; then
			grep State "/proc/$pid/status"
			kill -KILL $pid
			kill -KILL $system
			return 1
		fi
		cat "$log"
		grep -q -- "$output" "$log"
	}
	tap_check "the token is held" test "$word" = held
	tap_check "who: in time, though a file answers no stat()" in_time "^ *$holder " "$tool" who card
	tap_check "check: as well" in_time . "$tool" check
	tap_check "eject --force: as well, and it names the holder" in_time "^ *$holder " \
		"$tool" eject --force card -o leases
	tap_check "the token is free" answers free 0 "$tool" status --noheadings -o state card
	kill $holder
	exec {held}<&-
	unregister card
else
	tap_skip "a file that answers no stat()" "no FUSE, or no user namespaces: $word"
fi
kill -KILL $system 2>/dev/null
wait $system 2>/dev/null
rm -rf "$dir" "$dir.log"
tap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# USB devices that lie, are silent, or look like another one, with enforce = yes.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/tests/tap.bash"
B=${B:-$top/build/user}
tool=$B/tokmux
dir=/dev/tokmux

have_vhci() { # built in, or a module
	[ -w /sys/devices/platform/vhci_hcd.0/attach ] ||
		{ modprobe -q vhci_hcd && [ -w /sys/devices/platform/vhci_hcd.0/attach ]; }
}
if [ ! -c /dev/tokmux-control ] || [ "$(id -u)" != 0 ] || [ ! -S /run/udev/control ] || ! have_vhci; then
	echo "1..0 # SKIP no kernel module, no root, no udevd, or no vhci_hcd"
	exit
fi
getent group tokmux >/dev/null || groupadd --system tokmux
IFS=: read -r _ _ gid _ < <(getent group tokmux)
ln -sf "$tool" /usr/lib/udev/tokmux
mkdir -p /etc/tokmux
conf=/etc/tokmux/readers.conf
echo 'enforce = yes' >$conf
touch /run/udev/rules.d/69-tokmux.rules
udevadm control --reload
udevadm settle

# plug OPTION…: a device of ours; sets pid and usb, its node.
plug() {
	local word bus device
	exec {wire}< <(exec "$B/tests/card-usbip" "$@" extended /dev/null)
	pid=$!
	read -r -t 60 -u "$wire" word bus device && [ "$word" = ready ] || { echo "# no device: $*"; return 1; }
	usb=/dev/bus/usb/$bus/$device
	udevadm settle
}
gone() { [ ! -e "$1" ]; }
unplug() { # pid node
	kill -KILL "$1"
	tap_await 20 gone "$2"
	udevadm settle
}
tokens() { "$tool" list --noheadings -o name | sort; }
are() { # name…
	[ "$(tokens | xargs)" = "$*" ] || { tokens; return 1; }
}
checked() { # pattern
	"$tool" check -o check,verdict,found | tee /dev/stderr | grep -Eq "$1"
}
# What the reader of a token says is its serial number, as the kernel has it.
serial_of() { # token
	local device
	device=$("$tool" status --noheadings -o real_device "$1" | xargs)
	cat "/sys/dev/char/$device/serial"
}

# ---- what a device says of itself -----------------------------------------------

# A shell's, a terminal's and udev's: blanks, \n, ESC, $(, ;, /, %, quotes, UTF-16.
odd=hex:24002800690064002900200020001b005b0033003100 # $(id)  ESC[31
odd+=6d000a003b002f0025006b0022002700e900ff0400d8
plug --maker "$odd" --model "$odd" --serial "$odd"
plain() { local name; name=$(tokens); [[ $name =~ ^[A-Za-z0-9#+,.:=@_-]+$ ]] || { echo "$name"; return 1; }; }
tap_check "strings of all kinds: a name that nothing misreads" plain
tap_check "and a link" test -L "$dir/by-name/$(tokens)"
unplug $pid "$usb"
tap_check "unplugged, there is no token" are

maker="SCM Microsystems Inc." model="SCR33x v2.0 USB SC Reader" serial=5331144020000
long() { plug --maker "$maker" --model "$model" --serial "$serial$1"; }
named() { # each token's name: its serial number
	local name
	for name in $(tokens); do
		echo "$name $(serial_of "$name")"
	done
}
long 1; first=$pid first_usb=$usb
long 2; second=$pid second_usb=$usb
before=$(named)
echo "# $before" | tr '\n' ' '; echo
tap_check "two with long names: a token each" test "$(wc -l <<<"$before")" = 2
unplug $first "$first_usb"
unplug $second "$second_usb"
long 2; second=$pid second_usb=$usb
long 1; first=$pid first_usb=$usb
tap_check "plugged in the other way round, each has its own name" \
	diff <(echo "$before") <(named)
unplug $first "$first_usb"
unplug $second "$second_usb"

# ---- one identity, two readers ------------------------------------------------------

# Not $name: tap_check has one of its own.
called=tokmux_test_reader_1-if00
plug; genuine=$pid genuine_usb=$usb
tap_check "one reader: it has the plain name" are $called
tap_check "and the hold limit that is the default" test 300000 = \
	"$("$tool" status -o hold_limit_ms --noheadings $called | xargs)"
plug; clone=$pid clone_usb=$usb
two() { # neither has the plain name or link
	[ "$(tokens | wc -l)" = 2 ] && ! tokens | grep -qx $called &&
		[ ! -e $dir/by-name/$called ] && [ ! -e $dir/by-id/$called ] &&
		[ "$(find /run/tokmux/tokens -type f | wc -l)" = 2 ] && return
	tokens
	ls $dir/by-*
	return 1
}
tap_check "two that say the same: neither has it, nor a link" two
tap_check "tokmux check says so" checked '^reader tokmux_test_reader_1 +warning .*another reader says the same'
logged() { dmesg | grep -q "both say that they are $called"; }
tap_check "so does the log" logged
each_its_own() {
	local token node
	for token in $(tokens); do
		node=$(sed -n 's/^TOKMUX_DEVICE=//p' "/run/tokmux/tokens/$token")
		[ "$("$tool" status --noheadings -o real_device "$token" | xargs)" = \
			"$(stat -c %Hr:%Lr "$node")" ] || return
	done
}
tap_check "each token is its own reader's" each_its_own
# Not the hubs of vhci_hcd, which are many.
look() { # action: udev looks at the reader, and at its interfaces
	udevadm trigger --settle --action="$1" "$usb"
	udevadm settle
	udevadm trigger --settle --action="$1" --attr-match=bInterfaceClass=0b
	udevadm settle
}
again() { look add && two; }
tap_check "also as udev looks again" again
unplug $genuine "$genuine_usb"
tap_check "one goes, the other one doesn't get the name" test "$(tokens | grep -cvx $called)" = 1
unplug $clone "$clone_usb"
plug
tap_check "alone, it has the plain name again" are $called
unplug $pid "$usb"

# ---- a token goes with its reader ----------------------------------------------------

plug --setting
# A holder who chooses the other setting, and stays.
exec {chosen}< <(exec setpriv --reuid 65534 --regid 65534 --groups "$gid" python3 -c '
import ctypes, fcntl, signal, struct, sys
lib = ctypes.CDLL(sys.argv[1])
caller = ctypes.c_void_p()
assert lib.tokmux_open(sys.argv[2].encode(), ctypes.byref(caller)) == 0
assert lib.tokmux_bind(caller, 0) == 0
assert lib.tokmux_acquire(caller, 1, 5000, None) == 0
fd = lib.tokmux_lease_fd(caller)
fcntl.ioctl(fd, 0x8004550f, struct.pack("I", 0))	# USBDEVFS_CLAIMINTERFACE
fcntl.ioctl(fd, 0x80085504, struct.pack("II", 0, 1))	# USBDEVFS_SETINTERFACE
print("chosen", flush=True)
signal.pause()' "$B/libtokmux.so" $called)
holder=$!
read -r -t 60 -u "$chosen" word || word=
tap_check "a holder chooses a setting that is no reader's" test "$word" = chosen
tap_check "it is a reader still: tokmux check" checked '^reader tokmux_test_reader_1 +ok '
unplug $pid "$usb"
tap_check "unplugged, its token goes all the same" are
kill $holder
exec {chosen}<&-

# By hand there is nobody who removes it.
plug
"$tool" unregister -f $called >/dev/null
"$tool" register by-hand --device "$usb" >/dev/null
unplug $pid "$usb"
tap_check "a token made by hand is left, without its device" are by-hand
plug
twice() { "$tool" register by-hand --device "$usb" 2>&1 | grep -q "another token leads to this device"; }
tap_check "one device in two tokens: refused" twice
"$tool" unregister -f $called >/dev/null
tap_check "its name can be registered anew" "$tool" register by-hand --device "$usb"
reader_of() { [ "$("$tool" status --noheadings -o real_device "$1" | xargs)" = "$(stat -c %Hr:%Lr "$2")" ]; }
tap_check "of the device that is there" reader_of by-hand "$usb"
in_use() { "$tool" register by-hand --device "$usb" 2>&1 | grep -q "a token of that name exists"; }
tap_check "but not one whose device is there" in_use
"$tool" unregister -f by-hand >/dev/null
unplug $pid "$usb"

# ---- pcscd's clients, and no others' ----------------------------------------------

plug
exec {listening}< <(exec setpriv --reuid 1234 --regid 1234 --clear-groups sh -c '
mkdir -p /dev/shm/mine/run/pcscd && exec python3 -c "
import signal, socket
s = socket.socket(socket.AF_UNIX)
s.bind(\"/dev/shm/mine/run/pcscd/pcscd.comm\")
s.listen()
print(\"listening\", flush=True)
c, _ = s.accept()
signal.pause()"')
listener=$!
read -r -t 60 -u "$listening" _
exec {connected}< <(exec python3 -c '
import signal, socket
c = socket.socket(socket.AF_UNIX)
c.connect("/dev/shm/mine/run/pcscd/pcscd.comm")
print("connected", flush=True)
signal.pause()')
client=$!
read -r -t 60 -u "$connected" _
nobody() { local out; out=$("$tool" who --noheadings $called) && [ -z "$out" ] || { echo "$out"; return 1; }; }
tap_check "who: a socket of that name elsewhere is not pcscd's" nobody
kill $listener $client
exec {listening}<&- {connected}<&-
rm -rf /dev/shm/mine
unplug $pid "$usb"

# ---- readers.conf --------------------------------------------------------------------

# What is understood, and what is not and leaves things as they are: both are said.
mode() { stat -c %a "$usb"; }
plug
says() { # line, mode after it, tokmux check's pattern or ! and one
	echo "$1" >$conf
	look change
	[ "$(mode)" = "$2" ] || { echo "$1: $(mode)"; return 1; }
	case $3 in
	!*) ! checked "${3#!}" ;;
	*) checked "$3" ;;
	esac
}
bad='^readers.conf +bad .*line 1'
for line in 'enforce = YES' 'enforce=yes # all of them' 'enforce = true' 'enforce = "yes"' \
	"enforce = 'yes'" 'enforce = yes   ' 'enforce = on' 'enforce = 1' $'enforce = yes\t# tab'; do
	tap_check "$line" says "$line" 600 "!^readers.conf "
done
for line in 'Enforce = yes' 'enforce = ja' 'enforce yes' 'enforce = "yes' 'enforce =' 'enforce = nope'; do
	tap_check "$line: not understood, and closed as it was" says "$line" 600 "$bad"
done
for line in 'linger = 0' 'hold-limit=0 # none' $'\tgrace =\t100' 'forget-after = 86400000' \
	'isolate = no # for gpg'; do
	tap_check "$line" says "$line" 600 "!^readers.conf "
done
for line in 'linger = 0.15' 'linger = ' 'linger = 10001' 'hold-limit = 9999' 'grace = 99' \
	'forget-after = -1' 'off-after = 5 s' 'lingers = 5' 'isolate = 0'; do
	tap_check "$line: not understood" says "$line" 600 "$bad"
done
missing() {
	rm $conf
	look "$1"
	[ "$(mode)" = 600 ] && are $called && checked '^readers.conf +bad .*No such file'
}
for action in change add; do
	tap_check "no file ($action): closed as it was" missing $action
	echo 'enforce = yes' >$conf
done
open_now() { [ "$(mode)" != 600 ]; }
for line in 'enforce = no' 'enforce = No # none' 'enforce = off' 'enforce = 0'; do
	echo "$line" >$conf
	look add
	tap_check "$line" open_now
	echo 'enforce = yes' >$conf
	look add
done
echo 'enforce = ja' >$conf
unplug $pid "$usb"
plug
tap_check "not understood, and plugged in anew: left alone" are
tap_check "and check says so" checked "$bad"
unplug $pid "$usb"
echo 'enforce = yes' >$conf

# More kinds of interfaces than udev lists: it does not take it for a reader.
plug --settings 80
tap_check "a reader that udev does not see: its node is open" open_now
tap_check "so it gets no token" are
tap_check "tokmux check: though it should be closed" checked '^reader .* bad .*left to others'
by_hand_of() { readlink -f /sys/bus/usb/devices/*:1.1 | grep -m 1 vhci | sed 's,^/sys,,'; }
not_closed() {
	local output
	output=$("$tool" register --udev "$(by_hand_of)" 2>&1)
	[ $? = 1 ] && [[ $output == *"is not closed to others"* ]] || { echo "$output"; return 1; }
}
tap_check "not even when register is told to" not_closed
unplug $pid "$usb"

# ---- readers that the library can't drive --------------------------------------------

# Closed, such a reader would be nobody's.
for kind in iccd characters; do
	plug --$kind
	tap_check "$kind: its node is not closed" open_now
	tap_check "$kind: it gets no token" are
	tap_check "$kind: nothing keeps pcscd from it" test -z \
		"$(udevadm info --query=property --property=PCSCLITE_IGNORE --value "$usb")"
	tap_check "$kind: tokmux check says why" checked \
		"^reader .* ok .*left to others.*tokmux can't drive it"
	why() { dmesg | grep -q "which tokmux does not drive"; }
	tap_check "$kind: so does the log" why
	again_open() { look change && look add && open_now && are; }
	tap_check "$kind: nor when udev looks again" again_open
	unplug $pid "$usb"
	dmesg --clear
done
# Beside one that it can drive.
plug --iccd --second
closed_too() { [ "$(mode)" = 600 ] && are tokmux_test_reader_1-if00; }
tap_check "two interfaces, one of them ICCD's: closed, and a token" closed_too
unplug $pid "$usb"

# ---- one that does not answer ---------------------------------------------------------

# Another reader gets its token beside a device of 32 interfaces: first one that answers,
# then one that is silent. A question to that one takes a second, and one for each
# interface would be too long. The silent device itself says for how long programs have
# waited for it, which is nothing if none asks: all else is up to the machine.
there() { [ -L $dir/by-name/$called ]; }
silence=$(mktemp)
beside() { # OPTION…: sets pid, usb, other, other_usb, took, waited. Not by plug(), which waits for udev.
	exec {silent}< <(exec "$B/tests/card-usbip" "$@" --interfaces 32 --serial mute extended "$silence")
	other=$!
	read -r -t 120 -u "$silent" _ bus device
	other_usb=/dev/bus/usb/$bus/$device
	took=$SECONDS
	exec {wire}< <(exec "$B/tests/card-usbip" extended /dev/null)
	pid=$!
	read -r -t 60 -u "$wire" _ bus device
	usb=/dev/bus/usb/$bus/$device
	until there || ((SECONDS - took > 120)); do sleep 0.1; done
	took=$((SECONDS - took))
	waited=$(sed -n 's/^waited //p' "$silence" | tail -n 1)
	udevadm settle
}
leave() {
	unplug $pid "$usb"
	unplug $other "$other_usb"
}
beside
answers=$took
tap_check "another reader gets its token beside 32 interfaces" there
leave
beside --mute
in_time() { there && ((${waited:-0} < 15000)) || { echo "$waited ms"; tokens; return 1; }; }
tap_check "one is silent: another reader gets its token in time" in_time
echo "# after $took s, of which programs waited ${waited:-0} ms for the silent one; $answers s beside one that answers"
few() { [ "$(tokens | grep -c mute)" -le 8 ] || { tokens; return 1; }; }
tap_check "and it has no more tokens than a device may have" few
leave
tap_check "both gone: no token is left" are

rm -f $conf /usr/lib/udev/tokmux "$silence"
tap_end

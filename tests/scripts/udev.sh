#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# udev's rules: a token's node and links; and with enforce = yes a reader is a
# token, its own node closed, from plug to unplug.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/tests/tap.bash"
tool=${B:-$top/build/user}/tokmux
dir=/dev/tokmux

# has NODE PATTERN: a line of what udev knows of it. Few processes: in a guest
# each takes a while.
has() {
	local properties
	properties=$(udevadm info --query=property "$1")
	# shellcheck disable=SC2053 # a pattern
	[[ $'\n'$properties$'\n' == *$'\n'$2$'\n'* ]]
}
token() { # name: its node
	local name node
	while read -r name node; do
		[ "$name" != "$1" ] || echo "$node"
	done < <("$tool" list --noheadings -o name,device)
}
register() { "$tool" register "$1" >/dev/null && udevadm settle; }
unregister() { "$tool" unregister -f "$1" >/dev/null && udevadm settle; }

# ---- tokens ------------------------------------------------------------------

getent group tokmux >/dev/null || groupadd --system tokmux
# What udev has read without the group it reads anew only if a file is newer.
touch /run/udev/rules.d/69-tokmux.rules
udevadm control --reload

register card
node=$(token card)
tap_check "the node belongs to the group" \
	test "$(stat -c '%U:%G %a' "$node")" = "root:tokmux 660"
tap_check "it is for the seat's user" has "$node" 'TAGS=*:uaccess:*'
tap_check "by-name leads to it" test "$(readlink -f $dir/by-name/card)" = "$node"
tap_check "udev knows its name" has "$node" TOKMUX_NAME=card
IFS=: read -r _ _ gid _ < <(getent group tokmux)
as_member() { setpriv --reuid 65534 --regid 65534 --groups "$gid" "$@"; }
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
tap_check "a member of the group may use it" as_member "$tool" lock card true
refused() { "$@"; test $? = 77; }
tap_check "another user may not" refused as_nobody "$tool" lock card true
unregister card
gone() { [ ! -e "$dir/by-name/card" ]; }
tap_check "the link goes with it" gone

# Neither a link nor a command line misreads the name of a token: it may not have one
# that could be.
impossible() { "$tool" register "$1"; [ $? = 64 ] && [ -z "$("$tool" list --noheadings)" ]; }
# shellcheck disable=SC2016 # that is the point
for name in . .. 'a%b$c' '$(id)' 'a;b' '-a' 'a*'; do
	tap_check "no token is called $name" impossible "$name"
done

# ---- readers -----------------------------------------------------------------

usb_node() {
	local device id bus number
	for device in /sys/bus/usb/devices/*; do
		{ read -r id <"$device/idProduct"; } 2>/dev/null && [ "$id" = 4433 ] || continue
		read -r bus <"$device/busnum" && read -r number <"$device/devnum" &&
			printf '/dev/bus/usb/%03d/%03d\n' "$bus" "$number"
	done
}
if [ -z "$(usb_node)" ] || [ "$(id -u)" != 0 ]; then
	tap_skip "readers" "there is none"
	tap_end
	exit
fi
reader=$top/tests/guest/reader
tokens() { "$tool" list --noheadings -o name | sort; }

# Where USB is built in, the reader was there before udev.
udevadm trigger --settle --action=add --subsystem-match=usb
udevadm settle
tap_check "by default a reader is no token" test -z "$(tokens)"
tap_check "and its node is not closed" test "$(stat -c %a "$(usb_node)")" != 600

ln -sf "$tool" /usr/lib/udev/tokmux
mkdir -p /etc/tokmux
sed 's/^enforce = no/enforce = yes/; s/^hold-limit = .*/hold-limit = 20000 # ms/' \
	"$top/udev/readers.conf" >/etc/tokmux/readers.conf
tap_check "readers.conf says enforce = yes" grep -qx 'enforce = yes' /etc/tokmux/readers.conf
"$reader" unplug
"$reader" plug
udevadm settle
card=$(tokens)
node=$(token "$card")
usb=$(usb_node)
echo "# token $card, $node, of $usb"
tap_check "plugged in, it is a token" test -c "$node"
tap_check "its hold limit is that of readers.conf" test 20000 = \
	"$("$tool" status -o hold_limit_ms --noheadings "$card" | xargs)"
tap_check "udev keeps nothing of the file's other keys" test -z \
	"$(udevadm info --query=property "$usb" | grep -E '^(hold|linger|grace|off|forget|enforce)')"
tap_check "its own node is closed" test "$(stat -c '%U:%G %a' "$usb")" = "root:root 600"
not_the_users() { has "$usb" 'DEVTYPE=usb_device' && ! has "$usb" 'CURRENT_TAGS=*:uaccess:*'; }
tap_check "and stays so: it is not the seat's user's" not_the_users
# udev looks again: at boot, when a package was installed, when a driver comes.
again() { # action
	udevadm trigger --settle --action="$1" --subsystem-match=usb && udevadm settle &&
		test "$(tokens)" = "$card" && not_the_users &&
		test "$(stat -c '%U:%G %a' "$usb")" = "root:root 600"
}
for action in change bind add; do
	tap_check "looked at again ($action), all is as it was" again $action
done
cannot_open() { ! as_nobody sh -c ": <>$1" 2>/dev/null; }
tap_check "another user can't open it" cannot_open "$usb"
tap_check "pcscd is told to leave it alone" has "$usb" PCSCLITE_IGNORE=1
tap_check "by-id leads to the token" test "$(readlink -f "$dir/by-id/$card")" = "$node"
tap_check "udev knows the real device" has "$node" "TOKMUX_DEVICE=$usb"
tap_check "so does the kernel" test "$(
	"$tool" status -o device_kind,real_device --noheadings "$card" | xargs)" = \
	"usb $(stat -c '%Hr:%Lr' "$usb")"
tap_check "and its model" has "$node" 'ID_MODEL=*CCID*'
model=$(udevadm info --query=property --property=ID_MODEL --value "$node")
tap_check "a URI with the model finds it" test "$(
	"$tool" status --noheadings -o device "pkcs11:model=${model:0:16}")" = "$node"
checked() { # pattern
	"$tool" check -o check,verdict,found | tee /dev/stderr | grep -E "$1"
}
tap_check "tokmux check: it is the token" checked "^reader .* ok .*$card"
advises() { # check pattern
	"$tool" check -o check,verdict,advice | tee /dev/stderr | grep -E "^$1 .* bad .*$2"
}
# As the kernel says it of a device that nobody has reset.
not_reset=$(mktemp)
echo 1 >"$not_reset"
mount --bind "$not_reset" "/sys/class/tokmux/${node##*/}/scrub_failed"
tap_check "tokmux check: it was not reset, and how to" advises token "tokmux scrub $card"
umount "/sys/class/tokmux/${node##*/}/scrub_failed"
# And of one that nobody will reset.
mount --bind "$not_reset" "/sys/class/tokmux/${node##*/}/no_scrub"
isolated() { ! checked "^token .*isolate"; }
tap_check "tokmux check: no word of it while programs are kept apart" isolated
sed -i 's/^isolate = yes/isolate = no/' /etc/tokmux/readers.conf
tap_check "tokmux check: programs of one user don't share its card" \
	checked "^token .* warning .*isolate = no"
sed -i 's/^isolate = no/isolate = yes/' /etc/tokmux/readers.conf
umount "/sys/class/tokmux/${node##*/}/no_scrub"
rm "$not_reset"
tap_check "tokmux scrub does it" "$tool" scrub "$card"
# Somebody who has the real node, here root.
exec {past}<>"$usb"
by_device() { "$tool" who "$card" -o pid,via --noheadings | grep -q "^ *$$ device"; }
tap_check "tokmux who: who has the device without us" by_device
tap_check "tokmux check: and what to do" checked "^reader .* bad .*\] has it"
exec {past}>&-
"$tool" unregister -f "$card" >/dev/null
udevadm trigger --settle --action=add --subsystem-match=usb
udevadm settle
tap_check "taken away by hand, it is made again as udev looks again" test "$(tokens)" = "$card"

# From plug to unplug: who may use it does, who watches is told.
exec {events}< <(exec "$tool" monitor --noheadings -o event,name)
monitor=$!
told() { # event name: the next one that a token comes or goes
	local event name
	while read -r -t 30 -u $events event name; do
		[[ $event != @(changed|waits|granted|released|taken|died) ]] || continue
		[ "$event $name" = "$1 $2" ] && return
		break
	done
	echo "$event $name"
	return 1
}
answers() { # pattern command…
	local output
	output=$("${@:2}") && [[ $output =~ ^$1$ ]] || { echo "$output"; return 1; }
}
# Without the applet that it wants a card says so, and that is an answer, too.
selects() { # hex
	local output
	output=$(as_member "$tool" apdu --keep-going "$card" "$1")
	case $output in
	6A82 | 61?? | *9000) ;;
	*) echo "$output"; return 1 ;;
	esac
}
tap_check "tokmux monitor: it is there" told present "$card"
tap_check "tokmux atr, by a member of the group" answers '3B[0-9A-F]+' as_member "$tool" atr "$card"
tap_check "tokmux apdu: so is a SELECT" selects 00A4040007A0000000790300
"$reader" unplug
tap_check "unplugged, there is no token" test -z "$(tokens)"
tap_check "nor anything of it in /run" test -z "$(ls /run/tokmux/tokens)"
tap_check "tokmux monitor says so" told removed "$card"
"$reader" plug
# QEMU's serial number is that of the port, which is another one now.
card=$(tokens)
tap_check "plugged back, tokmux monitor says so" told added "$card"
usb=$(usb_node)
tap_check "its node is closed again" test "$(stat -c '%U:%G %a' "$usb")" = "root:root 600"
tap_check "another user can't open it" cannot_open "$usb"
tap_check "a member of the group has the card" answers '3B[0-9A-F]+' as_member "$tool" atr "$card"
"$reader" unplug
tap_check "and gone again" told removed "$card"

# Nobody's but root's, whatever other rules say of it, before and after ours. Who
# sits in front of the machine, logind says; here it is nobody.
mkdir -p /run/systemd/seats
printf 'ACTIVE=1\nACTIVE_UID=65534\n' >/run/systemd/seats/seat0
has_acl() { python3 -c 'import os, sys; os.getxattr(sys.argv[1], "system.posix_acl_access")' "$1" 2>/dev/null; }
no_acl() { ! has_acl "$1"; }
vendor='SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="08e6",'
echo "$vendor ENV{ID_SECURITY_TOKEN}=\"1\"" >/run/udev/rules.d/69-vendor.rules
echo "$vendor TAG+=\"uaccess\", MODE=\"0666\", GROUP=\"nogroup\"" |
	tee /run/udev/rules.d/70-vendor.rules >/run/udev/rules.d/72-vendor.rules
udevadm control --reload
"$reader" plug
told added "$(tokens)" >/dev/null
usb=$(usb_node)
tap_check "a vendor's rules don't open it: mode" test "$(stat -c '%U:%G %a' "$usb")" = "root:root 600"
tap_check "nor does the tag" not_the_users
tap_check "nor to the seat's user" cannot_open "$usb"
tap_check "and never was" no_acl "$usb"
# By a worker that sees no other event before, and by one that does.
again_closed() {
	udevadm control --reload &&
		udevadm trigger --settle --action=change "$usb" &&
		udevadm settle && cannot_open "$usb" && no_acl "$usb" &&
		udevadm trigger --settle --action=change --subsystem-match=usb &&
		udevadm settle && cannot_open "$usb" && no_acl "$usb" ||
		{ ls -l "$usb"; udevadm info "$usb"; return 1; }
}
tap_check "nor when udev looks again" again_closed
card=$(tokens)
"$reader" unplug
told removed "$card" >/dev/null
# Or the test is none.
mv /etc/tokmux/readers.conf /etc/tokmux/readers.off
rm /run/udev/rules.d/72-vendor.rules
echo "$vendor TAG+=\"uaccess\"" >/run/udev/rules.d/70-vendor.rules
udevadm control --reload
"$reader" plug
usb=$(usb_node)
can_open() { as_nobody sh -c ": <>$1"; }
if has "$usb" 'CURRENT_TAGS=*:uaccess:*' && ! has_acl "$usb"; then
	tap_skip "they do without enforce" "this kernel's devtmpfs has no ACLs"
else
	tap_check "they do without enforce" can_open "$usb"
fi
"$reader" unplug
mv /etc/tokmux/readers.off /etc/tokmux/readers.conf
rm /run/udev/rules.d/*-vendor.rules /run/systemd/seats/seat0
rmdir /run/systemd/seats
udevadm control --reload

# pcscd is root: if it runs as the reader is plugged in, it has it. From 2.3.2 on it leaves
# a reader alone that has the property, so the reader has none for a while.
if grep -qa PCSCLITE_IGNORE "$(command -v pcscd)"; then
	pcscd --foreground --debug >/tmp/pcscd.log 2>&1 &
	pcscd=$!
	"$reader" plug
	card=$(tokens)
	told added "$card" >/dev/null
	ignores() { tap_await 20 grep -i ignored /tmp/pcscd.log || { cat /tmp/pcscd.log; return 1; }; }
	tap_check "pcscd leaves an enforced reader alone" ignores
	tap_check "and the card is ours beside it" answers '3B[0-9A-F]+' as_member "$tool" atr "$card"
	kill $pcscd
	wait $pcscd
	"$reader" unplug
	told removed "$card" >/dev/null
else
	tap_skip "pcscd leaves an enforced reader alone" "this pcscd is older than 2.3.2"
fi
echo 'ENV{PCSCLITE_IGNORE}=""' >/run/udev/rules.d/70-heedless.rules
udevadm control --reload
pcscd --foreground >/dev/null 2>&1 &
pcscd=$!
tap_check "without it tokmux check has no word of it" test -z "$("$tool" check -o check --noheadings | grep -x pcscd)"
"$reader" plug
card=$(tokens)
told added "$card" >/dev/null
takes_it() { # command…
	local i
	for ((i = 0; i < 200; i++)); do
		kill -0 $pcscd || return
		"$tool" who "$card" -o pid,via --noheadings | grep -q "^ *$pcscd device" && return
	done
	return 1
}
tap_check "pcscd takes an enforced reader" takes_it
busy() { local output; output=$("$tool" atr "$card" 2>&1); [[ $output == *'another program has the reader, perhaps pcscd'* ]] || { echo "$output"; return 1; }; }
tap_check "tokmux atr says so" busy
tap_check "tokmux check: who has it" checked "^reader .* bad .*pcscd\[$pcscd\] has it"
tap_check "tokmux check: and what to do" advises reader 'systemctl mask --now pcscd.socket pcscd.service'
tap_check "tokmux check: it must not run" advises pcscd 'systemctl mask --now pcscd.socket pcscd.service'
kill $pcscd
wait $pcscd
rm /run/udev/rules.d/70-heedless.rules
udevadm control --reload
# systemd listens for it.
mkdir -p /run/pcscd
rm -f /run/pcscd/pcscd.comm /tmp/listens
python3 -c '
import signal, socket
s = socket.socket(socket.AF_UNIX)
s.bind("/run/pcscd/pcscd.comm")
s.listen()
print(flush=True)
signal.pause()' >/tmp/listens &
listener=$!
until [ -s /tmp/listens ]; do sleep 0.1; done
tap_check "nor be there for the asking" advises pcscd 'systemctl mask'
kill $listener
wait $listener 2>/dev/null
rm -f /run/pcscd/pcscd.comm /tmp/listens
quiet() { ! checked '^pcscd '; }
tap_check "without it the card is ours" answers '3B[0-9A-F]+' as_member "$tool" atr "$card"
tap_check "and check is content" quiet
"$reader" unplug
told removed "$card" >/dev/null

# The same with a reader and a card of ours, which answer as they should.
second() { # where it is
	local word bus device
	exec {wire}< <(exec "${B:-$top/build/user}/tests/card-usbip" extended /tmp/card.log)
	second=$!
	read -r -t 30 -u $wire word bus device && [ "$word" = ready ] || return
	usb=/dev/bus/usb/$bus/$device
	udevadm settle
}
have_vhci() { # built in, or a module
	[ -w /sys/devices/platform/vhci_hcd.0/attach ] ||
		{ modprobe -q vhci_hcd && [ -w /sys/devices/platform/vhci_hcd.0/attach ]; }
}
if have_vhci; then
	card=tokmux_test_reader_1-if00
	for time in plugged "plugged back"; do
		second
		tap_check "usbip, $time: a token by udev" told added $card
		tap_check "usbip, $time: its node is closed" \
			test "$(stat -c '%U:%G %a' "$usb")" = "root:root 600"
		tap_check "usbip, $time: to another user" cannot_open "$usb"
		tap_check "usbip, $time: so is the token" refused as_nobody "$tool" atr $card
		tap_check "usbip, $time: not to a member of the group" answers \
			'746F6B6D7578 9000' as_member "$tool" apdu $card 00A4040007F0544F4B4D555800
		kill -KILL $second
		tap_check "usbip, $time: and unplugged" told removed $card
		exec {wire}<&-
	done
	rm -f /tmp/card.log

	reader_classes() { grep -slx 0b /sys/bus/usb/devices/*:*/bInterfaceClass; }
	# Two that are alike, and looked at in the same moment: each has a token and a
	# file of its own, and what is in it is right.
	second; first=$second first_wire=$wire
	second
	origins() { # how many
		local name node want got
		[ "$(tokens)" = "$(find /run/tokmux/tokens -type f -printf '%f\n' | sort)" ] || return
		while read -r name; do
			node=$(sed -n 's/^TOKMUX_DEVICE=//p' "/run/tokmux/tokens/$name")
			want=$(stat -c '%Hr:%Lr' "$node")
			got=$("$tool" status -o real_device --noheadings "$name" | xargs)
			[ "$got" = "$want" ] || { echo "$name: $got, not $want"; return 1; }
		done < <(tokens)
		[ "$(tokens | wc -l)" = "$1" ]
	}
	tap_check "usbip, two alike: a token each" origins 2
	# Not the hubs of vhci_hcd, which are many.
	readers_again() {
		udevadm trigger --settle --action=add --attr-match=bInterfaceClass=0b && udevadm settle
	}
	unregister_all() {
		local name
		for name in $(tokens); do
			"$tool" unregister -f "$name" >/dev/null || return
		done
	}
	together() {
		local i
		for ((i = 0; i < 5; i++)); do
			unregister_all || return
			readers_again
			# The kernel's own events of the tokens follow those that were asked for.
			tap_await 60 origins 2 || { tokens; ls /run/tokmux/tokens; return 1; }
		done
	}
	tap_check "usbip, two alike: also at the same moment" together
	# They have changed names, past udev.
	called_so() {
		local paths
		unregister_all || return
		mapfile -t paths < <(reader_classes |
			xargs -n 1 dirname | xargs readlink -f | sed 's,^/sys,,')
		"$tool" register --udev "${paths[1]}" >/dev/null &&
			"$tool" register --udev "${paths[0]}" >/dev/null &&
			udevadm settle && origins 2 || return
		readers_again
		origins 2
	}
	tap_check "usbip, two alike: it counts what they are, not what they were called" called_so
	# In turn, however that goes: who holds the lock keeps the others waiting.
	waits() { ! flock /run/tokmux/lock timeout 1 "$tool" register waiting 2>/dev/null && ! tokens | grep -x waiting; }
	tap_check "register waits for its turn" waits
	left() { # how many readers
		until [ "$(reader_classes | wc -l)" = "$1" ]; do
			sleep 0.1
		done
		udevadm settle
	}
	kill -KILL $second
	left 1
	tap_check "usbip, two alike: one goes, and with it its token" origins 1
	# A token that has the name, and is none of a reader.
	card=$(tokens)
	unregister "$card"
	register "$card"
	kill -KILL $first
	left 0
	tap_check "usbip: the other one goes, and with it nobody else's token" \
		test "$(tokens)" = "$card"
	unregister "$card"
	exec {wire}<&- {first_wire}<&-
	rm -f /tmp/card.log
else
	tap_skip "usbip" "no vhci_hcd"
fi
kill $monitor
exec {events}<&-
rm /etc/tokmux/readers.conf
"$reader" plug
tap_check "without enforce it is left alone again" test -z "$(tokens)"
tap_check "and its node is open to whom it was" test "$(stat -c %a "$(usb_node)")" != 600
rm /usr/lib/udev/tokmux

# ---- by hand -------------------------------------------------------------------

usb=$(usb_node)
tap_check "register --device" "$tool" register by-hand --device "$usb"
tap_check "the kernel has it" test "$(
	"$tool" status -o device_kind --noheadings by-hand)" = usb
# pcscd is who has a reader today.
pcscd --foreground >/dev/null 2>&1 &
pcscd=$!
names() { # what: once pcscd has come so far
	local tries=0
	until "$tool" who by-hand -o pid,user,command,via --noheadings | grep -q "^ *$1"; do
		kill -0 $pcscd && [ $((tries += 1)) -lt 200 ] || return
	done
}
tap_check "tokmux who: pcscd has the device" names "$pcscd .* device"
coproc client {
	exec python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect("/run/pcscd/pcscd.comm")
print("connected", flush=True)
sys.stdin.read()'
}
pid=$!
read -r -u "${client[0]}"
tap_check "tokmux who: and who is behind it" names "$pid root .* pcscd"
kill $pid
tap_check "tokmux check: the reader is left to it" checked "^reader .* ok .* pcscd\[$pcscd\]"
kill $pcscd
wait $pcscd
unregister by-hand
tap_check "register --device --interface" "$tool" register by-hand --device "$usb" --interface 0
unregister by-hand
tap_check "register --dry-run --device --interface" "$tool" register --dry-run by-hand \
	--device "$usb" --interface 0
wrong() { # also where it is not done
	"$tool" register by-hand "$@"
	[ $? = 64 ] || return
	"$tool" register --dry-run by-hand "$@"
	test $? = 64
}
tap_check "an interface that it has not" wrong --device "$usb" --interface 7
tap_check "a USB device that is no reader" wrong --device /dev/bus/usb/001/001
tap_check "another device" wrong --device /dev/null
tap_check "no device" wrong --device /no/such
tap_check "nothing was made" test -z "$(tokens)"
tap_end

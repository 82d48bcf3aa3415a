#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# OpenSC and what goes through it, unchanged and as an ordinary user, with a card that
# forgets without power: tests/card's, with its PIV applet. What is logged in, and
# what has to log in again after somebody else's turn, is seen in the card's log.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/tests/tap.bash"
build=${B:-$top/build/user}

if ! [ -w /sys/devices/platform/vhci_hcd.0/attach ] && {
	[ -z "${TOKMUX_GUEST-}" ] || ! modprobe -q vhci_hcd; }; then
	echo "1..0 # SKIP not in a guest, or no vhci_hcd"
	exit
fi
if [ ! -e "$build/pcsc/libpcsclite.so.1" ] || ! command -v opensc-tool >/dev/null; then
	echo "1..0 # SKIP no OpenSC, or no libpcsclite.so.1 of ours"
	exit
fi
. "$top/tests/pcsc.bash"
pin=314159
log=$dir/log

# ---- the card -------------------------------------------------------------------

keys() {
	mkdir "$dir/keys" || return
	local slot algorithm
	for slot in 9a:rsa:2048 9c:ec 9e:ec; do
		algorithm=${slot#*:}
		[ "$algorithm" = rsa:2048 ] || algorithm='ec -pkeyopt ec_paramgen_curve:P-256'
		slot=${slot%%:*}
		# shellcheck disable=SC2086 # words
		openssl req -x509 -newkey $algorithm -nodes -days 100 -subj "/CN=tokmux $slot" \
			-addext keyUsage=digitalSignature \
			-keyout "$dir/keys/$slot.key" -outform DER -out "$dir/keys/$slot.der" &&
			openssl x509 -inform DER -in "$dir/keys/$slot.der" -pubkey -noout \
				-out "$dir/$slot.pub" || return
	done
}
tap_check "OpenSSL makes keys" keys

plug() {
	local word bus device
	exec {wire}< <(exec "$build/tests/card-usbip" --piv "$dir/keys" extended "$log")
	reader=$!
	pids=("$reader")
	read -r -t 60 -u "$wire" word bus device && [ "$word" = ready ] || return
	udevadm settle
	usb=/dev/bus/usb/$bus/$device
	register_reader "$usb"
}
plug || { tap_not_ok "a reader with the card"; tap_end; exit; }

# ---- OpenSC's own programs --------------------------------------------------------

tap_check "pcscd doesn't run" test ! -e /run/pcscd/pcscd.comm
tap_check "opensc-tool -n" shown '^PIV-II|Personal Identity Verification' opensc-tool -n
tap_check "piv-tool -n" shown '^PIV-II|Personal Identity Verification' piv-tool -n
tap_check "tokmux run opensc-tool" shown '^PIV-II|Personal Identity Verification' \
	env -u LD_LIBRARY_PATH "$tool" run -- opensc-tool -n
tap_check "pkcs11-tool: the token" shown 'token label *: tokmux 9a' pkcs11-tool -L
tap_check "pkcs11-tool: the keys" shown 'RSA' pkcs11-tool --login --pin $pin -O
echo something >"$dir/data"
signs() { # ID mechanism slot option…
	local id=$1 mechanism=$2 slot=$3
	shift 3
	rm -f "$dir/home/signature"
	user timeout 60 pkcs11-tool "$@" --sign -m "$mechanism" --signature-format openssl \
		--id "$id" -i "$dir/data" -o "$dir/home/signature" &&
		openssl dgst -sha256 -verify "$dir/$slot.pub" \
			-signature "$dir/home/signature" "$dir/data"
}
tap_check "RSA, with a login" signs 01 SHA256-RSA-PKCS 9a --login --pin $pin
tap_check "EC, with a PIN for each signature" signs 02 ECDSA-SHA256 9c --login --pin $pin
tap_end

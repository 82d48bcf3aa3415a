#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Programs of others that use PC/SC, unchanged and as an ordinary user, on the emulated
# reader, without pcscd: they get our libpcsclite.so.1.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/tests/tap.bash"
build=${B:-$top/build/user}
reader=$top/tests/guest/reader

if ! [ -p /run/tokmux/hand ] || [ -z "${TOKMUX_CARD_PIN-}" ] ||
	[ ! -e "$build/pcsc/libpcsclite.so.1" ] || ! command -v opensc-tool >/dev/null; then
	echo "1..0 # SKIP no hand at a reader with a card that OpenSC knows, or no OpenSC"
	exit
fi
. "$top/tests/pcsc.bash"

usb_node() {
	local device id bus number
	for device in /sys/bus/usb/devices/*; do
		{ read -r id <"$device/idProduct"; } 2>/dev/null && [ "$id" = 4433 ] || continue
		read -r bus <"$device/busnum" && read -r number <"$device/devnum" &&
			printf '/dev/bus/usb/%03d/%03d\n' "$bus" "$number"
	done
}

register_reader "$(usb_node)"
tap_check "pcscd doesn't run" test ! -e /run/pcscd/pcscd.comm

# ---- OpenSC ------------------------------------------------------------------

tap_check "opensc-tool -l" shown '^0 +Yes .*QEMU.* \[CCID Interface\] ' opensc-tool -l
tap_check "opensc-tool -a" shown '^3b:7a:18:' opensc-tool -a
tap_check "opensc-tool -n" shown 'Common Access Card' opensc-tool -n
tap_check "pkcs11-tool: the token" shown 'token label *: tokmux id' pkcs11-tool -L
echo something >"$dir/data"
signs() { # file
	user timeout 60 pkcs11-tool --login --pin "$TOKMUX_CARD_PIN" --sign -m SHA256-RSA-PKCS \
		--id 0001 -i "$dir/data" -o "$1" 2>&1 && test "$(stat -c %s "$1")" = 256
}
tap_check "pkcs11-tool: logs in and signs" signs "$dir/home/signature"
key() {
	user timeout 60 pkcs11-tool --read-object --type cert --id 0001 \
		-o "$dir/home/cert.der" &&
		openssl x509 -inform DER -in "$dir/home/cert.der" -pubkey -noout >"$dir/key" &&
		openssl dgst -sha256 -verify "$dir/key" -signature "$dir/home/signature" "$dir/data"
}
tap_check "OpenSSL finds the signature good" key
wrong_pin() { # none of its tries is lost that the user doesn't make
	! user timeout 60 pkcs11-tool --login --pin 00000000 --sign -m SHA256-RSA-PKCS \
		--id 0001 -i "$dir/data" -o "$dir/home/none" 2>"$dir/error"
	grep -q 'C_Login failed' "$dir/error"
}
tap_check "a wrong PIN is refused" wrong_pin
tap_check "and the right one works after it" signs "$dir/home/signature"

# ---- two programs at once --------------------------------------------------------

both() {
	local good=0 i=0
	while [ $((i += 1)) -le 3 ]; do
		signs "$dir/home/a" >"$dir/a" 2>&1 &
		signs "$dir/home/b" >"$dir/b" 2>&1 || cat "$dir/b"
		wait $! || cat "$dir/a"
		cmp -s "$dir/home/a" "$dir/home/b" && good=$((good + 1))
		rm -f "$dir/home/a" "$dir/home/b"
	done
	test $good = 3
}
tap_check "two processes sign at once" both

# ---- tokmux-pkcs11.so over OpenSC over leases ---------------------------------------

stacked() { # file
	user env TOKMUX_CONF="$dir/tokmux.conf" timeout 60 pkcs11-tool \
		--module "$build/tokmux-pkcs11.so" --login --pin "$TOKMUX_CARD_PIN" --sign \
		-m SHA256-RSA-PKCS --id 0001 -i "$dir/data" -o "$1" 2>&1
	cmp "$1" "$dir/home/signature"
}
tap_check "tokmux-pkcs11.so over OpenSC signs" stacked "$dir/home/stacked"
both_stacked() {
	local good=0 i=0
	while [ $((i += 1)) -le 3 ]; do
		stacked "$dir/home/a" >"$dir/a" 2>&1 &
		stacked "$dir/home/b" >"$dir/b" 2>&1 && good=$((good + 1)) || cat "$dir/b"
		wait $! && good=$((good + 1)) || cat "$dir/a"
	done
	test $good = 6
}
tap_check "two processes do so at once" both_stacked

# ---- who watches -----------------------------------------------------------------

if command -v pcsc_scan >/dev/null; then
	mkfifo "$dir/scan"
	# It has no end of its own.
	user stdbuf -oL pcsc_scan -n >"$dir/scan" 2>&1 &
	pids+=($!)
	exec {scan}<"$dir/scan"
	sees() { # pattern
		local line
		while IFS= read -r -t 30 -u "$scan" line; do
			[[ $line != *$1* ]] || return 0
		done
		return 1
	}
	tap_check "pcsc_scan sees the card" sees 'Card inserted'
	"$reader" remove-card
	tap_check "pcsc_scan sees that it is pulled" sees 'Card removed'
	"$reader" insert-card
	tap_check "pcsc_scan sees that it is back" sees 'Card inserted'
	while read -r -t 0.1 -u $scan _; do :; done
	tap_check "a program signs while another watches" signs "$dir/home/signature"
	# As udev's rules do with enforce = yes.
	"$reader" unplug
	"$tool" unregister -f reader >/dev/null
	"$reader" plug
	register_reader "$(usb_node)"
	tap_check "pcsc_scan sees that the reader is back" sees 'Card inserted'
	kill "${pids[@]}"
	exec {scan}<&-
	pids=()
else
	tap_skip "pcsc_scan" "there is none"
fi

# ---- Python, GnuPG ---------------------------------------------------------------

if python3 -c 'import smartcard' 2>/dev/null; then
	cat >"$dir/card.py" <<-'END'
		from smartcard.System import readers
		from smartcard.scard import SCARD_ATTR_VENDOR_NAME

		connection = readers()[0].createConnection()
		connection.connect()
		print(bytes(connection.getATR()).hex())
		data, sw1, sw2 = connection.transmit([0, 0xa4, 4, 0, 7, 0xa0, 0, 0, 0, 0x79, 1, 0])
		print("%02x%02x" % (sw1, sw2))
		print(bytes(connection.getAttrib(SCARD_ATTR_VENDOR_NAME)))
		connection.disconnect()
	END
	chmod 644 "$dir/card.py"
	tap_check "pyscard transmits" shown '^(9000|61[0-9a-f]{2})$' python3 "$dir/card.py"
else
	tap_skip "pyscard transmits" "there is no pyscard"
fi
scdaemon=$(find /usr/lib/gnupg* -name scdaemon 2>/dev/null | head -n 1)
if [ -n "$scdaemon" ]; then
	scd() { # options: what it has in the reader
		printf '%s\n' 'GETINFO reader_list' 'SERIALNO' 'BYE' |
			user timeout 60 "$scdaemon" --server --homedir "$dir/home" --disable-ccid \
				--pcsc-driver "$build/pcsc/libpcsclite.so.1" "$@" 2>&1
	}
	# With a card that it knows no application for it says so, also through pcscd.
	scd_reads() { scd "$@" | tee /dev/stderr | grep -E 'QEMU|Unsupported|not supported' >/dev/null; }
	tap_check "scdaemon reads the card, exclusively" scd_reads
	tap_check "scdaemon reads the card, shared" scd_reads --pcsc-shared
else
	tap_skip "scdaemon reads the card" "there is none"
fi

# ---- readers that tokmux doesn't have: pcscd's, for root, without polkit -------------

"$tool" unregister -f reader >/dev/null
alone() {
	user timeout 60 opensc-tool -l >"$dir/said" 2>&1
	test "$(cat "$dir/said")" = "No smart card readers found."
}
tap_check "without a token and without pcscd there is no reader" alone

env -u LD_LIBRARY_PATH pcscd --foreground >/dev/null 2>&1 &
pids+=($!)
delegated() { # pattern command…
	local pattern=$1
	shift
	LD_LIBRARY_PATH=$build/pcsc timeout 60 "$@" 2>&1 | tee /dev/stderr | grep -E "$pattern" >/dev/null
}
seen() { delegated '^0 +Yes' opensc-tool -l 2>/dev/null; }
tap_check "a reader of pcscd's is seen" tap_await 60 seen
tap_check "its card is read" delegated 'Common Access Card' opensc-tool -n
signs_delegated() {
	delegated . pkcs11-tool --login --pin "$TOKMUX_CARD_PIN" --sign -m SHA256-RSA-PKCS \
		--id 0001 -i "$dir/data" -o "$dir/home/delegated" &&
		cmp "$dir/home/signature" "$dir/home/delegated"
}
tap_check "and signs" signs_delegated
if command -v pcsc_scan >/dev/null; then
	tap_check "pcsc_scan sees the card" delegated 'Card inserted' timeout 5 pcsc_scan -n
fi
kill "${pids[@]}"
wait "${pids[@]}" 2>/dev/null
pids=()
tap_end

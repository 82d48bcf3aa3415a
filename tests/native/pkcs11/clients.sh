#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# pkcs11-tool and p11tool work through the module as they do without it.
set -u
. "$(dirname "$0")/../../tap.bash"
module=$B/tokmux-pkcs11.so
dir=$(mktemp -d) || exit
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/tokens"
export SOFTHSM2_CONF=$dir/softhsm2.conf TOKMUX_CONF=$dir/tokmux.conf
printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$dir/tokens" >"$SOFTHSM2_CONF"
cat >"$TOKMUX_CONF" <<END
[global]
arbiter = ${TOKMUX_TEST_ARBITER:-local}
[backend softhsm]
module = libsofthsm2.so
END
# A sanitized module in a program that isn't wants its library first.
if [ -n "${SAN-}" ]; then
	preload=$(gcc -print-file-name=libasan.so)
	export ASAN_OPTIONS=detect_leaks=0
fi

tool() { LD_PRELOAD=${preload-} pkcs11-tool --module "$module" "$@"; }
p11() { p11tool --provider "$module" "$@"; }
says() { # text command…: does the command's output have the text?
	local text=$1 output
	shift
	output=$("$@" 2>&1) || { echo "$output"; return 1; }
	grep -qF -- "$text" <<<"$output" || { echo "$output"; return 1; }
}
says_not() {
	local text=$1 output
	shift
	output=$("$@" 2>&1) || { echo "$output"; return 1; }
	! grep -F -- "$text" <<<"$output"
}

so=(--login --login-type so --so-pin 12345678)
user=(--login --pin 1234)
printf 'to be signed' >"$dir/data"

tap_check "pkcs11-tool --init-token" tool --init-token --slot-index 0 \
	--label one --so-pin 12345678
tap_check "pkcs11-tool --init-pin" tool --token-label one "${so[@]}" \
	--init-pin --pin 1234
tap_check "pkcs11-tool --keypairgen RSA" tool --token-label one "${user[@]}" \
	--keypairgen --key-type rsa:2048 --label rsa --id 01
tap_check "pkcs11-tool --keypairgen EC" tool --token-label one "${user[@]}" \
	--keypairgen --key-type EC:prime256v1 --label ec --id 02
tap_check "pkcs11-tool -I names us" says tokmux tool -I
tap_check "pkcs11-tool -L" says 'token label        : one' tool -L
tap_check "pkcs11-tool -M" says 'ECDSA' tool -M --token-label one
tap_check "pkcs11-tool -O shows public keys" says 'Public Key Object; RSA' \
	tool -O --token-label one
tap_check "pkcs11-tool -O shows no private key without the PIN" \
	says_not 'Private Key Object' tool -O --token-label one
tap_check "pkcs11-tool -O --login shows private keys" \
	says 'Private Key Object; RSA' tool -O --token-label one "${user[@]}"
tap_check "pkcs11-tool --sign" tool --token-label one "${user[@]}" --sign \
	-m SHA256-RSA-PKCS --id 01 -i "$dir/data" -o "$dir/signature"
verify() {
	tool --token-label one --read-object --type pubkey --id 01 \
		-o "$dir/key.der" &&
		openssl pkey -pubin -inform DER -in "$dir/key.der" -out "$dir/key.pem" &&
		openssl dgst -sha256 -verify "$dir/key.pem" \
			-signature "$dir/signature" "$dir/data"
}
tap_check "OpenSSL verifies the signature" verify
tap_check "pkcs11-tool --verify" says 'Signature is valid' tool \
	--token-label one --verify -m SHA256-RSA-PKCS --id 01 \
	-i "$dir/data" --signature-file "$dir/signature"
not() { ! "$@"; }
tap_check "pkcs11-tool with a wrong PIN fails" \
	not tool --token-label one --login --pin 9999 -O
# SoftHSM2 fails some of its tests by itself.
same_as_bare() {
	local ours bare
	ours=$(tool "$@" 2>&1)
	bare=$(pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so "$@" 2>&1)
	diff <(grep -v '^Using slot' <<<"$bare") <(grep -v '^Using slot' <<<"$ours")
}
tap_check "pkcs11-tool --test --login says what it says without us" \
	same_as_bare --token-label one "${user[@]}" --test

if [ -n "${SAN-}" ]; then
	tap_skip p11tool "with AddressSanitizer it hangs at its end, with any module"
	tap_end
	exit
fi
url=$(p11 --list-token-urls 2>/dev/null | grep 'token=one')
tap_check "p11tool --list-tokens" says 'Label: one' p11 --list-tokens
tap_check "p11tool --list-all" says 'Label: rsa' p11 --list-all "$url"
GNUTLS_PIN=1234
export GNUTLS_PIN
tap_check "p11tool --login --list-all" says 'Type: Private key' \
	p11 --login --list-all "$url"
tap_check "p11tool --test-sign" says 'ok' p11 --login --test-sign \
	"$url;object=rsa;type=private"
tap_check "p11tool --login --generate-ecc" p11 --login --generate-ecc \
	--curve secp256r1 --label fresh --outfile "$dir/fresh.pem" "$url"
tap_end

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# pkcs11-tool and p11tool work through the module as they do without it.
set -u
. "$(dirname "$0")/client.bash"

p11() { p11tool --provider "$module" "$@"; }

tap_check "pkcs11-tool --init-token" tool --init-token --slot-index 0 \
	--label one --so-pin 12345678
tap_check "pkcs11-tool --init-pin" tool --token-label one "${so[@]}" \
	--init-pin --pin 1234
tap_check "pkcs11-tool --keypairgen RSA" tool --token-label one "${user[@]}" \
	--keypairgen --key-type rsa:2048 --label rsa --id 01
tap_check "pkcs11-tool --keypairgen EC" tool --token-label one "${user[@]}" \
	--keypairgen --key-type EC:prime256v1 --label ec --id 02
tap_check "pkcs11-tool -I names us" says tokmux tool -I
spied() { # a spy that knows 3.0 sees what is called
	local behind=$module
	PKCS11SPY=$behind PKCS11SPY_OUTPUT=$dir/spy module=pkcs11-spy.so tool -L &&
		grep -q C_GetTokenInfo "$dir/spy"
}
tap_check "pkcs11-spy sees the calls" spied
spied_backend() { # a spy between the module and its backend
	sed "s,^module = .*,module = pkcs11-spy.so," "$TOKMUX_CONF" \
		>"$dir/spied.conf" &&
		PKCS11SPY=$bare PKCS11SPY_OUTPUT=$dir/backend TOKMUX_CONF=$dir/spied.conf \
			tool -L && grep -q C_GetTokenInfo "$dir/backend"
}
tap_check "pkcs11-spy as a backend sees the calls" spied_backend
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
decrypt() {
	openssl pkeyutl -encrypt -pubin -inkey "$dir/key.pem" -in "$dir/data" \
		-out "$dir/encrypted" &&
		tool --token-label one "${user[@]}" --decrypt -m RSA-PKCS --id 01 \
			-i "$dir/encrypted" -o "$dir/decrypted" &&
		cmp "$dir/data" "$dir/decrypted"
}
tap_check "pkcs11-tool --decrypt" decrypt
tap_check "pkcs11-tool --keygen AES" says 'AES length 32' tool \
	--token-label one "${user[@]}" --keygen --key-type AES:32 --label aes --id 03
object() { # written, read back, deleted
	tool --token-label one "${user[@]}" --write-object "$dir/data" --type data \
		--label note --private &&
		tool --token-label one "${user[@]}" --read-object --type data \
			--label note -o "$dir/note" && cmp "$dir/data" "$dir/note" &&
		tool --token-label one "${user[@]}" --delete-object --type data \
			--label note &&
		not tool --token-label one "${user[@]}" --read-object --type data \
			--label note -o "$dir/note"
}
tap_check "pkcs11-tool --write-object, --read-object, --delete-object" object
change_pin() {
	tool --token-label one --login --pin 1234 --change-pin --new-pin 4321 &&
		not tool --token-label one --login --pin 1234 -O &&
		tool --token-label one "${so[@]}" --init-pin --pin 1234 &&
		tool --token-label one --login --pin 1234 -O
}
tap_check "pkcs11-tool --change-pin, and the officer's --init-pin" change_pin
tap_check "pkcs11-tool --generate-random" tool --token-label one \
	--generate-random 16 -o "$dir/random"
tap_check "pkcs11-tool with a wrong PIN fails" \
	not tool --token-label one --login --pin 9999 -O
# All but which slot it was, and (OpenSC 0.26) where in memory something is.
said() { sed '/^Using slot/d; s/=0x[0-9a-f]*/=0x…/'; }
# SoftHSM2 fails some of its tests by itself.
same_as_bare() {
	local ours theirs
	ours=$(tool "$@" 2>&1)
	theirs=$(bare_tool "$@" 2>&1)
	diff <(said <<<"$theirs") <(said <<<"$ours")
}
tap_check "pkcs11-tool --test --login says what it says without us" \
	same_as_bare --token-label one "${user[@]}" --test
tap_check "pkcs11-tool --test-fork" tool --token-label one --test-fork
tap_check "pkcs11-tool --test-fork fails without us" \
	not bare_tool --token-label one --test-fork

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

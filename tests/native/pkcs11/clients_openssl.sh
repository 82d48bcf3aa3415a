#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# OpenSSL with libp11's engine works through the module.
set -u
. "$(dirname "$0")/client.bash"
if [ -n "${SAN-}" ]; then
	tap_skip openssl "the engine is found by a program that isn't sanitized"
	tap_end
	exit
fi
engine=$(openssl version -e | sed 's/.*"\(.*\)"/\1/')/pkcs11.so
cat >"$dir/openssl.cnf" <<END
openssl_conf = openssl_init
[openssl_init]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
dynamic_path = $engine
MODULE_PATH = $module
[req]
distinguished_name = name
[name]
END
export OPENSSL_CONF=$dir/openssl.cnf
key='pkcs11:token=one;type=private;pin-value=1234'
use=(-engine pkcs11 -keyform engine)

tap_check "a token with two keys" client_token
sign() { # object
	openssl dgst -sha256 -engine pkcs11 -keyform engine \
		-sign "$key;object=$1" -out "$dir/$1.signature" "$dir/data" &&
		OPENSSL_CONF=/dev/null openssl dgst -sha256 -verify "$dir/$1.pem" \
			-signature "$dir/$1.signature" "$dir/data"
}
public() { # object
	openssl pkey "${use[@]:0:2}" -inform engine -pubin -pubout \
		-in "pkcs11:token=one;type=public;object=$1" -out "$dir/$1.pem" &&
		grep -q 'PUBLIC KEY' "$dir/$1.pem"
}
decrypt() {
	openssl pkeyutl -encrypt -pubin -inkey "$dir/rsa.pem" \
		-in "$dir/data" -out "$dir/encrypted" &&
		openssl pkeyutl -decrypt "${use[@]}" -inkey "$key;object=rsa" \
			-in "$dir/encrypted" -out "$dir/decrypted" &&
		cmp "$dir/data" "$dir/decrypted"
}
certificate() { # object
	openssl req -new -x509 "${use[@]}" -key "$key;object=$1" -subj "/CN=$1" \
		-days 2 -out "$dir/$1.crt" &&
		OPENSSL_CONF=/dev/null openssl verify -CAfile "$dir/$1.crt" "$dir/$1.crt"
}
for object in rsa ec; do
	tap_check "openssl reads the public key: $object" public $object
	tap_check "openssl signs, and verifies without us: $object" sign $object
	tap_check "openssl makes a certificate: $object" certificate $object
done
tap_check "openssl decrypts" decrypt
tap_check "openssl with a wrong PIN fails" not openssl dgst -sha256 \
	-engine pkcs11 -keyform engine \
	-sign 'pkcs11:token=one;type=private;object=rsa;pin-value=9999' "$dir/data"

# A TLS server whose key is on the token, and a client of it.
tls() {
	local port line
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + RANDOM % 10000))
		coproc server {
			exec openssl s_server "${use[@]}" -key "$key;object=ec" \
				-cert "$dir/ec.crt" -accept "127.0.0.1:$port" \
				-naccept 1 2>&1
		}
		while read -r line <&"${server[0]}"; do
			[[ $line != ACCEPT* ]] || break 2
		done
		# It has ended: the port is somebody else's.
	done
	says 'Verify return code: 0' openssl s_client -CAfile "$dir/ec.crt" \
		-connect "127.0.0.1:$port"
}
tap_check "a TLS handshake with a key on the token" tls
tap_end

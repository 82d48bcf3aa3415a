#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# OpenSSL's pkcs11-provider works through the module. The same commands are given to
# SoftHSM2 itself. A comment says how they ended there: it crashes in many of them.
set -u
. "$(dirname "$0")/client.bash"
provider=$(openssl version -m | sed 's/.*"\(.*\)"/\1/')/pkcs11.so
if [ ! -e "$provider" ]; then
	echo "1..0 # SKIP there is no pkcs11-provider"
	exit
fi
if [ -n "${SAN-}" ]; then
	tap_skip pkcs11-provider "the provider is loaded by a program that isn't sanitized"
	tap_end
	exit
fi

for name in tokmux softhsm; do
	library=$module
	[ $name = tokmux ] || library=$bare
	cat >"$dir/$name.cnf" <<-END
		openssl_conf = openssl_init
		[openssl_init]
		providers = providers
		[providers]
		default = own
		pkcs11 = pkcs11
		[own]
		activate = 1
		[pkcs11]
		module = $provider
		pkcs11-module-path = $library
		activate = 1
		[req]
		distinguished_name = name
		[name]
	END
done
key='pkcs11:token=one;type=private;pin-value=1234'
plain() { OPENSSL_CONF=/dev/null openssl "$@"; }

# Runs in a directory of its own on each side.
side() { # name command…
	mkdir -p "$dir/$1"
	(cd "$dir/$1" && export OPENSSL_CONF=$dir/$1.cnf && shift && "$@")
}
beside() { # test command…
	local status=0
	tap_check "$1" side tokmux "${@:2}"
	side softhsm "${@:2}" >/dev/null 2>&1 </dev/null || status=$?
	case $status in
	0) echo "# SoftHSM2 itself: passed" ;;
	139) echo "# SoftHSM2 itself: crashed" ;;
	*) echo "# SoftHSM2 itself: exit status $status" ;;
	esac
}

listed() {
	says "object=rsa" openssl storeutl -keys -text 'pkcs11:token=one;pin-value=1234' &&
		says "object=ec" openssl storeutl -keys -text 'pkcs11:token=one;pin-value=1234'
}
public() { # object
	openssl pkey -pubin -pubout -in "pkcs11:token=one;type=public;object=$1" -out "$1.pem" &&
		grep -q 'PUBLIC KEY' "$1.pem"
}
sign() { # object option…
	local object=$1
	shift
	openssl dgst -sha256 -sign "$key;object=$object" "$@" -out signature "$dir/data" &&
		plain dgst -sha256 -verify "$object.pem" "$@" -signature signature "$dir/data"
}
pss=(-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:digest)
# Not with OAEP: SoftHSM2 refuses the provider's parameters.
decrypt() {
	plain pkeyutl -encrypt -pubin -inkey rsa.pem -in "$dir/data" -out encrypted &&
		openssl pkeyutl -decrypt -inkey "$key;object=rsa" -in encrypted -out decrypted &&
		cmp "$dir/data" decrypted
}
derive() {
	plain genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out peer.key &&
		plain pkey -in peer.key -pubout -out peer.pem &&
		plain pkeyutl -derive -inkey peer.key -peerkey ec.pem -out theirs &&
		openssl pkeyutl -derive -inkey "$key;object=ec" -peerkey peer.pem -out ours &&
		cmp ours theirs
}
certificate() { # object
	openssl req -new -x509 -key "$key;object=$1" -subj "/CN=$1" -days 2 -out "$1.crt" &&
		plain verify -CAfile "$1.crt" "$1.crt"
}
certificate_on_token() {
	plain x509 -in ec.crt -outform DER -out ec.der &&
		bare_tool --token-label one "${user[@]}" --write-object ec.der --type cert \
			--label ec --id 02 &&
		openssl x509 -in 'pkcs11:token=one;type=cert;object=ec' -out read.crt &&
		cmp read.crt <(plain x509 -in ec.crt)
}
# A TLS server whose key is on the token, and a client of it.
tls() { # object
	local port line
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + RANDOM % 10000))
		coproc server {
			exec openssl s_server -key "$key;object=$1" -cert "$1.crt" \
				-accept "127.0.0.1:$port" -naccept 1 2>&1
		}
		while read -r line <&"${server[0]}"; do
			[[ $line != ACCEPT* ]] || break 2
		done
		# It has ended: the port is somebody else's.
	done
	OPENSSL_CONF=/dev/null says 'Verify return code: 0' openssl s_client -CAfile "$1.crt" \
		-connect "127.0.0.1:$port"
}

tap_check "a token with two keys" client_token
beside "the provider lists both keys" listed
for object in rsa ec; do
	beside "the provider reads the public key: $object" public $object
	beside "the provider signs: $object" sign $object
	beside "the provider makes a certificate: $object" certificate $object
	beside "the provider serves TLS: $object" tls $object
done
beside "the provider signs with RSA-PSS" sign rsa "${pss[@]}"
beside "the provider decrypts" decrypt
beside "the provider derives by ECDH" derive
beside "the provider reads a certificate" certificate_on_token
beside "a wrong PIN fails" not openssl dgst -sha256 \
	-sign 'pkcs11:token=one;type=private;object=rsa;pin-value=9999' "$dir/data"
tap_end

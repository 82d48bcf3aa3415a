#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# NSS' tools work through the module.
set -u
. "$(dirname "$0")/client.bash"
if [ -n "${SAN-}" ]; then
	tap_skip nss "the module is loaded by a program that isn't sanitized"
	tap_end
	exit
fi
db=sql:$dir/nss
mkdir "$dir/nss"
echo 1234 >"$dir/pin"
head -c 64 /dev/urandom >"$dir/noise"
nss() { certutil -d "$db" -f "$dir/pin" "$@"; }

tap_check "a token with two keys" client_token
tap_check "certutil -N" certutil -d "$db" -N --empty-password
tap_check "modutil -add" modutil -dbdir "$db" -force -add tokmux -libfile "$module"
tap_check "modutil -list has the token" says 'Token Name: one' modutil -dbdir "$db" -list tokmux
tap_check "certutil -K" says rsa nss -K -h one
tap_check "certutil -K with a wrong PIN shows none" \
	not certutil -d "$db" -f <(echo 9999) -K -h one
authority() { # with a basic constraint: yes, of any length, critical
	printf 'y\n-1\ny\n' | nss -S -2 -h one -n ca -s CN=ca -x -t CTu,Cu,Cu \
		-k rsa -g 2048 -z "$dir/noise" -m 1
}
tap_check "certutil -S with a new key on the token" authority
tap_check "certutil -S with one that the first has signed" nss -S -h one \
	-n server -s CN=server -c one:ca -t u,u,u -k ec -q nistp256 \
	-z "$dir/noise" -m 2
tap_check "certutil -L has both" says 'one:server' nss -L -h one
exported() {
	nss -L -h one -n one:ca -a >"$dir/ca.pem" && nss -L -h one -n one:server -a >"$dir/server.pem" &&
		openssl verify -CAfile "$dir/ca.pem" "$dir/server.pem"
}
tap_check "OpenSSL verifies what NSS signed" exported
tap_check "pkcs11-tool sees what NSS made" says 'label:      server' \
	tool --token-label one "${user[@]}" -O
tap_check "certutil -F deletes the key and certificate" nss -F -n one:server
tap_check "and it is gone" says_not 'one:server' nss -L -h one
tap_check "modutil -delete" modutil -dbdir "$db" -force -delete tokmux
tap_end

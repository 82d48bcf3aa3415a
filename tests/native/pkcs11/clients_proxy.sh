#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The module as one of those inside p11-kit's proxy.
set -u
# Root's p11-kit reads no user's modules: ours go where the system's are, in a
# place of this test's own.
if [ "$(id -u)" = 0 ] && [ -z "${OWN_MOUNTS-}" ] && unshare -m true 2>/dev/null; then
	OWN_MOUNTS=1 exec unshare -m --propagation private "$0"
fi
. "$(dirname "$0")/client.bash"
if [ -n "${SAN-}" ]; then
	tap_skip p11-kit "the module is loaded by a program that isn't sanitized"
	tap_end
	exit
fi
proxy=$(realpath -e "/usr/lib/$(gcc -print-multiarch)/p11-kit-proxy.so" 2>/dev/null ||
	pkg-config --variable=proxy_module p11-kit-1)
# p11-kit's modules: ours alone. The user's replace the system's of that name.
modules=$dir/home/.config/pkcs11/modules
if [ "$(id -u)" = 0 ]; then
	modules=/usr/share/p11-kit/modules
	mkdir "$dir/modules"
	[ -n "${OWN_MOUNTS-}" ] && mount --bind "$dir/modules" $modules || {
		tap_skip p11-kit "root may not mount here"
		tap_end
		exit
	}
else
	mkdir -p "$modules"
	for file in /usr/share/p11-kit/modules/*.module; do
		printf 'enable-in: nobody\n' >"$modules/${file##*/}"
	done
fi
printf 'module: %s\n' "$module" >"$modules/tokmux.module"

proxied() { pkcs11-tool --module "$proxy" "$@"; }
tap_check "a token with two keys" client_token
tap_check "p11-kit list-modules" says 'token: one' p11-kit list-modules
tap_check "p11-kit knows us" says 'library-description: tokmux' p11-kit list-modules
alone() { [ "$(p11-kit list-modules | grep -c '^ *library-description:')" = 1 ]; }
tap_check "and no other" alone
tap_check "the proxy has our token" says 'token label        : one' proxied -L
once() { [ "$(proxied -L | grep -c 'token label        : one')" = 1 ]; }
tap_check "and has it once" once
tap_check "a signature" proxied --token-label one "${user[@]}" --sign \
	-m SHA256-RSA-PKCS --id 01 -i "$dir/data" -o "$dir/signature"
tap_check "is valid without us" says 'Signature is valid' bare_tool \
	--token-label one --verify -m SHA256-RSA-PKCS --id 01 \
	-i "$dir/data" --signature-file "$dir/signature"
tap_check "no private key without the PIN" says_not 'Private Key Object' \
	proxied -O --token-label one
tap_check "a wrong PIN fails" not proxied --token-label one --login --pin 9999 -O
export GNUTLS_PIN=1234
tap_check "GnuTLS signs with all that p11-kit knows" says ok p11tool --login \
	--test-sign 'pkcs11:token=one;object=ec;type=private'

# The proxy as our backend would lead back to us.
cat >"$TOKMUX_CONF" <<END
[global]
arbiter = ${TOKMUX_TEST_ARBITER:-local}
[backend proxy]
module = $proxy
END
tap_check "a proxy that leads back to us doesn't hang" \
	not timeout 20 pkcs11-tool --module "$module" -L
tap_end

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# R20: a token of one host for programs of another, set up by "tokmux remote": the owner is
# an sshd of our own on loopback.
set -u
. "$(dirname "$0")/client.bash"
. "$(dirname "$0")/sshd.bash"
if [ -n "${SAN-}" ]; then
	tap_skip remote "the module is loaded by a program that isn't sanitized"
	tap_end
	exit
fi
proxy=$(pkg-config --variable=proxy_module p11-kit-1)
tokmux=$B/tokmux
me=$(id -un)
end() {
	[ -z "$sshd" ] || kill "$sshd"
	rm -rf "$dir"
}
trap end EXIT

# A client has a home of its own, and a SoftHSM2 without tokens. It isn't root: in root's
# home p11-kit doesn't look.
mkdir -p "$dir/client/tokens" "$dir/bin"
cp "$tokmux" "$B/libtokmux.so.1" "$dir/bin"
printf 'directories.tokendir = %s\n' "$dir/client/tokens" >"$dir/client/softhsm2.conf"
as_client() {
	local user=()
	[ "$(id -u)" != 0 ] || user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	"${user[@]}" env -u TOKMUX_CONF LD_LIBRARY_PATH="$dir/bin" HOME="$dir/client" \
		PATH="$dir/bin:$PATH" SOFTHSM2_CONF="$dir/client/softhsm2.conf" "$@"
}

remote() { "$tokmux" remote "$@"; }
files() { find "$dir/root" -type f | sort; }
their_keys=$dir/root$(getent passwd "$me" | cut -d: -f6)/.ssh/authorized_keys

tap_check "a token with two keys" client_token
ssh-keygen -q -t ed25519 -N '' -f "$dir/client/key"
mv "$dir/client/key.pub" "$dir/key.pub"
[ "$(id -u)" != 0 ] || chown -R 65534 "$dir/client"
chmod 755 "$dir"

# ---- what is written, and what isn't ----
mkdir -p "${their_keys%/*}"
echo 'ssh-ed25519 AAAA somebody' >"$their_keys"
cp "$their_keys" "$dir/before"
tap_check "--dry-run names the files" says 50-tokmux remote enable owner "$me" \
	"$dir/key.pub" --root "$dir/root" --dry-run
tap_check "and writes none" cmp "$their_keys" "$dir/before"
tap_check "a private key is refused" not remote enable owner "$me" "$dir/client/key" \
	--root "$dir/root"
tap_check "and so is a name with a blank" not remote enable client 'a host'
tap_check "and what looks like an option of ssh's" not remote enable client -- -oProxyCommand=x
tap_check "and a user that isn't there" says_not wrote not remote enable owner nobody-here \
	"$dir/key.pub" --root "$dir/root"
tap_check "nothing was written" cmp "$their_keys" "$dir/before"
mkdir -p "$dir/root/etc/ssh/sshd_config.d"
echo mine >"$dir/root/etc/ssh/sshd_config.d/50-tokmux-$me.conf"
tap_check "somebody else's file is left alone" not remote enable owner "$me" \
	"$dir/key.pub" --root "$dir/root"
tap_check "and then no other one is written" cmp "$their_keys" "$dir/before"
rm "$dir/root/etc/ssh/sshd_config.d/50-tokmux-$me.conf"
tap_check "remote enable owner" remote enable owner "$me" "$dir/key.pub" --root "$dir/root"
tap_check "once more" remote enable owner "$me" "$dir/key.pub" --root "$dir/root"
once() { [ "$(grep -c 'restrict,command=' "$their_keys")" = 1 ] && grep -q somebody "$their_keys"; }
tap_check "the key is there once, and the other one still" once
tap_check "remote enable client" as_client tokmux remote enable client owner
tap_check "remote enable socket" remote enable socket "$me" --root "$dir/root"
tap_check "two units" test "$(files | grep -c tokmux-pkcs11)" = 2

# ---- both ends ----
# The module and the tokens are those of this test.
sed "s,remote [^\"]*/tokmux-pkcs11.so,remote $module," "$their_keys" >"$dir/authorized"
tap_check_sshd "AuthorizedKeysFile $dir/authorized" \
	"SetEnv TOKMUX_CONF=$TOKMUX_CONF SOFTHSM2_CONF=$SOFTHSM2_CONF" \
	"$(cat "$dir/root/etc/ssh/sshd_config.d/50-tokmux-$me.conf")"
cat >"$dir/ssh_config" <<END
Host owner
	HostName 127.0.0.1
	Port $port
	User $me
	IdentityFile $dir/client/key
	IdentitiesOnly yes
	UserKnownHostsFile $dir/known
END
printf '#!/bin/sh\nexec /usr/bin/ssh -F %s "$@"\n' "$dir/ssh_config" >"$dir/bin/ssh"
chmod +x "$dir/bin/ssh"
far() { as_client pkcs11-tool --module "$proxy" "$@"; }
far_sign() {
	far --token-label one "${user[@]}" --sign -m SHA256-RSA-PKCS --id 01 \
		-i "$dir/data" -o "$dir/client/signature.$1"
}
verify() {
	tool --token-label one --read-object --type pubkey --id 01 -o "$dir/key.der" &&
		openssl dgst -sha256 -verify <(openssl pkey -pubin -inform DER -in "$dir/key.der") \
			-signature "$dir/client/signature.$1" "$dir/data"
}
tap_check "a client sees the token" says one far -L
tap_check "it signs" far_sign 0
tap_check "the signature is right" verify 0
tap_check "a wrong PIN is refused" not far --token-label one --login --pin 4321 -O
at_once() {
	local i pids=() bad=0
	for i in 1 2 3 4; do
		far_sign "$i" & pids+=($!)
		tool --token-label one "${user[@]}" --sign -m SHA256-RSA-PKCS --id 01 \
			-i "$dir/data" -o "$dir/near.$i" & pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i" || bad=$((bad + 1)); done
	[ $bad = 0 ]
}
# SoftHSM2 leaves out tokens that another process writes to; only the kernel helps that.
name="four clients and four programs of the owner's sign at once"
if [ "${TOKMUX_TEST_ARBITER-}" = kernel ]; then
	tap_check "$name" at_once
else
	tap_skip "$name" "that needs the kernel's arbiter"
fi
tap_check "there is no shell" says_not uid= as_client timeout 20 sh -c 'ssh owner id </dev/null; true'
forward() { as_client timeout 20 ssh -N -o ExitOnForwardFailure=yes -R 0:127.0.0.1:1 owner </dev/null; }
tap_check "and no forwarding" not forward

# ---- undone ----
tap_check "remote disable owner" remote disable owner "$me" --root "$dir/root"
tap_check "the other key is all that is left" cmp "$their_keys" "$dir/before"
tap_check "remote disable client" as_client tokmux remote disable client owner
tap_check "remote disable socket" remote disable socket --root "$dir/root"
tap_check "no other file is left" test "$(files)" = "$their_keys"
tap_check "and none of the client's" test -z "$(find "$dir/client" -name '*.module')"
tap_end

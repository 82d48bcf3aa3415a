#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# OpenSSH works through the module: ssh-keygen, the agent and its helper, and a
# login to an sshd of our own on loopback.
set -u
. "$(dirname "$0")/client.bash"
. "$(dirname "$0")/sshd.bash"
if [ -n "${SAN-}" ]; then
	tap_skip ssh "the module is loaded by a program that isn't sanitized"
	tap_end
	exit
fi
me=$(id -un)
SSH_AGENT_PID=
end() {
	[ -z "$sshd" ] || kill "$sshd"
	[ -z "$SSH_AGENT_PID" ] || ssh-agent -k >/dev/null
	rm -rf "$dir"
}
trap end EXIT

# What asks for the PIN.
printf '#!/bin/sh\necho asked >>%s\necho 1234\n' "$dir/asked" >"$dir/askpass"
chmod +x "$dir/askpass"
export SSH_ASKPASS=$dir/askpass SSH_ASKPASS_REQUIRE=force

tap_check "a token with two keys" client_token
keys() { ssh-keygen -D "$module" >"$dir/authorized" && [ "$(wc -l <"$dir/authorized")" = 2 ]; }
tap_check "ssh-keygen -D prints both keys" keys

tap_check_sshd "AuthorizedKeysFile $dir/authorized"
login() { # option…: as ssh and to here
	says "I am $me" ssh -F /dev/null -o UserKnownHostsFile="$dir/known" \
		-o StrictHostKeyChecking=yes -o PreferredAuthentications=publickey \
		"$@" -p "$port" "$me@127.0.0.1" echo "I am \$(id -un)" ||
		{ cat "$dir/sshd.log"; return 1; }
}
no_agent() { (unset SSH_AUTH_SOCK; "$@"); }

tap_check "a login with ssh's own PKCS11Provider" no_agent login -I "$module"
tap_check "it asked for the PIN" test -s "$dir/asked"
tap_check "no login without the token" not no_agent login

# The agent takes modules from where distributions keep them, unless told.
eval "$(ssh-agent -a "$dir/agent" -P "$(realpath "$(dirname "$module")")/*")" >/dev/null
tap_check "ssh-add -s" ssh-add -s "$module"
tap_check "ssh-add -L has the keys" says ecdsa-sha2-nistp256 ssh-add -L
tap_check "a login with the agent's keys" login
tap_check "another program signs while the agent is logged in" \
	tool --token-label one "${user[@]}" --sign -m SHA256-RSA-PKCS --id 01 \
	-i "$dir/data" -o "$dir/signature"
tap_check "and the agent's login is what it was" login
tap_check "ssh-add -e" ssh-add -e "$module"
tap_check "no login when the agent has none" not login
tap_end

#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# PyKCS11 works through the module.
set -u
. "$(dirname "$0")/client.bash"
if [ -n "${SAN-}" ]; then
	tap_skip PyKCS11 "the module is loaded by a program that isn't sanitized"
	tap_end
	exit
fi
client_token >"$dir/token.log" 2>&1 || { cat "$dir/token.log"; exit 1; }
bare_tool --token-label one --read-object --type pubkey --id 01 -o "$dir/rsa.der" 2>/dev/null
# Debian's own, whatever else is called python3 here; it prints TAP itself.
export MODULE=$module DIR=$dir
/usr/bin/python3 "$(dirname "$0")/client_pykcs11.py"

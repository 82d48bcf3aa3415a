#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Users of ctypes are one caller, or callers of their own if they ask for that.
set -u
. "$(dirname "$0")/client.bash"
if [ -n "${SAN-}" ]; then
	tap_skip ctypes "the module is loaded by a program that isn't sanitized"
	tap_end
	exit
fi
client_token >"$dir/token.log" 2>&1 || { cat "$dir/token.log"; exit 1; }
# Debian's own, whatever else is called python3 here; it prints TAP itself.
export MODULE=$module
/usr/bin/python3 "$(dirname "$0")/client_ctypes.py"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The fuzz targets, over the corpus and for a moment beyond it. make fuzz is the
# long run. It has its own sanitizers, and needs no kernel of ours.
set -u
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"

if [ -n "${TOKMUX_GUEST-}" ] || [ -n "${SAN-}" ]; then
	echo "1..0 # SKIP done natively, once"
	exit
fi
for target in parse protocol card; do
	tap_check "fuzz $target: the corpus" "$top/tests/fuzz/run" --corpus $target
	tap_check "fuzz $target: 3 s" "$top/tests/fuzz/run" --quick --seconds 3 $target
done
tap_end

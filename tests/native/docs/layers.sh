#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Runs COMMAND as on this machine, but that what it writes to /etc, /opt, /usr and
# /var goes to layers in DIR, which are looked at and thrown away. Needs root.
#
# usage: layers.sh DIR COMMAND…
set -eu
if [ "${1-}" = --inside ]; then
	shift
	dir=$1
	shift
	mkdir "$dir/layers"
	mount -t tmpfs tmpfs "$dir/layers"
	for tree in etc opt usr var; do
		mkdir -p "$dir/layers/$tree"/{upper,work}
		mount -t overlay -o "lowerdir=/$tree,upperdir=$dir/layers/$tree/upper,workdir=$dir/layers/$tree/work" \
			overlay "/$tree"
	done
	exec "$@"
fi
exec unshare -m "$0" --inside "$@"

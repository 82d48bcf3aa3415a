#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What Documentation/uapi.rst shows is C that compiles, all of it in one function
# as it is read.
set -u
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
tap_natively_only
page=$top/Documentation/uapi.rst
program=$(mktemp --suffix=.c) || exit
trap 'rm -f "$program"' EXIT

examples() {
	sed '1,/^Examples$/d' "$page" | sed -n 's/^\t//p'
}
{
	printf '#include <%s>\n' err.h errno.h fcntl.h poll.h stdio.h sys/ioctl.h \
		unistd.h linux/tokmux.h
	echo 'void reset_the_card(void); void log_the_card_out(void);'
	echo 'extern int fd; extern char report[8];'
	echo 'void shown(void); void shown(void) {'
	examples
	echo '}'
} >"$program"
compile() {
	gcc -fsyntax-only -Wall -Wextra -Werror -Wno-unused-result \
		-isystem "$top/include/uapi" "$program"
}
shows() { # verb…
	local verb bad=0
	for verb; do
		examples | grep -q "$verb\\b" || { echo "$verb"; bad=1; }
	done
	return $bad
}
tap_check "what uapi.rst shows compiles" compile
mapfile -t verbs < <(sed -nE 's/^#define (TOKMUX_[A-Z_]+)[[:space:]]+_IO.*/\1/p' \
	"$top/include/uapi/linux/tokmux.h")
tap_check "it shows every ioctl" shows "${verbs[@]}"
tap_end

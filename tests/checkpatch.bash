# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# checkpatch as tests/check and tests/series call it. It is silent about a file that
# it likes.

# The selftests are programs, and their harness' macros are statements.
checkpatch_selftests=VOLATILE,STRCPY,ENOSYS,ARRAY_SIZE,PREFER_DEFINED_ATTRIBUTE_MACRO
checkpatch_selftests+=,BRACES,MACRO_WITH_FLOW_CONTROL,ASSIGN_IN_IF,LONG_LINE_STRING

# checkpatch SCRIPT OPTION… FILE
checkpatch() {
	local output
	output=$(perl "$@" --terse --no-summary --show-types 2>&1)
	rm -f .checkpatch-camelcase.*
	[ -z "$output" ] || { echo "$output"; return 1; }
}

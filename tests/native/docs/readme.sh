#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Each command line of README.md and of the page about tests is run, as it stands
# there. What can't be run here is named, with what runs it; so no line is there that
# nobody has tried. The figures of README.md are those of the whole table.
#
# shellcheck disable=SC2016 # what is in the lines is not ours to expand
set -u
here=$(cd "$(dirname "$0")" && pwd -P)
top=$(cd "$here/../../.." && pwd -P)
. "$top/tests/tap.bash"
tap_natively_only
if [ "${1-}" != --inside ]; then
	dir=$(mktemp -d) || exit
	trap 'rm -rf "$dir"' EXIT
	if [ "$(id -u)" != 0 ] || ! unshare -m true 2>/dev/null; then
		echo "1..0 # SKIP make install and what follows need root and mounts of their own"
		exit
	fi
	"$here/layers.sh" "$dir" "$0" --inside "$dir"
	exit
fi
dir=$2
cd "$top" || exit
unset B LD_LIBRARY_PATH TOKMUX_CONF XDG_CONFIG_HOME SSH_AUTH_SOCK SSH_ASKPASS DISPLAY

# ---- the lines, without comments, a command each ---------------------------------

awk '
	/^```/ { fence = !fence }	# a picture, a configuration
	fence { next }
	/^    / {
		sub(/^    /, "")
		if (/^ *[0-9]+\. /) output = 1	# what make demo prints
		if (output) next
		sub(/[ \t]+#.*/, "")
		if (sub(/ *\\$/, " ")) { sub(/^ +/, ""); line = line $0; next }
		sub(/^ +/, line ? "" : "&")
		print line $0
		line = ""
		next
	}
	/./ { output = 0 }
' README.md >"$dir/lines"
sed ':more; /\\$/ { N; s/ *\\\n[ 	]*/ /; t more }' Documentation/testing.rst |
	sed -n 's/^	\([^#]*[^# 	]\)[ 	]*\(#.*\)\{0,1\}$/\1/p' >>"$dir/lines"
: >"$dir/known"
known() { printf '%s\n' "$1" >>"$dir/known"; }

# ---- what is run elsewhere -------------------------------------------------------

# install-deps, kmod-install: tests/native/build/kmod.sh
for target in demo check check-debug mutants fuzz bench deb attack install-deps kmod-install; do
	known "make $target"
	tap_check "make $target: there is such a target" make -n -o setup "$target"
done
# Each guest loads it.
known 'modprobe tokmux'
# tests/check, by guest-6.1 and guest-6.12
known 'tests/guest/run -- COMMAND…'
known 'tests/guest/run --kernel 6.12 --shell'
known 'tests/guest/run --usb-card -- tests/scripts/udev.sh'
options() {
	local option
	for option in --kernel --shell --usb-card; do
		tests/guest/run --help | grep -q -- "^  $option" || return
	done
	[ -x tests/scripts/udev.sh ]
}
tap_check "testing: the guest's options" options
lane() { tests/check --help | grep -q "^  $1 "; }
known 'tests/check static'
tap_check "testing: tests/check static" lane static
# The lane for coverage runs them, and says where it keeps what it has found.
for line in 'tests/check guest-kcov' 'TOKMUX_FUZZ_INPUTS=100000 tests/check guest-kcov' \
	'TOKMUX_FUZZ_CORPUS=FILE TOKMUX_FUZZ_INPUTS=0 tests/guest/run --kernel kcov -- build/kselftest/r8_coverage' \
	'cp build/check/kcov/ioctls tests/fuzz/corpus/ioctls'; do
	known "$line"
done
tap_check "testing: tests/check guest-kcov" lane guest-kcov
coverage() {
	local word
	for word in TOKMUX_FUZZ_CORPUS TOKMUX_FUZZ_INPUTS; do
		grep -q "env(\"$word\"" tests/kselftest/r8_coverage.c || { echo "nothing reads $word"; return 1; }
	done
	tests/guest/run --help | grep -q kcov && [ -s tests/fuzz/corpus/ioctls ] &&
		grep -q 'build/check/kcov' tests/check
}
tap_check "testing: what it is told and where its corpus is" coverage
titles() {
	local title
	while read -r title; do
		grep -qF -- "$title" tests/demo/run tests/demo/*.[ch] || { echo "not in the demo: $title"; return 1; }
	done < <(sed -n 's/^    [0-9]\. //p' README.md)
}
tap_check "README: the demo's output has its titles" titles
# Each row of README's table has figure, peer, ratio, goal and verdict of one line of
# the whole table.
figures() {
	local name beside ratio goal verdict rows=0 bad=0
	while IFS='|' read -r _ name beside ratio goal verdict _; do
		read -r name _ <<<"$name"
		rows=$((rows + 1))
		awk -v name="$name" -v beside="$beside" -v ratio="$ratio" -v goal="$goal" -v verdict="$verdict" '
			function trim(text) { gsub(/^ +| +$/, "", text); return text }
			BEGIN {
				beside = trim(beside); ratio = trim(ratio)
				end = trim(goal) "   *" trim(verdict) "$"
			}
			$1 == name && index($0, "  " beside) && $0 ~ end {
				rest = substr($0, index($0, beside) + length(beside))
				sub(/^,[^ ]* */, "", rest)
				split(rest, word, " ")
				if (word[1] ~ /^(guest|host)$/ && word[2] == ratio || word[2] ~ /^(guest|host)$/ && word[3] == ratio)
					found = 1
			}
			END { exit !found }
		' Documentation/benchmarks.txt || { echo "not in benchmarks.txt: $name$beside$ratio"; bad=1; }
	done < <(grep '^| P[0-9]' README.md)
	[ $rows = 8 ] && return $bad
}
tap_check "README: its eight figures are in the whole table" figures

# ---- what is run here ------------------------------------------------------------

mkdir "$dir/tokens" "$dir/home"
export SOFTHSM2_CONF=$dir/softhsm2.conf HOME=$dir/home
printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$dir/tokens" >"$SOFTHSM2_CONF"
# On a terminal, and in the shell that has seen the lines before it.
variables=''
runs() { # status text command
	local output status=0
	known "$3"
	output=$("$here/typist.py" bash -c "$variables$3") || status=$?
	[ "$status" = "$1" ] && grep -qaE -- "$2" <<<"$output" ||
		{ echo "status $status"; echo "$output"; return 1; }
}
# What needs the kernel module says so where it isn't loaded.
if [ -e /dev/tokmux-control ]; then
	listed=(0 '') used=(0 '') locked=(0 '^mine')
else
	listed=(69 'not loaded') used=(69 'not loaded') locked=(69 'not loaded')
fi
# By all CPUs, what the next two lines build by one.
tap_check "it can be built" make -s -j"$(nproc)" -f install.mk build
tap_check "README: make" runs 0 '' 'make'
tap_check "README: make install" runs 0 '' 'make install'
export PATH=/usr/local/bin:$PATH
tap_check "it has made the group" getent group tokmux
# Here something is bad: there is no udev, and no module.
tap_check "README: tokmux check" runs 1 'pkcs11: /usr/local/lib/pkcs11/tokmux-pkcs11.so: no token' \
	'tokmux check'
tap_check "README: tokmux list" runs "${listed[@]}" 'tokmux list'
tap_check "README: tokmux who" runs "${used[@]}" 'tokmux who'
tap_check "README: tokmux lock" runs "${locked[@]}" 'tokmux lock my-card --user -- echo mine'

module='module=/usr/local/lib/pkcs11/tokmux-pkcs11.so'
known "$module"
variables="$module; "
tap_check "README: softhsm2-util" runs 0 'has been initialized' \
	'softhsm2-util --init-token --free --label try --so-pin 12345678 --pin 1234'
tap_check "README: a key" runs 0 'Key pair generated' \
	'pkcs11-tool --module $module --token-label try --login --keypairgen --key-type rsa:2048 --label my-key'
has_token() { tokmux check | grep -q 'pkcs11: .*: tokens: "try"'; }
tap_check "tokmux check has the token" has_token
tap_check "README: pkcs11-tool" runs 0 ': try' 'pkcs11-tool --module $module -L'
tap_check "README: ssh-keygen" runs 0 '^ssh-rsa ' 'ssh-keygen -D $module'
eval "$(ssh-agent)" >/dev/null
tap_check "README: ssh-add" runs 0 'Card added' 'ssh-add -s $module'
has_key() { ssh-add -L | grep -q '^ssh-rsa '; }
tap_check "and the agent has the key" has_key
ssh-agent -k >/dev/null
mkdir -p "$HOME/.pki/nssdb"
certutil -d "$HOME/.pki/nssdb" -N --empty-password
tap_check "README: modutil" runs 0 'added to database' \
	'modutil -dbdir ~/.pki/nssdb -add tokmux -libfile $module'
tap_check "README: certutil" runs 0 'my-key' 'certutil -d ~/.pki/nssdb -K -h all'
cd "$dir" || exit
echo data >file
signs() {
	PKCS11_MODULE_PATH=/usr/local/lib/pkcs11/tokmux-pkcs11.so runs 0 '' \
		"openssl dgst -sha256 -engine pkcs11 -keyform engine -sign 'pkcs11:token=try;object=my-key' file"
}
tap_check "README: openssl" signs
tap_check "README: p11tool" runs 0 'URL: pkcs11:.*token=try' 'p11tool --provider $module --list-tokens'
tap_check "nothing but that is in README and testing" diff <(sort -u "$dir/known") <(sort -u "$dir/lines")
tap_end

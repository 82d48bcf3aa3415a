#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The manuals: built without a warning, and complete.
set -u
top=$(cd "$(dirname "$0")/../../.." && pwd -P)
. "$top/tests/tap.bash"
tap_natively_only
out=$(mktemp -d) || exit
trap 'rm -rf "$out"' EXIT
man=$top/Documentation/man
tool=$B/tokmux

tap_check "Sphinx has no complaint: man pages" make -s -C "$top" -f docs.mk man OUT="$out"
tap_check "Sphinx has no complaint: html" make -s -C "$top" -f docs.mk html OUT="$out"
for page in "$out"/man/*.[1-9]; do
	quiet() {
		local output
		output=$(MANWIDTH=80 man --warnings=w -E UTF-8 -l "$page" 2>&1 >/dev/null)
		[ -z "$output" ] || { echo "$output"; return 1; }
	}
	tap_check "man has no complaint: ${page##*/}" quiet
	tap_check "it has a summary: ${page##*/}" \
		sh -c "lexgrog '$page' | grep -q ' - '"
	# The page's own one and Sphinx' are two.
	tap_check "it has one section NAME: ${page##*/}" test "$(grep -cE '^\.SH "?NAME' "$page")" = 1
	# "tokmux" is four pages.
	sections() {
		! MANWIDTH=500 man -E UTF-8 -l "$page" | sed -n '/^SEE ALSO/,/^[A-Z]/{//!p}' |
			tr ',' '\n' | grep -vE '^ *([a-z.-]+\([0-9]\))? *$'
	}
	tap_check "SEE ALSO has sections: ${page##*/}" sections
done
for page in tokmux.4 tokmux.conf.5 tokmux-readers.conf.5 tokmux.7 tokmux.8 libtokmux.3 libtokmux-card.3; do
	tap_check "there is $page" test -s "$out/man/$page"
done

# named FILE WORD…: those that the page does not name
named() {
	local file=$1 word bad=0
	shift
	for word; do
		grep -qE -- "(^|[^a-zA-Z0-9_-])$word([^a-zA-Z0-9_-]|$)" "$file" ||
			{ echo "not named: $word"; bad=1; }
	done
	[ $# -gt 0 ] && return $bad
}
mapfile -t functions < <(sed -n 's/^\t\(tokmux_[a-z_]*\);/\1/p' "$top/lib/libtokmux.map" |
	grep -v '^tokmux_card_')
mapfile -t card_functions < <(sed -n 's/^\t\(tokmux_card_[a-z_]*\);/\1/p' "$top/lib/libtokmux.map")
tap_check "libtokmux(3) names every function" named "$man/libtokmux.3.rst" "${functions[@]}"
tap_check "libtokmux-card(3) does, too" named "$man/libtokmux-card.3.rst" "${card_functions[@]}"
# Each with its prototype as the header has it, and the errors it returns.
prototypes() { # page header function…
	python3 - "$man/$1.3.rst" "$top/lib/$2.h" "${@:3}" <<-'END'
	import re, sys
	page, header, names = sys.argv[1], open(sys.argv[2]).read(), sys.argv[3:]
	squeeze = lambda text: re.sub(r"\s+", " ", text).strip()
	page = open(page).read()
	entries = dict(re.findall(r"^\*\*(\w+)\*\*\\ \(\)\n((?:   .*\n|\n)+)", page, re.M))
	bad = [f"{name}: there is no such function" for name in entries if name not in names]
	for name in names:
	    comment, prototype = re.search(r"/\*\*\n \* %s\(\) - (.*?)\*/\n(.*?;)" % name, header, re.S).groups()
	    entry = squeeze(entries.get(name, ""))
	    if squeeze(prototype) not in entry:
	        bad.append(f"{name}: not its prototype: {squeeze(prototype)}")
	    returns = comment.partition("Return:")[2]
	    if returns and "Returns " not in entry:
	        bad.append(f"{name}: not what it returns")
	    bad += [f"{name}: not {error}" for error in set(re.findall(r"-E[A-Z0-9]+", returns))
	            if not re.search(error + r"\b", entry)]
	print("\n".join(bad))
	sys.exit(bool(bad) or not names)
	END
}
tap_check "libtokmux(3) has their prototypes and errors" prototypes libtokmux tokmux "${functions[@]}"
tap_check "libtokmux-card(3) has, too" prototypes libtokmux-card tokmux-card "${card_functions[@]}"
mapfile -t ioctls < <(grep -oE '^#define TOKMUX_[A-Z_]+[[:space:]]+_IO' \
	"$top/include/uapi/linux/tokmux.h" | awk '{ print $2 }')
tap_check "tokmux(4) names every ioctl" named "$man/tokmux.4.rst" "${ioctls[@]}"
mapfile -t verbs < <("$tool" help | sed -n 's/^  \([a-z]*\) .*/\1/p')
tap_check "tokmux(8) names every verb" named "$man/tokmux.8.rst" "${verbs[@]}"
for verb in "${verbs[@]}"; do
	[ "$verb" != help ] || continue
	mapfile -t options < <("$tool" "$verb" --help | grep -oE -- '--[a-z-]+')
	tap_check "tokmux(8) names the options of $verb" named "$man/tokmux.8.rst" "${options[@]}"
done
mapfile -t statuses < <(sed -n 's/^	STATUS_[A-Z]*[[:space:]]*= \([0-9]*\),.*/\1/p' "$top/tools/tool.h")
tap_check "tokmux(8) names every exit status" named "$man/tokmux.8.rst" "${statuses[@]}"

# What the pages tell to make is there to be made.
targets() {
	local target bad=0 found=''
	while read -r target; do
		found=1
		grep -qE "^([a-z -]+ )?$target( [a-z -]+)?:" "$top/Makefile" ||
			{ echo "no target: $target"; bad=1; }
	done < <(grep -ohE '``make [a-z-]+' "$top"/Documentation/*.rst "$man"/*.rst | sed 's/.* //' | sort -u)
	[ -n "$found" ] && return $bad
}
tap_check "the pages' make targets" targets

# The errors that the page on troubleshooting explains are errors of ours.
messages() {
	local message bad=0 found=''
	while read -r message; do
		found=1
		grep -rqF --include='*.c' -- "$message" "$top/lib" "$top/tools" ||
			{ echo "no such message: $message"; bad=1; }
	done < <(sed -n 's/^\*\([a-z][^*]*\)\*.*/\1/p' "$top/Documentation/troubleshooting.rst")
	[ -n "$found" ] && return $bad
}
tap_check "troubleshooting: the messages" messages

# Completion: what bash offers is what there is.
complete() { # word…
	PATH=$B:$PATH bash --norc -c '
		. /usr/share/bash-completion/bash_completion
		. "$0"
		# As readline has them: a "=" is a word of its own.
		COMP_WORDS=() COMP_LINE="$*"
		for word; do
			while [[ $word == *=* ]]; do
				COMP_WORDS+=("${word%%=*}" =)
				word=${word#*=}
			done
			COMP_WORDS+=("$word")
		done
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_POINT=${#COMP_LINE}
		_tokmux
		printf "%s\n" "${COMPREPLY[@]}"
	' "$top/tools/completions/tokmux.bash" "$@" 2>&1
}
offers() { # wanted word…
	local wanted=$1 output
	shift
	output=$(complete "$@")
	[ "$(xargs <<<"$output")" = "$wanted" ] || { echo "$output"; return 1; }
}
tap_check "completion: a verb" offers "unregister" tokmux unr
tap_check "completion: verbs" offers "list lock" tokmux l
tap_check "completion: an option" offers "--iterations" tokmux top --it
tap_check "completion: a column" offers "holder holders holder_pids hold_limit_ms" \
	tokmux list -o hold
tap_check "completion: columns of a verb that needs a TOKEN" offers "sessions" tokmux eject -o se
tap_check "completion: a column after a comma" offers "name,state,holder_pids" \
	tokmux status card -o name,state,holder_
tap_check "completion: one more column" offers "+owner" tokmux list -o +ow
tap_check "completion: --output=" offers "holder_pids" tokmux list --output=holder_
tap_check "completion: --output= with a comma" offers "name,owner" tokmux list --output=name,ow
tap_check "completion: --output=, all of them" offers "$("$tool" who -o help | awk '{ print $1 }' | xargs)" \
	tokmux who --output=
tap_check "completion: another option's argument" offers "" tokmux top --delay=
tap_check "completion: an option of a card's verb" offers "--keep-going" tokmux apdu my-card --k
tap_check "completion: a verb to help with" offers "eject" tokmux help ej
# A token's name is somebody's text, and no command.
# shellcheck disable=SC2016 # that is the point
names() {
	local dir output status=0
	dir=$(mktemp -d)
	printf '#!/bin/sh\necho card\necho "c\\$(touch owned)"\necho "c;id"\necho other\n' >"$dir/tokmux"
	chmod +x "$dir/tokmux"
	output=$(cd "$dir" && B=$dir && complete tokmux who c) || status=1
	[ "$output" = 'card
c\$\(touch\ owned\)
c\;id' ] && [ ! -e "$dir/owned" ] || { echo "$output"; status=1; }
	rm -r "$dir"
	return $status
}
tap_check "completion: names of tokens, which nothing runs" names

in_fish() { # wanted typed
	local output
	output=$(PATH=${tool%/*}:$PATH fish -N -c "source '$top/tools/completions/tokmux.fish'; complete -C '$2'" 2>&1)
	[ "$(cut -f1 <<<"$output" | xargs)" = "$1" ] || { echo "$output"; return 1; }
}
# What zsh makes of a line at the tab key, on a terminal.
# shellcheck disable=SC2016 # the other shell expands it
in_zsh() { # wanted typed
	PATH=${tool%/*}:$PATH timeout 60 zsh -fc '
		zmodload zsh/zpty
		zpty shell zsh -f -i
		zpty -w shell "PROMPT=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -D -u; echo now-rea""dy"
		zpty -r shell output "*now-ready*"
		zpty -n -w shell "$3"$'"'\t'"'
		zpty -r shell output "*$2*" || print -r -- "$output"
		zpty -d shell
		[[ $output == *$2* ]]' zsh "$top/tools/completions" "$1" "$2"
}
for shell in fish zsh; do
	if ! command -v $shell >/dev/null; then
		tap_skip "completion in $shell" "there is no $shell"
		continue
	fi
	# zsh puts what is common to all there, and fish shows each whole word.
	tap_check "$shell: a verb" in_$shell unregister "tokmux unr"
	tap_check "$shell: an option" in_$shell --iterations "tokmux top --it"
	tap_check "$shell: a column" in_$shell sessions "tokmux eject -o se"
	tap_check "$shell: a column after a comma" in_$shell pid,sessions "tokmux who -o pid,ses"
	tap_check "$shell: one more column" in_$shell +sessions "tokmux who -o +ses"
	tap_check "$shell: --output= with a comma" in_$shell --output=pid,sessions "tokmux who --output=pid,ses"
	tap_check "$shell: a verb to help with" in_$shell eject "tokmux help ej"
	tap_check "$shell: a command under a lease" in_$shell readelf "tokmux lock card readel"
	tap_check "$shell: a PC/SC program" in_$shell readelf "tokmux run readel"
	tap_check "$shell: what is enabled" in_$shell scdaemon "tokmux pcsc enable scd"
done
tap_end

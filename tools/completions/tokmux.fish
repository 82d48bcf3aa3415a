# SPDX-License-Identifier: GPL-2.0-only
# fish completion for tokmux(8). What there is to complete, tokmux is asked.

# The words before the one that is typed, without options: tokmux, the verb, ….
function __tokmux_words
	for word in (commandline -opc)
		string match -q -- '-*' $word; or echo $word
	end
end

function __tokmux_verb
	set -l words (__tokmux_words)
	test (count $words) -gt 1; and echo $words[2]
end

function __tokmux_is
	contains -- $argv[1] (__tokmux_verb)
end

function __tokmux_no_verb
	test (count (__tokmux_verb)) -eq 0
end

function __tokmux_verbs
	tokmux help 2>/dev/null | string replace -rf '^  ([a-z]+) +(\[VERB\] +)?(.*)' '$1\t$3'
end

function __tokmux_options
	set -l verb (__tokmux_verb)
	test -n "$verb"; or return
	tokmux $verb --help 2>/dev/null |
		string replace -rf '^ +(?:-., )?(--[a-z-]+)(?: [A-Z]+)? *(.*)' '$1\t$2'
end

# Several with commas, and one that is added with +.
function __tokmux_columns
	set -l typed (commandline -ct | string replace -r '^--output=' '')
	set -l before (string match -r '^(?:.*,|\+)' -- $typed)
	tokmux (__tokmux_verb) -o help 2>/dev/null |
		string replace -rf '^  ([a-z_]+) +(.*)' "$before"'$1\t$2'
end

function __tokmux_wants_token
	contains -- (__tokmux_verb) status who lock monitor top eject unregister scrub atr apdu
	or return
	# Only status takes several.
	__tokmux_is status; or test (count (__tokmux_words)) -eq 2
end

function __tokmux_tokens
	tokmux list --noheadings -o name 2>/dev/null
end

complete -c tokmux -f
complete -c tokmux -n __tokmux_no_verb -a '(__tokmux_verbs)'
complete -c tokmux -n __tokmux_no_verb -l help -l version
complete -c tokmux -n 'not __tokmux_no_verb' -a '(__tokmux_options)'
complete -c tokmux -n 'not __tokmux_no_verb' -s o -l output -x -a '(__tokmux_columns)'
complete -c tokmux -n '__tokmux_is help' -a '(__tokmux_verbs)'
complete -c tokmux -n '__tokmux_is check' -s m -l module -r -F
complete -c tokmux -n '__tokmux_is check' -s w -l wait -x
complete -c tokmux -n __tokmux_wants_token -a '(__tokmux_tokens)'
complete -c tokmux -n '__tokmux_is lock; and test (count (__tokmux_words)) -gt 2' \
	-x -a '(__fish_complete_subcommand --fcs-skip=3)'
complete -c tokmux -n '__tokmux_is run' -x -a '(__fish_complete_subcommand --fcs-skip=2)'
complete -c tokmux -n '__tokmux_is pcsc; and test (count (__tokmux_words)) -eq 2' -a 'enable disable'
complete -c tokmux -n '__tokmux_is pcsc; and test (count (__tokmux_words)) -eq 3' \
	-a 'opensc scdaemon system'
complete -c tokmux -n '__tokmux_is remote; and test (count (__tokmux_words)) -eq 2' -a 'enable disable'
complete -c tokmux -n '__tokmux_is remote; and test (count (__tokmux_words)) -eq 3' -a 'owner client socket'
complete -c tokmux -n '__tokmux_is remote; and test (count (__tokmux_words)) -eq 4' -a '(__fish_complete_users)'
complete -c tokmux -n '__tokmux_is remote; and test (count (__tokmux_words)) -gt 4' -F

# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for tokmux(8). What there is to complete, tokmux is asked.
# shellcheck shell=bash

_tokmux() {
	local cur prev words cword split verb prefix name names i
	_init_completion -s || return

	for ((i = 1; i < cword; i++)); do
		[[ ${words[i]} == -* ]] || { verb=${words[i]}; break; }
	done
	if [ -z "${verb-}" ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(tokmux help 2>/dev/null |
			sed -n 's/^  \([a-z]*\) .*/\1/p') --help --version" -- "$cur")
		return
	fi
	case $prev in
	-o | --output)
		# The last one of several, or one that is added.
		case $cur in
		*,*) prefix=${cur%,*}, ;;
		+*) prefix=+ ;;
		*) prefix= ;;
		esac
		mapfile -t COMPREPLY < <(compgen -P "$prefix" -W "$(tokmux "$verb" -o help \
			2>/dev/null | awk '{ print $1 }')" -- "${cur#"$prefix"}")
		return
		;;
	-m | --module)
		_filedir so
		return
		;;
	esac
	# Of other options' arguments nothing is known.
	! $split || return 0
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(tokmux "$verb" --help 2>/dev/null |
			grep -oE -- '--[a-z-]+')" -- "$cur")
		return
	fi
	case $verb in
	help)
		mapfile -t COMPREPLY < <(compgen -W "$(tokmux help 2>/dev/null |
			sed -n 's/^  \([a-z]*\) .*/\1/p')" -- "$cur")
		;;
	run)
		_command_offset $((i + 1))
		;;
	pcsc)
		case $((cword - i)) in
		1) mapfile -t COMPREPLY < <(compgen -W 'enable disable' -- "$cur") ;;
		2) mapfile -t COMPREPLY < <(compgen -W 'opensc scdaemon system' -- "$cur") ;;
		esac
		;;
	remote)
		case $((cword - i)) in
		1) mapfile -t COMPREPLY < <(compgen -W 'enable disable' -- "$cur") ;;
		2) mapfile -t COMPREPLY < <(compgen -W 'owner client socket' -- "$cur") ;;
		3) mapfile -t COMPREPLY < <(compgen -u -- "$cur") ;;
		4) _filedir ;;
		esac
		;;
	lock)
		# After TOKEN comes a command.
		if ((cword > i + 1)); then
			_command_offset $((i + 2))
			return
		fi
		;;&
	apdu | atr)
		# After TOKEN no other one, and of APDUs there is nothing to offer.
		for ((i++; i < cword; i++)); do
			case ${words[i]} in
			-w | --wait | --timeout | --slot) ((i++)) ;;
			-*) ;;
			*) return ;;
			esac
		done
		;;&
	status | who | lock | monitor | top | eject | unregister | scrub | atr | apdu)
		# Not compgen -W, which would run what a name says.
		mapfile -t names < <(tokmux list --noheadings -o name 2>/dev/null)
		for name in "${names[@]}"; do
			[[ $name != "$cur"* ]] || COMPREPLY+=("$(printf %q "$name")")
		done
		;;
	esac
}
complete -F _tokmux tokmux

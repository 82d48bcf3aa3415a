# SPDX-License-Identifier: LGPL-2.1-or-later
# An sshd of our own on loopback, or on $address, with client.bash. Sourced.
# shellcheck shell=bash disable=SC2154 # client.bash has $dir
sshd='' port='' address=127.0.0.1

serve() { # line…: of sshd_config
	local line
	ssh-keygen -q -t ed25519 -N '' -f "$dir/host" || return
	# Root's sshd wants it, and the package makes it when the machine starts.
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd || return
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		port=$((20000 + RANDOM % 10000))
		cat >"$dir/sshd_config" <<-END
			ListenAddress $address:$port
			HostKey $dir/host
			PidFile none
			StrictModes no
			PermitRootLogin yes
			PasswordAuthentication no
			KbdInteractiveAuthentication no
		END
		printf '%s\n' "$@" >>"$dir/sshd_config"
		: >"$dir/sshd.log"
		/usr/sbin/sshd -D -e -f "$dir/sshd_config" 2>"$dir/sshd.log" &
		sshd=$!
		while read -r line; do
			[[ $line != *'Server listening'* ]] || break 2
		done < <(tail -n +1 -f --pid=$sshd "$dir/sshd.log")
	done
	echo "[$address]:$port $(cat "$dir/host.pub")" >"$dir/known"
}

# Sets $sshd and $port.
tap_check_sshd() { # line…: of sshd_config
	if serve "$@" >"$dir/serve" 2>&1; then
		tap_ok "sshd listens on $address"
	else
		sed 's/^/# /' "$dir/serve" "$dir/sshd.log"
		tap_not_ok "sshd listens on $address"
	fi
}

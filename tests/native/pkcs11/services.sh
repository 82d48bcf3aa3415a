#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# R20: the recipes of several-hosts.rst for systemd's services, as a running systemd carries
# them out: over the socket that "tokmux remote enable socket" makes, with PrivateDevices=,
# and with DevicePolicy= and DeviceAllow=. That systemd is PID 1 of a container in the
# guest, and has units of ours only.
set -u
. "$(dirname "$0")/client.bash"
if [ -z "${TOKMUX_GUEST-}" ] || [ ! -e /dev/tokmux-control ] || [ ! -S /run/udev/control ]; then
	tap_skip services "a systemd of its own takes a guest with the kernel module and udevd"
	tap_end
	exit
fi
tokmux=$B/tokmux
client=$(pkg-config --variable=p11_module_path p11-kit-1)/p11-kit-client.so
installed=/usr/local/lib/pkcs11/tokmux-pkcs11.so
token=services-$$ systemd='' node='' units=$dir/units cgroup=/sys/fs/cgroup/tokmux-services
end() {
	# With it goes all that it has started.
	[ -z "$systemd" ] || { kill -KILL "$systemd"; wait "$systemd"; } 2>/dev/null
	[ -z "$node" ] || "$tokmux" unregister --force "$token" >/dev/null
	rmdir /run/systemd 2>/dev/null
	rm -rf "$dir" /run/tokmux/pkcs11 "$installed" "${installed%/*}"/libtokmux*
}
trap end EXIT

# ---- a token, its owner, and a user of the socket ------------------------------------

getent group tokmux >/dev/null || groupadd --system tokmux
touch /run/udev/rules.d/69-tokmux.rules
udevadm control --reload
useradd --system --no-create-home --groups tokmux services-hsm
useradd --system --no-create-home services-app
# Two programs, where client_token runs four: each takes seconds in an emulated CPU.
{
	softhsm2-util --init-token --free --label one --so-pin 12345678 --pin 1234 &&
		bare_tool --token-label one "${user[@]}" --keypairgen --key-type EC:prime256v1 --id 01
} >"$dir/token.log" 2>&1 || { cat "$dir/token.log"; exit 1; }
chmod -R a+rX "$dir"
chown -R services-hsm "$dir/tokens"
# Where the units look for it, with the libraries that it looks for beside itself.
install -D -m 644 -t "${installed%/*}" "$module" "$B"/libtokmux-pkcs11-*.so "$B/libtokmux.so.1"
printf '%s\n' '[global]' 'arbiter = kernel' 'log = errors' '[backend softhsm]' "module = $bare" \
	"token = system:$token" 'lease = session' 'wait = 60000' >"$TOKMUX_CONF"
"$tokmux" register "$token" >/dev/null || exit
node=$("$tokmux" status --noheadings -o device "$token")
tap_await 60 test -e "$node" && udevadm settle

# ---- the services ---------------------------------------------------------------------

mkdir "$units"
unit() { # name line…
	local name=$1
	shift
	printf '%s\n' "$@" >"$units/$name"
}
# What it says goes to $dir/NAME.
service() { # name user command line…
	local name=$1 as=$2 command=$3
	shift 3
	unit "$name.service" '[Service]' Type=oneshot "User=$as" "ExecStart=$command" \
		"StandardOutput=append:$dir/$name" StandardError=inherit "$@"
}
sign() { # module
	echo "/usr/bin/pkcs11-tool --module $1 --token-label one ${user[*]} --sign -m ECDSA" \
		"--id 01 -i $dir/data -o /dev/null"
}
remote=Environment=P11_KIT_SERVER_ADDRESS=unix:path=/run/tokmux/pkcs11
service socket services-app "$(sign "$client")" PrivateDevices=yes SupplementaryGroups=tokmux "$remote" \
	'ExecStartPre=/usr/bin/test ! -e /dev/tokmux-control'
service stranger services-app "$(sign "$client")" PrivateDevices=yes "$remote"
service private services-hsm "$(sign $installed)" PrivateDevices=yes
service devices services-hsm "$(sign $installed)" DevicePolicy=closed \
	'DeviceAllow=/dev/tokmux-control rw' 'DeviceAllow=char-tokmux rw' \
	'[Unit]' 'Wants=modprobe@tokmux.service' 'After=modprobe@tokmux.service'
service control services-hsm "$(sign $installed)" DevicePolicy=closed 'DeviceAllow=/dev/tokmux-control rw' \
	"ExecStartPre=-$tokmux check"
service closed services-hsm "$(sign $installed)" DevicePolicy=closed

# ---- systemd --------------------------------------------------------------------------

# What a unit has by default is here, and starts nothing.
for name in default basic sockets sysinit shutdown; do
	unit "$name.target" '[Unit]' DefaultDependencies=no
done
ln -s /lib/systemd/system/modprobe@.service "$units"
# There is no journal that would keep what "p11-kit remote" says.
mkdir "$units/tokmux-pkcs11@.service.d"
unit tokmux-pkcs11@.service.d/log.conf '[Service]' "StandardError=append:$dir/remote"
mkdir -p "$cgroup" "$dir/generators" /run/systemd
start_systemd() {
	# Of its own it has processes, mounts, the host's name, and what it thinks are all cgroups.
	# shellcheck disable=SC2016 # the inner shells expand them
	unshare --fork --kill-child --pid --mount --uts --propagation private sh -c '
		echo 0 >"$1/cgroup.procs" && exec unshare --cgroup sh -c '\''
			mount -t proc proc /proc && umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup &&
			mount -t tmpfs -o mode=755 tmpfs /run/systemd || exit
			exec env -i PATH="$PATH" container=tokmux SYSTEMD_UNIT_PATH="$2/units:/etc/systemd/system" \
				SYSTEMD_GENERATOR_PATH="$2/generators" SYSTEMD_ENVIRONMENT_GENERATOR_PATH="$2/generators" \
				/lib/systemd/systemd --show-status=no --log-target=kmsg'\'' sh "$@"' sh "$cgroup" "$dir" &
	systemd=$!
	tap_await 120 has_started_or_died && has_started
}
# Among the container's mounts and processes.
systemctl() { nsenter --target "$pid_1" --mount --pid systemctl "$@"; }
has_started() { pid_1=$(pgrep -P "$systemd") && systemctl is-active default.target >/dev/null 2>&1; }
has_started_or_died() { has_started || ! kill -0 "$systemd" 2>/dev/null; }
if ! start_systemd; then
	tap_not_ok "systemd starts"
	tap_end
	exit
fi
tap_ok "systemd starts"
systemctl set-environment "TOKMUX_CONF=$TOKMUX_CONF" "SOFTHSM2_CONF=$SOFTHSM2_CONF"

runs() { # name: it ends well
	systemctl start "$1.service" || { tail -n 20 "$dir/$1" "$dir/remote"; systemctl status "$1.service"; return 1; }
}
refused() { # name text…: it fails, and says that
	local name=$1 text
	shift
	! systemctl start "$name.service" || { echo "it worked"; return 1; }
	for text; do
		grep -qF -- "$text" "$dir/$name" || { cat "$dir/$name"; return 1; }
	done
}
# While a program outside of the container has the token.
is_held() { [ "$(<"/sys/class/tokmux/${node##*/}/holders")" != 0 ]; }
mkfifo "$dir/held"
hold() {
	# shellcheck disable=SC2016 # sh's
	"$tokmux" lock "$token" -- sh -c 'read -r _' <>"$dir/held" >/dev/null 2>&1 &
	holder=$!
	tap_await 60 is_held
}
release() {
	echo >"$dir/held"
	wait "$holder"
}
has_waiter() { [ "$(<"/sys/class/tokmux/${node##*/}/waiters")" != 0 ]; }
takes_its_turn() { # name: it waits for the holder, and works then
	local starting status
	hold || return
	systemctl start "$1.service" &
	starting=$!
	tap_await 60 has_waiter && "$tokmux" who "$token" -o user,from,state >"$dir/who"
	status=$?
	release
	wait $starting && [ $status = 0 ] || { cat "$dir/$1"; return 1; }
}
refused_while_held() { # name text…
	local status
	hold || return
	refused "$@"
	status=$?
	release
	return $status
}

# ---- over the socket --------------------------------------------------------------------

enable() {
	"$tokmux" remote enable socket services-hsm && systemctl daemon-reload &&
		systemctl enable --now tokmux-pkcs11.socket
}
tap_check "remote enable socket, and the commands that it names" enable
tap_check "the socket is the group's" test "$(stat -c '%G %a' /run/tokmux/pkcs11)" = "tokmux 660"
tap_check "a service with PrivateDevices=yes signs over the socket" runs socket
tap_check "while a program has the token, it waits for its turn" takes_its_turn socket
says_from() { grep 'pkcs11-tool.* of services-app.*waits' "$dir/who" || { cat "$dir/who"; return 1; }; }
tap_check "who has named the service's process and its user" says_from
tap_check "a service that isn't in the group is refused" refused stranger

# ---- with the kernel's arbiter ------------------------------------------------------------

away="it is there, but this process can't reach it"
tap_check "a service with PrivateDevices=yes is refused beside a holder, and told why" refused_while_held \
	private "arbiter = kernel, but /dev/tokmux-control can't be used: $away"
tap_check "with DevicePolicy= and both DeviceAllow= it signs" runs devices
tap_check "while a program has the token, it waits for its turn" takes_its_turn devices
if grep -q ' __cgroup_bpf_check_dev_permission$' /proc/kallsyms; then
	tap_check "without DeviceAllow= it is refused, and told why" refused closed \
		"arbiter = kernel, but /dev/tokmux-control can't be used: $away"
	tap_check "with that of the control device only, too, and check says what is missing" refused control "token $token: $away" \
		"DeviceAllow=char-tokmux rw"
else
	tap_skip "without DeviceAllow=" "this kernel keeps no devices from cgroups: CONFIG_CGROUP_BPF"
fi
disable() { systemctl disable --now tokmux-pkcs11.socket && "$tokmux" remote disable socket; }
tap_check "remote disable socket" disable
tap_end

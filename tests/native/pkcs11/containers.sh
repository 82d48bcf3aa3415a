#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# R20: the recipes of several-hosts.rst for containers and sandboxes, with bubblewrap, which
# Flatpak uses, and with crun, which podman uses: over the socket, and with the kernel's
# arbiter inside. And what a container's root can do to tokens of the host.
set -u
. "$(dirname "$0")/client.bash"
if [ -n "${SAN-}" ]; then
	tap_skip containers "the module is loaded by programs that aren't sanitized"
	tap_end
	exit
fi
if [ "$(id -u)" != 0 ] || ! bwrap --unshare-all --ro-bind / / true 2>/dev/null; then
	tap_skip containers "this user may not make sandboxes here"
	tap_end
	exit
fi
tokmux=$B/tokmux
client=$(pkg-config --variable=p11_module_path p11-kit-1)/p11-kit-client.so
token=containers-$$ kernel='' socket='' node=''
[ ! -e /dev/tokmux-control ] || kernel=1
end() {
	[ -z "$socket" ] || kill "$socket" 2>/dev/null
	[ -z "$node" ] || "$tokmux" unregister --force "$token"
	rm -rf "$dir"
}
trap end EXIT
squeezed() { "$@" | tr -s ' '; } # command…: columns with one blank between
tap_check "a token with two keys" client_token

# ---- sandboxes and containers ------------------------------------------------------

mkdir "$dir/run"
cp "$dir/data" "$dir/run/data"
units=$dir/root/etc/systemd/system
listen() {
	systemd-socket-activate --accept --inetd -l "$dir/run/pkcs11" \
		-E TOKMUX_CONF="$TOKMUX_CONF" -E SOFTHSM2_CONF="$SOFTHSM2_CONF" -E HOME="$HOME" \
		p11-kit remote "$module" >"$dir/socket.log" 2>&1 &
	socket=$!
	tap_await 20 test -S "$dir/run/pkcs11" || { cat "$dir/socket.log"; return 1; }
}
sign=(--token-label one "${user[@]}" --sign -m SHA256-RSA-PKCS --id 01 -i /tmp/in/data -o /dev/null)

# Without the host's network, processes, devices and tokens; as the recipe says.
sandbox() {
	bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --tmpfs /sys \
		--bind "$dir/run" /tmp/in --clearenv --setenv PATH "$PATH" --setenv HOME /tmp \
		--setenv P11_KIT_SERVER_ADDRESS unix:path=/tmp/in/pkcs11 "$@"
}

# A container as podman makes one: crun is what podman calls.
capabilities='"CAP_CHOWN","CAP_DAC_OVERRIDE","CAP_FOWNER","CAP_FSETID","CAP_KILL","CAP_NET_BIND_SERVICE","CAP_SETFCAP","CAP_SETGID","CAP_SETPCAP","CAP_SETUID","CAP_SYS_CHROOT"'
mounts='{"destination":"/proc","type":"proc","source":"proc"},
{"destination":"/dev","type":"tmpfs","source":"tmpfs","options":["nosuid","strictatime","mode=755"]},
{"destination":"/tmp","type":"tmpfs","source":"tmpfs"}'
container() { # mounts devices command…: as JSON; the devices of --device
	local more=$1 devices=$2 args='' each
	shift 2
	for each; do args+=${args:+,}\"$each\"; done
	mkdir -p "$dir/bundle" "$dir/rootfs"
	cat >"$dir/bundle/config.json" <<-END
		{"ociVersion":"1.0.0","root":{"path":"$dir/rootfs","readonly":true},"hostname":"container",
		"process":{"terminal":false,"cwd":"/","user":{"uid":0,"gid":0},"args":[$args],
		"env":["PATH=$PATH","HOME=/tmp","TOKMUX_CONF=$TOKMUX_CONF","SOFTHSM2_CONF=$SOFTHSM2_CONF",
		"P11_KIT_SERVER_ADDRESS=unix:path=/tmp/in/pkcs11"],
		"capabilities":{"bounding":[$capabilities],"effective":[$capabilities],"permitted":[$capabilities]},
		"noNewPrivileges":true},
		"mounts":[$mounts,{"destination":"/tmp/in","type":"bind","source":"$dir/run","options":["rbind"]}$more],
		"linux":{"namespaces":[{"type":"pid"},{"type":"mount"},{"type":"ipc"},{"type":"uts"},{"type":"network"}],
		"devices":[$devices]}}
	END
	# crun doesn't know a host that has both versions of cgroups.
	# shellcheck disable=SC2016 # the inner shell expands them
	unshare -m --propagation private sh -c 'umount -R /sys/fs/cgroup
		mount -t cgroup2 none /sys/fs/cgroup; mount --rbind / "$1" && shift && exec "$@"' sh "$dir/rootfs" \
		crun --root "$dir/crun" --cgroup-manager=disabled run -b "$dir/bundle" "test-$$"
}
no_sys=',{"destination":"/sys","type":"tmpfs","source":"tmpfs"}'

# ---- the socket ---------------------------------------------------------------------

# systemd is asked about the units, and does here what they say: a process a connection.
# In a guest that is the same, and takes long in an emulated CPU.
if [ -z "${TOKMUX_GUEST-}" ]; then
	tap_check "remote enable socket" "$tokmux" remote enable socket root --root "$dir/root"
	tap_check "systemd has no complaint about the socket" systemd-analyze verify "$units/tokmux-pkcs11.socket"
	tap_check "nor about the service" systemd-analyze verify "$units/tokmux-pkcs11@.service"
	if listen; then tap_ok "the socket listens"; else tap_not_ok "the socket listens"; fi
	tap_check "bubblewrap with the socket: there is no device" sandbox test ! -e /dev/tokmux-control
	tap_check "and no token of its own" says_not "Object;" sandbox sh -c "pkcs11-tool --module $bare -O 2>&1; true"
	tap_check "it sees the token" says one sandbox pkcs11-tool --module "$client" -L
	tap_check "it signs" sandbox pkcs11-tool --module "$client" "${sign[@]}"
	tap_check "a wrong PIN is refused" not sandbox pkcs11-tool --module "$client" --token-label one --login --pin 4321 -O
	tap_check "a container with the socket: there is no device" container "$no_sys" '' test ! -e /dev/tokmux-control
	tap_check "it sees the token" says one container "$no_sys" '' pkcs11-tool --module "$client" -L
	tap_check "it signs" container "$no_sys" '' pkcs11-tool --module "$client" "${sign[@]}"
fi

# ---- the kernel's arbiter inside ------------------------------------------------------

if [ -z "$kernel" ]; then
	tap_skip "devices in containers" "that takes the kernel module"
	tap_end
	exit
fi
printf '%s\n' '[global]' 'arbiter = kernel' '[backend softhsm]' 'module = libsofthsm2.so' \
	"token = system:$token" 'lease = session' 'wait = 1500' >"$TOKMUX_CONF"
"$tokmux" register "$token" >/dev/null || exit
status() { "$tokmux" status -J -o "$1" "$token" | jq -r ".tokens[0].$1"; } # column
node=$(status device)
tap_await 10 test -e "$node"
udevadm settle
look=(pkcs11-tool --module "$module" --token-label one -O)
# Its files are the host's, as in a container that has the token's socket or directory.
here=(--bind "$dir" "$dir" --setenv TOKMUX_CONF "$TOKMUX_CONF" --setenv SOFTHSM2_CONF "$SOFTHSM2_CONF")
nodes=(--dev-bind /dev/tokmux-control /dev/tokmux-control --dev-bind "$node" "$node")
inside() { sandbox "${here[@]}" --ro-bind /sys /sys "${nodes[@]}" "$@"; }
tap_check "bubblewrap with both devices and /sys: the token opens" says 'Public Key Object' inside "${look[@]}"
is_held() { [ "$(status state)" = exclusive ]; }
held() { # command…: while a program of the host's has the token
	local result
	mkfifo "$dir/held"
	"$tokmux" lock "$token" -- cat <>"$dir/held" >/dev/null &
	local holder=$!
	tap_await 30 is_held
	"$@"
	result=$?
	pkill -KILL -P $holder
	wait $holder
	rm "$dir/held"
	return $result
}
tap_check "while the host has it, it doesn't" held says_not 'Object;' inside sh -c "${look[*]} 2>&1; true"
tap_check "who says that the holder is outside" held says "outside exclusive" \
	squeezed inside "$tokmux" who "$token" -o command,lease
tap_check "without /sys no session opens" says_not 'Object;' sandbox "${here[@]}" "${nodes[@]}" \
	sh -c "${look[*]} 2>&1; true"
tap_check "check says why" says "/sys/class/tokmux is not here" sandbox "${nodes[@]}" \
	sh -c "$tokmux check; true"
tap_check "without the token's device it says so, too" says "$node is not there" \
	sandbox "${here[@]}" --ro-bind /sys /sys "${nodes[@]:0:3}" sh -c "$tokmux check; true"
# PrivateDevices=yes of a service is this: a /dev with none of the host's devices.
tap_check "with a /dev of its own no session opens" says_not 'Object;' \
	sandbox "${here[@]}" --ro-bind /sys /sys sh -c "${look[*]} 2>&1; true"
tap_check "check says that the devices are missing" says "give this container or sandbox /dev/tokmux-control" \
	sandbox --ro-bind /sys /sys sh -c "$tokmux check; true"

device() { # path: as --device of podman hands it over
	local numbers
	numbers=$(stat -c '"major":%Hr,"minor":%Lr' "$1")
	echo "{\"path\":\"$1\",\"type\":\"c\",$numbers,\"fileMode\":438,\"uid\":0,\"gid\":0}"
}
sys=',{"destination":"/sys","type":"sysfs","source":"sysfs","options":["ro"]}'
sys+=",{\"destination\":\"$dir\",\"type\":\"bind\",\"source\":\"$dir\",\"options\":[\"rbind\"]}"
both=$(device /dev/tokmux-control),$(device "$node")
tap_check "a container with --device, twice: the token opens" says 'Public Key Object' \
	container "$sys" "$both" "${look[@]}"
tap_check "with the control device only it doesn't" says_not 'Object;' \
	container "$sys" "${both%%,\{*}" sh -c "${look[*]} 2>&1; true"

# ---- what a container's root can do ------------------------------------------------------

refused() { # status command…
	local wanted=$1 result
	shift
	"$@"
	result=$?
	[ $result = "$wanted" ] || { echo "status $result"; return 1; }
}
# The host's root without CAP_SYS_ADMIN. A token of root's is this root's own.
tap_check "root of a container registers nothing" refused 77 container "$sys" "$both" "$tokmux" register other
tap_check "and unregisters nothing" refused 77 container "$sys" "$both" "$tokmux" unregister --force "$token"
ejects() { container "$sys" "$both" "$tokmux" eject --force "$token" && [ "$(status state)" = free ]; }
tap_check "what root has registered, it may eject from its holder" held ejects
# Of a user namespace: root is a user of the host's, here one who may open the device.
chmod 666 "$node"
chmod 755 "$dir"
rootless() {
	setpriv --reuid 61001 --regid 61001 --clear-groups \
		bwrap --unshare-all --uid 0 --gid 0 --cap-add ALL --ro-bind / / --dev /dev --proc /proc \
		--tmpfs /tmp "${nodes[@]}" "$@"
}
if rootless true 2>/dev/null; then
	tap_check "root of a user namespace is root there" says 0 rootless id -u
	tap_check "it registers nothing" refused 77 rootless "$tokmux" register other
	tap_check "it unregisters nothing" refused 77 rootless "$tokmux" unregister --force "$token"
	ejects_not() {
		refused 77 rootless "$tokmux" eject --force "$token" && [ "$(status state)" = exclusive ]
	}
	tap_check "it ejects no holder" held ejects_not
	tap_check "it can take its turn" rootless "$tokmux" lock "$token" true
else
	tap_skip "root of a user namespace" "users may not make one here"
fi
tap_end

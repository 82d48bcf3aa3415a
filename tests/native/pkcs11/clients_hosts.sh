#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# R20: an owner and its clients on two hosts, which are network namespaces with a link
# between them. The owner has a real sshd, set up by "tokmux remote". With the kernel as
# arbiter the token is a system token, with hold limit and quota.
#
# TOKMUX_SIGNATURES says how many each client makes; the usual run does a few.
set -u
if [ -z "${OWN_HOST-}" ] && [ "$(id -u)" = 0 ]; then
	# A module where it isn't built in.
	modprobe -q veth 2>/dev/null || :
	! unshare -mn ip link add tmx0 type veth peer name tmx1 2>/dev/null ||
		OWN_HOST=1 exec unshare -mn --propagation private "$0"
fi
. "$(dirname "$0")/client.bash"
. "$(dirname "$0")/sshd.bash"
if [ -n "${SAN-}" ]; then
	tap_skip hosts "the module is loaded by programs that aren't sanitized"
	tap_end
	exit
fi
if [ -z "${OWN_HOST-}" ]; then
	tap_skip hosts "this user may not make networks, or there is no veth"
	tap_end
	exit
fi
kernel='' token=hosts-$$
[ "${TOKMUX_TEST_ARBITER-}" != kernel ] || kernel=1
tokmux=$B/tokmux
peer=$B/tests/pkcs11/peer
proxy=$(pkg-config --variable=proxy_module p11-kit-1)
signatures=${TOKMUX_SIGNATURES:-3}
hsm=61001 alice=61002 far=61003

end() {
	local pid
	for pid in $(jobs -p) $(pgrep -u $hsm,$alice,$far); do
		kill -KILL "$pid" 2>/dev/null
	done
	[ -z "$kernel" ] || "$tokmux" unregister --force "$token" >/dev/null 2>&1
	rm -rf "$dir"
}
trap end EXIT
squeezed() { "$@" | tr -s ' '; } # command…: columns with one blank between
status() { "$tokmux" status -J -o "$1" "$token" | jq -r ".tokens[0].$1"; } # column
is() { # column value
	local now
	now=$(status "$1")
	[ "$now" = "$2" ] || { echo "$1 is $now, not $2"; return 1; }
}
needs_kernel() { # name: and tell if it has to be left out
	[ -z "$kernel" ] || return 0
	tap_skip "$1" "that takes the kernel's arbiter"
	return 1
}

# ---- the hosts -------------------------------------------------------------------

# Three accounts, which nobody else sees: the owner's two, and the client's.
accounts() {
	cp /etc/passwd /etc/group "$dir" && mkdir -p "$dir"/{hsm,alice,far,sshd_config.d} || return
	for each in hsm alice far; do
		echo "$each:x:${!each}:${!each}::$dir/$each:/bin/sh" >>"$dir/passwd"
		echo "$each:x:${!each}:" >>"$dir/group"
	done
	mount --bind "$dir/passwd" /etc/passwd && mount --bind "$dir/group" /etc/group &&
		mount --bind "$dir/sshd_config.d" /etc/ssh/sshd_config.d
}

other_host() { # two ends of the link
	mkfifo "$dir/never" "$dir/up"
	unshare -n sh -c "ip link set lo up; echo >'$dir/up'; exec cat <>'$dir/never'" &
	far_host=$!
	read -r <>"$dir/up" &&
		ip link set lo up && ip link add tmx0 type veth peer name tmx1 &&
		ip link set tmx1 netns $far_host && ip addr add 10.77.0.1/24 dev tmx0 &&
		ip link set tmx0 up &&
		nsenter -t $far_host -n ip addr add 10.77.0.2/24 dev tmx1 &&
		nsenter -t $far_host -n ip link set tmx1 up
}

system_token() { # hold limit, in seconds
	local node
	"$tokmux" unregister --force "$token" 2>/dev/null
	"$tokmux" register --hold-limit "$1" --max-sessions 6 "$token" || return
	node=$(status device)
	tap_await 20 test -e "$node" || return
	udevadm settle
	chmod 666 "$node"
}

# The owner's configuration; what began before keeps the one that it read.
configure() { # line…: of the backend
	printf '%s\n' '[global]' "arbiter = ${TOKMUX_TEST_ARBITER:-local}" \
		'[backend softhsm]' 'module = libsofthsm2.so' "$@" >"$TOKMUX_CONF"
	[ -z "$kernel" ] || echo "token = system:$token" >>"$TOKMUX_CONF"
}

chmod 755 "$dir"
tap_check "a token with two keys" client_token
accounts && other_host || { echo "Bail out! the hosts can't be made"; exit 1; }
[ -z "$kernel" ] || tap_check "a system token with hold limit and quota" system_token 60
configure
chmod -R go+rX "$dir/tokmux.conf" "$SOFTHSM2_CONF"
chown -R $hsm "$dir/tokens"

near_as() { # user command…: a program of the owner's
	setpriv --reuid "${!1}" --regid "${!1}" --clear-groups "${@:2}"
}
near() { near_as hsm "$@"; }
mkdir -p "$dir/bin" "$dir/far/tokens" "$dir/far/.config"
cp "$tokmux" "$B/libtokmux.so.1" "$B"/*tokmux-pkcs11*.so "$peer" "$dir/bin"
printf 'directories.tokendir = %s\n' "$dir/far/tokens" >"$dir/far/softhsm2.conf"
far() { # command…: a program of the client's
	nsenter -t "$far_host" -n setpriv --reuid $far --regid $far --clear-groups \
		env -u TOKMUX_CONF LD_LIBRARY_PATH="$dir/bin" HOME="$dir/far" \
		PATH="$dir/bin:$PATH" SOFTHSM2_CONF="$dir/far/softhsm2.conf" "$@"
}

# An emulated CPU may be silent for a while and not be gone.
interval=1
[ -z "${TOKMUX_GUEST-}" ] || interval=3
for user in hsm alice; do
	chown ${!user} "$dir/$user"
	ssh-keygen -q -t ed25519 -N '' -C "key-of-$user" -f "$dir/far/key.$user"
	tap_check "remote enable owner $user" \
		"$tokmux" remote enable owner $user "$dir/far/key.$user.pub"
	tap_check "$user's keys are nobody else's" test "$(stat -c '%a %U' "$dir/$user/.ssh")" = "700 $user"
	# The module is this test's, and what takes a minute takes seconds.
	near_as $user sed -i "s,remote [^\"]*/tokmux-pkcs11.so,remote $module," "$dir/$user/.ssh/authorized_keys"
	sed -i "s/Interval 15/Interval $interval/" "/etc/ssh/sshd_config.d/50-tokmux-$user.conf"
done
chown -R $far "$dir/far"
tap_check "remote enable client" far tokmux remote enable client owner
address=10.77.0.1
sshd_lines=("LogLevel VERBOSE" "Include /etc/ssh/sshd_config.d/*.conf" "Match all"
	"SetEnv TOKMUX_CONF=$TOKMUX_CONF SOFTHSM2_CONF=$SOFTHSM2_CONF")
tap_check_sshd "${sshd_lines[@]}"
as_account() { # user: whose account at the owner the client uses from now on
	cat >"$dir/ssh_config" <<-END
		Host owner
			HostName $address
			Port $port
			User $1
			IdentityFile $dir/far/key.$1
			IdentitiesOnly yes
			UserKnownHostsFile $dir/known
	END
}
as_account hsm
# In an emulated CPU sixteen connections take their time.
slow=()
[ -z "${TOKMUX_GUEST-}" ] || slow=(-o ConnectTimeout=120 -o ServerAliveInterval=60)
printf '#!/bin/sh\nexec /usr/bin/ssh -F %s %s "$@"\n' "$dir/ssh_config" "${slow[*]}" >"$dir/bin/ssh"
chmod +x "$dir/bin/ssh"

# One that has ended has nothing any more, also before sshd asks for its status.
served() { pgrep -r D,R,S,T -u $hsm,$alice -x p11-kit-remote; }
none_served() { ! served >/dev/null; }

# ---- what check says of it ---------------------------------------------------------

checks() { # [program…]: with which words it is run
	squeezed "$@" "$tokmux" check -m "$module" -o check,verdict,found --noheadings
}
p11_kit_is() { # version
	mkdir -p "$dir/package"
	printf '#!/bin/sh\necho %s\n' "$1" >"$dir/package/dpkg-query"
	chmod +x "$dir/package/dpkg-query"
	checks env PATH="$dir/package:$PATH"
}
tap_check "check names the accounts" says "remote hsm ok keys in hsm's authorized_keys" checks
tap_check "of this user as well" says "remote hsm ok" checks near
mv /etc/ssh/sshd_config.d/50-tokmux-alice.conf "$dir"
tap_check "and one whose silent clients stay" says "remote alice warning sshd keeps a client" checks
mv "$dir/50-tokmux-alice.conf" /etc/ssh/sshd_config.d
tap_check "and no other" says_not "hsm warning" checks
if [ -z "$kernel" ]; then
	tap_check "several users and no system token" says "clients come as 2 users" checks
else
	tap_check "with a system token several users are good" says_not "clients come as" checks
fi
tap_check "p11-kit speaks 2.40 only" says "p11-kit 0.24.1-2 passes on PKCS#11 2.40 only" p11_kit_is 0.24.1-2
tap_check "and has no known hole" says_not "CVE-" p11_kit_is 0.24.1-2
tap_check "an old one has" says "by CVE-2020-29361, CVE-2020-29362 and CVE-2020-29363 a client" p11_kit_is 0.23.21-1
tap_check "and a newer one" says "by CVE-2026-2100 and CVE-2026-13757 a client" p11_kit_is 0.25.10-1
tap_check "0.26.3 is good" says "remote p11-kit ok p11-kit 0.26.3-1" p11_kit_is 0.26.3-1
if needs_kernel "check names users that have a token each"; then
	locks=()
	for user in hsm alice; do
		near_as $user "$tokmux" lock same --user -- cat <>"$dir/never" &
		locks+=($!)
	done
	both() { [ "$("$tokmux" list -J -o name | grep -c '"same"')" = 2 ]; }
	tap_check "two users have a token each of one name" tap_await 20 both
	tap_check "check names users that have a token each" \
		says "token same bad hsm and alice have a user token each of this name" checks
	pkill -KILL -u $hsm,$alice -x cat
	wait "${locks[@]}" 2>/dev/null
fi

# ---- programs that do as they are told --------------------------------------------

declare -A to from pid_of
begin() { # name near|far module
	rm -f "$dir/to.$1" "$dir/from.$1"
	mkfifo "$dir/to.$1" "$dir/from.$1"
	exec {to_fd}<>"$dir/to.$1" {from_fd}<>"$dir/from.$1"
	to[$1]=$to_fd from[$1]=$from_fd
	"$2" peer "$3" one <"$dir/to.$1" >"$dir/from.$1" 2>"$dir/said.$1" \
		{to_fd}>&- {from_fd}>&- &
	pid_of[$1]=$!
}
PATH=$dir/bin:$PATH
tell() { # name words…
	local who=$1
	shift
	echo "$*" >&"${to[$who]}"
}
answer() { # name: sets $rv and $ms
	local i part line=''
	for ((i = 0; i < 120; i++)); do
		# What has come when the second is over belongs to the line, too.
		if read -r -t 1 -u "${from[$1]}" part; then
			read -r rv ms <<<"$line$part"
			return 0
		fi
		line+=$part
		kill -0 "${pid_of[$1]}" 2>/dev/null || break
	done
	cat "$dir/said.$1"
	rv=none ms=0
	return 1
}
ask() { tell "$@"; answer "$1"; }
does() { # rv name words…
	local wanted=$1
	shift
	ask "$@"
	[ "$rv" = "$wanted" ] || { echo "$*: 0x$rv in $ms ms, not 0x$wanted"; cat "$dir/said.$1"; return 1; }
}
fails() { # name words…
	ask "$@"
	[ "$rv" != 0 ] && [ "$rv" != none ] || { echo "$*: $rv"; return 1; }
}
killed() { # name
	local children
	children=$(pgrep -P "${pid_of[$1]}")
	# shellcheck disable=SC2086 # words
	kill -KILL "${pid_of[$1]}" $children 2>/dev/null
	wait "${pid_of[$1]}" 2>/dev/null
	return 0
}
ends() { # name…: closed as programs close
	local each
	for each; do
		ask "$each" close
		ask "$each" finalize
		killed "$each"
	done
	tap_await 20 none_served
}
tap_step() { # name command…: as tap_check, but what it sets stays set
	local name=$1
	shift
	if "$@" >"$dir/step" 2>&1; then
		tap_ok "$name"
	else
		sed 's/^/# /' "$dir/step"
		tap_not_ok "$name"
	fi
}

# ---- signatures of all kinds of clients -------------------------------------------

url='pkcs11:token=one;object=rsa;type=private'
with_pkcs11_tool() {
	far pkcs11-tool --module "$proxy" --token-label one "${user_pin[@]}" --sign \
		-m SHA256-RSA-PKCS --id 01 -i "$dir/data" -o "$dir/far/by_tool"
}
with_p11tool() { far p11tool --login --set-pin=1234 --test-sign "$url"; }
with_openssl() {
	far openssl dgst -engine pkcs11 -keyform engine -sha256 \
		-sign "$url;pin-value=1234" -out "$dir/far/by_openssl" "$dir/data"
}
with_local() {
	near env LD_LIBRARY_PATH="$B" pkcs11-tool --module "$module" --token-label one "${user_pin[@]}" \
		--sign -m SHA256-RSA-PKCS --id 01 -i "$dir/data" -o "$dir/hsm/by_local"
}
user_pin=(--login --pin 1234)
many() { # which
	local i
	for ((i = 0; i < signatures; i++)); do
		"with_$1" >"$dir/$1.log" 2>&1 || { echo "$1, number $i:"; cat "$dir/$1.log"; return 1; }
	done
}
# A login of SoftHSM2's writes to the token, and then other processes may not find it.
# Only the kernel's arbiter helps that.
all_sign() {
	local which pids=() pid bad=0
	for which in pkcs11_tool p11tool openssl local; do
		many $which &
		pids+=($!)
		[ -n "$kernel" ] || wait $! || bad=1
	done
	for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
	return $bad
}
tap_check "pkcs11-tool, p11tool, OpenSSL and a local program sign, $signatures times each" all_sign
verify() { # file
	near pkcs11-tool --module "$module" --token-label one --read-object --type pubkey --id 01 -o "$dir/hsm/key.der" &&
		openssl dgst -sha256 -verify <(openssl pkey -pubin -inform DER -in "$dir/hsm/key.der") \
			-signature "$1" "$dir/data"
}
tap_check "OpenSSL's signature is right" verify "$dir/far/by_openssl"

# ---- who they are ------------------------------------------------------------------

configure 'wait = 5000'
begin one far "$proxy"
begin two far "$proxy"
begin local near "$module"
for each in one two local; do tap_step "$each sees the token" does 0 "$each" init; done
if needs_kernel "who names a remote client's host and key"; then
	tap_step "a session" does 0 one open
	row() { squeezed "$tokmux" who "$token" -o command,user,from,key --noheadings; }
	tap_check "who names a remote client's host and key" \
		says "p11-kit-remote hsm 10.77.0.2 key-of-hsm" row
	cp "$dir/hsm/.ssh/authorized_keys" "$dir/keys"
	sed -i 's/ key-of-hsm$//' "$dir/hsm/.ssh/authorized_keys"
	tap_check "of a key without a comment its end" \
		says "10.77.0.2 ssh-ed25519 …$(cut -d ' ' -f 2 "$dir/far/key.hsm.pub" | grep -o '.\{12\}$')" \
		row
	cp "$dir/keys" "$dir/hsm/.ssh/authorized_keys"
	tap_check "hsm itself sees it as well" says "10.77.0.2" near "$tokmux" who "$token" -o from
	tap_check "and nobody else" says_not "10.77.0.2" \
		near_as far "$tokmux" who "$token" -o from
	tap_step "and closed" does 0 one close
fi

# ---- PINs, the SO and the quota ----------------------------------------------------

for each in one two local; do tap_step "$each opens a session" does 0 $each open; done
tap_step "one logs in" does 0 one login 1234
tap_step "it sees the private key" does 1 one find
tap_step "the other remote one doesn't" does 0 two find
tap_step "nor the local one" does 0 local find
tap_step "a wrong PIN of the other one's is refused" does a0 two login 4321
tap_step "and one of a local program as well" does a0 local login 4321
tap_step "which waits for longer: they count together" test "$ms" -ge 200
tap_step "the first one stays logged in" does 0 one sign
tap_step "the right PIN" does 0 two login 1234
tap_step "each signs" does 0 two sign
tap_step "the local one logs in" does 0 local login 1234
for each in one two local; do tell $each signatures 100; done
for each in one two local; do
	answer $each
	tap_step "all at once, 100 signatures of $each" test "$rv" = 0
done
tap_step "the local one logs out" does 0 local logout
if needs_kernel "the SO is refused while a user is logged in"; then
	tap_step "a session that writes" does 0 local close
	tap_step "it opens" does 0 local open-rw
	tap_step "the SO is refused while a user is logged in" fails local so 12345678
	tap_step "one remote user logs out" does 0 one logout
	tap_step "the other one" does 0 two logout
	tap_step "and closes" does 0 one close
	tap_step "all" does 0 two close
	tap_step "then the SO is let in" does 0 local so 12345678
	tap_step "a remote client opens a session" does 0 one open
	tap_step "and no user is let in" fails one login 1234
	echo "# with 0x$rv after $ms ms"
	tap_step "until the SO has gone" does 0 local logout
	tap_step "then the user is" does 0 one login 1234
	tap_step "and all is closed" does 0 one close
	tap_step "the SO's session, too" does 0 local close

	for i in 1 2 3 4 5; do tap_step "session $i" does 0 one open; done
	tap_step "the sixth" does 0 local open
	tap_step "of a quota of six the seventh is refused" does b1 two open
	tap_step "the first client is killed" killed one
	tap_step "its five sessions are back" tap_await 20 is sessions 1
	tap_step "the second one opens its own" does 0 two open
else
	killed one
fi
ends two local

# ---- first come, first served ------------------------------------------------------

if needs_kernel "first come, first served, remote or local"; then
	configure 'lease = session'
	begin a far "$proxy"
	begin b near "$module"
	begin c far "$proxy"
	for each in a b c; do does 0 $each init >/dev/null; done
	"$tokmux" lock "$token" -- cat <>"$dir/never" &
	holder=$!
	tap_await 10 is state exclusive >/dev/null
	order=0
	for each in a b c; do
		tell $each open
		tap_step "$each waits" tap_await 60 is waiters $((++order))
	done
	pkill -KILL -P $holder
	for each in a b c; do
		answer $each
		tap_step "first come, first served: $each" test "$rv" = 0
		tap_step "and the others wait" is waiters $((--order))
		tap_step "it closes" does 0 $each close
	done
	ends a b c
	wait $holder 2>/dev/null
fi

# ---- another account, while somebody has the token ---------------------------------

if needs_kernel "another user is never let in beside the holder"; then
	configure 'lease = session' 'wait = 2000'
	begin a far "$proxy"
	does 0 a init
	as_account alice
	chmod -R go+rwX "$dir/tokens"
	begin other far "$proxy"
	tap_step "a client of another account sees the token" does 0 other init
	tap_step "the first one holds it" does 0 a open
	tap_step "another user is never let in beside the holder" fails other open
	tap_step "when it has gone, the other one is" does 0 a close
	tap_step "at once" does 0 other open
	tap_check "who tells them apart" says "alice 10.77.0.2 key-of-alice" \
		squeezed "$tokmux" who "$token" -o user,from,key
	as_account hsm
	ends a other
	chmod -R go-rwx "$dir/tokens"
	chown -R $hsm "$dir/tokens"
fi

# A client, with a session, and a local program.
far_and_near() {
	begin a far "$proxy"
	begin b near "$module"
	does 0 a init >/dev/null
	does 0 b init >/dev/null
	does 0 a open >/dev/null
}

# ---- a client dies ------------------------------------------------------------------

configure 'lease = session'
# In an emulated CPU the processes that look for it take longer than that.
second=1000
[ -z "${TOKMUX_GUEST-}" ] || second=5000
for victim in client ssh process; do
	far_and_near
	tap_step "a client is logged in" does 0 a login 1234
	if [ -n "$kernel" ]; then
		uncleans=$(status uncleans)
		tell b open
		tap_step "another one waits" tap_await 30 is waiters 1
	fi
	began=${EPOCHREALTIME/[.,]/}
	# The first two have a process at the owner, which ends in order.
	unclean=0
	case $victim in
	client) killed a ;;
	ssh) pkill -KILL -u $far -x ssh ;;
	process) pkill -KILL -u $hsm -x p11-kit-remote; unclean=1 ;;
	esac
	tap_step "kill -9 of the $victim: the process at the owner is gone" tap_await 10 none_served
	took=$(((${EPOCHREALTIME/[.,]/} - began) / 1000))
	echo "# after $took ms"
	tap_step "in less than a second" test $took -lt $second
	if [ -n "$kernel" ]; then
		tap_step "the next one is let in" answer b
		tap_step "and has its session" test "$rv" = 0
		what="as the token of a process that ended in order"
		[ $unclean = 0 ] || what="and is told that the token is unclean"
		tap_step "$what" is uncleans $((uncleans + unclean))
		tap_step "one session is left" is sessions 1
		tap_step "and no login" is users 0
	fi
	killed a
	ends b
done

# ---- the link is cut ----------------------------------------------------------------

[ -z "$kernel" ] || tap_check "a hold limit of three seconds" system_token 3
far_and_near
tap_step "a client holds the token" does 0 a login 1234
ip link set tmx0 down
began=$SECONDS
tap_step "the link is down: a local program goes on" does 0 b open
echo "# after $ms ms"
if [ -n "$kernel" ]; then
	tap_step "not before the hold limit" test "$ms" -ge 2000
	tap_step "the lease was taken" test "$(status revocations)" -ge 1
	tap_step "the silent one's session counts" is sessions 2
	tap_step "and after ClientAlive no more" tap_await 60 is sessions 1
	tap_step "nor does its login" is users 0
fi
tap_step "sshd has ended the connection" tap_await 60 none_served
echo "# after $((SECONDS - began)) s"
ip link set tmx0 up
tap_step "the client is told" fails a sign
killed a
ends b

# ---- the owner goes -----------------------------------------------------------------

configure
printf '%s\n' '[global]' 'arbiter = local' 'log = errors' '[backend far]' "module = $proxy" >"$dir/far/tokmux.conf"
through_tokmux() { far env TOKMUX_CONF="$dir/far/tokmux.conf" "$@"; }
begin a through_tokmux "$dir/bin/tokmux-pkcs11.so"
tap_step "a program with tokmux at the client, too" does 0 a init
tap_step "opens" does 0 a open
tap_step "logs in" does 0 a login 1234
tap_step "signs" does 0 a sign
kill "$sshd"
wait "$sshd" 2>/dev/null
# A connection's process is called sshd-session from OpenSSH 9.8 on.
# shellcheck disable=SC2046 # words
kill -KILL $(pgrep -f "^sshd(-session)?: (hsm|alice)") 2>/dev/null
tap_step "the owner is gone: the call fails" fails a sign
echo "# with 0x$rv after $ms ms"
tap_step "so does the next session" fails a open
echo "# with 0x$rv after $ms ms"
tap_step "the program lives" kill -0 "${pid_of[a]}"
start_again() {
	/usr/sbin/sshd -D -e -f "$dir/sshd_config" 2>"$dir/sshd.log" &
	sshd=$!
	tap_await 20 grep -q 'Server listening' "$dir/sshd.log"
}
tap_step "the owner is back" start_again
tap_step "without C_Finalize a session opens" does 0 a open
tap_step "and logs in" does 0 a login 1234
tap_step "and signs" does 0 a sign
ends a

# ---- sixteen at once ----------------------------------------------------------------

# SoftHSM2 leaves out tokens that another process writes to; only the kernel helps that.
if needs_kernel "sixteen clients that start at once all sign"; then
	# In an emulated CPU each of them takes its time, and fifteen others may be before it.
	configure 'wait = 110000' 'hold = 110000'
	"$tokmux" unregister --force "$token" >/dev/null
	"$tokmux" register "$token" >/dev/null
	tap_await 20 test -e "$(status device)"
	udevadm settle
	chmod 666 "$(status device)"
	sixteen() {
		local i pids=() bad=0
		for i in {1..16}; do
			printf '%s\n' init open 'login 1234' sign close finalize |
				far peer "$proxy" one >"$dir/far.$i" 2>&1 &
			pids+=($!)
		done
		for i in "${pids[@]}"; do wait "$i" || bad=1; done
		for i in {1..16}; do
			[ "$(grep -c '^0 ' "$dir/far.$i")" = 6 ] || { tr '\n' ';' <"$dir/far.$i"; bad=1; }
		done
		[ $bad = 0 ] || grep -E 'Timeout|MaxStartups|drop' "$dir/sshd.log"
		return $bad
	}
	tap_check "sixteen clients that start at once all sign" sixteen
fi

# ---- what a key is good for ---------------------------------------------------------

try() { far timeout 60 "$@" </dev/null 2>&1; }
tap_check "no command" says_not uid= eval 'try ssh owner id; true'
tap_check "no terminal" says "PTY allocation request failed" eval 'try ssh -tt owner; true'
tap_check "no file" not try scp -S "$dir/bin/ssh" owner:/etc/passwd "$dir/far/passwd"
tap_check "no way to another port of the owner's" not try ssh -W "127.0.0.1:$port" owner
tap_check "nor into the client's network" not try ssh -N -o ExitOnForwardFailure=yes -R 0:127.0.0.1:1 owner
tap_check "no agent" says_not SSH_AUTH_SOCK eval 'try ssh -A owner env; true'
mkfifo "$dir/hold"
far ssh owner p11-kit remote "$bare" <>"$dir/hold" >/dev/null 2>&1 &
tap_step "a client asks for another module" tap_await 60 served
tap_check "and is served this one" says "$module" ps -o args= -p "$(served)"
kill -KILL $! 2>/dev/null

for user in hsm alice; do
	tap_check "remote disable owner $user" "$tokmux" remote disable owner $user
done
tap_check "no file is left" test -z "$(cat "$dir"/{hsm,alice}/.ssh/authorized_keys 2>/dev/null)$(ls "$dir/sshd_config.d")"
tap_end

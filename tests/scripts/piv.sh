#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# OpenSC and what goes through it, unchanged and as an ordinary user, with a card that
# forgets without power: tests/card's, with its PIV applet. What is logged in, and
# what has to log in again after somebody else's turn, is seen in the card's log.
#
# TOKMUX_PCSC_ROUNDS and TOKMUX_PCSC_IDLE (seconds) make it longer, and without
# TOKMUX_PCSC_CLIENTS=no there are more programs.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/tests/tap.bash"
build=${B:-$top/build/user}

if ! [ -w /sys/devices/platform/vhci_hcd.0/attach ] && {
	[ -z "${TOKMUX_GUEST-}" ] || ! modprobe -q vhci_hcd; }; then
	echo "1..0 # SKIP not in a guest, or no vhci_hcd"
	exit
fi
if [ ! -e "$build/pcsc/libpcsclite.so.1" ] || ! command -v opensc-tool >/dev/null; then
	echo "1..0 # SKIP no OpenSC, or no libpcsclite.so.1 of ours"
	exit
fi
. "$top/tests/pcsc.bash"
pin=314159
log=$dir/log
rounds=${TOKMUX_PCSC_ROUNDS:-3}
# Longer than the kernel leaves a device awake that nobody uses.
idle=${TOKMUX_PCSC_IDLE:-3}

# ---- the card -------------------------------------------------------------------

key() { # directory slot algorithm…
	local key=$dir/$1/$2 slot=$2
	mkdir -p "$dir/$1"
	shift 2
	openssl req -x509 -newkey "$@" -nodes -days 100 -subj "/CN=tokmux $slot" \
		-addext keyUsage=digitalSignature \
		-keyout "$key.key" -outform DER -out "$key.der" &&
		openssl x509 -inform DER -in "$key.der" -pubkey -noout -out "$key.pub"
}
ec=(ec -pkeyopt ec_paramgen_curve:P-256)
tap_check "a card with a key of RSA" key rsa 9a rsa:2048
tap_check "one of EC" key ec 9a "${ec[@]}"
# The second one of a card needs a PIN for each signature.
cp -r "$dir/rsa" "$dir/both"
tap_check "one with both" key both 9c "${ec[@]}"

plug() { # the card's directory, option…
	local word bus device keys=$1
	shift
	exec {wire}< <(exec "$build/tests/card-usbip" --piv "$dir/$keys" "$@" extended "$log")
	reader=$!
	pids=("$reader")
	read -r -t 60 -u "$wire" word bus device && [ "$word" = ready ] || return
	udevadm settle
	register_reader "/dev/bus/usb/$bus/$device"
}
unplug() {
	"$tool" unregister -f reader >/dev/null
	kill -KILL "$reader"
	exec {wire}<&-
	pids=()
}
plug both || { tap_not_ok "a reader with the card"; tap_end; exit; }
logged() { grep -c "^$1" "$log"; } # beginning
pins() { logged 'apdu 0020008008'; }
resets() { logged 'power on'; }

# ---- OpenSC's own programs --------------------------------------------------------

opensc=/usr/lib/$(uname -m)-linux-gnu/opensc-pkcs11.so
piv='^PIV-II|Personal Identity Verification'
tap_check "pcscd doesn't run" test ! -e /run/pcscd/pcscd.comm
tap_check "opensc-tool -n" shown "$piv" opensc-tool -n
tap_check "piv-tool -n" shown "$piv" piv-tool -n
tap_check "tokmux run opensc-tool" shown "$piv" \
	env -u LD_LIBRARY_PATH "$tool" run -- opensc-tool -n
tap_check "pkcs11-tool: the token" shown 'token label *: tokmux 9a' pkcs11-tool -L
echo something >"$dir/data"
signs() { # slot ID mechanism option…
	local slot=$1 id=$2 mechanism=$3
	local signature=$dir/home/signature.$BASHPID
	shift 3
	user timeout 60 pkcs11-tool --login --pin $pin --sign -m "$mechanism" \
		--signature-format openssl --id "$id" -i "$dir/data" -o "$signature" "$@" &&
		openssl dgst -sha256 -verify "$dir/both/$slot.pub" \
			-signature "$signature" "$dir/data"
}
rsa() { signs 9a 01 SHA256-RSA-PKCS "$@"; }
tap_check "pkcs11-tool: logs in and signs with RSA" rsa
tap_check "with EC, and a PIN for the signature" signs 9c 02 ECDSA-SHA256
stacked() { rsa --module "$build/tokmux-pkcs11.so"; }
export TOKMUX_CONF=$dir/tokmux.conf
tap_check "tokmux-pkcs11.so over OpenSC signs with RSA" stacked
tap_check "with EC, and a PIN for the signature" signs 9c 02 ECDSA-SHA256 \
	--module "$build/tokmux-pkcs11.so"

# ---- GnuTLS, OpenSSH, PAM -----------------------------------------------------------

clients() {
	tap_check "p11tool lists" shown 'tokmux 9a|Certificate for PIV' \
		p11tool --provider "$opensc" --list-all-certs --batch
	tap_check "p11tool signs" shown 'ok' env GNUTLS_PIN=$pin p11tool --provider "$opensc" \
		--batch --login --test-sign 'pkcs11:token=tokmux%209a;id=%01;type=private'

	# What asks for the PIN.
	export SSH_ASKPASS=$dir/askpass SSH_ASKPASS_REQUIRE=force
	printf '#!/bin/sh\necho %s\n' $pin >"$dir/askpass"
	chmod 755 "$dir/askpass"
	authorize() {
		user ssh-keygen -D "$opensc" >"$dir/authorized"
		grep ^ssh-rsa "$dir/authorized"
	}
	tap_check "ssh-keygen -D" authorize
	serve() {
		local line
		ssh-keygen -q -t ed25519 -N '' -f "$dir/host" && mkdir -p /run/sshd || return
		cat >"$dir/sshd_config" <<-END
			ListenAddress 127.0.0.1:2222
			HostKey $dir/host
			PidFile none
			AuthorizedKeysFile $dir/authorized
			StrictModes no
			PermitRootLogin yes
		END
		: >"$dir/sshd.log"
		/usr/sbin/sshd -D -e -f "$dir/sshd_config" 2>"$dir/sshd.log" &
		pids+=($!)
		while read -r line; do
			[[ $line != *'Server listening'* ]] || break
		done < <(tail -n +1 -f --pid=$! "$dir/sshd.log")
		echo "[127.0.0.1]:2222 $(cat "$dir/host.pub")" >"$dir/known"
	}
	serve
	logs_in() { # option…
		shown '^I am root' ssh -F /dev/null -o UserKnownHostsFile="$dir/known" \
			-o StrictHostKeyChecking=yes -o PreferredAuthentications=publickey \
			"$@" -p 2222 root@127.0.0.1 echo "I am \$(id -un)" ||
			{ cat "$dir/sshd.log"; return 1; }
	}
	tap_check "ssh -I logs in" logs_in -I "$opensc"
	# The agent has a group of its own, so the linker ignores LD_LIBRARY_PATH. But OpenSC can
	# be told where the library is.
	agent() {
		user env OPENSC_CONF="$dir/home/opensc.conf" "$tool" pcsc enable opensc || return
		eval "$(user env OPENSC_CONF="$dir/home/opensc.conf" ssh-agent \
			-a "$dir/home/agent" -P '/usr/lib/*')"
		pids+=("$SSH_AGENT_PID")
		user env SSH_AUTH_SOCK="$dir/home/agent" ssh-add -s "$opensc"
	}
	agent >"$dir/agent" 2>&1 && tap_ok "ssh-add -s" || {
		sed 's/^/# /' "$dir/agent"
		tap_not_ok "ssh-add -s"
	}
	tap_check "ssh logs in with the agent's key" logs_in -o IdentityAgent="$dir/home/agent"
	kill "${pids[@]:1}"
	pids=("$reader")

	if command -v pamtester >/dev/null; then
		cat >/etc/pam.d/tokmux-test <<-END
			auth required pam_pkcs11.so config_file=$dir/pam.conf
			account required pam_permit.so
		END
		echo "/CN=tokmux 9a -> nobody" >"$dir/subjects"
		cat >"$dir/pam.conf" <<-END
			pam_pkcs11 {
			  use_pkcs11_module = opensc;
			  pkcs11_module opensc {
			    module = $opensc;
			    slot_description = "none";
			    cert_policy = signature;
			  }
			  use_mappers = subject;
			  mapper_search_path = /lib/$(uname -m)-linux-gnu/pam_pkcs11;
			  mapper subject {
			    module = internal;
			    mapfile = file://$dir/subjects;
			  }
			}
		END
		pam() { # PIN pattern
			user timeout 60 pamtester tokmux-test nobody authenticate <<<"$1" 2>&1 |
				tee /dev/stderr | grep -Eq "$2"
		}
		tap_check "PAM logs in" pam $pin 'successfully authenticated'
		tap_check "PAM refuses a wrong PIN" pam 000000 'Authentication failure'
	else
		tap_skip "PAM logs in" "there is no pamtester"
	fi
}
[ "${TOKMUX_PCSC_CLIENTS-}" = no ] || clients

# What the programs below have in common: each loads the library anew.
cat >"$dir/pcsclite.py" <<'END'
import ctypes


class State(ctypes.Structure):
    _fields_ = [("reader", ctypes.c_char_p), ("user", ctypes.c_void_p),
                ("current", ctypes.c_ulong), ("event", ctypes.c_ulong),
                ("size", ctypes.c_ulong), ("atr", ctypes.c_ubyte * 33)]


library = ctypes.CDLL("libpcsclite.so.1")
END
chmod 644 "$dir/pcsclite.py"

# A program that unloads the library while a thread of its own waits in it.
cat >"$dir/unloads.py" <<'END'
import _ctypes
import ctypes
import threading
import time
from pcsclite import State, library

context = ctypes.c_long()
state = State(rb"\\?PnP?\Notification")
assert library.SCardEstablishContext(2, None, None, ctypes.byref(context)) == 0
cancel = library.SCardCancel
waits = threading.Thread(target=library.SCardGetStatusChange,
                         args=(context, ctypes.c_ulong(0xffffffff),
                               ctypes.byref(state), ctypes.c_ulong(1)))
waits.start()
time.sleep(0.2)
_ctypes.dlclose(library._handle)
# The library's own thread has time to go wrong.
time.sleep(1)
assert waits.is_alive()
cancel(context)
waits.join()
print("it goes on")
END
chmod 644 "$dir/unloads.py"
tap_check "a program unloads the library" shown 'it goes on' /usr/bin/python3 "$dir/unloads.py"

# A program that exits soon after its last context still has the lease. The library gives
# the lease back while the program exits, and the library's own thread runs beside that.
# Whether the two meet is a matter of moments, so the program runs often.
cat >"$dir/exits.py" <<'END'
import ctypes
from pcsclite import State, library

context, card, protocol = ctypes.c_long(), ctypes.c_long(), ctypes.c_ulong()
names = ctypes.create_string_buffer(4096)
size = ctypes.c_ulong(4096)
assert library.SCardEstablishContext(2, None, None, ctypes.byref(context)) == 0
assert library.SCardListReaders(context, None, names, ctypes.byref(size)) == 0
state = State(names.value)
assert library.SCardGetStatusChange(context, 0, ctypes.byref(state), 1) == 0
# The program waits for news. From now on its library hears of each lease that ends, also
# of the program's own.
state.current = state.event
library.SCardGetStatusChange(context, 0, ctypes.byref(state), 1)
assert library.SCardConnect(context, names.value, 2, 3, ctypes.byref(card),
                            ctypes.byref(protocol)) == 0
assert library.SCardBeginTransaction(card) == 0
assert library.SCardEndTransaction(card, 0) == 0
assert library.SCardDisconnect(card, 0) == 0
assert library.SCardReleaseContext(context) == 0
END
chmod 644 "$dir/exits.py"
exits() {
	local i
	for ((i = 0; i < 30; i++)); do
		user /usr/bin/python3 "$dir/exits.py" || { echo "the $i. time: $?"; return 1; }
	done
}
tap_check "a program exits after its last context" exits

# ---- two at once --------------------------------------------------------------------

# Each of two processes signs often. A reset is the card's hand-over from one to the
# other, or the beginning of a program; said tells how many there were.
both() { # function
	local before i side good seconds=$SECONDS sides=()
	before=$(resets)
	for side in a b; do
		for ((i = 0; i < rounds; i++)); do
			"$1" && echo good
		done >"$dir/$side" 2>&1 &
		sides+=($!)
	done
	wait "${sides[@]}"
	good=$(cat "$dir/a" "$dir/b" | grep -c ^good)
	echo "$1: $good of $((2 * rounds)) good, $(($(resets) - before)) resets," \
		"$((SECONDS - seconds)) s" >"$dir/said"
	[ "$good" = $((2 * rounds)) ] || { tail -20 "$dir/a" "$dir/b"; return 1; }
	[ $(($(resets) - before)) -le $((4 * rounds)) ]
}
for how in rsa stacked; do
	tap_check "two processes, $rounds times: $how" both $how
	sed 's/^/# /' "$dir/said"
done
unplug

# ---- a login, its loss, a new login -----------------------------------------------------

cat >"$dir/signer.py" <<'END'
import sys
import PyKCS11

lib = PyKCS11.PyKCS11Lib()
lib.load("opensc-pkcs11.so")
session = lib.openSession(lib.getSlotList(tokenPresent=True)[0])
for line in sys.stdin:
    try:
        if line == "login\n":
            session.login(sys.argv[1])
        elif line == "logout\n":
            session.logout()
        elif line == "end\n":
            break
        else:
            [key] = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_PRIVATE_KEY),
                                         (PyKCS11.CKA_ID, (1,))])
            kind = session.getAttributeValue(key, [PyKCS11.CKA_KEY_TYPE])[0]
            session.sign(key, bytes(32), PyKCS11.Mechanism(
                PyKCS11.CKM_ECDSA if kind == PyKCS11.CKK_EC else PyKCS11.CKM_RSA_PKCS))
        print("good", flush=True)
    except PyKCS11.PyKCS11Error as error:
        print(error, flush=True)
END
chmod 644 "$dir/signer.py"
start_signer() {
	coproc signer { user /usr/bin/python3 "$dir/signer.py" $pin; }
	signer_pid=$!
}
end_signer() {
	echo end >&"${signer[1]}"
	wait "$signer_pid"
}
ask() { # word answer's beginning
	local line
	echo "$1" >&"${signer[1]}"
	read -r -t 60 -u "${signer[0]}" line
	[[ $line == "$2"* ]] || { echo "$1: $line"; return 1; }
}
logged_in() {
	local before
	before=$(pins)
	ask login good && ask sign good && ask sign good && [ "$(pins)" = $((before + 1)) ]
}
survives() {
	local before usb
	for usb in /sys/bus/usb/devices/*; do
		! grep -qs 4433 "$usb/idProduct" || echo auto >"$usb/power/control"
	done
	before="$(resets) $(pins)"
	sleep "$idle"
	ask sign good && [ "$(resets) $(pins)" = "$before" ]
}
# OpenSC has kept the PIN, and verifies it anew.
verifies_anew() {
	local before
	before=$(pins)
	ask sign good && [ "$(pins)" = $((before + 1)) ]
}
for how in ec 'rsa --activates' both; do
	# shellcheck disable=SC2086 # words
	plug $how
	start_signer
	tap_check "$how: a login, and two signatures" logged_in
	tap_check "$how: it survives $idle s idle, with autosuspend" survives
	tap_check "$how: another program has the card" shown 'tokmux 9a' pkcs11-tool -L
	if [ "$how" != both ]; then
		tap_check "$how: the login was lost, and OpenSC makes it anew" verifies_anew
	else
		# It keeps no PIN of a card with a key that needs one each time.
		tap_check "$how: the login was lost" ask sign CKR_USER_NOT_LOGGED_IN
		# Whether it still holds itself for logged in is up to OpenSC.
		ask logout ''
		tap_check "$how: a new login" logged_in
	fi
	end_signer
	unplug
done
tap_end

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A reader is pulled and put back while a program waits in C_WaitForSlotEvent of
# our module, with OpenSC and pcscd below it.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd -P)
. "$top/tests/tap.bash"

opensc="opensc-pkcs11.so"
if ! [ -p /run/tokmux/hand ] || ! command -v pcscd >/dev/null ||
	! find /usr/lib -name $opensc 2>/dev/null | grep -q .; then
	echo "1..0 # SKIP no hand at a reader, no pcscd, or no OpenSC"
	exit
fi
dir=$(mktemp -d /tmp/tokmux-slots.XXXXXX) || exit
cat >"$dir/tokmux.conf" <<END
[global]
arbiter = ${TOKMUX_TEST_ARBITER:-kernel}
[backend opensc]
module = $opensc
END
pcscd --foreground >/dev/null 2>&1 &
pcscd=$!
# OpenSC, once it has been told that there is none, goes without.
until [ -S /run/pcscd/pcscd.comm ] || ! kill -0 $pcscd 2>/dev/null; do
	sleep 0.1
done

# Prints TAP without a plan, with "event" of each line being one.
watch() {
	TOKMUX_CONF=$dir/tokmux.conf python3 -u - "${B:-$top/build/user}/tokmux-pkcs11.so" "$top/tests/guest/reader" <<'END'
import ctypes, subprocess, sys, threading, time

SOON = 60
module, reader = ctypes.CDLL(sys.argv[1]), sys.argv[2]
TOKEN_NOT_PRESENT = 0xE0


def slots(present):
    count = ctypes.c_ulong(32)
    ids = (ctypes.c_ulong * 32)()
    rv = module.C_GetSlotList(present, ids, ctypes.byref(count))
    assert rv == 0, hex(rv)
    return set(ids[:count.value])


def until(present):
    end = time.monotonic() + SOON
    while bool(slots(1)) != present and time.monotonic() < end:
        time.sleep(0.1)
    return bool(slots(1)) == present


def event(what, present):
    """One that comes in time, and then the slot is as it should be."""
    got = []

    def wait():
        slot = ctypes.c_ulong()
        rv = module.C_WaitForSlotEvent(0, ctypes.byref(slot), None)
        got.append((rv, slot.value))

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    time.sleep(0.5)
    early = bool(got)
    start = time.monotonic()
    subprocess.run([reader, what], check=True)
    thread.join(SOON)
    seconds = time.monotonic() - start
    print(f"# {what}: {got} after {seconds:.1f} s", flush=True)
    good = not early and len(got) == 1 and got[0][0] == 0 and got[0][1] in slots(0)
    print(("" if good else "not ") + f"ok - {what}: C_WaitForSlotEvent says so")
    print(("" if until(present) else "not ") + f"ok - {what}: and so does the slot")
    # What else there is to say of it: a slot has several events.
    slot = ctypes.c_ulong()
    while module.C_WaitForSlotEvent(1, ctypes.byref(slot), None) == 0:
        pass


rv = module.C_Initialize(None)
assert rv == 0, hex(rv)
print(("" if until(True) else "not ") + "ok - there is a card")
slot = ctypes.c_ulong()
while module.C_WaitForSlotEvent(1, ctypes.byref(slot), None) == 0:
    pass
event("unplug", False)
event("plug", True)
module.C_Finalize(None)
END
}
while IFS= read -r line; do
	case $line in
	"ok - "*) tap_ok "${line#ok - }" ;;
	"not ok - "*) tap_not_ok "${line#not ok - }" ;;
	*) echo "$line" ;;
	esac
done < <(watch 2>&1)
test "$tap_count" = 5 || tap_not_ok "all of it was done"
kill $pcscd
rm -rf "$dir"
tap_end

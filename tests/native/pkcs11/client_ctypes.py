# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two users of ctypes that know nothing of each other; clients_ctypes.sh makes the token.

All calls by name come from libffi. A list of a user's own tells it from the others.
"""
import ctypes
import os

OK, HANDLE_INVALID, NOT_INITIALIZED = 0, 0xb3, 0x190
SERIAL = ctypes.c_ulong(4)
count = 0
failed = False


def ok(what, good):
    global count, failed
    count += 1
    failed |= not good
    print(("" if good else "not ") + f"ok {count} - ctypes: {what}")


class ByName:
    def __init__(self):
        self.module = ctypes.CDLL(os.environ["MODULE"])

    def __getattr__(self, name):
        function = getattr(self.module, name)
        function.restype = ctypes.c_ulong
        return function


class ByList:
    """The functions of a list, by their places in it."""
    PLACES = {"C_Initialize": 0, "C_Finalize": 1, "C_GetSlotList": 4,
              "C_OpenSession": 12, "C_CloseSession": 13,
              "C_CloseAllSessions": 14, "C_GetSessionInfo": 15}

    def __init__(self):
        self.module = ctypes.CDLL(os.environ["MODULE"])
        self.list = ctypes.POINTER(ctypes.c_void_p)()
        rv = self.module.tokmux_pkcs11_new_caller(ctypes.byref(self.list))
        ok("a list of one's own", rv == OK)

    def __getattr__(self, name):
        # The version comes first, in a pointer's room.
        address = self.list[1 + self.PLACES[name]]
        return ctypes.CFUNCTYPE(ctypes.c_ulong)(address)


def first_slot(user):
    slots, number = (ctypes.c_ulong * 8)(), ctypes.c_ulong(8)
    user.C_GetSlotList(ctypes.c_ubyte(1), slots, ctypes.byref(number))
    return ctypes.c_ulong(slots[0])


def open_session(user, slot):
    session = ctypes.c_ulong()
    rv = user.C_OpenSession(slot, SERIAL, None, None, ctypes.byref(session))
    return session if rv == OK else None


def meet(kind, apart):
    one, two = kind(), kind()
    ok("both initialize", one.C_Initialize(None) == OK and
       two.C_Initialize(None) == OK)
    slot = first_slot(one)
    session = open_session(one, slot)
    ok("one opens a session", session is not None)
    two.C_CloseAllSessions(slot)
    info = (ctypes.c_ulong * 4)()
    ok("two closes its own only" if apart else "two closes all of libffi's",
       one.C_GetSessionInfo(session, info) == (OK if apart else HANDLE_INVALID))
    ok("two finalizes", two.C_Finalize(None) == OK)
    session = open_session(one, slot)
    ok("one goes on", session is not None)
    ok("and finalizes", one.C_Finalize(None) == OK)
    ok("what both began is over", one.C_Finalize(None) == NOT_INITIALIZED)


meet(ByName, False)
meet(ByList, True)
print(f"1..{count}")
raise SystemExit(failed)

# SPDX-License-Identifier: GPL-2.0-only
"""A program in Python that signs: it answers "time sign 1 TIMES" as call.c does.

usage: sign.py MODULE LABEL PIN <COMMANDS
"""

import statistics
import sys
import time

import PyKCS11

BATCHES = 21    # bench.h


def main():
    module, label, pin = sys.argv[1:]
    p11 = PyKCS11.PyKCS11Lib()
    p11.load(module)
    slot = next(s for s in p11.getSlotList(tokenPresent=True)
                if p11.getTokenInfo(s).label.strip() == label)
    session = p11.openSession(slot, PyKCS11.CKF_SERIAL_SESSION)
    session.login(pin)
    key = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_PRIVATE_KEY)])[0]
    mechanism = PyKCS11.Mechanism(PyKCS11.CKM_ECDSA, None)
    digest = b"to be signed".ljust(32)

    print("ready", flush=True)
    for line in sys.stdin:
        times = int(line.split()[-1])
        batches = []
        for _ in range(BATCHES):
            start = time.monotonic_ns()
            for _ in range(times):
                session.sign(key, digest, mechanism)
            batches.append(time.monotonic_ns() - start)
        print(statistics.median(batches) / times, flush=True)


main()

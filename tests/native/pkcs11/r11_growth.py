#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""R11: no cost grows with what others have, nor faster than what a call returns.

growth.c does each thing where there are few and where there are many of something,
with a backend that does next to nothing. What is counted is instructions, by
callgrind: all but those of that program and of the backend. TAP.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

B = pathlib.Path(os.environ.get("B") or pathlib.Path(__file__).resolve().parents[3] / "build/user")
GROWTH, MOCK = B / "tests/pkcs11/growth", B / "tests/pkcs11/backend_mock.so"

# How few, how many, and the instructions that one may take where there are few.
CASES = {
    "logout": ("each private session object at a logout", 300, 3000, 2000),
    "relogin": ("a login and logout, with private objects of the token", 10, 3000, 20000),
    "oldest": ("closing the oldest of the sessions", 10, 3000, 2000),
    "close-all": ("each session of C_CloseAllSessions", 300, 3000, 2000),
    "beside": ("a session with an object, beside the objects of others", 10, 3000, 6000),
    "slots": ("each slot of C_GetSlotList", 30, 3000, 500),
    "initialize": ("each slot, from C_Initialize to C_Finalize", 300, 3000, 50000),
    "event": ("C_WaitForSlotEvent, with slots", 10, 3000, 2000),
    "others": ("a search beside another's session objects", 10, 3000, 3000),
    "found": ("each object that a search finds", 300, 3000, 2000),
    "look": ("an object among many", 10, 3000, 1000),
    "callers-object": ("an object beside other callers", 10, 250, 3000),
    "callers-session": ("a session beside other callers", 10, 250, 3000),
    "callers-token": ("C_GetTokenInfo beside other callers", 10, 250, 2000),
    "threads": ("a call beside other threads", 10, 1500, 500),
}
GROWS = 1.5


def own_cost(dump):
    """The name of a dump of callgrind's, and the instructions that count."""
    name, objects, count, total, inclusive = None, {}, False, 0, False
    for line in dump.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("desc: Trigger: Client Request: "):
            name = line.rsplit(": ", 1)[1]
        elif match := re.match(r"ob=\((\d+)\)(?: (.*))?", line):
            if match[2]:
                objects[match[1]] = match[2]
            count = objects[match[1]] not in (str(GROWTH), str(MOCK))
        elif match := re.match(r"cob=\((\d+)\) (.*)", line):
            objects[match[1]] = match[2]
        elif line.startswith("calls="):
            inclusive = True
        elif re.match(r"[0-9+*-]", line):
            if count and not inclusive:
                total += int(line.split()[1])
            inclusive = False
    return name, total


def measure(directory):
    """{(case, N): the instructions for one}"""
    command = ["valgrind", "-q", "--tool=callgrind", "--max-threads=5000",
               f"--callgrind-out-file={directory}/out", GROWTH,
               B / "tokmux-pkcs11.so", MOCK]
    for case, (_, few, many, _) in CASES.items():
        # Once for what is done the first time only.
        command += [case, str(few), case, str(few), case, str(many)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    costs = {}
    for dump in sorted(directory.glob("out.*"), key=lambda path: int(path.suffix[1:])):
        name, total = own_cost(dump)
        if name:
            case, number, calls = name.split()
            costs[case, int(number)] = total / int(calls)
    return costs


def main():
    print("TAP version 13")
    if os.environ.get("SAN") or os.environ.get("TOKMUX_GUEST") or not shutil.which("valgrind"):
        print("1..0 # SKIP with a sanitizer, in a guest, or no valgrind")
        return 0
    print(f"1..{len(CASES)}")
    with tempfile.TemporaryDirectory() as directory:
        costs = measure(pathlib.Path(directory))
    failed = 0
    for number, (case, (what, few, many, bound)) in enumerate(CASES.items(), 1):
        one, other = costs[case, few], costs[case, many]
        good = one <= bound and other <= GROWS * one
        failed += not good
        print(f"{'' if good else 'not '}ok {number} - {what}: {one:.0f} with {few}, "
              f"{other:.0f} with {many}")
        if one > bound:
            print(f"# more than {bound}")
    return failed > 0


sys.exit(main())

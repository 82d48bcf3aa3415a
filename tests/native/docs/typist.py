#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs COMMAND on a terminal, and answers what is asked there: a PIN with 1234,
any other question with the enter key. What is seen there goes to stdout.

usage: typist.py COMMAND [ARGUMENT...]"""

import os
import pty
import re
import select
import sys
import time

SECONDS = 60
QUESTIONS = ((rb"(?i)(pin|passphrase|password)[^\n]*: ?$", b"1234\n"),
             (rb"(?i)(press 'enter'|<Enter>)[^\n]*: ?$", b"\n"))

pid, terminal = pty.fork()
if not pid:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = asked = b""
end = time.monotonic() + SECONDS
while select.select([terminal], [], [], max(end - time.monotonic(), 0))[0]:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    if not data:
        break
    os.write(1, data)
    asked += data
    for question, answer in QUESTIONS:
        if re.search(question, asked):
            os.write(terminal, answer)
            asked = b""
else:
    os.write(1, b"\nnothing more in %d s\n" % SECONDS)
    os.kill(pid, 9)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 255)

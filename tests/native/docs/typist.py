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
import termios
import time

SECONDS = 60
QUESTIONS = ((rb"(?i)(pin|passphrase|password)[^\n]*: ?$", b"1234\n"),
             (rb"(?i)(press 'enter'|<Enter>)[^\n]*: ?$", b"\n"))



def await_no_echo():
    """Who asks for a PIN may throw away what is typed before it is ready for that."""
    late = time.monotonic() + 10
    while termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < late:
        time.sleep(0.01)


pid, terminal = pty.fork()
if not pid:
    os.execvp(sys.argv[1], sys.argv[1:])
seen = asked = b""
while select.select([terminal], [], [], SECONDS)[0]:
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
            if answer.strip():
                await_no_echo()
            os.write(terminal, answer)
            asked = b""
else:
    os.write(1, b"\nnothing more in %d s\n" % SECONDS)
    os.kill(pid, 9)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 255)

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""tokmux(8): each verb in a pipe and on a terminal, its JSON, its exit status
and what it says when it fails. Prints TAP. What needs the kernel module is
skipped where there is none; the guest has it, with udevd, and we are root."""

import ctypes
import fcntl
import grp
import json
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

TOOL = os.path.join(os.environ["B"], "tokmux")
SOON = 30
OK, NO, REFUSED, USAGE, NOTOKEN, NOMODULE, FAILED, GONE, NOPERM = \
    0, 1, 2, 64, 66, 69, 71, 74, 77
KERNEL = os.path.exists("/dev/tokmux-control") and os.geteuid() == 0
VERBS = ["list", "status", "who", "lock", "monitor", "top", "eject",
         "atr", "apdu", "register", "unregister", "check", "run", "pcsc"]
NOBODY = 65534

tests = []
count = 0
failures = 0


def test(function):
    tests.append(function)
    return function


def check(what, got, wanted):
    """One line of TAP."""
    global count, failures
    count += 1
    good = wanted(got) if callable(wanted) else got == wanted
    if not good:
        failures += 1
        for line in f"got    {got!r}\nwanted {wanted!r}".splitlines():
            print("#", line)
    print(f"{'ok' if good else 'not ok'} {count} - {what}", flush=True)
    return good


def run(*args, **kwargs):
    """In a pipe: (status, stdout, stderr)."""
    if "input" not in kwargs:
        kwargs["stdin"] = subprocess.DEVNULL
    done = subprocess.run([TOOL, *args], capture_output=True, text=True,
                          timeout=SOON, **kwargs)
    return done.returncode, done.stdout, done.stderr


def rows(*args):
    """The rows of a verb's JSON."""
    status, out, err = run(*args, "-J")
    if status:
        raise AssertionError(f"{args}: {status} {err}")
    (name, value), = json.loads(out).items()
    return value


class Terminal:
    """The tool on a terminal of its own, which may be typed on."""

    def __init__(self, *args, program=TOOL, columns=120):
        self.output = ""
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.environ["TERM"] = "linux"
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            # Whoever started us in the background has ignored it.
            for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                signal.signal(ignored, signal.SIG_DFL)
            # No file of it is wanted from who dies of SIGQUIT.
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            os.execvp(program, [program, *args])

    def read_until(self, pattern):
        deadline = time.monotonic() + SOON
        while not re.search(pattern, self.output):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                return False
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            if not data:
                return bool(re.search(pattern, self.output))
            self.output += data.decode(errors="replace")
        return True

    def so_far(self):
        """What there is already."""
        while select.select([self.fd], [], [], 0)[0]:
            self.output += os.read(self.fd, 65536).decode(errors="replace")
        return self.output

    def ended(self):
        """Soon after it closed the terminal, or not at all."""
        child = os.pidfd_open(self.pid)
        ready = select.select([child], [], [], SOON)[0]
        os.close(child)
        return bool(ready)

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self):
        self.read_until(r"\Z.")     # to the end
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


class Stream:
    """The tool in a pipe, for as long as we want; a line at a time."""

    def __init__(self, *args, **kwargs):
        self.process = subprocess.Popen([TOOL, *args], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **kwargs)

    def line(self):
        return read_line(self.process.stdout)

    def end(self):
        out, err = self.process.communicate(timeout=SOON)
        return self.process.returncode, out, err


def ignore_children():
    """In a child: what it is that starts the tool has ignored SIGCHLD."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def skip(what, why):
    global count
    count += 1
    print(f"ok {count} - {what} # SKIP {why}")


def read_line(stream):
    """A line of a pipe, in time; past its buffer, which select() doesn't know of."""
    line = b""
    deadline = time.monotonic() + SOON
    while not line.endswith(b"\n"):
        left = max(deadline - time.monotonic(), 0)
        if not select.select([stream], [], [], left)[0]:
            raise AssertionError(f"no line in {SOON} s, but {line!r}")
        byte = os.read(stream.fileno(), 1)
        if not byte:
            break
        line += byte
    return line.decode()


def wait_for(what, condition):
    deadline = time.monotonic() + SOON
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not in {SOON} s")


def wait_for_waiters(token, number=1):
    wait_for(f"{number} waiters", lambda: rows("status", token)[0]["waiters"] == number)


def one_sentence(text):
    return text.count("\n") == 1 and text.startswith("tokmux")


# ---- without a token --------------------------------------------------------

@test
def usage():
    if KERNEL:
        skip("usage", "it is the same as without the kernel module")
        return
    status, out, err = run()
    check("no verb: usage", (status, out), (USAGE, ""))
    status, out, err = run("frobnicate")
    check("an unknown verb: usage", status, USAGE)
    check("and it is named", err, lambda e: "'frobnicate'" in e)
    for typed, meant in (("lsit", "list"), ("stat", "status"), ("locc", "lock"), ("ejct", "eject"),
                         ("tpo", "top"), ("moniter", "monitor"), ("unregistr", "unregister")):
        status, out, err = run(typed)
        check(f"{typed}: the right verb is suggested", (status, f"did you mean '{meant}'?" in err), (USAGE, True))
        check(f"help {typed}: so it is", f"did you mean '{meant}'?" in run("help", typed)[2], True)
    for typed in ("frobnicate", "xyz", "", "x" * 1000):
        check(f"{typed[:10]!r}: none is", "did you mean" in run(typed)[2], False)
    for args in (["-J", "check", "surplus"], ["--json", "check", "surplus"],
                 ["-o", "check", "check", "surplus"], ["--output=check", "--noheadings", "check", "surplus"]):
        status, out, err = run(*args)
        check(f"{' '.join(args)}: options before the verb", (status, "check: what is 'surplus'?" in err), (USAGE, True))
    status, out, err = run("-J", "-o", "check", "check", "-m", "/no/such")
    check("and they are heeded", '"checks"' in out, True)
    check("options and no verb: usage", run("-J")[0], USAGE)
    status, out, err = run("help")
    check("help names every verb", status == OK and
          [v for v in VERBS if not re.search(rf"^  {v} ", out, re.M)], [])
    status, out, err = run("--version")
    check("--version", (status, out), lambda r: r[0] == OK and
          re.fullmatch(r"tokmux \d+\.\d+\.\d+\n", r[1]))
    status, out, err = run("help", "frobnicate")
    check("help of an unknown verb: usage", status, USAGE)
    for verb in VERBS:
        status, out, err = run(verb, "--help")
        check(f"{verb} --help", (status, out.split("\n")[0][:14 + len(verb)]),
              (OK, f"usage: tokmux {verb}"))
        status, out, err = run(verb, "--frobnicate")
        check(f"{verb}: an unknown option: usage", (status, out, "--frobnicate" in err),
              (USAGE, "", True))
    for verb in ["list", "check"]:
        status, out, err = run(verb, "surplus")
        check(f"{verb}: a surplus argument: usage", (status, "'surplus'" in err),
              (USAGE, True))
    for verb in ["eject", "unregister", "register", "lock", "atr", "apdu", "run", "pcsc"]:
        check(f"{verb}: an argument is missing: usage", run(verb)[0], USAGE)
    for args in (["lock", "a", "-w", "soon", "true"], ["lock", "a", "-w", "-1", "true"],
                 ["lock", "a", "-E", "256", "true"], ["lock", "a"],
                 ["lock", "a", "-s", "--clean", "true"], ["lock", "a", "-c", "true", "true"],
                 ["lock", "a", "-c"],
                 ["top", "-d", "0"], ["top", "-n", "0"], ["top", "-n", "x"],
                 ["top", "a", "b"], ["monitor", "a", "b"], ["who", "a", "b"], ["eject", "a"],
                 ["atr", "a", "b"], ["atr", "a", "--slot", "256"], ["atr", "a", "-w", "x"],
                 ["apdu", "a"], ["apdu", "a", ""], ["apdu", "a", "00A40"],
                 ["apdu", "a", "00A4040G"], ["apdu", "a", "0 0A40400"],
                 ["apdu", "a", "00A40400\n00A40400"],
                 ["register", "--hold-limit", "x", "a"],
                 ["register", "--max-sessions", "65537", "a"],
                 ["pcsc", "enable"], ["pcsc", "on", "opensc"], ["pcsc", "enable", "pcscd"],
                 ["list", "-o", "name,nonsense"], ["check", "-o", ""]):
        status, out, err = run(*args)
        check(f"{' '.join(args)!r}: usage", (status, out), (USAGE, ""))
    status, out, err = run("apdu", "a", input="# a script\n\n00A40400\n00 2000 00 063X\n")
    check("apdu: a bad line is named, not shown", (status, out, "line 4: " in err, "3X" in err),
          (USAGE, "", True, False))
    status, out, err = run("apdu", "a", input="00" * 65545)
    check("apdu: one that is too long", (status, out, "no APDU is as long" in err), (USAGE, "", True))
    for verb in VERBS:
        if verb in ("lock", "apdu", "run", "pcsc"):
            continue
        status, out, err = run(verb, "-o", "help")
        check(f"{verb} -o help", (status, len(out.splitlines()) > 2, err), (OK, True, ""))
        status, out, err = run(verb, "-o", "nonsense")
        check(f"{verb}: no such column", (status, out, "'nonsense'" in err), (USAGE, "", True))


@test
def pcsc():
    with tempfile.TemporaryDirectory() as home:
        conf, before = os.path.join(home, "opensc.conf"), "app default {\n\tdebug = 0;\n}\n"
        gnupg = os.path.join(home, "scdaemon.conf")
        env = dict(os.environ, OPENSC_CONF=conf, GNUPGHOME=home, LD_LIBRARY_PATH="/mine")
        library = os.path.join(os.path.dirname(TOOL), "pcsc", "libpcsclite.so.1")

        def call(*args):
            done = subprocess.run([TOOL, *args], env=env, capture_output=True, text=True)
            return done.returncode, done.stdout, done.stderr

        def content(path):
            with open(path, encoding="utf-8") as file:
                return file.read()

        with open(conf, "w", encoding="utf-8") as file:
            file.write(before)
        os.chmod(conf, 0o640)
        check("pcsc --dry-run says what would be written",
              call("pcsc", "enable", "opensc", "--dry-run"),
              lambda r: r[0] == OK and library in r[1])
        check("and writes nothing", content(conf), before)
        for times in "once", "twice":
            check(f"pcsc enable opensc, {times}", call("pcsc", "enable", "opensc"), (OK, "", ""))
            check("the library is named once", content(conf).count(library), 1)
        check("inside of the block that is there", content(conf).index(library),
              lambda at: at < content(conf).index("debug = 0"))
        check("the file keeps its permissions", oct(os.stat(conf).st_mode & 0o777), "0o640")
        check("pcsc disable opensc", call("pcsc", "disable", "opensc"), (OK, "", ""))
        check("it is as it was", content(conf), before)
        with open(conf, "w", encoding="utf-8") as file:
            file.write("app default {\n\treader_driver pcsc {\n\t}\n}\n")
        status, out, err = call("pcsc", "enable", "opensc")
        check("what says something else is named", (status, out, f"{conf}:2:" in err),
              (FAILED, "", True))
        os.unlink(conf)
        check("without a file", call("pcsc", "enable", "opensc")[0], OK)
        check("a whole block is written", content(conf), lambda c: "app default {" in c)
        check("and removed with the file", (call("pcsc", "disable", "opensc")[0],
              os.path.exists(conf)), (OK, False))
        check("pcsc enable scdaemon", call("pcsc", "enable", "scdaemon")[0], OK)
        check("it has both lines", content(gnupg),
              lambda c: f"pcsc-driver {library}\n" in c and "disable-ccid\n" in c)
        found = {c["check"]: c for c in json.loads(call("check", "-J")[1])["checks"]}
        check("check knows", found["pcsc"]["found"], lambda f: f.endswith(": scdaemon"))
        check("pcsc disable scdaemon", (call("pcsc", "disable", "scdaemon")[0],
              os.path.exists(gnupg)), (OK, False))
        check("run: the library's directory comes first",
              call("run", "--", "sh", "-c", 'echo "$LD_LIBRARY_PATH"'),
              (OK, f"{os.path.dirname(library)}:/mine\n", ""))
        check("run: the status is the command's", call("run", "sh", "-c", "exit 7")[0], 7)
        check("run: no such command", call("run", "nothing-of-that-name")[0], 127)


@test
def without_the_module():
    if KERNEL or os.path.exists("/dev/tokmux-control"):
        skip("without_the_module", "the kernel module is there")
        return
    for args in (["list"], ["list", "-J"], ["status"], ["status", "a"], ["who", "a"],
                 ["lock", "a", "true"], ["lock", "a", "--user", "true"],
                 ["monitor", "a"], ["top"], ["top", "a"], ["eject", "-f", "a"],
                 ["atr", "a"], ["apdu", "a", "00A40400"],
                 ["register", "a"], ["register", "--dry-run", "a"],
                 ["unregister", "a"], ["status", "/dev/tokmux0"],
                 ["status", "pkcs11:token=a"], ["status", "pkcs11:token=" + 63 * "a"],
                 ["status", "pkcs11:manufacturer=%41%20" + 40 * "a" + ";model=" + 40 * "a" +
                  ";serial=" + 40 * "a" + "?pin-source=file:/no/such"]):
        status, out, err = run(*args)
        check(f"{' '.join(args)}: the module is missing",
              (status, out, one_sentence(err), "modprobe tokmux" in err),
              (NOMODULE, "", True, True))
    terminal = Terminal("monitor")
    check("monitor: the module is missing, tokens may come all the same",
          terminal.read_until("modprobe tokmux"), True)
    terminal.type("\x03")
    terminal.wait()
    for uri, why in (("nonsense", "no attribute"), ("frob=1", "'frob' is not known"),
                     ("token=a;object=b", "'object' is not known"), ("token=%4", "RFC 7512"),
                     ("token=%zz", "RFC 7512"), ("token=a%00", "RFC 7512"),
                     ("token=a;token=b", "two of token")):
        status, out, err = run("status", f"pkcs11:{uri}")
        check(f"status pkcs11:{uri}: it says why", (status, out, one_sentence(err), why in err),
              (USAGE, "", True, True))
    found = {c["check"]: c for c in rows_of_check()}
    check("check says so", found["module"]["verdict"], "bad")


def rows_of_check(*args):
    status, out, err = run("check", "-J", *args)
    check("check: its status says whether something is bad", status,
          lambda s: s == (NO if '"verdict": "bad"' in out else OK))
    checks = json.loads(out)["checks"]
    check("check: each has a verdict", [c["check"] for c in checks
          if c["verdict"] not in ("ok", "warning", "bad")], [])
    return checks


# ---- with tokens -------------------------------------------------------------

def kernel(function):
    """Skipped as a whole where there is no module."""
    def wrapped():
        if not KERNEL:
            skip(function.__name__, "needs the kernel module, and root")
            return
        function()
    wrapped.__name__ = function.__name__
    return test(wrapped)


class Token:
    """A system token for as long as a test runs."""

    def __init__(self, name, *args):
        self.name = name
        row, = rows("register", name, *args)
        self.device = row["device"]
        subprocess.run(["udevadm", "settle"], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        run("unregister", "--force", self.name)


def holder(token, *args):
    """Holds it until its standard input ends; returns when it does."""
    process = subprocess.Popen([TOOL, "lock", token, *args, "--", "sh", "-c",
                                "echo held; exec cat"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    read_line(process.stdout)
    return process


def let_go(process):
    process.stdin.close()
    process.stdout.close()
    return process.wait(SOON)


@kernel
def register_and_list():
    status, out, err = run("register", "--dry-run", "card", "-J")
    check("register --dry-run: JSON", json.loads(out)["registered"],
          [{"name": "card", "device": None, "created": False}])
    check("and nothing is made", run("status", "card")[0], NOTOKEN)
    for args, wanted, why in ((["a", "--device", "/no/such"], USAGE, "no such device"),
                              (["a", "--device", "/no/such", "--interface", "9"], USAGE, "no such device"),
                              (["a", "--device", "/dev/null"], USAGE, "neither a USB smartcard reader"),
                              (["a", "--device", "/dev/null", "--interface", "9"], USAGE, "no USB device with an interface 9"),
                              (["a", "--device", "/etc/passwd"], USAGE, "neither a USB smartcard reader"),
                              (["a b"], USAGE, "' ' can't be in a token's name"),
                              (["a/b"], USAGE, "'/' can't be in a token's name"),
                              (["a\u00e9"], USAGE, "character 2 can't be in a token's name"),
                              ([":a"], USAGE, "begins with a letter, a digit or _, not with ':'"),
                              ([64 * "a"], USAGE, "at most 63 characters, this one has 64")):
        for dry in (["--dry-run"], []):
            status, out, err = run("register", *dry, *args)
            check(f"{' '.join(['register', *dry, *args])}", (status, out, one_sentence(err), why in err),
                  (wanted, "", True, True))
    with Token("card", "--hold-limit", "2.5", "--max-sessions", "7") as card:
        row, = [r for r in rows("list") if r["name"] == "card"]
        check("list -J", row, {"name": "card", "device": card.device, "state": "free",
                               "owner": "root", "unclean": False, "holder": None,
                               "command": None, "waiters": 0, "sessions": 0})
        status, out, err = run("list")
        check("list in a pipe", (status, err, re.search(
            rf"^card +{card.device} +root +free +no ", out, re.M) is not None), (OK, "", True))
        check("its headings", out.split("\n")[0].split()[:4], ["NAME", "DEVICE", "OWNER", "STATE"])
        terminal = Terminal("register", "--dry-run", "card3")
        check("register on a terminal", (terminal.wait(), re.search(
            r"^NAME +DEVICE +CREATED *\r\ncard3 +no *\r\n$", terminal.output) is not None), (OK, True))
        terminal = Terminal("unregister", "--dry-run", "card")
        check("unregister on a terminal", (terminal.wait(), re.search(
            rf"^NAME +DEVICE +REMOVED *\r\ncard +{card.device} +no *\r\n$", terminal.output) is not None),
              (OK, True))
        terminal = Terminal("list", "-o", "name")
        check("list on a terminal", (terminal.wait(), "card" in terminal.output), (OK, True))
        check("list -o, --noheadings", run("list", "-o", "name", "--noheadings")[1], "card\n")
        check("list -o +epoch", list(rows("list", "-o", "+epoch")[0])[-1], "epoch")
        row, = rows("status", "card")
        check("status -J", (row["hold_limit_ms"], row["max_sessions"], row["owner"],
                            row["holder_pids"], row["user_token"]),
              (2500, 7, "root", [], False))
        status, out, err = run("status", "card")
        check("status in a pipe", (status, " max_sessions: 7\n" in out), (OK, True))
        terminal = Terminal("status", "card")
        check("status on a terminal", (terminal.wait(), "hold_limit_ms: 2500" in terminal.output),
              (OK, True))
        names = (card.device, card.device[5:], "/dev/tokmux/by-name/card",
                 "pkcs11:token=card", "pkcs11:token=%63ard")
        for name, row in zip(names, rows("status", *names), strict=True):
            check(f"status {name}", row["name"], "card")
        for name, wanted in (("pkcs11:token=cards", NOTOKEN), ("pkcs11:nonsense", USAGE),
                             ("pkcs11:frob=1", USAGE), ("pkcs11:token=car", NOTOKEN),
                             ("pkcs11:token=card;serial=1", NOTOKEN), ("no-card", NOTOKEN),
                             ("/dev/null", USAGE), ("/no/such", NOTOKEN), ("", USAGE)):
            status, out, err = run("status", name)
            check(f"status '{name}'", (status, out, one_sentence(err)), (wanted, "", True))
        status, out, err = run("register", "card")
        check("register a name again", (status, out, "exists" in err), (71, "", True))
        with Token(63 * "n"):
            check("a URI with a long name", rows("status", "pkcs11:token=" + 63 * "n")[0]["name"], 63 * "n")
            check("and it is the whole name", run("status", "pkcs11:token=" + 32 * "n")[0], NOTOKEN)
        with Token("card2"):
            status, out, err = run("status", "pkcs11:")
            check("a URI that fits two", (status, "more than one" in err), (USAGE, True))
        row, = rows("unregister", "--dry-run", "card")
        check("unregister --dry-run", (row["removed"], run("status", "card")[0]), (False, OK))
        using = holder("card")
        status, out, err = run("unregister", "card")
        check("unregister: in use", (status, out, "in use" in err), (NO, "", True))
        let_go(using)
        row, = rows("unregister", "card")
        check("unregister", (row, run("status", "card")[0]),
              ({"name": "card", "device": card.device, "removed": True}, NOTOKEN))


@kernel
def permissions():
    with Token("closed") as closed:
        # As udev leaves it where there is the group tokmux, whatever there is here.
        os.chown(closed.device, 0, grp.getgrnam("games").gr_gid)
        os.chmod(closed.device, 0o660)
        for args, wanted in ((["list"], OK), (["status", "closed"], OK),
                             (["who", "closed"], OK),
                             (["lock", "closed", "true"], NOPERM),
                             (["atr", "closed"], NOPERM), (["apdu", "closed", "00A40400"], NOPERM),
                             (["top", "-n", "1"], OK), (["top", "-n", "1", "closed"], OK),
                             (["eject", "-f", "closed"], NOPERM),
                             (["register", "mine"], NOPERM),
                             (["unregister", "closed"], NOPERM)):
            status, out, err = run(*args, user=NOBODY, group=NOBODY, extra_groups=[])
            check(f"{' '.join(args)} as nobody", (status, one_sentence(err) if wanted else err == ""),
                  (wanted, True))
            if args[0] in ("lock", "atr", "apdu", "eject"):
                check("it names the device, the group and the command", err,
                      lambda e: f"{closed.device}: it is for the group games; as root: "
                      "usermod -aG games nobody" in e)
            if args[0] in ("register", "unregister"):
                check("it says who may", err, lambda e: f"root may: sudo tokmux {args[0]}" in e)
        stream = Stream("monitor", "-J", "closed", user=NOBODY, group=NOBODY, extra_groups=[])
        event = next_event(stream)
        check("monitor closed as nobody", (event["event"], event["name"]), ("present", "closed"))
        stream.process.terminate()
        check("and until it is ended", stream.end()[::2], (-signal.SIGTERM, ""))
        # The control device closed as well, as a machine's owner may have it.
        os.chmod("/dev/tokmux-control", 0o600)
        for args in (["list"], ["status", "closed"], ["top", "-n", "1"], ["lock", "mine", "--user", "true"]):
            status, out, err = run(*args, user=NOBODY, group=NOBODY, extra_groups=[])
            check(f"{' '.join(args)} as nobody, the control device closed",
                  (status, one_sentence(err) if status else err == ""),
                  (NOPERM if "--user" in args else OK, True))
        os.chmod("/dev/tokmux-control", 0o666)
        done = subprocess.run([TOOL, "check", "-J"], capture_output=True, text=True,
                              user=NOBODY, group=NOBODY, extra_groups=[], timeout=60)
        found = {c["check"]: c for c in json.loads(done.stdout)["checks"]}
        check("check as nobody: the token is closed, and what to do",
              (found["token closed"]["verdict"], "adduser USER tokmux" in found["token closed"]["advice"]),
              ("warning", True))


@kernel
def who():
    check("list in a pipe, without a token: nothing", run("list"), (OK, "", ""))
    terminal = Terminal("list")
    check("list on a terminal says that there are none", (terminal.wait(), "There are no tokens" in terminal.output),
          (OK, True))
    with Token("card"):
        check("who: nobody", rows("who", "card"), [])
        check("who in a pipe: nobody", run("who", "card"), (OK, "", ""))
        terminal = Terminal("who", "card")
        check("who on a terminal says so", (terminal.wait(), "uses this token." in terminal.output), (OK, True))
        using = holder("card")
        waiting = subprocess.Popen([TOOL, "lock", "card", "true"])
        wait_for_waiters("card")
        users = {u["pid"]: u for u in rows("who", "card")}
        check("who: the holder", {k: users[using.pid][k] for k in
              ("user", "command", "via", "lease", "waiting", "sessions", "login")},
              {"user": "root", "command": "sh", "via": "token", "lease": "exclusive",
               "waiting": 0, "sessions": 0, "login": None})
        check("who: since when", users[using.pid]["seconds"],
              lambda seconds: isinstance(seconds, float) and 0 <= seconds < 10 * SOON)
        check("who: not of who waits", users[waiting.pid]["seconds"], None)
        check("who: who waits", (users[waiting.pid]["lease"], users[waiting.pid]["waiting"],
                                 users[waiting.pid]["command"]), (None, 1, "true"))
        check("who: nobody else", len(users), 2)
        status, out, err = run("who", "card", user=NOBODY, group=NOBODY, extra_groups=[])
        check("who as another user: what sysfs tells", (status, out.count("\n"), str(using.pid) in out),
              (OK, 3, True))
        terminal = Terminal("who", "card")
        check("who on a terminal", (terminal.wait(), str(using.pid) in terminal.output), (OK, True))
        row, = rows("list", "-o", "name,state,holder,command,waiters,waiter_pids")
        check("list says the same", row, {"name": "card", "state": "exclusive", "holder": using.pid,
                                          "command": "sh", "waiters": 1,
                                          "waiter_pids": [waiting.pid]})
        let_go(using)
        waiting.wait(SOON)
    using = holder("mine", "--user")
    users = rows("who", "mine")
    check("who: a token of this user", [(u["pid"], u["lease"]) for u in users],
          [(using.pid, "exclusive")])
    row, = rows("status", "mine")
    check("status: a token of this user", (row["user_token"], row["device"], row["holder"]),
          (True, None, using.pid))
    check("another user's can't be seen", run("status", "mine", user=NOBODY, group=NOBODY,
                                              extra_groups=[])[0], NOTOKEN)
    check("unregister: not one of a user", run("unregister", "mine")[0], USAGE)
    let_go(using)


@kernel
def idle():
    """A lease that is kept, but not used."""
    if os.environ.get("SAN"):
        skip("idle", "python3 isn't sanitized")
        return
    lib = ctypes.CDLL(os.environ["B"] + "/libtokmux.so.1")
    caller = ctypes.c_void_p()
    lib.tokmux_open_user(b"kept", 0, 0, ctypes.byref(caller))
    lib.tokmux_bind(caller, 0)
    lib.tokmux_acquire(caller, 1, 0, None)
    row, = rows("who", "-o", "pid,state,lease", "kept")
    check("who: it is in use", row, {"pid": os.getpid(), "state": "exclusive", "lease": "exclusive"})
    check("status: it is in use", rows("status", "kept")[0]["idle"], 0)
    lib.tokmux_idle(caller, 0)
    row, = rows("who", "-o", "pid,state,lease", "kept")
    check("who: it is kept", row, {"pid": os.getpid(), "state": "kept", "lease": "exclusive"})
    check("status: it is idle", rows("status", "kept")[0]["idle"], 1)
    check("lock: it is to be had", run("lock", "-n", "kept", "true")[0], OK)
    check("who: and was lost", rows("who", "-o", "state", "kept")[0]["state"], "idle")
    lib.tokmux_close(caller)


def as_nobody():
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}


@kernel
def other_users_tokens():
    """Root sees everybody's, others their own; by each verb that shows tokens."""
    theirs = subprocess.Popen([TOOL, "lock", "theirs", "--user", "--", "sh", "-c", "echo held; exec cat"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **as_nobody())
    read_line(theirs.stdout)
    waiting = subprocess.Popen([TOOL, "lock", "theirs", "true"], **as_nobody())
    ours = holder("ours", "--user")
    wait_for_waiters("theirs")
    with Token("card"):
        using = holder("card")
        users = rows("who")
        check("who: all of them", [(u["token"], u["pid"], u["user"], u["command"], u["lease"], u["waiting"])
                                   for u in sorted(users, key=lambda u: (u["token"], u["waiting"]))],
              [("card", using.pid, "root", "sh", "exclusive", 0),
               ("ours", ours.pid, "root", "sh", "exclusive", 0),
               ("theirs", theirs.pid, "nobody", "sh", "exclusive", 0),
               ("theirs", waiting.pid, "nobody", "true", None, 1)])
        terminal = Terminal("who")
        check("who on a terminal", (terminal.wait(), re.search(
            rf"^TOKEN +PID .*^theirs +{theirs.pid} +nobody +sh +token +exclusive", terminal.output,
            re.M | re.S) is not None), (OK, True))
        # On a narrow one nothing wraps, however long a name is.
        with Token(63 * "n"):
            for verb in (["list"], ["who"], ["top", "-n", "1"]):
                terminal = Terminal(*verb, columns=80)
                check(f"{verb[0]} on a terminal of 80 columns", (terminal.wait(), [
                    line for line in re.split(r"[\r\n]+|\x1b\[[?0-9]*[a-zA-Z]", terminal.output)
                    if len(line) > 80], "theirs" in terminal.output), (OK, [], True))
        status, out, err = run("who", **as_nobody())
        check("who as another user: theirs, and what sysfs tells", (status, err, sorted(
            line.split()[0] for line in out.splitlines()[1:])), (OK, "", ["card", "theirs", "theirs"]))
        for verb in (["list"], ["status"], ["top", "-n", "1"]):
            check(f"{verb[0]}: all of them", [(t["name"], t["owner"], t["holder"], t["waiters"]) for t in
                                              rows(*verb, "-o", "name,owner,holder,waiters")],
                  [("card", "root", using.pid, 0), ("ours", "root", ours.pid, 0),
                   ("theirs", "nobody", theirs.pid, 1)])
            status, out, err = run(*verb, "-o", "name", "--noheadings", **as_nobody())
            check(f"{verb[0]} as another user: no other user's", (status, out.split(), err),
                  (OK, ["card", "theirs"], ""))
        let_go(using)
    check("status of another user's", rows("status", "theirs", "-o", "name,owner,user_token"),
          [{"name": "theirs", "owner": "nobody", "user_token": True}])
    check("who has another user's", [u["pid"] for u in rows("who", "theirs")], [theirs.pid, waiting.pid])
    check("but not for others", run("who", "ours", **as_nobody())[0], NOTOKEN)
    mine = holder("theirs", "--user")
    check("of one name, root's own is meant", [u["pid"] for u in rows("who", "theirs")], [mine.pid])
    let_go(mine)
    check("eject of another user's", rows("eject", "-f", "theirs"),
          [{"leases": 1, "sessions": 0, "logins": 0}])
    check("and the next one has it", waiting.wait(SOON), 0)
    check("eject is for root and whose it is", run("eject", "-f", "ours", **as_nobody())[0], NOTOKEN)
    let_go(theirs)
    let_go(ours)
    check("they are gone with their users", [t for t in rows("list") if t["name"] in ("ours", "theirs")], [])


IN_PKCS11 = """
import sys, PyKCS11
lib = PyKCS11.PyKCS11Lib()
lib.load(sys.argv[1])
slot = next(s for s in lib.getSlotList(tokenPresent=True) if lib.getTokenInfo(s).label.strip() == "mine")
session = lib.openSession(slot, PyKCS11.CKF_SERIAL_SESSION)
session.login("1234")
print("in", flush=True)
sys.stdin.read()
"""


@kernel
def tokens_of_the_pkcs11_module():
    """The default configuration: a user token, which the module has named."""
    if os.environ.get("SAN"):
        skip("tokens_of_the_pkcs11_module", "python3 isn't sanitized")
        return
    # The tool asks the module that is installed. The guest forgets this.
    module = re.search(r"/\S*/tokmux-pkcs11\.so", run("check", "--help")[1])[0]
    os.makedirs(os.path.dirname(module), exist_ok=True)
    shutil.copy(os.environ["B"] + "/tokmux-pkcs11.so", module)
    subprocess.run(["ldconfig", os.environ["B"]], check=True)
    tokens = tempfile.mkdtemp()
    conf = os.environ["SOFTHSM2_CONF"] = os.path.join(tokens, "softhsm2.conf")
    with open(conf, "w") as f:
        f.write(f"directories.tokendir = {tokens}\nlog.level = ERROR\n")
    for label in ("mine", "another"):
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", "12345678",
                        "--pin", "1234"], check=True, stdout=subprocess.DEVNULL)
    status, out, err = run("who", "pkcs11:token=mine")
    check("a URI of a token that nobody uses", (status, err), lambda r: r[0] == NOTOKEN and
          re.fullmatch("tokmux who: pkcs11:token=mine: that is token p11_.*, but nobody uses it now\n", r[1]))
    program = subprocess.Popen(["/usr/bin/python3", "-c", IN_PKCS11, module], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    check("a program is logged in through the module", read_line(program.stdout), "in\n")
    # The module has opened the other one as well, to see what it is.
    token, = [t for t in rows("list", "-o", "+user_token") if t["user_token"] and t["sessions"]]
    names = [t["name"] for t in rows("list", "-o", "+user_token") if t["user_token"]]
    check("a name that the module makes up is no URI (RFC 3986)",
          (len(names) > 0, [name for name in names if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", name)]), (True, []))
    for name in ("pkcs11:token=mine", "pkcs11:model=SoftHSM%20v2;token=mine?module-name=x", token["name"]):
        user, = rows("who", name)
        check(f"who {name}", (user["pid"], user["command"], user["sessions"], user["login"]),
              (program.pid, "python3", 1, "user"))
        check(f"status {name}", rows("status", name, "-o", "name,users"), [{"name": token["name"], "users": 1}])
    check("who: all of them", [(u["token"], u["login"]) for u in rows("who") if u["sessions"]],
          [(token["name"], "user")])
    status, out, err = run("who", "pkcs11:token=nobodys")
    check("a URI of no token", (status, one_sentence(err), "no PKCS#11 token fits" in err), (NOTOKEN, True, True))
    status, out, err = run("who", "pkcs11:model=SoftHSM%20v2")
    check("a URI of two", (status, "more than one" in err), (USAGE, True))
    stream = Stream("monitor", "--all", "-J", token["name"])
    wait_for_trace(stream)
    second = subprocess.Popen(["/usr/bin/python3", "-c", IN_PKCS11, module], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True)
    read_line(second.stdout)
    let_go(second)
    events = []
    while not events or (events[-1]["event"], events[-1]["sessions"]) != ("sessions", 0):
        events.append(next_event(stream))
    events = [(e["event"], e["login"], e["sessions"]) for e in events if e["pid"] == second.pid]
    check("monitor --all: sessions and logins", [e for e in events if e[0] in ("sessions", "login", "logout")],
          [("sessions", None, 1), ("login", "user", None), ("logout", "user", None), ("sessions", None, 0)])
    stream.process.terminate()
    stream.end()
    # Between its calls the program keeps its lease, which is idle.
    check("eject by a URI", rows("eject", "-f", "pkcs11:token=mine"), [{"leases": 1, "sessions": 1, "logins": 1}])
    let_go(program)
    os.environ["TOKMUX_CONF"] = "/no/such/file"
    status, out, err = run("who", "pkcs11:token=mine")
    check("a module that doesn't work: it says why", (status, one_sentence(err), "/no/such/file" in err),
          (FAILED, True, True))
    del os.environ["TOKMUX_CONF"], os.environ["SOFTHSM2_CONF"]
    shutil.rmtree(tokens)


@kernel
def lock():
    with Token("card") as card:
        check("lock: the command's status", run("lock", "card", "--", "sh", "-c", "exit 7")[0], 7)
        check("lock: its output", run("lock", "card", "echo", "-n", "x")[1], "x")
        check("lock: killed by a signal",
              run("lock", "card", "sh", "-c", "kill -TERM $$")[0], 128 + signal.SIGTERM)
        status, out, err = run("lock", "card", "/no/such")
        check("lock: no such command", (status, one_sentence(err)), (127, True))
        check("lock: what can't be run", run("lock", "card", "/")[0], 126)
        check("lock: no such token", run("lock", "cards", "true")[0], NOTOKEN)
        status, out, err = run("lock", "card", "sh", "-c", "echo $TOKMUX_UNCLEAN; echo $TOKMUX_EPOCH")
        check("lock: the command is told of the grant", out,
              lambda o: re.fullmatch(r"0\n\d+\n", o))

        # Whoever starts us may have ignored it; for the command it stays so.
        done = subprocess.run([TOOL, "lock", "card", "grep", "SigIgn", "/proc/self/status"],
                              preexec_fn=ignore_children, capture_output=True, text=True, timeout=SOON)
        check("lock, where SIGCHLD is ignored", (done.returncode, done.stderr), (OK, ""))
        check("and so it is for the command", bool(int(done.stdout.split()[1], 16) &
                                                   1 << signal.SIGCHLD - 1), True)

        check("lock -c", run("lock", "card", "-c", "echo $TOKMUX_UNCLEAN; exit 3",
                             env={**os.environ, "SHELL": ""})[:2], (3, "0\n"))
        check("lock -c, before TOKEN, by $SHELL", run("lock", "-c", "a  b", "card",
                                                      env={**os.environ, "SHELL": "/bin/echo"})[1], "-c a  b\n")

        using = holder("card", "-s")
        check("lock -s beside another", run("lock", "card", "-n", "-s", "true")[0], 0)
        status, out, err = run("lock", "card", "-n", "true")
        check("lock -n: refused", (status, out, err), (NO, "", ""))
        status, out, err = run("lock", "-n", "--verbose", "-E", "9", card.device, "--", "true")
        check("lock -E, options first, --verbose", (status, one_sentence(err)), (9, True))
        start = time.monotonic()
        check("lock -w", (run("lock", "card", "-w", "0.3", "true")[0],
                          0.3 <= time.monotonic() - start < 10), (NO, True))
        check("lock: the holder's own status", let_go(using), 0)

        # All at once: each takes seconds.
        using = holder("card")
        terminal = Terminal("lock", "card", "echo", "got it")
        waiting = Stream("lock", "card", "-w", "1.5", "true")
        broken = Terminal("lock", "card", "true")
        shell = Terminal("--norc", "-ic", f"{TOOL} lock card -c '/bin/echo got it too' & "
                         "echo behind; read line", program="bash")
        shell.read_until("behind")
        broken.read_until("waiting for")
        broken.type("\x03")
        check("lock: ^C ends the wait", broken.wait(), -signal.SIGINT)
        check("lock in a pipe waits silently", waiting.end(), (NO, "", ""))
        check("lock on a terminal: says for whom it waits",
              terminal.read_until(rf"waiting for sh\[{using.pid}\], 2 s"), True)
        wait_for_waiters("card", 2)
        check("and nothing else waits any more", sorted(u["command"] for u in rows("who", "card")),
              ["echo", "echo", "sh"])
        # Longer than from when it tells of a wait.
        late = Terminal("lock", "card", "-w", "2.5", "true")
        late.wait()
        check("lock in the background leaves the terminal alone", "waiting" in shell.so_far(), False)
        check("while one in the foreground does not", "waiting" in late.output, True)
        let_go(using)
        check("and its command runs", shell.read_until("got it too"), True)
        shell.type("\n")
        shell.wait()
        check("lock on a terminal: and goes on",
              (terminal.read_until("got it"), terminal.wait()), (True, 0))

        process = subprocess.Popen([TOOL, "lock", "card", "--", "sh", "-c",
                                    "trap 'exit 5' TERM; echo held; while :; do read x; done"],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        read_line(process.stdout)
        process.terminate()
        check("lock passes SIGTERM on", process.wait(SOON), 5)

        using = holder("card")
        using.kill()
        using.wait()
        using.stdin.close()
        using.stdout.close()
        check("a holder that was killed leaves it unclean", rows("status", "card")[0]["unclean"], True)
        check("lock: the next command is told",
              run("lock", "card", "sh", "-c", "echo $TOKMUX_UNCLEAN")[1], "1\n")
        check("lock --clean, and the command fails", run("lock", "card", "--clean", "false")[0], 1)
        check("it is unclean still", rows("status", "card")[0]["unclean"], True)
        check("lock --clean", run("lock", "card", "--clean", "true")[0], 0)
        check("it is clean", rows("status", "card")[0]["unclean"], False)


def ejected(*args):
    process = subprocess.Popen([TOOL, "lock", "card", *args, "--", "sh", "-c",
                                "echo held; exec cat"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    read_line(process.stdout)
    return process


@kernel
def eject():
    with Token("card"):
        using = ejected()
        terminal = Terminal("eject", "card")
        check("eject names whom it hits, and asks",
              (terminal.read_until(r"\[y/N\]"), str(using.pid) in terminal.output), (True, True))
        terminal.type("n\n")
        check("eject: no", (terminal.wait(), rows("status", "card")[0]["state"]), (NO, "exclusive"))
        terminal = Terminal("eject", "-J", "card")
        check("eject -J names them as well",
              (terminal.read_until(r"\[y/N\]"), str(using.pid) in terminal.output), (True, True))
        terminal.type("n\n")
        check("eject -J: no", terminal.wait(), NO)
        terminal = Terminal("eject", "-o", "nonsense", "card")
        check("eject: a wrong column, before it asks",
              (terminal.wait(), "[y/N]" in terminal.output), (USAGE, False))
        terminal = Terminal("eject", "card")
        terminal.read_until(r"\[y/N\]")
        terminal.type("y\n")
        check("eject: yes", (terminal.wait(), rows("status", "card")[0]["state"]), (OK, "free"))
        check("lock says that its lease is lost, and its command goes on",
              (read_line(using.stderr), using.poll()),
              lambda r: "taken away" in r[0] and r[1] is None)
        check("and passes its status on", let_go(using), 0)
        using.stderr.close()
        using = ejected("--kill")
        status, out, err = run("eject", "--force", "-J", "card")
        check("eject --force -J: the result, and on stderr whom it hit",
              (status, json.loads(out), str(using.pid) in err),
              (OK, {"ejected": [{"leases": 1, "sessions": 0, "logins": 0}]}, True))
        check("lock --kill ends its command", using.wait(SOON), 128 + signal.SIGTERM)
        using.communicate()
        status, out, err = run("eject", "-f", "card", "-o", "leases", "--noheadings")
        check("eject: nobody is there", (status, out.split(), err), (OK, ["0"], ""))
        terminal = Terminal("eject", "card")
        check("eject says so where it asks", (terminal.read_until(r"\[y/N\]"),
                                              "card: nobody uses it" in terminal.output), (True, True))
        terminal.type("\n")
        check("eject: no answer is no", terminal.wait(), NO)
        using = ejected("--kill")
        waiting = Stream("lock", "card", "true")
        wait_for_waiters("card")
        run("unregister", "-f", "card")
        check("lock --kill: the token goes, and its command with it",
              (using.wait(SOON), "is gone" in read_line(using.stderr)), (128 + signal.SIGTERM, True))
        status, out, err = waiting.end()
        check("lock: the token goes while it waits", (status, out, "is gone" in err, one_sentence(err)),
              (GONE, "", True, True))
        using.communicate()


@kernel
def eject_means_the_token_that_it_asked_about():
    token = Token("asked-about")
    terminal = Terminal("eject", "asked-about")
    terminal.read_until(r"\[y/N\]")
    run("unregister", "-f", "asked-about")
    with Token("card") as other:
        check("another token has its index", other.device, token.device)
        using = ejected()
        terminal.type("y\n")
        check("eject: the token goes while it asks, and no other one is hit",
              (terminal.wait(), rows("status", "card")[0]["state"]), (GONE, "exclusive"))
        check("its lease is not lost", let_go(using), 0)
        using.stderr.close()


def next_event(stream):
    """udev may look at a token anew at any time: that it has changed is no news."""
    while True:
        event = json.loads(stream.line())
        if event["event"] != "changed":
            return event


@kernel
def monitor():
    with Token("there"):
        stream = Stream("monitor", "-J", "-o", "time,event,sysname,name,device")
        event = next_event(stream)
        check("monitor: what is there first", {k: event[k] for k in ("event", "name")},
              {"event": "present", "name": "there"})
        check("monitor: the time", event["time"], lambda t: re.fullmatch(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", t))
        with Token("card") as card:
            event = next_event(stream)
            del event["time"]
            check("monitor: added", event, {"event": "added", "sysname": card.device[5:],
                                            "name": "card", "device": card.device})
            one = Stream("monitor", "card", "-o", "event,name")
            check("monitor TOKEN in a pipe", [one.line().split(), one.line().split()],
                  [["EVENT", "NAME"], ["present", "card"]])
            terminal = Terminal("monitor")
            check("monitor on a terminal", terminal.read_until("present +card"), True)
            gone = Stream("top", "card", "-J", "-d", "0.05")
            gone.line()
        event = next_event(stream)
        check("monitor: removed", (event["event"], event["name"]), ("removed", "card"))
        status, out, err = one.end()
        events = [line.split() for line in out.splitlines() if "changed" not in line]
        check("monitor TOKEN ends with it", (status, events, "is gone" in err, one_sentence(err)),
              (GONE, [["removed", "card"]], True, True))
        status, out, err = gone.end()
        check("top TOKEN ends with it", (status, "is gone" in err, one_sentence(err)),
              (GONE, True, True))
        terminal.type("\x03")
        check("monitor: ^C ends it", terminal.wait(), -signal.SIGINT)
        stream.process.terminate()
        check("monitor: SIGTERM ends it", stream.end()[0], -signal.SIGTERM)


INSTANCES = "/sys/kernel/tracing/instances"


def wait_for_trace(stream):
    """Until the monitor sees what happens."""
    enabled = f"{INSTANCES}/tokmux-{stream.process.pid}/events/tokmux/enable"

    def is_enabled():
        try:
            with open(enabled) as f:
                return f.read().strip() == "1"
        except FileNotFoundError:
            return False
    wait_for("the monitor", is_enabled)


@kernel
def monitor_of_use():
    with Token("card"):
        killed = Stream("monitor", "-J")
        next_event(killed)
        stale = os.path.join(INSTANCES, f"tokmux-{killed.process.pid}")
        check("monitor: it traces by itself", os.path.exists(stale), True)
        killed.process.kill()
        killed.end()
        stream, text = Stream("monitor", "-J", "card"), Stream("monitor", "card")
        terminal = Terminal("monitor")
        narrow = Terminal("monitor", "--all", columns=80)
        narrow.read_until("present +card")
        next_event(stream)
        text.line()
        text.line()
        terminal.read_until("present +card")
        check("monitor: what one that was killed has left is removed", os.path.exists(stale), False)
        with Token("another"):
            let_go(holder("another"))
        with Token(63 * "n"):
            let_go(holder(63 * "n"))
        using = holder("card")
        waiting = subprocess.Popen([TOOL, "lock", "card", "-s", "true"])
        wait_for_waiters("card")
        let_go(using)
        waiting.wait(SOON)
        using = holder("card")
        run("eject", "-f", "card")
        let_go(using)
        events = [next_event(stream) for _ in range(7)]
        check("monitor: the use of a token, whose, and which lease",
              [(e["event"], e["command"], e["lease"]) for e in events if e["event"] != "waits" or e["command"]],
              [("granted", "sh", "exclusive"), ("waits", "true", "shared"), ("released", "sh", "exclusive"),
               ("granted", "true", "shared"), ("released", "true", "shared"),
               ("granted", "sh", "exclusive"), ("taken", "sh", "exclusive")])
        check("monitor: and when", all(re.fullmatch(r"\d{4}-.*Z", e["time"]) for e in events), True)
        lines = [text.line() for _ in range(7)]
        check("monitor in a pipe: a table, aligned, with the time of the day", [
            line for line in lines if not re.fullmatch(
                r"\d\d:\d\d:\d\d\.\d{3} (granted |waits   |released|taken   ) card {20,}"
                r" +\d+ (sh|true) +(exclusive|shared)\s*\n", line)], [])
        check("each column at its place", len({line.index(lease) for line in lines
                                               for lease in ("exclusive", "shared") if lease in line}) +
              len({line.index("card") for line in lines} |
                                              {re.search(r"\d+ (sh|true)", line).start(1) for line in lines}), 3)
        check("monitor on a terminal: of all tokens", terminal.read_until(
            r"(?s)granted +another.*released +another.*taken +card"), True)
        narrow.read_until(r"(?s)released +nnnn.*taken +card")
        lines = [line for line in narrow.so_far().replace("\r", "").splitlines()]
        check("monitor on a terminal of 80 columns: nothing wraps", [line for line in lines if len(line) > 80], [])
        check("and all that isn't cut is at its place", (len({re.search("exclusive|shared", line).start() for line in
              lines if re.search("granted|taken", line)}), lines[0].split()),
              (1, ["TIME", "EVENT", "NAME", "PID", "COMMAND", "WHAT"]))
        narrow.type("\x03")
        narrow.wait()
        using = holder("card")
        using.kill()
        let_go(using)
        check("monitor: one that has died still has its name",
              [(e["event"], e["command"]) for e in (next_event(stream), next_event(stream))],
              [("granted", "sh"), ("died", "sh")])
        for each in (stream, text):
            each.process.terminate()
            check("monitor: SIGTERM ends it", each.end()[0], -signal.SIGTERM)
        terminal.type("\x03")
        check("monitor: ^C too", terminal.wait(), -signal.SIGINT)
        check("monitor: nothing is left in tracefs", [i for i in os.listdir(INSTANCES) if i.startswith("tokmux")], [])
    using = holder("mine", "--user")
    stream = Stream("monitor", "-J", "mine")
    wait_for_trace(stream)
    run("lock", "mine", "-w", "0.05", "true")
    check("monitor: the use of a user token", (lambda e: (e["event"], e["name"], e["command"]))(next_event(stream)),
          ("waits", "mine", "true"))
    stream.process.terminate()
    stream.end()
    let_go(using)
    theirs = subprocess.Popen([TOOL, "lock", "theirs", "--user", "--", "sh", "-c", "echo held; exec cat"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **as_nobody())
    read_line(theirs.stdout)
    status, out, err = run("monitor", "theirs", **as_nobody())
    check("monitor of a user token is for root", (status, one_sentence(err), "only root" in err), (NOPERM, True, True))
    let_go(theirs)


@kernel
def monitor_that_is_too_slow():
    if os.environ.get("SAN"):
        skip("monitor_that_is_too_slow", "python3 isn't sanitized")
        return
    # More than there is room for, while the monitor does not read.
    stream = Stream("monitor", "-J", "-o", "event,lost")
    wait_for_trace(stream)
    os.kill(stream.process.pid, signal.SIGSTOP)
    lib = ctypes.CDLL(os.environ["B"] + "/libtokmux.so.1")
    caller = ctypes.c_void_p()
    lib.tokmux_open_user(b"busy", 0, 0, ctypes.byref(caller))
    lib.tokmux_bind(caller, 0)
    for _ in range(50000):
        lib.tokmux_acquire(caller, 1, 0, None)
        lib.tokmux_release(caller)
    lib.tokmux_close(caller)
    os.kill(stream.process.pid, signal.SIGCONT)
    event = next_event(stream)
    while event["event"] != "lost":
        event = next_event(stream)
    check("monitor: what it has lost it says", event["lost"], lambda lost: lost is None or lost > 0)
    stream.process.terminate()
    stream.process.stdout.read()
    stream.end()


@kernel
def top():
    with Token("card"):
        status, out, err = run("top", "-n", "3", "-d", "0.05", "-J")
        frames = [json.loads(line) for line in out.splitlines()]
        check("top -n 3 -J: an object a line", (status, [f["tokens"][0]["name"] for f in frames]),
              (OK, ["card"] * 3))
        status, out, err = run("top", "-n", "2", "-d", "0.05", "-o", "name,state")
        check("top in a pipe: no escape sequences",
              (status, [line.split() for line in out.splitlines()]),
              (OK, [["NAME", "STATE"], ["card", "free"]] * 2))
        terminal = Terminal("top", "-d", "0.05")
        check("top on a terminal", terminal.read_until(r"card +free[^\x1b]*\x1b\[H"), True)
        check("top: a clock and totals", terminal.read_until(
            r"\x1b\[J\d\d:\d\d:\d\d  tokens 1, holders 0, waiters 0, sessions 0, logins 0\r\n\r\nNAME"), True)
        using = holder("card")
        waiting = subprocess.Popen([TOOL, "lock", "card", "true"])
        check("top: and they change", terminal.read_until("tokens 1, holders 1, waiters 1"), True)
        let_go(using)
        waiting.wait(SOON)
        with Token("aaa"), Token("zzz"):
            for args, wanted in (((), ["card", "aaa", "zzz"]), (("-s", "name"), ["aaa", "card", "zzz"]),
                                 (("--sort=-name",), ["zzz", "card", "aaa"]),
                                 (("-s", "GRANTS"), ["card", "aaa", "zzz"]),
                                 (("-s", "-grants"), ["aaa", "zzz", "card"]),
                                 (("-s", "longest_wait"), ["card", "aaa", "zzz"])):
                check(f"top {' '.join(args)}", [t["name"] for t in rows("top", "-n", "1", *args)], wanted)
            check("top: no such column to sort by", run("top", "-s", "frob")[0], USAGE)
            terminal.type("n")
            check("top: n sorts by name", terminal.read_until(r"aaa .*\r\ncard .*\r\nzzz "), True)
            terminal.type("n")
            check("and typed again, the other way round", terminal.read_until(r"zzz .*\r\ncard .*\r\naaa "), True)
        longest, = {t["longest_wait"] for t in rows("top", "-n", "1")}
        check("top: the longest wait in seconds", isinstance(longest, float) and 0 < longest < SOON, True)
        check("and as a person says it", run("top", "-n", "1", "-o", "longest_wait", "--noheadings")[1].strip(),
              lambda text: re.fullmatch(r"\d+ (us|ms)|\d+\.\d s", text))
        terminal.type("q")
        check("top: q ends it, and the screen is as before",
              (terminal.wait(), terminal.output.endswith("\x1b[?25h\x1b[?1049l")), (OK, True))
        for ending in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            terminal = Terminal("top", "-d", "5")
            terminal.read_until("card +free")
            os.kill(terminal.pid, ending)
            check(f"top: {ending.name} too", (terminal.wait(), terminal.output.endswith(
                "\x1b[?25h\x1b[?1049l")), (-ending, True))


# ---- with a card ---------------------------------------------------------------

def have_vhci():
    """Built in, or a module; in a guest: nobody's own USB."""
    attach = "/sys/devices/platform/vhci_hcd.0/attach"
    return os.environ.get("TOKMUX_GUEST") and (os.access(attach, os.W_OK) or (
        subprocess.run(["modprobe", "-q", "vhci_hcd"]).returncode == 0 and os.access(attach, os.W_OK)))


class Reader:
    """The reader of tests/card on the kernel's USB, as a token."""

    def __init__(self, token):
        self.dir = tempfile.mkdtemp()
        self.log, fifo = self.dir + "/log", self.dir + "/fifo"
        os.mkfifo(fifo)
        self.orders = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
        self.seen = 0
        self.process = subprocess.Popen(
            [os.environ["B"] + "/tests/card-usbip", "extended", self.log, fifo],
            stdout=subprocess.PIPE, text=True)
        _, bus, device = read_line(self.process.stdout).split()
        self.token = token
        self.node = f"/dev/bus/usb/{bus}/{device}"
        run("register", token, "--device", self.node, "--hold-limit", "2")
        subprocess.run(["udevadm", "settle"], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *args):
        run("unregister", "-f", self.token)
        self.unplug()
        os.close(self.orders)
        shutil.rmtree(self.dir)

    def unplug(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def logged(self):
        """What the card has seen since the last time."""
        with open(self.log) as log:
            log.seek(self.seen)
            lines = log.read().splitlines()
            self.seen = log.tell()
        return lines

    def tell(self, order):
        os.write(self.orders, order.encode() + b"\n")
        self.await_line(f"told {order}")

    def await_line(self, line):
        deadline = time.monotonic() + SOON
        while line not in "\n".join(self.logged()):
            if time.monotonic() > deadline:
                raise AssertionError(f"the card did not see: {line}")
            time.sleep(0.01)


class Other:
    """A process of another program, by its name, that does this and then waits."""

    def __init__(self, name, action):
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"open('/proc/self/comm', 'w').write({name!r})\n"
             f"import os, socket, sys\n{action}\nprint('ready', flush=True)\nsys.stdin.read()"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self.process.pid
        read_line(self.process.stdout)

    def end(self):
        self.process.communicate(timeout=SOON)


@kernel
def who_else():
    if not os.environ.get("TOKMUX_GUEST") or subprocess.run(["modprobe", "-q", "vhci_hcd"]).returncode:
        skip("who_else", "nobody's own USB")
        return
    with Reader("my-reader") as card:
        def others():
            return sorted((u["command"], u["via"], u["pid"]) for u in rows("who", "my-reader"))
        check("who: nobody has the real device", others(), [])
        scdaemon = Other("scdaemon", f"f = os.open({card.node!r}, os.O_RDWR)")
        check("who: another program has the real device", others(),
              [("scdaemon", "device", scdaemon.pid)])
        check("who: not of the token", rows("who", "my-reader")[0]["lease"], None)
        scdaemon.end()
        os.makedirs("/run/pcscd", exist_ok=True)
        pcscd = Other("pcscd", "open('/run/pcscd/pcscd.pid', 'w').write(str(os.getpid()))\n"
                      "import threading\naccepted = []\n"
                      "s = socket.socket(socket.AF_UNIX); s.bind('/run/pcscd/pcscd.comm'); s.listen()\n"
                      "threading.Thread(target=lambda: accepted.append(s.accept()), daemon=True).start()")
        check("who: pcscd runs", others(), [("pcscd", "pcscd", pcscd.pid)])
        client = Other("firefox", "s = socket.socket(socket.AF_UNIX); s.connect('/run/pcscd/pcscd.comm')")
        # From when pcscd has accepted it.
        wait_for("a client of pcscd", lambda: len(others()) == 2)
        check("who: and a client of it", others(),
              [("firefox", "pcscd", client.pid), ("pcscd", "pcscd", pcscd.pid)])
        terminal = Terminal("who", "my-reader")
        check("who on a terminal", (terminal.wait(), re.search(
            rf"{client.pid} +root +firefox +pcscd", terminal.output) is not None), (OK, True))
        client.end()
        pcscd.end()
        check("who: pcscd has ended, and left its files", others(), [])
        os.unlink("/run/pcscd/pcscd.comm")
        os.unlink("/run/pcscd/pcscd.pid")


ATR = "3B868131404D746F6B6D75782B"
SELECT = "00A4040007F0544F4B4D555800"
VERIFY, SECRET = "0020000006333134313539", "00CA010000"
SELECTED = b"tokmux".hex().upper() + " 9000\n"


def manual(text):
    """The example of tokmux(8) with this in it."""
    path = os.path.join(os.path.dirname(__file__), "../../../Documentation/man/tokmux.8.rst")
    with open(path) as page:
        blocks = re.findall(r"::\n\n((?:   .*\n|\n)+)", page.read())
    block, = [b for b in blocks if text in b]
    return re.sub("^   ", "", block, flags=re.M)


@kernel
def cards():
    if not have_vhci():
        skip("cards", "nobody's own USB")
        return
    with Reader("my-reader") as card:
        check("atr", run("atr", "my-reader"), (OK, ATR + "\n", ""))
        check("the card is left without power", card.logged()[-1], "power off")
        check("atr -J", rows("atr", "my-reader"), [{"atr": ATR}])
        check("atr -o", run("atr", "my-reader", "-o", "slot,atr")[1].split(), ["SLOT", "ATR", "0", ATR])
        terminal = Terminal("atr", "my-reader")
        check("atr on a terminal", (terminal.wait(), terminal.output), (OK, ATR + "\r\n"))
        check("atr --slot: it has one", run("atr", "my-reader", "--slot", "1")[0], FAILED)
        card.logged()

        check("apdu", run("apdu", "my-reader", SELECT), (OK, SELECTED, ""))
        check("apdu: several, in other spellings",
              run("apdu", "my-reader", SELECT.lower(), "80:10 01 02:02 AABB02"),
              (OK, SELECTED + "AABB 9000\n", ""))
        check("apdu: off, on, the commands, off", card.logged(),
              ["power on", "apdu 00a4040007f0544f4b4d555800 9000", "power off",
               "power on", "apdu 00a4040007f0544f4b4d555800 9000",
               "apdu 8010010202aabb02 9000", "power off"])
        terminal = Terminal("apdu", "my-reader", SELECT)
        check("apdu on a terminal: it says what status words mean", (terminal.wait(), terminal.output),
              (OK, SELECTED.replace("\n", "  success\r\n")))
        check("apdu --explain, in a pipe", run("apdu", "--explain", "my-reader", SELECT, SECRET)[1],
              SELECTED.replace("\n", "  success\n") +
              "6982  not permitted: a PIN or a key has to be verified first\n")
        status, out, err = run("apdu", "--explain", "-J", "my-reader", SELECT)
        check("apdu --explain -J", json.loads(out)["answers"][0]["meaning"], "success")
        # A script that is typed; the terminal echoes it.
        terminal = Terminal("apdu", "my-reader")
        check("apdu on a terminal prompts", terminal.read_until("apdu> "), True)
        terminal.type(f"{SELECT}\n")
        check("apdu: and for the next one", terminal.read_until("(?s)apdu> .*apdu> "), True)
        terminal.type("\x04")
        check("apdu, typed on a terminal", (terminal.wait(), terminal.output.endswith(
            SELECTED.replace("\n", "  success\r\n"))), (OK, True))
        status, out, err = run("apdu", "my-reader", "-J", SELECT, SECRET)
        check("apdu -J, refused", (status, json.loads(out), err),
              (REFUSED, {"answers": [{"answer": b"tokmux".hex().upper(), "sw": "9000"},
                                     {"answer": "", "sw": "6982"}]}, ""))
        script = f"# log in\n{SELECT} # the applet\r\n\n  {VERIFY}\n{SECRET}"
        status, out, err = run("apdu", "my-reader", input=script)
        check("apdu: a script", (status, out, err),
              (OK, SELECTED + "9000\n" + b"only for those who know the PIN\0".hex().upper() +
               " 9000\n", ""))
        check("apdu: what it verified is gone", run("apdu", "my-reader", SELECT, SECRET),
              (REFUSED, SELECTED + "6982\n", ""))
        card.logged()
        wrong = VERIFY[:-1] + "0"
        check("apdu: after a wrong PIN it stops", run("apdu", "my-reader", input=f"{SELECT}\n{wrong}\n{wrong}\n"),
              (REFUSED, SELECTED + "63C2\n", ""))
        check("and the card did not see more of it", len(card.logged()), 4)
        check("apdu --keep-going", [line[-4:] for line in run("apdu", "my-reader", "-k", SELECT, SECRET, VERIFY, SECRET)[1].splitlines()],
              ["9000", "6982", "9000", "9000"])
        card.logged()
        status, out, err = run("apdu", "my-reader", SELECT, "00A4040007F0")
        check("apdu: no APDU: nothing is sent", (status, out, "APDU 2: " in err, card.logged()),
              (USAGE, "", True, []))
        check("apdu: a long answer", run("apdu", "my-reader", SELECT, "80120FA0000FA0"),
              lambda r: r[0] == OK and len(r[1]) == len(SELECTED) + 2 * 4000 + 6)
        done = subprocess.run(["bash", "-c", manual("SELECT")], capture_output=True, text=True,
                              env={"PATH": os.path.dirname(TOOL) + ":" + os.environ["PATH"],
                                   "PIN": "314159"})
        check("tokmux(8): select, and verify a PIN", (done.returncode, done.stdout, done.stderr),
              (OK, done.stdout, ""))
        check("and the card took it", [line for line in card.logged() if line.endswith("**** 9000")],
              lambda lines: len(lines) == 1)

        # A PIN that is waited with is in no argument and no memory but its own.
        using = holder("my-reader")
        check("apdu -n", run("apdu", "my-reader", "-n", SELECT)[:2], (NO, ""))
        check("atr -w", run("atr", "my-reader", "-w", "0.2")[:2], (NO, ""))
        waiting = Stream("apdu", "my-reader", VERIFY)
        wait_for_waiters("my-reader")
        with open(f"/proc/{waiting.process.pid}/cmdline") as cmdline:
            check("apdu: arguments are not there for long", VERIFY in cmdline.read(), False)
        let_go(using)
        check("apdu waits its turn", waiting.end()[:2], (REFUSED, "6985\n"))

        slow = Stream("apdu", "my-reader", SELECT, "80141388", SELECT)
        card.await_line("apdu 80141388")
        check("eject, in the middle of a command", rows("eject", "-f", "my-reader")[0]["leases"], 1)
        status, out, err = slow.end()
        check("apdu: the lease is taken away", (status, out, "lease was taken" in err), (GONE, SELECTED, True))
        card.logged()
        slow = Stream("apdu", "my-reader", SELECT, "80141388")
        card.await_line("apdu 80141388")
        slow.process.kill()
        slow.end()
        check("after one that was killed, the next goes on", run("apdu", "my-reader", SELECT), (OK, SELECTED, ""))

        card.tell("remove")
        status, out, err = run("atr", "my-reader")
        check("atr: no card", (status, out, "no card" in err, one_sentence(err)), (NO, "", True, True))
        card.tell("insert")
        card.unplug()
        status, out, err = run("atr", "my-reader")
        check("atr: the reader is gone", (status, out, one_sentence(err)), (GONE, "", True))
    with Token("no-reader"):
        status, out, err = run("atr", "no-reader")
        check("atr: a token without a reader", (status, out, "no smartcard reader" in err), (FAILED, "", True))
        check("atr as nobody", run("atr", "no-reader", user=NOBODY, group=NOBODY, extra_groups=[])[0], NOPERM)


@kernel
def checks():
    with Token("card"):
        found = {c["check"]: c for c in rows_of_check("-m", os.environ["B"] + "/tokmux-pkcs11.so")}
        check("check: the module, udev and the rules are fine",
              [found[c]["verdict"] for c in ("module", "udev", "rules", "token card")], ["ok"] * 4)
        check("check: each thing that is not fine has an advice",
              [c for c in found.values() if c["verdict"] != "ok" and not c["advice"]], [])
        terminal = Terminal("check")
        terminal.wait()
        check("check on a terminal: in colour", "\x1b[32mok" in terminal.output, True)
        os.unlink("/dev/tokmux/by-name/card")
        found = {c["check"]: c for c in rows_of_check()}
        check("check: a link is missing", found["token card"]["verdict"], "warning")


@test
def check_of_pkcs11():
    conf = os.path.join(os.environ["B"], "tests", "tools.conf")
    os.makedirs(os.path.dirname(conf), exist_ok=True)
    module = os.environ["B"] + "/tokmux-pkcs11.so"
    os.environ["TOKMUX_CONF"] = conf
    if os.environ.get("SAN"):
        # A sanitized module needs a program that is, too; ours is.
        os.environ["ASAN_OPTIONS"] = "detect_leaks=0"

    def verdict(text):
        with open(conf, "w") as f:
            f.write(text)
        found, = [c for c in rows_of_check("-m", module) if c["check"] == "pkcs11"]
        return found

    found = verdict("[global]\narbiter = local\n[backend softhsm]\nmodule = libsofthsm2.so\n")
    check("check: the backend answers",
          (found["verdict"], re.search(": (tokens: |no token)", found["found"]) is not None),
          ("ok", True))
    for log in ("info", "calls"):
        found = verdict(f"[global]\narbiter = local\nlog = {log}\n[backend a]\nmodule = /no/such.so\n")
        check(f"check: with log = {log} it says what is wrong, and not what is said first",
              (found["verdict"], "/no/such.so: cannot open" in found["found"]), ("bad", True))
    found = verdict("[global]\nfrob = 1\n")
    check("check: a bad line in the configuration is named",
          (found["verdict"], "tools.conf:2" in found["found"]), ("bad", True))
    found, = [c for c in rows_of_check("-m", "/no/such.so") if c["check"] == "pkcs11"]
    check("check: no PKCS#11 module", found["verdict"], "warning")
    found, = [c for c in rows_of_check("-m", TOOL) if c["check"] == "pkcs11"]
    check("check: a file that is none", found["verdict"], "bad")
    os.unlink(conf)


@test
def check_of_a_module_that_is_odd():
    module = os.environ["B"] + "/tests/tools/odd.so"

    def odd(how, *args, **kwargs):
        start = time.monotonic()
        done = subprocess.run([TOOL, "check", "-J", "-m", module, *args], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=SOON + 30,
                              env={**os.environ, "ODD": how}, **kwargs)
        # Strictly: JSON is UTF-8.
        checks = json.loads(done.stdout.decode("utf-8"))["checks"]
        found, = [c for c in checks if c["check"] == "pkcs11"]
        return found["verdict"], found["found"][len(module):], time.monotonic() - start

    slots = ': tokens: "caf? ?[31m \u00e9"'
    check("check: a label that is no UTF-8", odd("")[:2], ("ok", slots))
    done = subprocess.run([TOOL, "check", "-m", module], capture_output=True, timeout=SOON)
    check("check: nor does a label steer a terminal", b"\x1b" in done.stdout, False)
    check("check: a backend leaves a process that keeps its files", odd("leaves"),
          lambda r: r[:2] == ("ok", slots) and r[2] < 20)
    check("check: a backend that talks: its last word is the reason", odd("talks")[:2],
          ("bad", ": it is off"))
    check("check: a backend that talks without end", odd("babbles")[:2], ("ok", slots))
    check("check: a backend that crashes", odd("crashes")[:2],
          ("bad", " died of signal 9: about to die"))
    check("check: also where SIGCHLD is ignored", odd("crashes", preexec_fn=ignore_children)[:2],
          ("bad", " died of signal 9: about to die"))
    check("check: a backend that hangs", odd("hangs", "-w", "3"),
          lambda r: r[:2] == ("bad", " did not answer in 3 s: waiting for a card") and 3 <= r[2] < 18)


@test
def output_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run([TOOL, "help"], stdout=full, stderr=subprocess.PIPE, text=True)
        check("a full disk is an error", (done.returncode, one_sentence(done.stderr)), (FAILED, True))
        verbs = [["check"]]
        if KERNEL:
            token = Token("card")
            verbs += [["monitor"], ["top"], ["list"], ["status"]]
        for verb in verbs:
            for option in [[], ["-J"]]:
                done = subprocess.run([TOOL, *verb, *option], stdout=full, stderr=subprocess.PIPE,
                                      text=True, timeout=2 * SOON)
                check(f"{' '.join(verb + option)}: a full disk is named",
                      (done.returncode, one_sentence(done.stderr), "No space" in done.stderr),
                      (FAILED, True, True))
        if KERNEL:
            token.__exit__()


# An argument names a group of tests, to run it alone.
for function in tests:
    if sys.argv[1:] and function.__name__ not in sys.argv[1:]:
        continue
    try:
        function()
    except Exception as error:      # a test that died is one that failed
        check(f"{function.__name__}: {type(error).__name__} {error}", False, True)
print(f"1..{count}")
sys.exit(failures > 0)

#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""lib/pkcs11/cryptoki.h against every other PKCS#11 header on this machine:
the value of each macro, size and offsets of each struct, the parameters of each
function. What only one of two headers has is no difference. Prints TAP.

  TOKMUX_PKCS11_HEADERS="DIR/pkcs11.h..."   compares with these as well
"""

import os
import re
import shlex
import subprocess
import sys
import tempfile

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
OURS = os.path.join(TOP, "lib/pkcs11/cryptoki.h")
TABLE = os.path.join(TOP, "lib/pkcs11/functions/functions.def")
CC = shlex.split(os.environ.get("CC", "gcc"))

# What OASIS' own headers leave to the program that includes them.
PLATFORM = """
#define CK_PTR *
#define CK_DECLARE_FUNCTION(type, name) type name
#define CK_DECLARE_FUNCTION_POINTER(type, name) type (*name)
#define CK_CALLBACK_FUNCTION(type, name) type (*name)
#define NULL_PTR ((void *)0)
"""

# Names that headers disagree about, each with the values that are known beside
# ours, and whose they are.
KNOWN = {
    # The version is what the header is.
    "CRYPTOKI_VERSION_MAJOR": {2, 3},
    "CRYPTOKI_VERSION_MINOR": {0, 1, 2, 20, 30, 40},
    "CRYPTOKI_VERSION_AMENDMENT": {0, 3, 4},
    # p11-kit up to 0.24; no version of the specification has these values.
    "CKR_EXCEEDED_MAX_ITERATIONS": {0x1c0},
    "CKR_FIPS_SELF_TEST_FAILED": {0x1c1},
    "CKR_LIBRARY_LOAD_FAILED": {0x1c2},
    "CKR_PIN_TOO_WEAK": {0x1c3},
    "CKR_PUBLIC_KEY_INVALID": {0x1c4},
    # NSS' own, which had the names before 3.2 did.
    "CKA_TRUST_SERVER_AUTH": {0xce536358},
    "CKA_TRUST_CLIENT_AUTH": {0xce536359},
    "CKA_TRUST_CODE_SIGNING": {0xce53635a},
    "CKA_TRUST_EMAIL_PROTECTION": {0xce53635b},
    "CKA_TRUST_TIME_STAMPING": {0xce53635f},
    # NSS has a member more in it: LibraryParameters.
    "CK_C_INITIALIZE_ARGS": {0x38},
    "CK_C_INITIALIZE_ARGS.pReserved": {0x30},
    # p11-kit 0.26: a pointer where the specification has a number.
    "C_DecapsulateKey()": {0},
    # 3.2 as it was published; OASIS has corrected it since.
    "CKA_ENCAPSULATE_TEMPLATE": {0x62a},
    "CKA_DECAPSULATE_TEMPLATE": {0x62b},
}

# The part of a declaration that is the same whatever a header calls its types.
SCALARS = {"CK_BYTE": "unsigned char", "CK_CHAR": "unsigned char",
           "CK_UTF8CHAR": "unsigned char", "CK_BBOOL": "unsigned char",
           "void": "void"}
NOT_SCALAR = re.compile(r"CK_(INFO|\w+_INFO|ATTRIBUTE|MECHANISM|FUNCTION_LIST"
                        r"|INTERFACE|VERSION|NOTIFY|ASYNC_DATA)$")


def compiler(source, *args):
    return subprocess.run([*CC, *args, "-x", "c", "-"], input=source,
                          capture_output=True, text=True, check=False)


def pkg_config(package):
    done = subprocess.run(
        [*shlex.split(os.environ.get("PKG_CONFIG", "pkg-config")), "--cflags",
         package], capture_output=True, text=True, check=False)
    return shlex.split(done.stdout) if not done.returncode else None


def macros(include, flags):
    """The names that begin as PKCS#11's and stand for a number."""
    done = compiler(include, "-dM", "-E", *flags)
    return set(re.findall(r"^#define (C(?:K[A-Z]?|RYPTOKI)_\w+) \S",
                          done.stdout, re.M))


def listed(struct):
    """The functions in one of the function lists."""
    with open(TABLE, encoding="utf-8") as file:
        rows = re.findall(r"^[A-Z_]+\((\d_\d+), (C_\w+),", file.read(), re.M)
    newest = struct.removeprefix("CK_FUNCTION_LIST").strip("_") or "2_40"
    return [name for version, name in rows if version <= newest]


def structs(text):
    """{name: [member…]} of our own header, whose style is known."""
    found = {}
    for tag, body in re.findall(r"^(?:typedef )?struct (CK_\w+) \{\n(.*?)^\}",
                                text, re.S | re.M):
        members = []
        for line in body.splitlines():
            if line.startswith("#include"):
                members += listed(tag)
            else:
                members.append(re.search(r"(\w+)(\[\d+\])?;$", line)[1])
        found[tag] = members
    return found


def functions(text):
    """{name: type of a pointer to it} of our own header."""
    found = {}
    for name, args in re.findall(r"^CK_DECLARE\((\w+),\s*\((.*?)\)\);", text,
                                 re.S | re.M):
        types = []
        for arg in args.split(","):
            base, stars = re.match(r"\s*(\w+) (\**)\w+$", arg).groups()
            if base not in SCALARS and not NOT_SCALAR.match(base):
                base = "unsigned long"
            types.append(SCALARS.get(base, base) + " " + stars)
        found[name] = f"unsigned long (*)({', '.join(types)})"
    return found


def facts(include, flags, names, layouts, prototypes):
    """{name: value} as the compiler sees them with that header."""
    with tempfile.TemporaryDirectory() as directory:
        program = os.path.join(directory, "facts")
        lines = [f'\tprintf("%s %llx\\n", "{name}", (unsigned long long)({name}));'
                 for name in sorted(names)]
        for name, members in layouts.items():
            lines += [f'\tprintf("%s %zx\\n", "{name}", sizeof({name}));']
            lines += [f'\tprintf("%s %zx\\n", "{name}.{member}", '
                      f'offsetof({name}, {member}));' for member in members]
        lines += [f'\tprintf("%s %d\\n", "{name}()", __builtin_types_compatible_p('
                  f'__typeof__(&{name}), {kind}));'
                  for name, kind in prototypes.items()]
        source = (include + "\n#include <stddef.h>\n#include <stdio.h>\n"
                  "int main(void)\n{\n" + "\n".join(lines) + "\n}\n")
        done = compiler(source, "-w", "-o", program, *flags)
        if done.returncode:
            raise ValueError(done.stderr)
        output = subprocess.run([program], capture_output=True, text=True,
                                check=True).stdout
    return {line.split()[0]: int(line.split()[1], 16)
            for line in output.splitlines()}


def known_to(include, flags, layouts, prototypes):
    """Which of those types and functions that header has."""
    def there(expression):
        return not compiler(f"{include}\n#include <stddef.h>\n"
                            f"unsigned long probe = {expression};\n",
                            "-w", "-fsyntax-only", *flags).returncode

    # All at once, where it has all of them; else one by one.
    def those(names, expression):
        if there(" + ".join(map(expression, names)) or "0"):
            return names
        return [name for name in names if there(expression(name))]
    found = {}
    for name in those(list(layouts), "sizeof({})".format):
        found[name] = those(layouts[name],
                            ("offsetof(%s, {})" % name).format)
    return found, {name: prototypes[name] for name in
                   those(list(prototypes), "sizeof(&{})".format)}


def compare(include, flags):
    """What differs, as lines; and how much was compared."""
    with open(OURS, encoding="utf-8") as file:
        text = file.read()
    ours = f'#include "{OURS}"'
    layouts, prototypes = structs(text), functions(text)
    if len(layouts) < 90 or len(prototypes) != 104:
        raise ValueError(f"our own header has {len(layouts)} structs and "
                         f"{len(prototypes)} functions: its style has changed")
    layouts, prototypes = known_to(include, flags, layouts, prototypes)
    names = macros(include, flags) & macros(ours, [])
    theirs = facts(include, flags, names, layouts, prototypes)
    mine = facts(ours, [], names, layouts, prototypes)
    wrong = [f"{name}: theirs is {theirs[name]:#x}, ours {mine[name]:#x}"
             for name in mine if theirs[name] != mine[name]
             and theirs[name] not in KNOWN.get(name, ())]
    wrong += [f"{name}: not of type {kind}" for name, kind in prototypes.items()
              if not mine[name + "()"]]
    return wrong, (len(names), len(layouts), len(prototypes))


def candidates():
    """(what it is called, the line that includes it, the compiler's flags)"""
    flags = pkg_config("p11-kit-1")
    if flags is not None:
        yield "p11-kit's", "#include <p11-kit/pkcs11.h>", flags
    flags = pkg_config("nss")
    if flags is not None:
        yield "NSS'", "#include <pkcs11.h>", flags
    for path in shlex.split(os.environ.get("TOKMUX_PKCS11_HEADERS", "")):
        yield path, f'{PLATFORM}#include "{path}"', []


def main():
    if os.environ.get("TOKMUX_TEST_ARBITER") == "kernel":
        print("1..0 # SKIP the same in a guest as outside")
        return 0
    count = bad = 0
    for name, include, flags in candidates():
        count += 1
        try:
            wrong, sizes = compare(include, flags)
        except ValueError as error:
            wrong, sizes = str(error).splitlines(), (0, 0, 0)
        for line in wrong:
            print("#", line)
        print("# %d values, %d structs, %d functions" % sizes)
        bad += bool(wrong)
        print("not ok" if wrong else "ok", count,
              f"- cryptoki.h and {name} header agree", flush=True)
    if not count:
        print("1..0 # SKIP no other PKCS#11 header is installed")
        return 0
    print(f"1..{count}")
    return 1 if bad else 0


sys.exit(main())

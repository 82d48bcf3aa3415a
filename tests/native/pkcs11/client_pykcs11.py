# SPDX-License-Identifier: LGPL-2.1-or-later
"""PyKCS11 as a client; clients_python.sh makes the token."""
import os
import subprocess
import threading

import PyKCS11
from PyKCS11 import PyKCS11Error

count = 0
failed = False


def ok(what, good):
    global count, failed
    count += 1
    failed |= not good
    print(("" if good else "not ") + f"ok {count} - PyKCS11: {what}")


def refused(what, rv, function, *args):
    try:
        function(*args)
        ok(what, False)
    except PyKCS11Error as error:
        if error.value != rv:
            print(f"# {error}")
        ok(what, error.value == rv)


lib = PyKCS11.PyKCS11Lib()
lib.load(os.environ["MODULE"])
slot = next(s for s in lib.getSlotList(tokenPresent=True)
            if lib.getTokenInfo(s).label.strip() == "one")
ok("the library says who it is",
   lib.getInfo().manufacturerID.strip() == "tokmux")
session = lib.openSession(slot, PyKCS11.CKF_SERIAL_SESSION | PyKCS11.CKF_RW_SESSION)

private = [(PyKCS11.CKA_CLASS, PyKCS11.CKO_PRIVATE_KEY), (PyKCS11.CKA_ID, (1,))]
ok("no private key before the login", session.findObjects(private) == [])
refused("a wrong PIN is refused", PyKCS11.CKR_PIN_INCORRECT, session.login, "9999")
session.login("1234")
key = session.findObjects(private)[0]

data = b"to be signed"
mechanism = PyKCS11.Mechanism(PyKCS11.CKM_SHA256_RSA_PKCS, None)
signature = bytes(session.sign(key, data, mechanism))
path = os.environ["DIR"]
with open(path + "/py.signature", "wb") as file:
    file.write(signature)
ok("OpenSSL verifies a signature", subprocess.run(
    ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", path + "/rsa.der",
     "-signature", path + "/py.signature", path + "/data"],
    capture_output=True).returncode == 0)

public = session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_PUBLIC_KEY),
                              (PyKCS11.CKA_ID, (1,))])[0]
ok("it verifies the signature", session.verify(public, data, signature, mechanism))
encrypted = session.encrypt(public, data, PyKCS11.Mechanism(PyKCS11.CKM_RSA_PKCS, None))
ok("it decrypts what it encrypted", bytes(session.decrypt(
    key, encrypted, PyKCS11.Mechanism(PyKCS11.CKM_RSA_PKCS, None))) == data)

aes = session.generateKey([
    (PyKCS11.CKA_CLASS, PyKCS11.CKO_SECRET_KEY), (PyKCS11.CKA_KEY_TYPE, PyKCS11.CKK_AES),
    (PyKCS11.CKA_VALUE_LEN, 32), (PyKCS11.CKA_LABEL, "py"), (PyKCS11.CKA_TOKEN, True),
    (PyKCS11.CKA_PRIVATE, True), (PyKCS11.CKA_ENCRYPT, True), (PyKCS11.CKA_DECRYPT, True)])
iv = PyKCS11.Mechanism(PyKCS11.CKM_AES_CBC_PAD, bytes(16))
ok("AES there and back", bytes(session.decrypt(
    aes, session.encrypt(aes, data, iv), iv)) == data)
session.destroyObject(aes)

# Sixteen threads, each with a session of its own and the one login.
signatures = []


def work():
    mine = lib.openSession(slot, PyKCS11.CKF_SERIAL_SESSION)
    for _ in range(5):
        signatures.append(bytes(mine.sign(mine.findObjects(private)[0], data, mechanism)))
    mine.closeSession()


threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
ok("sixteen threads sign", len(signatures) == 80 and set(signatures) == {signature})

session.logout()
ok("no private key after the logout", session.findObjects(private) == [])
refused("nor the one from before", PyKCS11.CKR_KEY_HANDLE_INVALID,
        session.sign, key, data, mechanism)
session.closeSession()
print(f"1..{count}")
raise SystemExit(failed)

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * NSS and GnuTLS in one process, each with the same module and neither with a
 * thought of the other: what one ends, the other still has. Without us it hasn't,
 * which is looked at first.
 */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/pkcs11.h>
#include "together.h"
#include "world.h"

static const char *module;
static bool bare;
static int number, failed;

static bool ok(bool good, const char *what)
{
	printf("%sok %d - %s%s\n", good ? "" : "not ", ++number, what,
	       bare ? ", without us too" : "");
	failed += !good;
	return good;
}

/* What goes wrong without us. */
static void mends(bool good, const char *what)
{
	printf("%sok %d - %s%s\n", good != bare ? "" : "not ", ++number, what,
	       bare ? ": not without us" : "");
	failed += good == bare;
}

/* ---- GnuTLS ------------------------------------------------------------------- */

static int gnutls_pin(void *data, int attempt, const char *url,
		      const char *label, unsigned int flags, char *pin,
		      size_t size)
{
	if (attempt || flags & GNUTLS_PIN_WRONG)
		return -1;
	snprintf(pin, size, "%s", (char *)data);
	return 0;
}

static bool gnutls_begin(void)
{
	return !gnutls_pkcs11_init(GNUTLS_PKCS11_FLAG_MANUAL, NULL) &&
	       !gnutls_pkcs11_add_provider(module, NULL);
}

static gnutls_privkey_t gnutls_key(const char *pin)
{
	gnutls_privkey_t key;

	if (gnutls_privkey_init(&key))
		return NULL;
	gnutls_privkey_set_pin_function(key, gnutls_pin, (void *)pin);
	if (!gnutls_privkey_import_url(key, "pkcs11:token=test;object=key;type=private",
				       0))
		return key;
	gnutls_privkey_deinit(key);
	return NULL;
}

static bool gnutls_sign(gnutls_privkey_t key)
{
	const gnutls_datum_t data = { (unsigned char *)"data", 4 };
	gnutls_datum_t signature = { 0 };
	int r;

	r = gnutls_privkey_sign_data(key, GNUTLS_DIG_SHA256, 0, &data,
				     &signature);
	gnutls_free(signature.data);
	return !r;
}

static void both(void)
{
	gnutls_privkey_t key;

	if (!ok(nss_begin(module, "test"), "NSS loads the module, finds the token") ||
	    !ok(gnutls_begin(), "GnuTLS loads it too") ||
	    !ok(nss_login(USER_PIN) && nss_sign(), "NSS logs in and signs"))
		return;
	mends(!gnutls_key("9999"), "GnuTLS with a wrong PIN gets no key");
	key = gnutls_key(USER_PIN);
	if (!ok(key && gnutls_sign(key), "GnuTLS logs in and signs"))
		return;

	nss_logout();
	ok(!nss_sign(), "NSS logs out and has its key no more");
	mends(gnutls_sign(key), "GnuTLS signs on");
	ok(nss_login(USER_PIN) && nss_sign(), "NSS logs in again and signs");

	gnutls_privkey_deinit(key);
	gnutls_pkcs11_deinit();
	ok(nss_sign(), "GnuTLS finalizes the module, NSS signs on");
	ok(gnutls_begin(), "GnuTLS comes back");
	key = gnutls_key(USER_PIN);
	ok(key && gnutls_sign(key), "and signs");

	ok(nss_end(), "NSS finalizes the module");
	mends(gnutls_sign(key), "GnuTLS signs on again");
	gnutls_privkey_deinit(key);
	gnutls_pkcs11_deinit();
}

/* In a process of its own: nothing of the other run is left in it. */
static void run(const char *path)
{
	int counts[2] = { 0, 1 };
	int up[2];
	pid_t pid;

	module = path;
	bare = strcmp(path, MODULE);
	if (pipe(up))
		abort();
	pid = fork();
	if (!pid) {
		both();
			counts[0] = number;
		counts[1] = failed;
		_exit(write(up[1], counts, sizeof(counts)) < 0);
	}
	close(up[1]);
	if (read(up[0], counts, sizeof(counts)) < 0)
		abort();
	waitpid(pid, NULL, 0);
	number = counts[0];
	failed = counts[1];
}

int main(void)
{
	setlinebuf(stdout);	/* nothing of it is a child's */
	printf("TAP version 13\n");
	if (!world_begin())
		return 1;
	run(SOFTHSM);
	run(MODULE);
	world_end();
	printf("1..%d\n", number);
	return failed > 0;
}

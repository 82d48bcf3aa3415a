// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One process, two libraries that use the same PKCS#11 module and know nothing
 * of each other: what one of them does to the other.
 *
 * usage: callers MODULE LIBRARY-A LIBRARY-B
 */
#include "demo.h"

typedef CK_RV (*library_fn)(const char *what, const char *module);

static const char *module;

static library_fn load(const char *path)
{
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	library_fn fn = so ? (library_fn)dlsym(so, "library") : NULL;

	if (!fn) {
		fprintf(stderr, "callers: %s\n", dlerror());
		exit(1);
	}
	return fn;
}

static int bad;

static void call(int step, const char *name, library_fn fn, const char *what)
{
	CK_RV rv = fn(what, module);

	if (rv != CKR_OK)
		bad++;
	SAY(step, "%s: %-18s %s", name, what, rv_name(rv));
}

int main(int argc, char **argv)
{
	library_fn a, b;

	if (argc != 4) {
		fprintf(stderr, "usage: callers MODULE LIBRARY-A LIBRARY-B\n");
		return 1;
	}
	module = argv[1];
	a = load(argv[2]);
	b = load(argv[3]);

	call(3, "A", a, "C_Initialize");
	call(3, "B", b, "C_Initialize");
	call(3, "A", a, "C_OpenSession");
	call(3, "B", b, "C_OpenSession");
	call(3, "A", a, "C_Login");
	call(3, "B", b, "C_Login");
	call(3, "B", b, "C_Sign");

	call(4, "A", a, "C_Logout");
	call(4, "B", b, "C_Sign");
	b("C_Login", module);	/* so that the next step stands alone */

	call(5, "A", a, "C_CloseAllSessions");
	call(5, "B", b, "C_Sign");
	if (bad) {
		b("C_OpenSession", module);
		b("C_Login", module);
	}

	call(6, "A", a, "C_Finalize");
	call(6, "B", b, "C_Sign");
	call(6, "B", b, "C_Finalize");
	return 0;
}

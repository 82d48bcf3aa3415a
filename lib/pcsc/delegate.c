// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pcsc-lite's library, loaded beside ours. Where pcscd isn't running nothing of
 * this happens: no file is loaded, and nobody is told.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "delegate.h"

#define SOCKET	"/run/pcscd/pcscd.comm"

/*
 * Where it is. By a name without a directory the linker would find us. From 2.1.0
 * on pcsc-lite itself has two libraries, and this is the one that talks to pcscd.
 */
static const char * const files[] = {
	"libpcsclite_real.so.1",
#ifdef MULTIARCH
	"/usr/lib/" MULTIARCH "/libpcsclite.so.1",
	"/lib/" MULTIARCH "/libpcsclite.so.1",
#endif
	"/usr/lib64/libpcsclite.so.1",
	"/usr/lib/libpcsclite.so.1",
};

static struct delegate functions;
static bool loaded;

static bool is_ours(void *function)
{
	Dl_info its, own;

	return !dladdr(function, &its) || !dladdr(&functions, &own) ||
	       its.dli_fbase == own.dli_fbase;
}

static bool load(const char *file)
{
	void *library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	bool found = true;

	if (!library)
		return false;
#define LOAD(name)							\
	*(void **)&functions.name = dlsym(library, "SCard" #name);	\
	found &= !!functions.name;
	DELEGATE_FUNCTIONS(LOAD)
	/* It may be another one, or ourselves by another path. */
	if (found && !is_ours((void *)functions.EstablishContext))
		return true;
	dlclose(library);
	return false;
}

static void load_first(void)
{
	size_t i;

	for (i = 0; !loaded && i < sizeof(files) / sizeof(files[0]); i++)
		loaded = load(files[i]);
}

const struct delegate *delegate(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_first);
	return loaded ? &functions : NULL;
}

SCARDCONTEXT delegate_establish(DWORD scope)
{
	const char *socket = secure_getenv("PCSCLITE_CSOCK_NAME");
	SCARDCONTEXT other;

	if (access(socket ? socket : SOCKET, F_OK) || !delegate() ||
	    delegate()->EstablishContext(scope, NULL, NULL, &other))
		return 0;
	return other;
}

char *delegate_readers(SCARDCONTEXT other, size_t *len)
{
	char *list = NULL;
	DWORD size = 0;

	*len = 0;
	if (!other)
		return NULL;
	/* One that comes in between is seen the next time. */
	if (delegate()->ListReaders(other, NULL, NULL, &size) || size < 2)
		return NULL;
	list = malloc(size);
	if (list && delegate()->ListReaders(other, NULL, list, &size)) {
		free(list);
		list = NULL;
	}
	if (list)
		*len = size - 1;
	return list;
}

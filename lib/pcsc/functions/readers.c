// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PC/SC's functions for the list of readers.
 */
#include <stdlib.h>
#include <string.h>
#include "../context.h"
#include "../output.h"
#include "../readers.h"

/* PC/SC on Linux knows this one group. A multi-string ends with an empty string. */
static const char groups[] = "SCard$DefaultReaders\0";

/* Sets *@list to a multi-string, for free(). Returns its size, 0 if there is no memory. */
static size_t list_readers(char **list)
{
	struct reader *reader;
	size_t size = 1;
	char *at;

	lock();
	readers_refresh();
	for (reader = readers_first(); reader; reader = reader->next)
		size += strlen(reader->name) + 1;
	*list = at = malloc(size);
	if (at) {
		for (reader = readers_first(); reader; reader = reader->next)
			at = stpcpy(at, reader->name) + 1;
		*at = '\0';
	}
	unlock();
	return *list ? size : 0;
}

LONG SCardListReaders(SCARDCONTEXT id, const char *wanted, char *readers,
		      DWORD *len)
{
	struct context *context;
	char *list = NULL;
	size_t size;
	LONG rv;

	if (!len)
		return SCARD_E_INVALID_PARAMETER;
	context = context_enter(id);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	size = list_readers(&list);
	if (size > 1) {
		rv = output(list, size, readers, len);
	} else {
		*len = size;
		rv = size ? SCARD_E_NO_READERS_AVAILABLE : SCARD_E_NO_MEMORY;
	}
	free(list);
	context_leave(context);
	return rv;
}

LONG SCardListReaderGroups(SCARDCONTEXT id, char *buffer, DWORD *len)
{
	struct context *context;
	LONG rv;

	if (!len)
		return SCARD_E_INVALID_PARAMETER;
	context = context_enter(id);
	if (!context)
		return SCARD_E_INVALID_HANDLE;
	rv = output(groups, sizeof(groups), buffer, len);
	context_leave(context);
	return rv;
}

LONG SCardFreeMemory(SCARDCONTEXT id, const void *memory)
{
	if (!context_exists(id))
		return SCARD_E_INVALID_HANDLE;
	free((void *)memory);
	return SCARD_S_SUCCESS;
}

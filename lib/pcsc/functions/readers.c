// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * PC/SC's functions for the list of readers.
 */
#include <stdlib.h>
#include <string.h>
#include "../context.h"
#include "../delegate.h"
#include "../output.h"
#include "../readers.h"

/* PC/SC on Linux knows this one group. A multi-string ends with an empty string. */
static const char groups[] = "SCard$DefaultReaders\0";

/*
 * Sets *@list to a multi-string of tokmux' readers and then pcscd's, for free().
 * Returns its size, 0 if there is no memory.
 */
static size_t list_readers(struct context *context, char **list)
{
	struct reader *reader;
	struct slot *slot;
	size_t size, others_len;
	char *at, *others, *other;

	others = delegate_readers(context->other, &others_len);
	size = others_len + 1;
	lock();
	readers_refresh();
	for (reader = readers_first(); reader; reader = reader->next)
		for_each_slot(slot, reader)
			size += strlen(slot->name) + 1;
	*list = at = malloc(size);
	for (reader = readers_first(); at && reader; reader = reader->next)
		for_each_slot(slot, reader)
			at = stpcpy(at, slot->name) + 1;
	/* A reader that both have is tokmux'. */
	for (other = others; at && other && *other; other += strlen(other) + 1)
		if (!readers_find(other))
			at = stpcpy(at, other) + 1;
	unlock();
	free(others);
	if (!at)
		return 0;
	*at++ = '\0';
	return (size_t)(at - *list);
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
	size = list_readers(context, &list);
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

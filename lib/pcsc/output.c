// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Strings and bytes for programs.
 */
#include <stdlib.h>
#include <string.h>
#include "output.h"

LONG output(const void *data, size_t size, void *buffer, DWORD *len)
{
	const DWORD room = *len;
	void *copy;

	if (room == SCARD_AUTOALLOCATE) {
		if (!buffer)
			return SCARD_E_INVALID_PARAMETER;
		copy = malloc(size ? size : 1);
		if (!copy)
			return SCARD_E_NO_MEMORY;
		memcpy(copy, data, size);
		memcpy(buffer, &copy, sizeof(copy));
		*len = size;
		return SCARD_S_SUCCESS;
	}
	*len = size;
	if (!buffer)
		return SCARD_S_SUCCESS;
	if (room < size)
		return SCARD_E_INSUFFICIENT_BUFFER;
	memcpy(buffer, data, size);
	return SCARD_S_SUCCESS;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strings and bytes that PC/SC's functions give out: into a program's buffer,
 * into memory that SCardFreeMemory() frees, or their length alone.
 */
#ifndef TOKMUX_PCSC_OUTPUT_H
#define TOKMUX_PCSC_OUTPUT_H

#include <stddef.h>
#include "winscard.h"

/*
 * @buffer has room for *@len bytes. If it is NULL only the length is wanted. If
 * *@len is SCARD_AUTOALLOCATE, @buffer is the address of a pointer, which gets
 * memory of its own. *@len is @size after it, also where the room is too small.
 */
LONG output(const void *data, size_t size, void *buffer, DWORD *len);

#endif /* TOKMUX_PCSC_OUTPUT_H */

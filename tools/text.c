// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Text that others have written, made fit for a terminal and for JSON.
 */
#include <stddef.h>
#include <stdint.h>
#include "text.h"

/* How long the character is that begins here; 0 if it is none to be shown. */
static size_t character(const unsigned char *text)
{
	static const uint32_t first[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length, i;
	uint32_t code;

	if (*text < 0x80)
		return *text >= ' ' && *text != 0x7f;
	if (*text < 0xc0 || *text > 0xf7)
		return 0;
	length = *text < 0xe0 ? 2 : *text < 0xf0 ? 3 : 4;
	code = *text & (0x7f >> length);
	for (i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	/* Longer than need be, half of a pair, beyond the end; control. */
	if (code < first[length] || (code >= 0xd800 && code < 0xe000) ||
	    code > 0x10ffff || code < 0xa0)
		return 0;
	return length;
}

void text_make_printable(char *text)
{
	size_t length;

	while (*text) {
		length = character((unsigned char *)text);
		if (!length)
			*text = '?';
		text += length ? length : 1;
	}
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The note of a token: what a holder leaves for those who look.
 */
#include "internal.h"

_Static_assert(sizeof(((struct tokmux_note *)NULL)->bytes) == TOKMUX_NOTE_SIZE,
	       "a note cannot grow");

int tokmux_read_note(struct tokmux_caller *caller, unsigned int flags,
		     struct tokmux_note *note)
{
	struct tokmux_note_get arg = { .flags = flags };
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_NOTE_GET, &arg);
	if (ret)
		return ret;
	*note = (struct tokmux_note){ .flags = arg.noted, .time_ns = arg.time_ns };
	memcpy(note->bytes, arg.note, sizeof(note->bytes));
	return 0;
}

int tokmux_write_note(struct tokmux_caller *caller, const void *bytes, size_t len)
{
	struct tokmux_note_set arg = {};

	if (len > sizeof(arg.note))
		return -EINVAL;
	memcpy(arg.note, bytes, len);
	return tokmux_ioctl(caller->fd, TOKMUX_NOTE_SET, &arg);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a token comes from: /run/tokmux/tokens/NAME has the properties of the
 * device behind it, for udev's rules to take in when the token appears.
 */
#ifndef TOKMUX_TOOL_ORIGIN_H
#define TOKMUX_TOOL_ORIGIN_H

#include "reader.h"

/*
 * A token and its file come and go together: between the look whether the name
 * is free and the token's being there, and while both are removed, nobody else
 * may do the same. What udev reads as the token appears is complete without it.
 * A negative errno where the caller may not: nor may it make or remove a token.
 */
int origin_lock(void);
/* What origin_lock() returned, whatever it was. */
void origin_unlock(int lock);

/* 0 or a negative errno. */
int origin_write(const char *name, const struct reader *reader);
void origin_remove(const char *name);
/*
 * The token that was last written of the reader at @devpath, below /sys. It may
 * be gone, if not by us. udev's memory is no help: a token that was removed by
 * hand may have been made again of another reader.
 */
bool origin_find(const char *devpath, char name[static TOKMUX_NAME_SIZE]);

#endif /* TOKMUX_TOOL_ORIGIN_H */

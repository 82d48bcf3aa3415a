/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a token comes from: /run/tokmux/tokens/NAME has the properties of the
 * device behind it, for udev's rules to take in when the token appears.
 */
#ifndef TOKMUX_TOOL_ORIGIN_H
#define TOKMUX_TOOL_ORIGIN_H

#include <limits.h>
#include "reader.h"

/*
 * A token and its file come and go together: between the look whether the name
 * is free and the token's being there, and while both are removed, nobody else
 * may do the same. What udev reads as the token appears is complete without it.
 * A negative errno where the caller may not: nor may it make or remove a token.
 * -ETIMEDOUT if somebody keeps it: nothing that holds it waits for a device.
 */
int origin_lock(void);
/* What origin_lock() returned, whatever it was. */
void origin_unlock(int lock);

/* "Vendor_Model_Serial-ifNN", whole: what two readers have in common that are alike. */
#define ORIGIN_ID_SIZE	(READER_ID_SIZE + 8)
void origin_id(const struct reader *reader, char id[static ORIGIN_ID_SIZE]);
/* 0 or a negative errno. */
int origin_write(const char *name, const struct reader *reader);
void origin_remove(const char *name);
/*
 * The token that was last written of the reader at @devpath, below /sys. It may
 * be gone, if not by us. udev's memory is no help: a token that was removed by
 * hand may have been made again of another reader.
 */
bool origin_find(const char *devpath, char name[static TOKMUX_NAME_SIZE]);

/*
 * The token of another reader that says the same of itself and is plugged in;
 * @devpath: where it is.
 */
bool origin_twin(const struct reader *reader, char name[static TOKMUX_NAME_SIZE],
		 char devpath[static PATH_MAX]);
/* Does the reader still exist of which the token @name was made? */
bool origin_exists(const char *name);

#endif /* TOKMUX_TOOL_ORIGIN_H */

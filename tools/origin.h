/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a token comes from: /run/tokmux/tokens/NAME has the properties of the
 * device behind it, for udev's rules to take in when the token appears.
 */
#ifndef TOKMUX_TOOL_ORIGIN_H
#define TOKMUX_TOOL_ORIGIN_H

#include "reader.h"

/* 0 or a negative errno. */
int origin_write(const char *name, const struct reader *reader);
void origin_remove(const char *name);

#endif /* TOKMUX_TOOL_ORIGIN_H */

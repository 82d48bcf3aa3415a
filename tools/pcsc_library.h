/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where our libpcsclite.so.1 is.
 */
#ifndef TOKMUX_PCSC_LIBRARY_H
#define TOKMUX_PCSC_LIBRARY_H

#include <stdbool.h>

#define PCSC_LIBRARY	"libpcsclite.so.1"
#define PCSC_PATH_SIZE	4096

/* Its directory, and whether it is there. */
bool pcsc_directory(char dir[static PCSC_PATH_SIZE]);

#endif /* TOKMUX_PCSC_LIBRARY_H */

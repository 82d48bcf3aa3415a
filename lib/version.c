// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The version: the header's, as the library was built with it.
 */
#include "internal.h"

#define TEXT(number)	#number
#define VERSION_TEXT(major, minor, patch)	\
	TEXT(major) "." TEXT(minor) "." TEXT(patch)

const char *tokmux_version(void)
{
	return VERSION_TEXT(TOKMUX_VERSION_MAJOR, TOKMUX_VERSION_MINOR,
			    TOKMUX_VERSION_PATCH);
}

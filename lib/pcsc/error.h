/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PC/SC's errors: from libtokmux's, and in words.
 */
#ifndef TOKMUX_PCSC_ERROR_H
#define TOKMUX_PCSC_ERROR_H

#include "winscard.h"

/* Where a reader or a card was to be reached: @err is 0 or a negative errno. */
LONG error_of_access(int err);
/* Where a card was sent a command. */
LONG error_of_command(int err);

#endif /* TOKMUX_PCSC_ERROR_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_TOOL_STATUS_WORD_H
#define TOKMUX_TOOL_STATUS_WORD_H

#include <stdint.h>

/* What it means by ISO/IEC 7816-4; good until the next call. Never NULL. */
const char *status_word_meaning(uint16_t sw);

#endif /* TOKMUX_TOOL_STATUS_WORD_H */

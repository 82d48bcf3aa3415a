/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_TOOL_ENDING_H
#define TOKMUX_TOOL_ENDING_H

/*
 * Calls @clean_up when a signal ends the process from outside; in the signal's
 * handler.
 */
void ending_catch(void (*clean_up)(void));

#endif /* TOKMUX_TOOL_ENDING_H */

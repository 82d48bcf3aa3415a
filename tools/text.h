/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Text that others have written: names of processes, labels of tokens, what a
 * backend says.
 */
#ifndef TOKMUX_TOOL_TEXT_H
#define TOKMUX_TOOL_TEXT_H

/*
 * What is no UTF-8, and so neither JSON nor for a terminal, becomes '?', as do
 * control characters, which a terminal would obey.
 */
void text_make_printable(char *text);

#endif /* TOKMUX_TOOL_TEXT_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_TOOL_URI_H
#define TOKMUX_TOOL_URI_H

#include "tool.h"

bool uri_is_one(const char *what);
/* 0; -ENOENT; or an exit status, when it has said what is wrong. */
int uri_find(const char *uri, struct tokmux_token **token);
/*
 * The kernel's name of the token of tokmux-pkcs11.so that @uri fits. Returns the
 * exit status; says what is wrong.
 */
int uri_name(const char *uri, char name[static TOKMUX_NAME_SIZE]);

#endif /* TOKMUX_TOOL_URI_H */

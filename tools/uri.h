/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_TOOL_URI_H
#define TOKMUX_TOOL_URI_H

#include "tool.h"

bool uri_is_one(const char *what);
/* 0; -ENOENT; or an exit status, when it has said what is wrong. */
int uri_find(const char *uri, struct tokmux_token **token);

#endif /* TOKMUX_TOOL_URI_H */

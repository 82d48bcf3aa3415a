/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A token as a row of a view: for list, status and top.
 */
#ifndef TOKMUX_TOOL_TOKENS_H
#define TOKMUX_TOOL_TOKENS_H

#include "subject.h"
#include "view.h"

/* In JSON the rows are called so. */
#define TOKENS	"tokens"

struct view *tokens_view(const char *fallback, const struct view_options *options,
			 int *status);
/* -ENODEV, and no row, if it is gone. */
int tokens_row(struct view *view, struct subject *subject);
/* A row for each system token; a negative errno. */
int tokens_all(struct view *view);

#endif /* TOKMUX_TOOL_TOKENS_H */

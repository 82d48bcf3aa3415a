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
/* Over all rows. */
struct totals {
	unsigned long long holders, waiters, sessions, logins;
};

struct totals tokens_totals(const struct view *view);
/* A row for each system token, and each user token that can be seen; a negative errno. */
int tokens_all(struct view *view);

#endif /* TOKMUX_TOOL_TOKENS_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who uses a token, as rows of a view: for who and eject.
 */
#ifndef TOKMUX_TOOL_WHO_H
#define TOKMUX_TOOL_WHO_H

#include "subject.h"
#include "view.h"

struct view *who_view(const struct view_options *options, int *status);
/* How many rows there are, -ENODEV if the token is gone. */
int who_rows(struct view *view, struct subject *subject);

#endif /* TOKMUX_TOOL_WHO_H */

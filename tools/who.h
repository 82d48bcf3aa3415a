/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes that use a token, as rows of a view: for who and eject.
 */
#ifndef TOKMUX_TOOL_WHO_H
#define TOKMUX_TOOL_WHO_H

#include "subject.h"
#include "view.h"

struct view *who_view(const struct view_options *options, int *status);
/*
 * In two steps, for eject: who_begin() takes down the holders and waiters, as the
 * kernel names them, and looks at no process. -ENODEV if the token is gone.
 */
struct who;
int who_begin(struct subject *subject, struct who **who);
/* Looks at the processes. Returns how many rows there are, and frees @who. */
int who_finish(struct who *who, struct view *view);

#endif /* TOKMUX_TOOL_WHO_H */

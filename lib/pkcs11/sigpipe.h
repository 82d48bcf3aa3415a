/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_SIGPIPE_H
#define TOKMUX_SIGPIPE_H

void sigpipe_hold(void);
void sigpipe_release(void);

#endif /* TOKMUX_SIGPIPE_H */

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_CRASH_H
#define TOKMUX_CRASH_H

void crash_watch(void);
void crash_unwatch(void);

#endif /* TOKMUX_CRASH_H */

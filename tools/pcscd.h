/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * pcscd, who has a reader when we don't, and its clients.
 */
#ifndef TOKMUX_TOOL_PCSCD_H
#define TOKMUX_TOOL_PCSCD_H

#include <stdint.h>
#include <sys/types.h>
#include "tool.h"

/* Its pid while it runs, or 0. */
pid_t pcscd_pid(void);

/* Does it listen, or systemd for it? It is not asked: that would start it. */
bool pcscd_listens(void);

/*
 * The sockets of programs that are connected to it, by inode, 0 at the end; to be
 * freed. NULL if there is none, or the kernel doesn't tell (CONFIG_UNIX_DIAG).
 */
uint32_t *pcscd_clients(void);

#endif /* TOKMUX_TOOL_PCSCD_H */

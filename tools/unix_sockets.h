/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Unix sockets of this network namespace, and to which one each is connected.
 */
#ifndef TOKMUX_TOOL_UNIX_SOCKETS_H
#define TOKMUX_TOOL_UNIX_SOCKETS_H

#include <linux/unix_diag.h>
#include <stdint.h>

/* Of <netinet/tcp.h>; unix sockets have them, too. */
#define SOCKET_ESTABLISHED	1
#define SOCKET_LISTEN		10

struct unix_socket {
	uint32_t inode;
	uint32_t peer;				/* the inode of the other end, or 0 */
	const struct unix_diag_vfs *file;	/* that it is bound to, or NULL */
};

/* Calls @see with each socket in @state; with none if the kernel doesn't tell (CONFIG_UNIX_DIAG). */
void for_each_unix_socket(unsigned int state,
			  void (*see)(const struct unix_socket *socket, void *data),
			  void *data);

#endif /* TOKMUX_TOOL_UNIX_SOCKETS_H */

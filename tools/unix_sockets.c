// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Unix sockets, as the kernel's socket diagnosis lists them.
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "unix_sockets.h"

static void see_message(struct nlmsghdr *message,
			void (*see)(const struct unix_socket *socket, void *data),
			void *data)
{
	struct unix_diag_msg *diag = NLMSG_DATA(message);
	struct rtattr *attribute = (struct rtattr *)(diag + 1);
	int left = message->nlmsg_len - NLMSG_LENGTH(sizeof(*diag));
	struct unix_socket found = { .inode = diag->udiag_ino };
	struct unix_diag_vfs file;

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == UNIX_DIAG_VFS &&
		    RTA_PAYLOAD(attribute) >= sizeof(file)) {
			memcpy(&file, RTA_DATA(attribute), sizeof(file));
			found.file = &file;
		} else if (attribute->rta_type == UNIX_DIAG_PEER &&
			   RTA_PAYLOAD(attribute) >= sizeof(found.peer)) {
			memcpy(&found.peer, RTA_DATA(attribute), sizeof(found.peer));
		}
	}
	see(&found, data);
}

static bool ask(int netlink, unsigned int state)
{
	struct {
		struct nlmsghdr header;
		struct unix_diag_req diag;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		},
		.diag = {
			.sdiag_family = AF_UNIX,
			.udiag_states = 1 << state,
			.udiag_show = UDIAG_SHOW_VFS | UDIAG_SHOW_PEER,
		},
	};

	return send(netlink, &request, sizeof(request), 0) == sizeof(request);
}

/* false at the end, or when the kernel has none of it. */
static bool see_answer(int netlink,
		       void (*see)(const struct unix_socket *socket, void *data),
		       void *data)
{
	static char buffer[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *message = (struct nlmsghdr *)buffer;
	ssize_t length;
	size_t left;

	length = recv(netlink, buffer, sizeof(buffer), 0);
	if (length <= 0)
		return false;
	left = length;
	for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
		if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY)
			return false;
		see_message(message, see, data);
	}
	return true;
}

void for_each_unix_socket(unsigned int state,
			  void (*see)(const struct unix_socket *socket, void *data),
			  void *data)
{
	int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (netlink < 0)
		return;
	if (ask(netlink, state))
		while (see_answer(netlink, see, data))
			;
	close(netlink);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pcscd and its clients. It is not asked: to connect to its socket would start it.
 */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "pcscd.h"
#include "process.h"

#define DIRECTORY	"/run/pcscd"
#define SOCKET		DIRECTORY "/pcscd.comm"

/* Of <netinet/tcp.h>; unix sockets have them, too. */
#define ESTABLISHED	1
#define LISTEN		10

pid_t pcscd_pid(void)
{
	char name[PROCESS_NAME_SIZE];
	int pid = 0;
	FILE *f;

	f = fopen(DIRECTORY "/pcscd.pid", "re");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &pid) != 1 || pid <= 0 ||
	    !process_command(pid, name, sizeof(name)) || strcmp(name, "pcscd"))
		pid = 0;
	fclose(f);
	return pid;
}

struct clients {
	/* Where pcscd listens. Its directory is root's, so is the way to it. */
	struct stat socket;
	bool listens;
	uint32_t *inodes;
	size_t count;
};

static void add(struct clients *clients, uint32_t inode)
{
	clients->inodes = reallocarray(clients->inodes, clients->count + 2,
				       sizeof(*clients->inodes));
	if (!clients->inodes) {
		complain("out of memory");
		exit(STATUS_FAILED);
	}
	clients->inodes[clients->count++] = inode;
	clients->inodes[clients->count] = 0;
}

/*
 * By the file, and not by its path: that is what its maker has called it, perhaps
 * in a file system of his own. The kernel has the device's number in its own way.
 */
static bool is_pcscds(const struct clients *clients,
		      const struct unix_diag_vfs *vfs)
{
	return vfs->udiag_vfs_ino == (uint32_t)clients->socket.st_ino &&
	       vfs->udiag_vfs_dev >> 20 == major(clients->socket.st_dev) &&
	       (vfs->udiag_vfs_dev & 0xfffff) == minor(clients->socket.st_dev);
}

/* A socket that pcscd has accepted has the file of the one that listens. */
static void see_socket(struct clients *clients, struct nlmsghdr *message)
{
	struct unix_diag_msg *diag = NLMSG_DATA(message);
	struct rtattr *attribute = (struct rtattr *)(diag + 1);
	int left = message->nlmsg_len - NLMSG_LENGTH(sizeof(*diag));
	struct unix_diag_vfs vfs;
	bool ours = false;
	uint32_t peer = 0;

	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == UNIX_DIAG_VFS &&
		    RTA_PAYLOAD(attribute) >= sizeof(vfs)) {
			memcpy(&vfs, RTA_DATA(attribute), sizeof(vfs));
			ours = is_pcscds(clients, &vfs);
		} else if (attribute->rta_type == UNIX_DIAG_PEER &&
			 RTA_PAYLOAD(attribute) >= sizeof(peer)) {
			memcpy(&peer, RTA_DATA(attribute), sizeof(peer));
		}
	}
	if (ours && diag->udiag_state == LISTEN)
		clients->listens = true;
	else if (ours && peer)
		add(clients, peer);
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
static bool see_answer(int netlink, struct clients *clients)
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
		see_socket(clients, message);
	}
	return true;
}

static void see_sockets(struct clients *clients, unsigned int state)
{
	int netlink;

	if (lstat(SOCKET, &clients->socket) ||
	    !S_ISSOCK(clients->socket.st_mode))
		return;
	netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (netlink < 0)
		return;
	if (ask(netlink, state))
		while (see_answer(netlink, clients))
			;
	close(netlink);
}

uint32_t *pcscd_clients(void)
{
	struct clients clients = {};

	see_sockets(&clients, ESTABLISHED);
	return clients.inodes;
}

bool pcscd_listens(void)
{
	struct clients clients = {};

	see_sockets(&clients, LISTEN);
	return clients.listens;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pcscd and its clients. It is not asked: to connect to its socket would start it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include "pcscd.h"
#include "process.h"
#include "unix_sockets.h"

#define DIRECTORY	"/run/pcscd"
#define SOCKET		DIRECTORY "/pcscd.comm"

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
static void see_client(const struct unix_socket *socket, void *data)
{
	struct clients *clients = data;

	if (socket->file && socket->peer && is_pcscds(clients, socket->file))
		add(clients, socket->peer);
}

static void see_listener(const struct unix_socket *socket, void *data)
{
	struct clients *clients = data;

	clients->listens |= socket->file && is_pcscds(clients, socket->file);
}

static bool find_socket(struct clients *clients)
{
	return !lstat(SOCKET, &clients->socket) &&
	       S_ISSOCK(clients->socket.st_mode);
}

uint32_t *pcscd_clients(void)
{
	struct clients clients = {};

	if (find_socket(&clients))
		for_each_unix_socket(SOCKET_ESTABLISHED, see_client, &clients);
	return clients.inodes;
}

bool pcscd_listens(void)
{
	struct clients clients = {};

	if (find_socket(&clients))
		for_each_unix_socket(SOCKET_LISTEN, see_listener, &clients);
	return clients.listens;
}

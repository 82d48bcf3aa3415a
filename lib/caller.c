// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Callers: an open file of a token, bound, looked at, ejected.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "internal.h"

/*
 * The caller that got each descriptor last. The kernel gives a number to one file at a
 * time, so a caller that had it before has lost its file. Without a lock, which a forked
 * child could find taken. Larger descriptors are told apart by their files alone.
 */
static _Atomic(struct tokmux_caller *) owners[1024];

#define OWNERS	(int)(sizeof(owners) / sizeof(*owners))

int tokmux_caller_from_fd(int fd, struct tokmux_caller **caller)
{
	struct tokmux_caller *c = malloc(sizeof(*c));
	struct stat st;
	int ret = -ENOMEM;

	if (!c)
		goto err;
	if (fstat(fd, &st)) {
		ret = -errno;
		goto err;
	}
	*c = (struct tokmux_caller){
		.fd = fd, .dev = st.st_dev, .ino = st.st_ino, .rdev = st.st_rdev,
	};
	if (fd < OWNERS)
		atomic_store(&owners[fd], c);
	*caller = c;
	return 0;

err:
	free(c);
	close(fd);
	return ret;
}

/* Many files without a name have one inode, so a token's has to answer, too. */
static bool is_same_file(const struct tokmux_caller *caller)
{
	struct tokmux_info info = {};
	struct stat st;

	if (fstat(caller->fd, &st) || st.st_dev != caller->dev ||
	    st.st_ino != caller->ino || st.st_rdev != caller->rdev)
		return false;
	switch (tokmux_ioctl(caller->fd, TOKMUX_INFO, &info)) {
	case 0:
	case -EPERM:		/* of a process that was forked */
	case -ENODEV:		/* the token is gone */
	case -ESHUTDOWN:
		return true;
	}
	return false;
}

bool tokmux_caller_has_fd(const struct tokmux_caller *caller)
{
	int saved = errno;
	bool has;

	has = (caller->fd >= OWNERS ||
	       atomic_load(&owners[caller->fd]) == caller) &&
	      is_same_file(caller);
	errno = saved;
	return has;
}

bool tokmux_caller_leave_fd(struct tokmux_caller *caller)
{
	bool has = tokmux_caller_has_fd(caller);
	struct tokmux_caller *own = caller;

	/* Before it is closed: afterwards the number may be another caller's. */
	if (caller->fd < OWNERS)
		atomic_compare_exchange_strong(&owners[caller->fd], &own, NULL);
	return has;
}

int tokmux_fd(const struct tokmux_caller *caller)
{
	return caller->fd;
}

int tokmux_bind(struct tokmux_caller *caller, unsigned int flags)
{
	struct tokmux_bind arg = { .flags = flags };
	int ret = tokmux_ioctl(caller->fd, TOKMUX_BIND, &arg);

	if (!ret)
		caller->group = flags & TOKMUX_BIND_GROUP;
	return ret;
}

/*
 * The kernel's structs may grow with its header, and programs are built with the
 * library's: so one is not copied as the other, but member by member.
 */
int tokmux_info(struct tokmux_caller *caller, struct tokmux_state *state,
		size_t size)
{
	struct tokmux_state known = {};
	struct tokmux_info arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_INFO, &arg);
	if (ret)
		return ret;
	known.flags = arg.flags;
	known.index = arg.index;
	known.epoch = arg.epoch;
	known.owner_uid = arg.owner_uid;
	known.holder_pid = arg.holder_pid;
	known.holders = arg.holders;
	known.waiters = arg.waiters;
	known.sessions = arg.sessions;
	known.max_sessions = arg.max_sessions;
	known.users = arg.users;
	known.sos = arg.sos;
	known.hold_limit_ms = arg.hold_limit_ms;
	known.idle = arg.idle;
	known.grants = arg.grants;
	memcpy(known.name, arg.name, sizeof(known.name));
	memset(state, 0, size);
	memcpy(state, &known, size < sizeof(known) ? size : sizeof(known));
	return 0;
}

int tokmux_eject(struct tokmux_caller *caller, struct tokmux_ejected *ejected)
{
	struct tokmux_eject arg = {};
	int ret;

	ret = tokmux_ioctl(caller->fd, TOKMUX_EJECT, &arg);
	if (!ret && ejected)
		*ejected = (struct tokmux_ejected){ .leases = arg.leases,
						    .sessions = arg.sessions,
						    .logins = arg.logins };
	return ret;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The monitor: reports system tokens that come, go or change.
 *
 * udev's messages come through a socket. A message that finds no room there is
 * lost. So the monitor remembers the tokens that it has reported. When the
 * socket says that messages were lost, the monitor looks at all tokens again
 * and reports the difference. It starts the same way: the tokens that exist
 * then are reported as added.
 */
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include "token.h"

/* Root gets all of it, others as much as net.core.rmem_max allows. */
#define RECEIVE_BUFFER	(16 << 20)

struct told {
	struct told *next;
	enum tokmux_change change;
	struct tokmux_token *token;
};

struct tokmux_monitor {
	struct udev *udev;
	struct udev_monitor *source;
	/* Readable while the source is readable or a report is pending. */
	int epoll, pending;
	bool lost;
	/* By index, with holes: the tokens that were reported as added. */
	struct tokmux_token **known;
	size_t nr_known;
	/* The reports that are pending, the oldest first. */
	struct told *first, **last;
};

static int known_reserve(struct tokmux_monitor *monitor, unsigned int index)
{
	struct tokmux_token **grown;
	size_t nr = monitor->nr_known;

	if (index < nr)
		return 0;
	nr = nr ? nr : 16;
	while (nr <= index)
		nr *= 2;
	grown = reallocarray(monitor->known, nr, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	memset(grown + monitor->nr_known, 0,
	       (nr - monitor->nr_known) * sizeof(*grown));
	monitor->known = grown;
	monitor->nr_known = nr;
	return 0;
}

/* The report owns @token then. It is freed on failure. */
static int tell(struct tokmux_monitor *monitor, enum tokmux_change change,
		struct tokmux_token *token)
{
	struct told *told = malloc(sizeof(*told));

	if (!told) {
		tokmux_token_free(token);
		return -ENOMEM;
	}
	*told = (struct told){ .change = change, .token = token };
	if (!monitor->first)
		eventfd_write(monitor->pending, 1);
	*monitor->last = told;
	monitor->last = &told->next;
	return 0;
}

static enum tokmux_change next_told(struct tokmux_monitor *monitor,
				    struct tokmux_token **token)
{
	struct told *told = monitor->first;
	enum tokmux_change change = told->change;
	eventfd_t count;

	monitor->first = told->next;
	if (!monitor->first) {
		monitor->last = &monitor->first;
		eventfd_read(monitor->pending, &count);
	}
	*token = told->token;
	free(told);
	return change;
}

static int tell_removed(struct tokmux_monitor *monitor, unsigned int index)
{
	struct tokmux_token *old = monitor->known[index];

	monitor->known[index] = NULL;
	return tell(monitor, TOKMUX_TOKEN_REMOVED, old);
}

/* Owns @token. A message about an older token of that index comes too late. */
static int token_is_there(struct tokmux_monitor *monitor,
			  struct tokmux_token *token, bool changed)
{
	struct tokmux_token *old;
	int ret;

	ret = known_reserve(monitor, token->index);
	if (ret)
		goto out;
	old = monitor->known[token->index];
	if (old && old->since_us > token->since_us)
		goto out;
	if (old && old->since_us == token->since_us) {
		if (changed)
			ret = tell(monitor, TOKMUX_TOKEN_CHANGED,
				   token_get(token));
		goto out;
	}
	/* The index is another token's now, and that message was lost. */
	if (old)
		ret = tell_removed(monitor, token->index);
	if (ret)
		goto out;
	monitor->known[token->index] = token_get(token);
	ret = tell(monitor, TOKMUX_TOKEN_ADDED, token_get(token));
out:
	tokmux_token_free(token);
	return ret;
}

/* Owns @token. */
static int token_is_gone(struct tokmux_monitor *monitor,
			 struct tokmux_token *token)
{
	struct tokmux_token *old = NULL;
	int ret = 0;

	if (token->index < monitor->nr_known)
		old = monitor->known[token->index];
	if (old && (!token->since_us || token->since_us >= old->since_us))
		ret = tell_removed(monitor, token->index);
	tokmux_token_free(token);
	return ret;
}

/* Reports the difference between the known tokens and those that exist. */
static int look_anew(struct tokmux_monitor *monitor)
{
	struct tokmux_token **list, **t;
	size_t i = 0;
	int ret;

	ret = token_list(monitor->udev, &list);
	if (ret < 0)
		return ret;
	ret = 0;
	for (t = list; !ret; t++) {
		/* Both lists are in the order of the index. */
		for (; !ret && i < monitor->nr_known &&
		       (!*t || i < (*t)->index); i++)
			if (monitor->known[i])
				ret = tell_removed(monitor, i);
		if (ret || !*t)
			break;
		i = (*t)->index + 1;
		/* udev has not seen this one yet: its message will come. */
		if ((*t)->since_us)
			ret = token_is_there(monitor, token_get(*t), false);
	}
	tokmux_list_free(list);
	return ret;
}

static int take_news(struct tokmux_monitor *monitor, struct udev_device *device)
{
	const char *action = udev_device_get_action(device);
	struct tokmux_token *token;
	int ret;

	if (!action)
		action = "";
	ret = token_from_message(device, &token);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!strcmp(action, "remove"))
		return token_is_gone(monitor, token);
	return token_is_there(monitor, token, strcmp(action, "add"));
}

/* Reads one message. -EAGAIN: there is none, and none was lost. */
static int take_one(struct tokmux_monitor *monitor)
{
	struct udev_device *device;
	int ret;

	errno = EAGAIN;
	device = udev_monitor_receive_device(monitor->source);
	if (device)
		return take_news(monitor, device);
	if (errno == ENOBUFS) {
		monitor->lost = true;
		return 0;
	}
	if (errno != EAGAIN)
		return errno == EINTR ? 0 : -errno;
	if (!monitor->lost)
		return -EAGAIN;
	/* The socket must be empty first, or it may lose more meanwhile. */
	ret = look_anew(monitor);
	if (!ret)
		monitor->lost = false;
	return ret;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int wait_source(struct tokmux_monitor *monitor, int64_t until)
{
	struct pollfd pfd = {
		.fd = udev_monitor_get_fd(monitor->source),
		.events = POLLIN,
	};
	int64_t left = -1;
	int ret;

	if (until >= 0) {
		left = until - now_ms();
		if (left <= 0)
			return -ETIMEDOUT;
	}
	ret = poll(&pfd, 1, left);
	return ret < 0 ? -errno : 0;
}

static int monitor_next(struct tokmux_monitor *monitor, int timeout_ms,
			struct tokmux_token **token)
{
	int64_t until = timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
	int ret;

	while (!monitor->first) {
		ret = take_one(monitor);
		if (ret == -EAGAIN) {
			if (!timeout_ms)
				return ret;
			ret = wait_source(monitor, until);
		}
		if (ret)
			return ret;
	}
	return next_told(monitor, token);
}

int tokmux_monitor_next(struct tokmux_monitor *monitor, int timeout_ms,
			struct tokmux_token **token)
{
	int saved = errno;
	int ret = monitor_next(monitor, timeout_ms, token);

	errno = saved;
	return ret;
}

int tokmux_monitor_fd(const struct tokmux_monitor *monitor)
{
	return monitor->epoll;
}

static int watch(struct tokmux_monitor *monitor, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(monitor->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int monitor_start(struct tokmux_monitor *monitor)
{
	int ret;

	monitor->udev = udev_new();
	if (!monitor->udev)
		return -ENOMEM;
	monitor->source = udev_monitor_new_from_netlink(monitor->udev, "udev");
	if (!monitor->source)
		return errno ? -errno : -ENOMEM;
	ret = udev_monitor_filter_add_match_subsystem_devtype(monitor->source,
							      TOKEN_SUBSYSTEM,
							      NULL);
	if (ret < 0)
		return ret;
	/* As large as allowed. look_anew() makes up for what is lost still. */
	udev_monitor_set_receive_buffer_size(monitor->source, RECEIVE_BUFFER);
	ret = udev_monitor_enable_receiving(monitor->source);
	if (ret < 0)
		return ret;
	monitor->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (monitor->epoll < 0)
		return -errno;
	monitor->pending = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (monitor->pending < 0)
		return -errno;
	ret = watch(monitor, monitor->pending);
	if (!ret)
		ret = watch(monitor, udev_monitor_get_fd(monitor->source));
	/* Listen first and look afterwards, so that no token is missed. */
	return ret ? ret : look_anew(monitor);
}

int tokmux_monitor_open(struct tokmux_monitor **monitor)
{
	int saved = errno;
	struct tokmux_monitor *m = calloc(1, sizeof(*m));
	int ret;

	if (!m)
		return -ENOMEM;
	m->epoll = -1;
	m->pending = -1;
	m->last = &m->first;
	errno = 0;
	ret = monitor_start(m);
	if (ret)
		tokmux_monitor_close(m);
	else
		*monitor = m;
	errno = saved;
	return ret;
}

void tokmux_monitor_close(struct tokmux_monitor *monitor)
{
	int saved = errno;
	struct tokmux_token *token;
	size_t i;

	if (!monitor)
		return;
	while (monitor->first) {
		next_told(monitor, &token);
		tokmux_token_free(token);
	}
	for (i = 0; i < monitor->nr_known; i++)
		tokmux_token_free(monitor->known[i]);
	free(monitor->known);
	if (monitor->pending >= 0)
		close(monitor->pending);
	if (monitor->epoll >= 0)
		close(monitor->epoll);
	udev_monitor_unref(monitor->source);
	udev_unref(monitor->udev);
	free(monitor);
	errno = saved;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: what happened to a caller, read from its file.
 *
 * A ring of fixed size a caller: a slow reader loses the oldest ones, with a
 * mark on what it reads next, never memory (R8).
 */
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include "internal.h"

void tokmux_event_send(struct tokmux_caller *caller, u32 type, u64 arg)
{
	struct tokmux_event *event;

	lockdep_assert_held(&caller->token->lock);
	if (caller->nr_events == TOKMUX_EVENT_RING) {
		caller->first_event = (caller->first_event + 1) % TOKMUX_EVENT_RING;
		WRITE_ONCE(caller->nr_events, caller->nr_events - 1);
		caller->overflow = true;
	}
	event = &caller->events[(caller->first_event + caller->nr_events) %
				TOKMUX_EVENT_RING];
	event->type = type;
	event->flags = 0;
	event->time_ns = ktime_get_ns();
	event->arg = arg;
	WRITE_ONCE(caller->nr_events, caller->nr_events + 1);
	wake_up_interruptible(&caller->wait);
}

/* Is there something that read() wouldn't wait for? */
static bool tokmux_event_ready(const struct tokmux_caller *caller)
{
	return READ_ONCE(caller->nr_events) || READ_ONCE(caller->ended) ||
	       READ_ONCE(caller->token->gone);
}

/* What is left may be read also when the token is gone. */
static int tokmux_event_check(struct tokmux_caller *caller)
{
	int ret = tokmux_caller_check(caller);

	return ret == -ENODEV && caller->nr_events ? 0 : ret;
}

static unsigned int tokmux_event_take(struct tokmux_caller *caller,
				      struct tokmux_event *events,
				      unsigned int max)
{
	unsigned int nr = 0;

	while (nr < max && caller->nr_events) {
		events[nr] = caller->events[caller->first_event];
		if (caller->overflow)
			events[nr].flags |= TOKMUX_EVENT_OVERFLOW;
		caller->overflow = false;
		caller->first_event = (caller->first_event + 1) % TOKMUX_EVENT_RING;
		WRITE_ONCE(caller->nr_events, caller->nr_events - 1);
		nr++;
	}
	return nr;
}

ssize_t tokmux_event_read(struct file *file, char __user *buf, size_t count,
			  loff_t *ppos)
{
	struct tokmux_caller *caller = file->private_data;
	struct tokmux_event events[TOKMUX_EVENT_RING];
	unsigned int max = min_t(size_t, count / sizeof(*events), TOKMUX_EVENT_RING);
	unsigned int nr;
	int ret;

	if (!max)
		return -EINVAL;
	for (;;) {
		mutex_lock(&caller->token->lock);
		ret = tokmux_event_check(caller);
		nr = ret ? 0 : tokmux_event_take(caller, events, max);
		mutex_unlock(&caller->token->lock);
		if (ret)
			return ret;
		if (nr)
			break;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(caller->wait,
					       tokmux_event_ready(caller));
		if (ret)
			return ret;
	}
	if (copy_to_user(buf, events, nr * sizeof(*events)))
		return -EFAULT;
	return nr * sizeof(*events);
}

__poll_t tokmux_event_poll(struct file *file, struct poll_table_struct *wait)
{
	struct tokmux_caller *caller = file->private_data;
	/* pairs with the store in bind */
	struct pid *tgid = smp_load_acquire(&caller->tgid);
	__poll_t mask = 0;

	poll_wait(file, &caller->wait, wait);
	if (tgid && tgid != task_tgid(current))
		return EPOLLERR;
	if (READ_ONCE(caller->nr_events))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(caller->token->gone) || READ_ONCE(caller->ended))
		mask |= EPOLLHUP;
	return mask;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: messages of the kernel to a caller, which reads them from its file.
 *
 * Each caller has a ring of a fixed size. If a caller reads too slowly, the
 * oldest events are dropped, and the next event that it reads is marked. So
 * events cannot use up memory (R8).
 */
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/uaccess.h>
#include "internal.h"

void tokmux_event_send(struct tokmux_caller *caller, u32 type, u64 arg)
{
	struct tokmux_event event = {
		.type = type, .time_ns = ktime_get_ns(), .arg = arg,
	};
	struct tokmux_events *events = &caller->events;

	lockdep_assert_held(&caller->token->lock);
	if (kfifo_is_full(&events->ring)) {
		kfifo_skip(&events->ring);
		events->overflow = true;
	}
	kfifo_put(&events->ring, event);
	tokmux_park_is_idle(caller, TOKMUX_PARK_LOOK);
	wake_up_interruptible(&caller->wait);
}

/* The note is another one, or its holder's lease has ended. Each watcher is told once. */
void tokmux_event_tell_watchers(struct tokmux_token *token)
{
	struct tokmux_caller *caller, *next;

	list_for_each_entry_safe(caller, next, &token->watchers, watch) {
		list_del_init(&caller->watch);
		tokmux_event_send(caller, TOKMUX_EVENT_NOTE, 0);
	}
}

/* What poll() says of a caller; if not 0, read() returns at once. */
static __poll_t tokmux_event_mask(const struct tokmux_caller *caller)
{
	__poll_t mask = 0;

	/* The next wakeup finds what this misses. */
	if (data_race(!kfifo_is_empty(&caller->events.ring)))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(caller->token->gone) || READ_ONCE(caller->ended))
		mask |= EPOLLHUP;
	return mask;
}

/* Events that are left can be read after the token was removed. */
static int tokmux_event_check(struct tokmux_caller *caller)
{
	int ret = tokmux_caller_check(caller);

	return ret == -ENODEV && !kfifo_is_empty(&caller->events.ring) ? 0 : ret;
}

ssize_t tokmux_event_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
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
		nr = ret ? 0 : kfifo_out(&caller->events.ring, events, max);
		if (nr && caller->events.overflow) {
			events[0].flags = TOKMUX_EVENT_OVERFLOW;
			caller->events.overflow = false;
		}
		mutex_unlock(&caller->token->lock);
		if (ret)
			return ret;
		if (nr)
			break;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(caller->wait, tokmux_event_mask(caller));
		if (ret)
			return ret;
	}
	if (copy_to_user(buf, events, nr * sizeof(*events)))
		return -EFAULT;
	return nr * sizeof(*events);
}

__poll_t tokmux_event_poll(struct file *file, poll_table *wait)
{
	struct tokmux_caller *caller = file->private_data;
	/* Pairs with the store in tokmux_bind(). */
	struct pid *tgid = smp_load_acquire(&caller->tgid);

	poll_wait(file, &caller->wait, wait);
	if (tgid && tgid != task_tgid(current))
		return EPOLLERR;
	return tokmux_event_mask(caller);
}

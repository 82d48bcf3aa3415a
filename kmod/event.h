/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TOKMUX_EVENT_H
#define TOKMUX_EVENT_H

#include <linux/fs.h>
#include <linux/kfifo.h>
#include <linux/poll.h>
#include <linux/types.h>
#include <linux/tokmux.h>

struct tokmux_caller;
struct tokmux_token;

#define TOKMUX_EVENT_RING	8

/**
 * struct tokmux_events - the events that a caller has not read yet
 * @overflow: events were dropped, and no event that was read says so yet
 * @ring: the events
 */
struct tokmux_events {
	bool overflow;
	DECLARE_KFIFO(ring, struct tokmux_event, TOKMUX_EVENT_RING);
};

void tokmux_event_send(struct tokmux_caller *caller, u32 type, u64 arg);
void tokmux_event_tell_watchers(struct tokmux_token *token);
ssize_t tokmux_event_read(struct file *file, char __user *buf, size_t count,
			  loff_t *ppos);
__poll_t tokmux_event_poll(struct file *file, poll_table *wait);

#endif /* TOKMUX_EVENT_H */

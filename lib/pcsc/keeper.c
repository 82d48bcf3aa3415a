// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The keeper. It has no more rights than any other thread: for what it does with
 * a slot it takes the slot's turn.
 *
 * It runs while there is a context, and while there is a lease to give back: a
 * program that establishes its next context soon finds its card as it was. A
 * program that unloads the library meanwhile does no harm: it stays in memory.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include "keeper.h"
#include "lease.h"
#include "policy.h"
#include "readers.h"
#include "wake.h"

static bool running;
static int contexts, watchers;

static void sooner(int64_t *until_ms, int64_t at_ms)
{
	if (*until_ms < 0 || at_ms < *until_ms)
		*until_ms = at_ms;
}

/* When a card that nobody else wants has to forget its login, or -1 for never. */
static int64_t forget_due(const struct reader *reader)
{
	return policy.forget_after_ms ? reader->used_ms + policy.forget_after_ms :
					-1;
}

/* When the lease is to be given back, or -1 for never. policies.def has the reasons. */
static int64_t give_back_due(const struct reader *reader)
{
	if (reader->lost)
		return 0;
	if (reader_is_exclusive(reader))
		return -1;
	if (reader->wanted_ms || reader_is_empty(reader))
		return lease_due(reader);
	if (!reader_connections(reader))
		return reader->used_ms + (reader->only_seen ? CONNECTS_SOON_MS :
					  policy.off_after_ms);
	return forget_due(reader);
}

/* With the turns in the reader, and the lock, which is given up meanwhile. */
static void give_back(struct reader *reader)
{
	const bool wanted = reader->wanted_ms && !reader->lost;
	const bool forget = policy.forget_after_ms && forget_due(reader) <= now_ms();

	unlock();
	/* Those that wanted it may have given up. */
	if (!wanted || lease_is_wanted(reader))
		lease_give_back(reader, forget);
	lock();
	reader_pass(reader);
}

/* When a reader of this process is to be asked, because it may have forgotten to tell. */
static int64_t ask_due(const struct reader *reader)
{
	const struct slot *slot;
	int64_t due = -1, seen_ms;

	for_each_slot(slot, reader) {
		seen_ms = slot->seen_ms > reader->heard_ms ? slot->seen_ms :
							     reader->heard_ms;
		sooner(&due, seen_ms + (slot->told ? ASK_TELLING_MS : ASK_MS));
	}
	return due;
}

/*
 * Takes in what a reader of this process has told of its slots, also while a program is in
 * a transaction and does nothing. As attend().
 */
static bool hear(struct reader *reader, int64_t *until_ms)
{
	const int64_t now = now_ms();
	int64_t due = reader->heard_ms + LISTEN_MS, sure_due;
	bool done;

	if (!reader->held || reader->lost || reader->gone)
		return false;
	sure_due = ask_due(reader);
	if (!reader->hear && sure_due > due)
		due = sure_due;
	if (due > now) {
		sooner(until_ms, due);
		return false;
	}
	reader->hear = false;
	reader->heard_ms = now;
	unlock();
	done = lease_listen(reader, sure_due <= now);
	lock();
	/* A program talks to the card: it finds out for itself, or the next time does. */
	if (!done)
		reader->hear = true;
	return true;
}

/* Looks into a slot that programs wait for news of. As attend(). */
static bool watch(struct slot *slot, int64_t *until_ms)
{
	if (!slot_is_fresh(slot)) {
		if (turn_try(slot)) {
			lease_look_and_pass(slot);
			return true;
		}
		sooner(until_ms, now_ms() + FRESH_MS);
	} else if (!slot->told) {
		sooner(until_ms, slot->seen_ms + FRESH_MS);
	}
	return false;
}

/* True if it did something, and gave up the lock for it. */
static bool attend(struct reader *reader, int64_t *until_ms)
{
	int64_t now = now_ms(), due;
	struct slot *slot;

	if (hear(reader, until_ms))
		return true;
	due = reader->held ? give_back_due(reader) : -1;
	if (due > now) {
		sooner(until_ms, due);
	} else if (due >= 0) {
		/* If somebody has a turn, its end gives it back, or wakes the keeper. */
		if (reader_try(reader)) {
			give_back(reader);
			return true;
		}
		/* Where nobody else wants it, nothing else wakes the keeper. */
		if (!reader->wanted_ms && policy.forget_after_ms)
			sooner(until_ms, now + policy.forget_after_ms);
	}
	if (!watchers || reader->gone)
		return false;
	for_each_slot(slot, reader)
		if (watch(slot, until_ms))
			return true;
	return false;
}

static bool attend_all(int64_t *until_ms)
{
	struct reader *reader;

	for (reader = readers_first(); reader; reader = reader->next)
		if (attend(reader, until_ms))
			return true;
	return false;
}

/* ---- waiting ----------------------------------------------------------------- */

/* What the keeper waits for. It is changed under the lock. */
static struct files {
	struct pollfd *fds;
	size_t size, nr;
} files;

static void add_file(int fd, short events)
{
	struct pollfd *grown;

	if (files.nr == files.size) {
		grown = reallocarray(files.fds, files.size + 16,
				     sizeof(*grown));
		/* Without memory the keeper misses what this file has to tell. */
		if (!grown)
			return;
		files.fds = grown;
		files.size += 16;
	}
	files.fds[files.nr++] = (struct pollfd){ .fd = fd, .events = events };
}

static void free_files(void)
{
	free(files.fds);
	files = (struct files){};
}

/* The kernel tells holders of what happens to their leases, and others of notes. */
static bool is_told(const struct reader *reader)
{
	return reader->caller && !reader->lost;
}

static void collect_files(void)
{
	struct reader *reader;

	files.nr = 0;
	add_file(wake_fd(), POLLIN);
	add_file(readers_fd(), POLLIN);
	for (reader = readers_first(); reader; reader = reader->next) {
		if (!is_told(reader))
			continue;
		add_file(tokmux_fd(reader->caller), POLLIN);
		if (reader->listen_fd >= 0 && !reader->hear)
			add_file(reader->listen_fd, POLLOUT);
	}
}

static bool has_news(int fd)
{
	size_t i;

	for (i = 0; i < files.nr; i++)
		if (files.fds[i].fd == fd && files.fds[i].revents)
			return true;
	return false;
}

/* Another process has written a note. */
static void notes_expire(struct reader *reader)
{
	struct slot *slot;

	for_each_slot(slot, reader)
		slot_expires(slot);
}

static void read_events(struct reader *reader)
{
	struct tokmux_event event;
	int ret;

	while (!(ret = tokmux_read_event(reader->caller, 0, &event))) {
		if (event.type == TOKMUX_EVENT_WANTED && !reader->wanted_ms)
			reader->wanted_ms = now_ms();
		else if (event.type == TOKMUX_EVENT_LEASE_LOST)
			reader->lost = true;
		else if (event.type == TOKMUX_EVENT_SESSIONS_ENDED)
			lease_close_session(reader);
		else if (event.type == TOKMUX_EVENT_NOTE && !reader->held)
			notes_expire(reader);
	}
	if (ret != -EAGAIN && ret != -EINTR)
		reader->lost = true;
}

static void wait_for_work(int64_t until_ms)
{
	int64_t left = until_ms < 0 ? -1 : until_ms - now_ms();
	struct reader *reader;

	collect_files();
	unlock();
	poll(files.fds, files.nr, until_ms >= 0 && left < 0 ? 0 : (int)left);
	lock();
	wake_drain();
	for (reader = readers_first(); reader; reader = reader->next) {
		if (is_told(reader))
			read_events(reader);
		if (reader->listen_fd >= 0 && has_news(reader->listen_fd))
			reader->hear = true;
	}
}

static bool has_lease(void)
{
	const struct reader *reader = readers_first();

	while (reader && !reader->held)
		reader = reader->next;
	return reader;
}

/* There are no contexts, so nobody has a turn or waits for it. */
static void end_all(void)
{
	readers_close();
	wake_close();
}

static void *keep(void *unused)
{
	int64_t until_ms;

	lock();
	while (contexts || has_lease()) {
		readers_refresh();
		readers_reap();
		until_ms = -1;
		if (!attend_all(&until_ms))
			wait_for_work(until_ms);
	}
	end_all();
	free_files();
	running = false;
	unlock();
	return NULL;
}

/* ---- its life ---------------------------------------------------------------- */

int keeper_start(void)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int ret;

	if (running)
		return 0;
	ret = wake_open();
	if (ret)
		return ret;
	/* Signals are the program's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	/* Nobody waits for its end. */
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	ret = -pthread_create(&thread, &attr, keep, NULL);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	running = !ret;
	return ret;
}

void keeper_serve(int change)
{
	contexts += change;
	if (contexts)
		return;
	if (running)
		wake_keeper();
	else
		end_all();
}

void keeper_watch(int change)
{
	watchers += change;
	if (change > 0)
		wake_keeper();
}

void keeper_after_fork(void)
{
	running = false;
	free_files();
	contexts = 0;
	watchers = 0;
	/* The parent's eventfd: to write to it would wake the parent. */
	wake_close();
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Contexts, and the connections in them by their numbers.
 *
 * A number is not used again: a program that has kept one too long is refused,
 * and disturbs nobody. It fits in 31 bits, which is all that some have for it.
 */
#include <stdlib.h>
#include <sys/random.h>
#include "context.h"
#include "error.h"
#include "keeper.h"
#include "policy.h"
#include "readers.h"

static struct context *contexts;
/* A call has ended, and others wait for that. */
static pthread_cond_t left = PTHREAD_COND_INITIALIZER;
static LONG last_id;

static LONG new_id(void)
{
	uint32_t start;

	/* Two runs of a program don't have the same ones. */
	if (!last_id && getrandom(&start, sizeof(start), GRND_NONBLOCK) ==
			sizeof(start))
		last_id = start & 0x3fffffff;
	last_id = (last_id + 1) & 0x7fffffff;
	if (!last_id)
		last_id = 1;
	return last_id;
}

static struct context *find(SCARDCONTEXT id)
{
	struct context *context = contexts;

	while (context && context->id != id)
		context = context->next;
	return context;
}

static struct context *find_connection(SCARDHANDLE id,
				       struct connection **connection)
{
	struct context *context;

	for (context = contexts; context; context = context->next) {
		struct connection *at = context->connections;

		while (at && at->id != id)
			at = at->next;
		if (at) {
			*connection = at;
			return context;
		}
	}
	return NULL;
}

LONG context_new(SCARDCONTEXT other, SCARDCONTEXT *id)
{
	struct context *context = calloc(1, sizeof(*context));
	int ret;

	if (!context)
		return SCARD_E_NO_MEMORY;
	lock();
	policy_read();
	ret = readers_open();
	if (ret) {
		unlock();
		free(context);
		return error_of_access(ret);
	}
	context->id = new_id();
	context->other = other;
	context->next = contexts;
	contexts = context;
	keeper_serve(1);
	*id = context->id;
	unlock();
	return SCARD_S_SUCCESS;
}

bool context_exists(SCARDCONTEXT id)
{
	bool exists;

	lock();
	exists = find(id);
	unlock();
	return exists;
}

LONG context_cancel(SCARDCONTEXT id)
{
	struct context *context;

	lock();
	context = find(id);
	if (context && context->waiting) {
		context->cancelled = true;
		news_tell();
	}
	unlock();
	return context ? SCARD_S_SUCCESS : SCARD_E_INVALID_HANDLE;
}

struct context *context_enter(SCARDCONTEXT id)
{
	struct context *context;

	lock();
	while ((context = find(id)) && context->busy)
		lock_wait(&left);
	if (context)
		context->busy = true;
	unlock();
	return context;
}

struct context *context_enter_connection(SCARDHANDLE id,
					 struct connection **connection)
{
	struct context *context;

	lock();
	while ((context = find_connection(id, connection)) && context->busy)
		lock_wait(&left);
	if (context)
		context->busy = true;
	unlock();
	return context;
}

void context_leave(struct context *context)
{
	lock();
	context->busy = false;
	pthread_cond_broadcast(&left);
	unlock();
}

struct connection *context_add(struct context *context)
{
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	lock();
	connection->id = new_id();
	connection->next = context->connections;
	context->connections = connection;
	unlock();
	return connection;
}

void context_remove(struct context *context, struct connection *connection)
{
	struct connection **at = &context->connections;

	lock();
	while (*at != connection)
		at = &(*at)->next;
	*at = connection->next;
	unlock();
	free(connection);
}

void context_free(struct context *context)
{
	struct context **at = &contexts;

	lock();
	while (*at != context)
		at = &(*at)->next;
	*at = context->next;
	keeper_serve(-1);
	pthread_cond_broadcast(&left);
	unlock();
	free(context);
}

void contexts_after_fork(void)
{
	struct connection *connection;
	struct context *context;

	while ((context = contexts)) {
		contexts = context->next;
		while ((connection = context->connections)) {
			context->connections = connection->next;
			free(connection);
		}
		free(context);
	}
	pthread_cond_init(&left, NULL);
}

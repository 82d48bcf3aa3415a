// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an operation costs where there are 10 of something, and where there are
 * more: waiters, sessions, tokens, callers, sharers, open files of a token of which
 * one was refused, users who have a token of one name. Then, for callers, what each
 * takes of the kernel's memory.
 *
 * One line of JSON a round, nanoseconds by number, for tests/bench/measure.
 */
#include <err.h>
#include <pthread.h>
#include <sys/resource.h>
#include "../kselftest/token.h"
#include "bench.h"

#define MAX		20000
#define OPERATIONS	200
#define SERVED		500
#define USER_TOKENS	"/sys/module/tokmux/parameters/user_tokens"

static int files[MAX];
static unsigned int nr_files;

/* For what can't fail here; the number that is measured otherwise. */
static int must(int ret, const char *what)
{
	if (ret < 0)
		errx(1, "%s: %s", what, strerror(-ret));
	return ret;
}

static void close_files(void)
{
	while (nr_files)
		close(files[--nr_files]);
}

/* ---- waiters: hand the token on to each of them ---- */

static void *wait_in_line(void *arg)
{
	must(acquire(*(int *)arg, TOKMUX_EXCLUSIVE, FOREVER), "acquire");
	must(release(*(int *)arg), "release");
	return NULL;
}

static int64_t serve(int fd, unsigned int nr)
{
	static pthread_t threads[MAX];
	pthread_attr_t attr;
	int64_t begin, end;
	unsigned int i;

	while (nr_files < nr)
		files[nr_files++] = must(open_bound(own_name(), 0), "open");
	must(acquire(fd, TOKMUX_EXCLUSIVE, 0), "acquire");
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 65536);
	for (i = 0; i < nr; i++)
		if (pthread_create(&threads[i], &attr, wait_in_line, &files[i]))
			errx(1, "no thread number %u", i);
	while (info(fd).waiters < nr)
		usleep(1000);
	begin = now_ns();
	must(release(fd), "release");
	/* behind all of them */
	must(acquire(fd, TOKMUX_EXCLUSIVE, FOREVER), "acquire");
	end = now_ns();
	must(release(fd), "release");
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
	return end - begin;
}

/* As many are served in all, else few would be a matter of luck. */
static double waiters(int fd, unsigned int nr)
{
	unsigned int times = nr < SERVED ? SERVED / nr : 1, i;
	int64_t ns = 0;

	for (i = 0; i < times; i++)
		ns += serve(fd, nr);
	return (double)ns / times / nr;
}

/* ---- sessions: open and close one beside them ---- */

static double sessions(int fd, unsigned int nr)
{
	unsigned int i;
	int64_t begin;

	if (!nr_files)
		files[nr_files++] = must(open_bound(own_name(), 0), "open");
	for (i = info(fd).sessions; i < nr; i++)
		must(session_open(files[0], 0), "open a session");
	begin = now_ns();
	for (i = 0; i < OPERATIONS; i++)
		must(session_close(fd, must(session_open(fd, 0), "open a session")),
		     "close a session");
	begin = now_ns() - begin;
	return (double)begin / OPERATIONS;
}

/* ---- tokens: find and open one of them, and close it ---- */

static void token_name(char *name, unsigned int i)
{
	snprintf(name, TOKMUX_NAME_SIZE, "%.40s-%u", own_name(), i);
}

static double tokens(int fd, unsigned int nr)
{
	char name[TOKMUX_NAME_SIZE];
	unsigned int i;
	int64_t begin;

	while (nr_files < nr) {
		token_name(name, nr_files);
		files[nr_files++] = must(open_token(name), "make a token");
	}
	begin = now_ns();
	for (i = 0; i < OPERATIONS; i++) {
		struct tokmux_open arg = {};

		token_name(arg.name, i * 7919 % nr);
		must(control_verb(TOKMUX_CTL_OPEN, &arg), "open a token");
		close(arg.fd);
	}
	return (double)(now_ns() - begin) / OPERATIONS;
}

/* ---- callers: one more comes, has the lease, and goes ---- */

static double callers(int fd, unsigned int nr)
{
	unsigned int i;
	int64_t begin;

	while (nr_files < nr)
		files[nr_files++] = must(open_bound(own_name(), 0), "open");
	begin = now_ns();
	for (i = 0; i < OPERATIONS; i++) {
		int one = must(open_bound(own_name(), 0), "open");

		must(acquire(one, TOKMUX_SHARED, 0), "acquire");
		must(release(one), "release");
		close(one);
	}
	return (double)(now_ns() - begin) / OPERATIONS;
}

/* ---- sharers: one of them leaves while a request waits for all of them ---- */

#define LEAVING		8	/* of 10 or more */
#define TIMES		20

static double sharers(int fd, unsigned int nr)
{
	int64_t begin, ns = 0;
	unsigned int i, times;
	pthread_t thread;
	int last;

	while (nr_files < nr)
		files[nr_files++] = must(open_bound(own_name(), 0), "open");
	last = must(open_bound(own_name(), 0), "open");
	for (times = 0; times < TIMES; times++) {
		for (i = 0; i < nr; i++)
			must(acquire(files[i], TOKMUX_SHARED, 0), "acquire");
		if (pthread_create(&thread, NULL, wait_in_line, &last))
			errx(1, "no thread");
		while (!info(fd).waiters)
			usleep(1000);
		/* not the first one, which finds cold caches after the sleep */
		must(release(files[nr - 1]), "release");
		/* those that came last: their memory is in the processor's caches */
		begin = now_ns();
		for (i = nr - 1; i > nr - 1 - LEAVING; i--)
			must(release(files[i - 1]), "release");
		ns += now_ns() - begin;
		while (i)
			must(release(files[--i]), "release");
		pthread_join(thread, NULL);
	}
	close(last);
	return (double)ns / TIMES / LEAVING;
}

/* ---- refusals: a release tells one of the open files that it was waited for ---- */

static double refusals(int fd, unsigned int nr)
{
	struct tokmux_event event;
	int64_t begin, ns = 0;
	unsigned int i;

	if (!nr_files)
		files[nr_files++] = must(open_bound(own_name(), 0), "open");
	while (nr_files < nr)
		files[nr_files++] = must(open_token(own_name()), "open");
	for (i = 0; i < OPERATIONS; i++) {
		must(acquire(fd, TOKMUX_EXCLUSIVE, 0), "acquire");
		if (acquire(files[0], TOKMUX_EXCLUSIVE, 0) != -EAGAIN)
			errx(1, "two holders");
		begin = now_ns();
		must(release(fd), "release");
		ns += now_ns() - begin;
		must(next_event(files[0], &event), "read an event");
	}
	return (double)ns / OPERATIONS;
}

/* ---- namesakes: find one's token where other users have one of the name ---- */

static double namesakes(int fd, unsigned int nr)
{
	unsigned int i;
	int64_t begin;

	while (nr_files < nr) {
		must(seteuid(100000 + nr_files), "another user");
		files[nr_files++] = must(open_token(own_name()), "make a token");
		must(seteuid(0), "root again");
	}
	begin = now_ns();
	for (i = 0; i < OPERATIONS; i++) {
		struct tokmux_open arg = {};

		snprintf(arg.name, sizeof(arg.name), "%s", own_name());
		must(control_verb(TOKMUX_CTL_OPEN, &arg), "open a token");
		close(arg.fd);
	}
	return (double)(now_ns() - begin) / OPERATIONS;
}

static int64_t caller_bytes(void)
{
	int64_t bytes = accounted_bytes();

	while (nr_files < MAX)
		files[nr_files++] = must(open_bound(own_name(), 0), "open");
	bytes = accounted_bytes() - bytes;
	close_files();
	return bytes / MAX;
}

static const struct {
	const char *name;
	double (*measure)(int fd, unsigned int nr);
} things[] = {
	{ "waiters", waiters },
	{ "sessions", sessions },
	{ "tokens", tokens },
	{ "callers", callers },
	{ "sharers", sharers },
	{ "refusals", refusals },
	{ "namesakes", namesakes },
};

#define THINGS		(sizeof(things) / sizeof(*things))

int main(int argc, char **argv)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER,
				     .max_sessions = MAX + 1 };
	struct rlimit limit = { 2 * MAX, 2 * MAX };
	unsigned int thing, round, count, i, nr;
	int fd;
	FILE *f;

	for (thing = 0; argc > 3 && thing < THINGS; thing++)
		if (!strcmp(argv[1], things[thing].name))
			break;
	if (argc < 4 || thing == THINGS)
		errx(2, "usage: scale THING ROUNDS NUMBER...");
	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "RLIMIT_NOFILE");
	f = fopen(USER_TOKENS, "w");
	if (!f || fprintf(f, "%u\n", 2 * MAX) < 0 || fclose(f))
		err(1, USER_TOKENS);
	must(create(own_name(), &arg), "make a token");
	fd = arg.fd;
	must(bind_token(fd, 0), "bind");

	/* Each round another number is first; all begin with nothing there. */
	count = argc - 3;
	for (round = 0; round < strtoul(argv[2], NULL, 10); round++) {
		printf("{");
		for (i = 0; i < count; i++) {
			nr = strtoul(argv[3 + (round + i) % count], NULL, 10);
			if (!nr || nr > MAX)
				errx(2, "1 to %d", MAX);
			if (!round)
				things[thing].measure(fd, nr);
			printf("%s\"%u\": %.1f", i ? ", " : "", nr,
			       things[thing].measure(fd, nr));
			close_files();
		}
		printf("}\n");
	}
	if (things[thing].measure == callers)
		printf("%lld\n", (long long)caller_bytes());
	return 0;
}

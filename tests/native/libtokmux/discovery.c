// SPDX-License-Identifier: GPL-2.0-only
/*
 * libtokmux: tokens are found, listed and watched; in a storm none is lost.
 * Needs the kernel module, root and udevd: the guest has them.
 */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <tokmux.h>
#include "kselftest_harness.h"

#define SOON	60000	/* ms: what must come has come by then */

#define NEEDS_KERNEL() do {						\
	if (tokmux_present() != 1 || geteuid())				\
		SKIP(return, "needs the kernel module, and root");	\
} while (0)

static unsigned int env(const char *name, unsigned int otherwise)
{
	const char *value = getenv(name);

	return value ? strtoul(value, NULL, 0) : otherwise;
}

/* The next change of a token of that prefix; others have theirs, too. */
static int next_of(struct tokmux_monitor *monitor, const char *prefix,
		   struct tokmux_token **token)
{
	int ret;

	for (;;) {
		ret = tokmux_monitor_next(monitor, SOON, token);
		if (ret < 0)
			return ret;
		if (!strncmp(tokmux_token_name(*token), prefix, strlen(prefix)))
			return ret;
		tokmux_token_free(*token);
	}
}

TEST(what_is_not_there)
{
	struct tokmux_token *token = (void *)-1;
	char name[65] = "";

	EXPECT_EQ(-ENOENT, tokmux_token_find("no-such-token", &token));
	EXPECT_EQ(-ENOENT, tokmux_token_find("tokmux65535", &token));
	EXPECT_EQ(-ENOENT, tokmux_token_find("/no/such/device", &token));
	EXPECT_EQ(-EINVAL, tokmux_token_find("/dev/null", &token));
	EXPECT_EQ(-EINVAL, tokmux_token_find("/", &token));
	EXPECT_EQ(-EINVAL, tokmux_token_find("", &token));
	memset(name, 'x', 64);
	EXPECT_EQ(-ENAMETOOLONG, tokmux_token_find(name, &token));
	EXPECT_EQ((void *)-1, token);
	tokmux_token_free(NULL);
	tokmux_list_free(NULL);
	tokmux_monitor_close(NULL);
}

TEST(an_empty_list_and_a_quiet_monitor)
{
	struct tokmux_monitor *monitor;
	struct tokmux_token **list, *token;

	if (tokmux_present() == 1)
		SKIP(return, "there may be tokens");
	ASSERT_EQ(0, tokmux_list(&list));
	EXPECT_EQ(NULL, list[0]);
	tokmux_list_free(list);
	ASSERT_EQ(0, tokmux_monitor_open(&monitor));
	EXPECT_EQ(-EAGAIN, tokmux_monitor_next(monitor, 0, &token));
	EXPECT_EQ(-ETIMEDOUT, tokmux_monitor_next(monitor, 1, &token));
	tokmux_monitor_close(monitor);
}

/*
 * The token of a test has its own name: an index is used again, and what udev
 * has to say of the last test's may come when it's this one's.
 */
#define FOUND	"found-"

FIXTURE(token)
{
	struct tokmux_monitor *monitor;
	struct tokmux_token *token;
	unsigned int index;
	char name[TOKMUX_NAME_SIZE], path[64];
};

/* A test that was killed has not. */
static void clean_up(void)
{
	struct tokmux_token **list, **t;

	if (tokmux_list(&list) < 0)
		return;
	for (t = list; *t; t++)
		if (!strncmp(tokmux_token_name(*t), FOUND, strlen(FOUND)))
			tokmux_remove_system(tokmux_token_index(*t));
	tokmux_list_free(list);
}

FIXTURE_SETUP(token)
{
	self->monitor = NULL;
	self->token = NULL;
	if (tokmux_present() != 1 || geteuid())
		return;	/* each test says so */
	clean_up();
	snprintf(self->name, sizeof(self->name), FOUND "%d", getpid());
	ASSERT_EQ(0, tokmux_monitor_open(&self->monitor));
	ASSERT_EQ(-EINVAL, tokmux_create_system("found one", 0, 7, &self->index));
	ASSERT_EQ(0, tokmux_create_system(self->name, 0, 7, &self->index));
	ASSERT_EQ(TOKMUX_TOKEN_ADDED,
		  next_of(self->monitor, self->name, &self->token));
	snprintf(self->path, sizeof(self->path), "/dev/tokmux%u", self->index);
}

FIXTURE_TEARDOWN(token)
{
	if (!self->monitor)
		return;
	tokmux_remove_system(self->index);
	tokmux_token_free(self->token);
	tokmux_monitor_close(self->monitor);
}

TEST_F(token, is_as_it_was_made)
{
	char value[4097];

	NEEDS_KERNEL();
	EXPECT_STREQ(self->name, tokmux_token_name(self->token));
	EXPECT_EQ(self->index, tokmux_token_index(self->token));
	EXPECT_STREQ(self->path + 5, tokmux_token_sysname(self->token));
	EXPECT_STREQ(self->path, tokmux_token_devnode(self->token));
	EXPECT_TRUE(tokmux_token_ready(self->token));
	EXPECT_STREQ("tokmux", tokmux_token_property(self->token, "SUBSYSTEM"));
	EXPECT_EQ(NULL, tokmux_token_property(self->token, "NO_SUCH"));
	EXPECT_EQ(1, tokmux_token_attribute(self->token, "max_sessions", value,
					    sizeof(value)));
	EXPECT_STREQ("7", value);
	EXPECT_EQ(0, tokmux_token_attribute(self->token, "waiter_pids", value,
					    sizeof(value)));
	EXPECT_STREQ("", value);
	EXPECT_EQ(-ENOENT, tokmux_token_attribute(self->token, "no_such", value,
						  sizeof(value)));
	EXPECT_EQ(-EINVAL, tokmux_token_attribute(self->token, "../uevent",
						  value, sizeof(value)));
	EXPECT_EQ(-ENOBUFS, tokmux_token_attribute(self->token, "name", value, 3));
}

TEST_F(token, is_found_by_each_of_its_names)
{
	const char *names[] = { self->name, self->path, self->path + 5 };
	struct tokmux_token *found, **list, **t;
	bool seen = false;
	size_t i;
	int count;

	NEEDS_KERNEL();
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, tokmux_token_find(names[i], &found))
			TH_LOG("%s", names[i]);
		EXPECT_EQ(self->index, tokmux_token_index(found));
		tokmux_token_free(found);
	}
	count = tokmux_list(&list);
	ASSERT_LT(0, count);
	for (t = list; *t; t++, count--)
		seen |= !strcmp(tokmux_token_name(*t), self->name);
	EXPECT_EQ(0, count);
	EXPECT_TRUE(seen);
	tokmux_list_free(list);
}

/* What was found is that token, and no later one of its index or its name. */
TEST_F(token, is_no_later_one)
{
	struct tokmux_caller *caller = NULL;
	unsigned int index;
	char value[4097];

	NEEDS_KERNEL();
	ASSERT_EQ(0, tokmux_open_token(self->token, &caller));
	tokmux_close(caller);
	caller = NULL;
	ASSERT_EQ(0, tokmux_remove_system(self->index));
	EXPECT_EQ(-ENODEV, tokmux_open_token(self->token, &caller));
	ASSERT_EQ(0, tokmux_create_system(self->name, 0, 8, &index));
	ASSERT_EQ(self->index, index);
	EXPECT_EQ(-ENODEV, tokmux_open_token(self->token, &caller));
	EXPECT_EQ(-ENOENT, tokmux_token_attribute(self->token, "max_sessions",
						  value, sizeof(value)));
	EXPECT_EQ(-ENODEV, tokmux_remove_token(self->token));
	EXPECT_EQ(NULL, caller);
	EXPECT_EQ(0, tokmux_open(self->name, &caller));
	tokmux_close(caller);
}

/* An attribute is of now, not of when it was first read. */
TEST_F(token, attributes_are_fresh)
{
	struct tokmux_caller *caller;
	char value[4097];

	NEEDS_KERNEL();
	EXPECT_EQ(1, tokmux_token_attribute(self->token, "holders", value,
					    sizeof(value)));
	EXPECT_STREQ("0", value);
	ASSERT_EQ(0, tokmux_open(self->path, &caller));
	ASSERT_EQ(0, tokmux_bind(caller, 0));
	ASSERT_EQ(0, tokmux_acquire(caller, TOKMUX_EXCLUSIVE, 0, NULL));
	EXPECT_EQ(1, tokmux_token_attribute(self->token, "holders", value,
					    sizeof(value)));
	EXPECT_STREQ("1", value);
	tokmux_close(caller);
}

/* The name is told also when the token is gone from sysfs. */
TEST_F(token, goes)
{
	struct pollfd pfd = { .fd = self->monitor ? tokmux_monitor_fd(self->monitor) : -1,
			      .events = POLLIN };
	struct tokmux_token *gone;
	char value[4097];

	NEEDS_KERNEL();
	ASSERT_EQ(0, tokmux_remove_system(self->index));
	EXPECT_EQ(1, poll(&pfd, 1, SOON));
	ASSERT_EQ(TOKMUX_TOKEN_REMOVED,
		  next_of(self->monitor, self->name, &gone));
	EXPECT_STREQ(self->name, tokmux_token_name(gone));
	EXPECT_EQ(-ENOENT, tokmux_token_attribute(gone, "name", value,
						  sizeof(value)));
	tokmux_token_free(gone);
	EXPECT_EQ(-ENOENT, tokmux_token_find(self->name, &gone));
}

/* What is there when the monitor begins is told as added, and once. */
TEST_F(token, is_there_for_a_second_monitor)
{
	struct tokmux_monitor *monitor;
	struct tokmux_token *token;
	struct pollfd pfd;
	int ret;

	NEEDS_KERNEL();
	ASSERT_EQ(0, tokmux_monitor_open(&monitor));
	pfd = (struct pollfd){ .fd = tokmux_monitor_fd(monitor), .events = POLLIN };
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	ASSERT_EQ(TOKMUX_TOKEN_ADDED, next_of(monitor, self->name, &token));
	tokmux_token_free(token);
	while ((ret = tokmux_monitor_next(monitor, 0, &token)) > 0) {
		EXPECT_STRNE(self->name, tokmux_token_name(token));
		tokmux_token_free(token);
	}
	EXPECT_EQ(-EAGAIN, ret);
	EXPECT_EQ(0, poll(&pfd, 1, 0));
	tokmux_monitor_close(monitor);
}

/* When udev is behind, it is told of a token whose index has another one by now. */
TEST_F(token, late_news_have_their_names)
{
	static const struct {
		int change;
		const char *name;
	} news[] = {
		{ TOKMUX_TOKEN_ADDED, FOUND "late-1" },
		{ TOKMUX_TOKEN_REMOVED, FOUND "late-1" },
		{ TOKMUX_TOKEN_ADDED, FOUND "late-2" },
	};
	struct tokmux_token *token;
	unsigned int index, again;
	size_t i;

	NEEDS_KERNEL();
	ASSERT_EQ(0, system("udevadm control --stop-exec-queue"));
	EXPECT_EQ(0, tokmux_create_system(news[0].name, 0, 0, &index));
	EXPECT_EQ(0, tokmux_remove_system(index));
	EXPECT_EQ(0, tokmux_create_system(news[2].name, 0, 0, &again));
	ASSERT_EQ(0, system("udevadm control --start-exec-queue"));
	EXPECT_EQ(index, again);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(news[i].change,
			  next_of(self->monitor, FOUND "late-", &token));
		EXPECT_STREQ(news[i].name, tokmux_token_name(token));
		tokmux_token_free(token);
	}
	EXPECT_EQ(0, tokmux_remove_system(again));
}

/* ---- the storm ---------------------------------------------------------- */

struct storm {
	unsigned int rounds;
	int failed;
};

/* Tokens come and go, four at a time, and each index is used again. */
static void *storm(void *arg)
{
	struct storm *storm = arg;
	unsigned int index[4], i, j;
	char name[32];

	for (i = 0; i < storm->rounds; i += 4) {
		for (j = 0; j < 4; j++) {
			snprintf(name, sizeof(name), "storm-%u", i + j);
			storm->failed |= tokmux_create_system(name, 0, 0, &index[j]);
		}
		for (j = 0; j < 4; j++)
			storm->failed |= tokmux_remove_system(index[j]);
	}
	return NULL;
}

/*
 * A thousand come and a thousand go, and each is told of, one after the other
 * for each index. Their names aren't looked at: when udev is behind, it finds
 * none, or that of who has the index now.
 */
TEST_F_TIMEOUT(token, nothing_is_lost_in_a_storm, 300)
{
	struct storm data = { .rounds = env("TOKMUX_DISCOVERY_STORM", 1000) & ~3U };
	unsigned int added = 0, removed = 0, index;
	struct tokmux_token *token;
	bool there[64] = {};
	pthread_t thread;
	int change;

	NEEDS_KERNEL();
	ASSERT_EQ(0, pthread_create(&thread, NULL, storm, &data));
	while (added < data.rounds || removed < data.rounds) {
		change = tokmux_monitor_next(self->monitor, SOON, &token);
		ASSERT_LT(0, change)
			TH_LOG("%u added, %u removed", added, removed);
		index = tokmux_token_index(token);
		tokmux_token_free(token);
		ASSERT_LT(index, 64);
		if (change == TOKMUX_TOKEN_ADDED) {
			ASSERT_FALSE(there[index]);
			added++;
		} else if (change == TOKMUX_TOKEN_REMOVED) {
			ASSERT_TRUE(there[index]);
			removed++;
		}
		there[index] = change != TOKMUX_TOKEN_REMOVED;
	}
	pthread_join(thread, NULL);
	EXPECT_EQ(0, data.failed);
	EXPECT_EQ(data.rounds, added);
	EXPECT_EQ(data.rounds, removed);
	ASSERT_EQ(0, system("udevadm settle"));
	EXPECT_EQ(-EAGAIN, tokmux_monitor_next(self->monitor, 0, &token));
}

/* The monitor's socket gets room for next to nothing. */
static int shrink_netlink_sockets(void)
{
	int size = 1, shrunk = 0, domain, fd;
	socklen_t len;

	for (fd = 3; fd < 256; fd++) {
		len = sizeof(domain);
		if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) ||
		    domain != AF_NETLINK)
			continue;
		shrunk += !setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	return shrunk;
}

/* One that has missed nearly everything knows in the end what is there. */
TEST_F(token, a_slow_reader_is_told_what_stays)
{
	unsigned int index[32], i, told = 0, stays = 0, first_gone = 0;
	struct tokmux_token *token;
	char name[32];
	int change;

	NEEDS_KERNEL();
	ASSERT_EQ(0, tokmux_create_system("slow-first", 0, 0, &index[0]));
	ASSERT_EQ(TOKMUX_TOKEN_ADDED, next_of(self->monitor, "slow-first", &token));
	tokmux_token_free(token);
	ASSERT_EQ(1, shrink_netlink_sockets());
	ASSERT_EQ(0, tokmux_remove_system(index[0]));
	for (i = 0; i < 32; i++) {
		snprintf(name, sizeof(name), "slow-%u", i);
		ASSERT_EQ(0, tokmux_create_system(name, 0, 0, &index[i]));
	}
	ASSERT_EQ(0, system("udevadm settle"));
	for (i = 0; i < 32; i += 2)
		ASSERT_EQ(0, tokmux_remove_system(index[i]));
	ASSERT_EQ(0, system("udevadm settle"));
	while ((change = tokmux_monitor_next(self->monitor, 0, &token)) > 0) {
		snprintf(name, sizeof(name), "%s", tokmux_token_name(token));
		tokmux_token_free(token);
		if (!strcmp(name, "slow-first"))
			first_gone += change == TOKMUX_TOKEN_REMOVED;
		else if (change == TOKMUX_TOKEN_ADDED)
			stays++;
		else if (change == TOKMUX_TOKEN_REMOVED)
			stays--;
		told++;
	}
	EXPECT_EQ(-EAGAIN, change);
	EXPECT_EQ(1, first_gone);
	EXPECT_EQ(16, stays);
	/* Otherwise this has shown nothing. */
	EXPECT_GT(49, told);
	for (i = 1; i < 32; i += 2)
		ASSERT_EQ(0, tokmux_remove_system(index[i]));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * R8 without memory: each allocation and each copy from and to user space on
 * each verb's way is made to fail once, the first, the second, … until none is
 * left. Each time the call succeeds all the same or fails with an errno that it
 * documents, nothing is left over, and the same call works when repeated.
 *
 * Needs FAULT_INJECTION, FAILSLAB and debugfs, as in the kasan kernel. An
 * allocation is meant here as anywhere in the kernel on behalf of the call, not
 * only the module's own.
 */
#include <dirent.h>
#include <pthread.h>
#include <linux/hidraw.h>
#include "uhid.h"
#include "kselftest_harness.h"

#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define USERCOPY	"/sys/kernel/debug/fail_usercopy/"
#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define TOO_MANY	1000

/* What the calls below work on. */
static struct {
	int control;
	int watch;	/* not bound; only ever looks */
	int fd;		/* bound */
	int other;	/* bound */
	int system;	/* index of a system token */
	int uhid;	/* a device */
	char node[64];	/* it */
	int device;	/* bound to a token with it behind */
	int spare;	/* a device that no token has yet */
	char spare_node[64];
	int made;	/* what the call made: a file, an index, a session */
	char name[TOKMUX_NAME_SIZE];
	char path[64];
} s;

static unsigned int allocations, copies;

/* ---- faults ---- */

static int put_value(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = -1;

	if (fd >= 0) {
		len = write(fd, value, strlen(value));
		close(fd);
	}
	return len < 0 ? -errno : 0;
}

static char get_flag(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char flag = 0;

	if (fd >= 0 && read(fd, &flag, 1) < 0)
		flag = 0;
	close(fd);
	return flag;
}

/* Let this thread's nth fault to come happen. Returns a file for disarm(). */
static int arm(int nth)
{
	int fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	char text[16];
	int len = snprintf(text, sizeof(text), "%d", nth);

	if (fd < 0 || write(fd, text, len) != len)
		exit(1);
	return fd;
}

/* Did it happen? */
static bool disarm(int fd)
{
	char text[16] = {};
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	/* it may hit the read itself, or the write */
	if (pwrite(fd, "0", 1, 0) != 1 && pwrite(fd, "0", 1, 0) != 1)
		exit(1);
	close(fd);
	return len > 0 && !atoi(text);
}

/* ---- what may be left over ---- */

struct left {
	unsigned int files;
	unsigned int tokens;
	unsigned int holders;
	unsigned int waiters;
	unsigned int sessions;
	unsigned int users;
	unsigned int sos;
};

/* System tokens. Returns the index of the one of that name, or -1. */
static int find_system(const char *name, unsigned int *nr)
{
	char path[320], line[TOKMUX_NAME_SIZE];
	int found = -1, index;
	struct dirent *entry;
	DIR *dir;
	FILE *f;

	*nr = 0;
	dir = opendir("/sys/class/tokmux");
	while (dir && (entry = readdir(dir))) {
		if (sscanf(entry->d_name, "tokmux%d", &index) != 1)
			continue;
		(*nr)++;
		snprintf(path, sizeof(path), "/sys/class/tokmux/%s/name", entry->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fscanf(f, "%63s", line) == 1 && !strcmp(line, name))
			found = index;
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

static struct left left(void)
{
	struct tokmux_info now = info(s.watch);
	struct left l = {
		.holders = now.holders, .waiters = now.waiters,
		.sessions = now.sessions, .users = now.users, .sos = now.sos,
	};

	for (int fd = 0; fd < 256; fd++)
		l.files += fcntl(fd, F_GETFD) >= 0;
	find_system("", &l.tokens);
	return l;
}

static bool is_left(const struct left *before)
{
	struct left now = left();

	return !memcmp(before, &now, sizeof(now));
}

/* ---- the calls: 0 or more, or a negative errno ---- */

static int make(unsigned int flags, const char *suffix)
{
	struct tokmux_create arg = { .flags = flags };
	int ret;

	snprintf(arg.name, sizeof(arg.name), "%.50s%s", s.name, suffix);
	s.made = -1;
	ret = verb(s.control, TOKMUX_CTL_CREATE, &arg);
	if (!ret)
		s.made = flags & TOKMUX_CREATE_USER ? arg.fd : (int)arg.index;
	return ret;
}

static int call_create(void)
{
	return make(TOKMUX_CREATE_USER | TOKMUX_CREATE_EXCL, "-new");
}

static int call_create_again(void)
{
	return make(TOKMUX_CREATE_USER, "");
}

static int call_create_system(void)
{
	return make(0, "-new");
}

static int call_remove_system(void)
{
	struct tokmux_remove arg = { .index = s.made };

	return verb(s.control, TOKMUX_CTL_REMOVE, &arg);
}

static int call_open(void)
{
	struct tokmux_open arg = {};
	int ret;

	strcpy(arg.name, s.name);
	s.made = -1;
	ret = verb(s.control, TOKMUX_CTL_OPEN, &arg);
	if (!ret)
		s.made = arg.fd;
	return ret;
}

static int call_open_control(void)
{
	s.made = open(CONTROL, O_RDWR | O_CLOEXEC);
	return s.made < 0 ? -errno : 0;
}

static int call_open_device(void)
{
	s.made = open(s.path, O_RDWR | O_CLOEXEC);
	return s.made < 0 ? -errno : 0;
}

static int call_close(void)
{
	int ret = close(s.made) ? -errno : 0;

	s.made = -1;
	return ret;
}

static int call_bind(void)
{
	return bind_token(s.made, 0);
}

static int call_bind_group(void)
{
	return bind_token(s.made, TOKMUX_BIND_GROUP);
}

static int call_info(void)
{
	struct tokmux_info arg;

	return verb(s.fd, TOKMUX_INFO, &arg);
}

static int call_acquire(void)
{
	return acquire(s.fd, TOKMUX_EXCLUSIVE, 0);
}

static int call_acquire_in_turn(void)
{
	return acquire(s.fd, TOKMUX_SHARED, FOREVER);
}

static int call_acquire_in_vain(void)
{
	int ret = acquire(s.fd, TOKMUX_SHARED, 1);

	return ret == -ETIMEDOUT ? 0 : ret ?: -EPROTO;
}

static int call_release(void)
{
	int ret = release(s.fd);

	return ret == -ENOLCK ? 0 : ret;
}

static int call_mark_clean(void)
{
	return mark_clean(s.fd);
}

static int call_session_open(void)
{
	return session_open(s.fd, 0);
}

static int call_session_open_wait(void)
{
	return session_open(s.fd, FOREVER);
}

static int call_session_close(void)
{
	int ret = session_close(s.fd, s.made);

	/* the answer got lost the first time */
	return ret == -ENOENT ? 0 : ret;
}

static int call_session_close_all(void)
{
	return session_close_all(s.fd);
}

static int call_login(void)
{
	return login(s.fd, TOKMUX_USER);
}

static int call_logout(void)
{
	int ret = logout(s.fd);

	return ret == -ENOENT ? 0 : ret;
}

static int call_eject(void)
{
	struct tokmux_eject hit;

	return eject(s.fd, &hit);
}

/* A token with a device behind it. Its open may be refused as well. */
static int make_device(const char *node, const char *suffix)
{
	struct tokmux_create arg = { .device_kind = TOKMUX_DEVICE_HIDRAW };
	int ret;

	arg.device_fd = open(node, O_RDWR | O_CLOEXEC);
	if (arg.device_fd < 0)
		return -errno;
	snprintf(arg.name, sizeof(arg.name), "%.50s%s", s.name, suffix);
	ret = verb(s.control, TOKMUX_CTL_CREATE, &arg);
	close(arg.device_fd);
	return ret ? ret : (int)arg.index;
}

static int call_register(void)
{
	return make_device(s.spare_node, "-new");
}

static int call_lease_fd(void)
{
	int ret = lease_fd(s.device);

	s.made = ret < 0 ? -1 : ret;
	return ret;
}

static int call_lease_fd_io(void)
{
	char report[1 + REPORT] = {};
	struct pollfd pfd = { .fd = s.made, .events = POLLIN };
	int size;

	if (poll(&pfd, 1, 0) < 0 || ioctl(s.made, HIDIOCGRDESCSIZE, &size) < 0)
		return -errno;
	if (read(s.made, report, sizeof(report)) < 0 && errno != EAGAIN)
		return -errno;
	report[0] = 0;
	return write(s.made, report, sizeof(report)) < 0 ? -errno : 0;
}

static int call_poll(void)
{
	struct pollfd pfd = { .fd = s.fd, .events = POLLIN };

	return poll(&pfd, 1, 0) < 0 ? -errno : 0;
}

static int call_read(void)
{
	struct tokmux_event event;

	return read(s.fd, &event, sizeof(event)) < 0 ? -errno : 0;
}

static int read_all(const char *path)
{
	char text[1024];
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (read(fd, text, sizeof(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static int call_fdinfo(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s.fd);
	return read_all(path);
}

static int call_sysfs(void)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/tokmux/tokmux%d/holder", s.system);
	return read_all(path);
}

/* ---- what comes before them, and undoes them ---- */

static void close_made(void)
{
	if (s.made >= 0)
		close(s.made);
	s.made = -1;
}

static void open_made(void)
{
	s.made = open_token(s.name);
}

static void reopen_made(void)
{
	close_made();
	open_made();
}

static void create_system(void)
{
	if (make(0, "-new"))
		exit(1);
}

static void remove_system(void)
{
	struct tokmux_remove arg;
	unsigned int nr;
	char name[TOKMUX_NAME_SIZE];
	int index;

	snprintf(name, sizeof(name), "%.50s-new", s.name);
	index = find_system(name, &nr);
	arg = (struct tokmux_remove){ .index = index };
	if (index >= 0 && verb(s.control, TOKMUX_CTL_REMOVE, &arg))
		exit(1);
}

static void hold_device(void)
{
	if (acquire(s.device, TOKMUX_EXCLUSIVE, FOREVER))
		exit(1);
}

static void release_device(void)
{
	if (release(s.device))
		exit(1);
}

static void have_lease_fd(void)
{
	hold_device();
	s.made = lease_fd(s.device);
	if (s.made < 0 || fcntl(s.made, F_SETFL, O_NONBLOCK))
		exit(1);
}

static void drop_lease_fd(void)
{
	close_made();
	release_device();
}

static void have_lease(void)
{
	if (acquire(s.fd, TOKMUX_EXCLUSIVE, 0))
		exit(1);
}

static void have_session(void)
{
	s.made = session_open(s.fd, 0);
	if (s.made <= 0)
		exit(1);
}

static void have_login(void)
{
	have_session();
	if (login(s.fd, TOKMUX_USER))
		exit(1);
}

static void have_event(void)
{
	struct tokmux_eject hit;

	if (acquire(s.fd, TOKMUX_EXCLUSIVE, 0) || eject(s.other, &hit))
		exit(1);
}

static void drop(void)
{
	release(s.fd);
	release(s.other);
	session_close_all(s.fd);
	session_close_all(s.other);
}

static void drop_login(void)
{
	logout(s.fd);
}

static void hold_other(void)
{
	if (acquire(s.other, TOKMUX_EXCLUSIVE, FOREVER))
		exit(1);
}

/* Holds the token, but for when somebody waits. */
static volatile bool enough;
static pthread_t giver;

static void *give(UNUSED void *arg)
{
	while (!enough) {
		hold_other();
		while (!enough && !info(s.watch).waiters)
			sched_yield();
		release(s.other);
		while (!enough && info(s.watch).holders)
			sched_yield();
	}
	return NULL;
}

static void start_giver(void)
{
	enough = false;
	pthread_create(&giver, NULL, give, NULL);
	EVENTUALLY(info(s.watch).holders == 1);
}

static void stop_giver(void)
{
	enough = true;
	pthread_join(giver, NULL);
	drop();
}

static void release_fd(void)
{
	release(s.fd);
}

static void close_sessions(void)
{
	session_close_all(s.fd);
}

/*
 * In the order of the UAPI. Where it allocates, it must have been refused for
 * that once, or nothing was tested.
 */
static const struct call {
	const char *name;
	int (*call)(void);
	void (*undo)(void);
	void (*before)(void);
	void (*after)(void);
	bool allocates;
	bool alters;	/* what @before made is used up, even if it fails */
} calls[] = {
	{ .name = "open control", .call = call_open_control, .undo = close_made,
	  .allocates = true },
	{ .name = "create user token", .call = call_create, .undo = close_made,
	  .allocates = true },
	{ .name = "create, is there", .call = call_create_again, .undo = close_made,
	  .allocates = true },
	{ .name = "create system token", .call = call_create_system,
	  .undo = remove_system, .allocates = true },
	{ .name = "remove system token", .call = call_remove_system,
	  .before = create_system, .after = remove_system, .alters = true },
	{ .name = "open user token", .call = call_open, .undo = close_made,
	  .allocates = true },
	{ .name = "open device", .call = call_open_device, .undo = close_made,
	  .allocates = true },
	{ .name = "bind", .call = call_bind, .undo = reopen_made,
	  .before = open_made, .after = close_made, .allocates = true },
	{ .name = "bind to group", .call = call_bind_group, .undo = reopen_made,
	  .before = open_made, .after = close_made, .allocates = true },
	{ .name = "close", .call = call_close, .before = open_made,
	  .after = close_made, .alters = true },
	{ .name = "info", .call = call_info },
	{ .name = "acquire", .call = call_acquire, .undo = release_fd },
	{ .name = "acquire in turn", .call = call_acquire_in_turn,
	  .undo = release_fd, .before = start_giver, .after = stop_giver },
	{ .name = "acquire in vain", .call = call_acquire_in_vain,
	  .before = hold_other, .after = drop },
	{ .name = "release", .call = call_release, .before = have_lease,
	  .after = drop, .alters = true },
	{ .name = "mark clean", .call = call_mark_clean, .before = have_lease,
	  .after = drop },
	{ .name = "open session", .call = call_session_open,
	  .undo = close_sessions, .allocates = true },
	{ .name = "open session, may wait", .call = call_session_open_wait,
	  .undo = close_sessions, .allocates = true },
	{ .name = "close session", .call = call_session_close,
	  .before = have_session, .after = drop, .alters = true },
	{ .name = "close all sessions", .call = call_session_close_all,
	  .before = have_session, .after = drop, .alters = true },
	{ .name = "login", .call = call_login, .undo = drop_login,
	  .before = have_session, .after = drop },
	{ .name = "logout", .call = call_logout, .before = have_login,
	  .after = drop, .alters = true },
	{ .name = "eject", .call = call_eject, .before = have_login,
	  .after = drop, .alters = true },
	{ .name = "create token with device", .call = call_register,
	  .undo = remove_system, .allocates = true },
	{ .name = "lease fd", .call = call_lease_fd, .undo = close_made,
	  .before = hold_device, .after = release_device, .allocates = true },
	{ .name = "lease fd: read, write…", .call = call_lease_fd_io,
	  .before = have_lease_fd, .after = drop_lease_fd },
	{ .name = "poll", .call = call_poll },
	{ .name = "read event", .call = call_read, .before = have_event,
	  .after = drop },
	{ .name = "fdinfo", .call = call_fdinfo },
	{ .name = "sysfs", .call = call_sysfs },
};

/*
 * A second way: all of this thread's allocations fail once it has had so many
 * bytes. What is tried again with another GFP flag, as the nodes of trees are,
 * gets past a single fault, not past that.
 */
static int no_more;	/* make-it-fail of this thread */

static void fail_beyond(int bytes)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", bytes);
	if (put_value(FAILSLAB "space", text) || pwrite(no_more, "1", 1, 0) != 1)
		exit(1);
}

static void fail_no_more(void)
{
	if (pwrite(no_more, "0", 1, 0) != 1)
		exit(1);
}

static bool fail_marked_tasks(void)
{
	no_more = open("/proc/thread-self/make-it-fail", O_WRONLY | O_CLOEXEC);
	return no_more >= 0 && !put_value(FAILSLAB "task-filter", "Y") &&
	       !put_value(FAILSLAB "times", "-1") &&
	       !put_value(FAILSLAB "probability", "100");
}

/* In this order, or the whole guest would be out of memory. */
static void fail_nobody(void)
{
	put_value(FAILSLAB "probability", "0");
	put_value(FAILSLAB "times", "1");
	put_value(FAILSLAB "task-filter", "N");
	put_value(FAILSLAB "space", "0");
}

static void remove_fixture_system(void)
{
	struct tokmux_remove arg = { .index = s.system };

	if (s.system >= 0 && verb(s.control, TOKMUX_CTL_REMOVE, &arg))
		exit(1);
	s.system = -1;
}

FIXTURE(r8)
{
	char ignore_wait, usercopy, slab;
	int device;
};

FIXTURE_SETUP(r8)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER, .max_sessions = 1 };

	if (access(FAIL_NTH, W_OK) || access(FAILSLAB "ignore-gfp-wait", W_OK))
		return;
	/* allocations that may sleep fail too, and without a word in the log */
	self->ignore_wait = get_flag(FAILSLAB "ignore-gfp-wait");
	self->slab = get_flag(FAILSLAB "verbose");
	self->usercopy = get_flag(USERCOPY "verbose");
	ASSERT_EQ(0, put_value(FAILSLAB "ignore-gfp-wait", "N"));
	ASSERT_EQ(0, put_value(FAILSLAB "verbose", "0"));
	put_value(USERCOPY "verbose", "0");

	strcpy(s.name, own_name());
	s.control = open(CONTROL, O_RDWR | O_CLOEXEC);
	ASSERT_GE(s.control, 0);
	ASSERT_EQ(0, create(s.name, &arg));
	s.watch = arg.fd;
	s.fd = open_bound(s.name, 0);
	s.other = open_bound(s.name, 0);
	ASSERT_GE(s.other, 0);
	ASSERT_EQ(0, make(0, "-system"));
	s.system = s.made;
	s.made = -1;
	snprintf(s.path, sizeof(s.path), "/dev/tokmux%d", s.system);

	ASSERT_TRUE(uhid_is_there());
	s.uhid = uhid_plug(s.node, sizeof(s.node));
	ASSERT_GE(s.uhid, 0);
	s.spare = uhid_plug(s.spare_node, sizeof(s.spare_node));
	ASSERT_GE(s.spare, 0);
	self->device = make_device(s.node, "-device");
	ASSERT_GE(self->device, 0);
	s.device = open_index_bound(self->device, 0);
	ASSERT_GE(s.device, 0);
}

#define NEED_FAULTS()							\
	do {								\
		if (!self->ignore_wait)					\
			SKIP(return, "needs FAULT_INJECTION, FAILSLAB and debugfs"); \
	} while (0)

FIXTURE_TEARDOWN(r8)
{
	if (!self->ignore_wait)
		return;
	fail_nobody();
	put_value(FAILSLAB "ignore-gfp-wait", (char[]){ self->ignore_wait, 0 });
	put_value(FAILSLAB "verbose", (char[]){ self->slab, 0 });
	put_value(USERCOPY "verbose", (char[]){ self->usercopy, 0 });
	remove_fixture_system();
	close(s.device);
	unregister_token(self->device);
	close(s.uhid);
	close(s.spare);
}

static bool is_documented(int ret)
{
	return ret == -ENOMEM || ret == -EMFILE || ret == -ENFILE || ret == -EFAULT;
}

static void fail_each(struct __test_metadata *_metadata, const struct call *c)
{
	unsigned int refused = 0, faults = 0, unnoticed = 0;
	struct left before, prepared;
	bool happened = true;
	int nth, ret, file;

	before = left();
	for (nth = 1; happened && nth < TOO_MANY; nth++) {
		if (c->before)
			c->before();
		prepared = left();
		file = arm(nth);
		ret = c->call();
		happened = disarm(file);
		if (!happened) {
			EXPECT_GE(ret, 0);
		} else if (ret == -EFAULT) {
			faults++;
		} else if (ret < 0) {
			refused++;
		} else {
			unnoticed++;
		}
		EXPECT_TRUE(ret >= 0 || is_documented(ret)) {
			TH_LOG("%s: %d at fault %d", c->name, ret, nth);
		}
		/*
		 * With an answer that could not be written it may have been done.
		 * (A file that nobody was told of would show here.)
		 */
		if ((ret >= 0 || ret == -EFAULT) && c->undo)
			c->undo();
		if (!c->alters)
			EXPECT_TRUE(EVENTUALLY(is_left(&prepared))) {
				TH_LOG("%s: left over after fault %d (%d)", c->name, nth, ret);
			}
		if (ret < 0) {
			ret = c->call();
			EXPECT_GE(ret, 0) {
				TH_LOG("%s: %d when repeated after fault %d", c->name, ret, nth);
			}
			if (c->undo)
				c->undo();
		}
		if (c->after)
			c->after();
		EXPECT_TRUE(EVENTUALLY(is_left(&before))) {
			TH_LOG("%s: left over in the end after fault %d", c->name, nth);
		}
		if (!__test_passed(_metadata))
			return;
	}
	EXPECT_FALSE(happened);
	if (c->allocates)
		EXPECT_GT(refused, 0);
	allocations += refused + unnoticed;
	copies += faults;
	TH_LOG("%-24s %3u allocations failed, %3u of them refused the call; %u copies",
	       c->name, refused + unnoticed, refused, faults);
}

TEST_F_TIMEOUT(r8, every_verb, 600)
{
	NEED_FAULTS();
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		fail_each(_metadata, &calls[i]);
	TH_LOG("%u allocations and %u copies failed, 0 left over", allocations, copies);
}

static void fail_from(struct __test_metadata *_metadata, const struct call *c)
{
	unsigned int refused = 0;
	struct left before = left(), prepared;
	int bytes, ret = -1;

	for (bytes = 1; ret < 0 && bytes < 1 << 20; bytes += 32 + bytes / 8) {
		if (c->before)
			c->before();
		prepared = left();
		fail_beyond(bytes);
		ret = c->call();
		fail_no_more();
		if (ret < 0) {
			refused++;
			EXPECT_EQ(-ENOMEM, ret);
			EXPECT_TRUE(EVENTUALLY(is_left(&prepared)));
			EXPECT_GE(c->call(), 0);
		}
		if (c->undo)
			c->undo();
		if (c->after)
			c->after();
		EXPECT_TRUE(EVENTUALLY(is_left(&before)));
		if (!__test_passed(_metadata)) {
			TH_LOG("%s: %d with %d bytes", c->name, ret, bytes);
			return;
		}
	}
	EXPECT_GE(ret, 0);
	EXPECT_GT(refused, 0);
	allocations += refused;
	TH_LOG("%-24s %3u times refused, the last time with less than %d bytes",
	       c->name, refused, bytes);
}

TEST_F_TIMEOUT(r8, no_more_memory, 600)
{
	NEED_FAULTS();
	ASSERT_TRUE(fail_marked_tasks());
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (calls[i].allocates)
			fail_from(_metadata, &calls[i]);
	fail_nobody();
	TH_LOG("%u times refused, 0 left over", allocations);
}

/* What a queue hands over. */
static void *wait_for_session(void *arg)
{
	int *ret = arg;

	*ret = session_open(s.other, FOREVER);
	return NULL;
}

static bool other_waits(void)
{
	char path[64], line[128];
	unsigned int waiting = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s.other);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "waiting: %u", &waiting);
	if (f)
		fclose(f);
	return waiting;
}

/* Who waits has brought its memory: the closer need not have any for it. */
TEST_F_TIMEOUT(r8, session_handed_over, 60)
{
	struct left before;
	pthread_t waiter;
	int got;

	NEED_FAULTS();
	ASSERT_TRUE(fail_marked_tasks());
	before = left();
	have_session();
	ASSERT_EQ(0, pthread_create(&waiter, NULL, wait_for_session, &got));
	ASSERT_TRUE(EVENTUALLY(other_waits()));
	fail_beyond(0);
	EXPECT_EQ(0, session_close(s.fd, s.made));
	fail_no_more();
	ASSERT_EQ(0, pthread_join(waiter, NULL));
	EXPECT_GT(got, 0);
	EXPECT_EQ(0, session_close(s.other, got));
	EXPECT_TRUE(is_left(&before));
	fail_nobody();
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * R2 in a race: processes whose threads use the token while one of them ends it
 * all at a random moment, by exit, exec, close() or dup2() over the file, some
 * with a child that keeps a copy, or shares the descriptor table. Then holders
 * that are stopped and go on, files in flight that only the garbage collector
 * finds, and vfork() with exec. After each round nothing is left over, and the
 * next acquire works.
 *
 * TOKMUX_RACES_ROUNDS and TOKMUX_RACES_SEED change what is done.
 */
#include <pthread.h>
#include "token.h"
#include "kselftest_harness.h"

#define PROCESSES	2
#define THREADS		3	/* that use the token, and one that ends it */
#define FILES		2

/* How a process' part is over. */
enum end { EXIT, LEADER, EXEC, CLOSE, DUP2, KILL, NR_ENDS };

static const char * const end_names[NR_ENDS] = {
	"exit", "exit, leader first", "exec", "close", "dup2", "kill"
};

/* Who has a copy of its files. */
enum heir { NONE, FORKED, SHARES_TABLE, NR_HEIRS };

struct racer {
	int files[FILES];
	unsigned int seed;
};

static unsigned int rounds, seed;

static void spin(unsigned int *state)
{
	for (volatile int i = rand_r(state) % 100000; i > 0; i--)
		;
}

/* Until the file is taken from under its hands. */
static void *use(void *arg)
{
	struct racer *r = arg;
	unsigned int state = r->seed + syscall(SYS_gettid);

	for (;;) {
		int fd = r->files[rand_r(&state) % FILES];
		int mode = 1 + rand_r(&state) % 2;
		int ret = 0;

		switch (rand_r(&state) % 8) {
		case 0:
			ret = acquire(fd, mode, FOREVER);
			break;
		case 1:
			ret = acquire(fd, mode, 1);
			break;
		case 2:
			ret = session_open(fd, 1);
			break;
		case 3:
			ret = login(fd, TOKMUX_USER);
			break;
		case 4:
			ret = session_close_all(fd);
			break;
		default:
			ret = release(fd);
			break;
		}
		if (ret == -EBADF || ret == -ESHUTDOWN || ret == -EPERM ||
		    ret == -ENOTTY || ret == -ENOTCONN)
			return NULL;
	}
}

/* The leader has gone before. */
static void *end_later(void *arg)
{
	spin(arg);
	_exit(0);
}

static int share_table(void *arg)
{
	stop_here();
	return 0;
}

/* A process of several threads that ends in that way. */
static void race(enum end end, enum heir heir, int ready, int gone, unsigned int state)
{
	static char stack[16384] __attribute__((aligned(16)));
	struct racer r = { .seed = state };
	pthread_t threads[THREADS];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int i;

	for (i = 0; i < FILES; i++) {
		r.files[i] = open_bound(own_name(), i ? TOKMUX_BIND_GROUP : 0);
		if (r.files[i] < 0)
			_exit(1);
	}
	if (heir == FORKED && !fork())
		stop_here();
	if (heir == SHARES_TABLE)
		clone(share_table, stack + sizeof(stack), CLONE_FILES | SIGCHLD, NULL);
	for (i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, use, &r))
			_exit(2);
	spin(&state);
	switch (end) {
	case EXIT:
		_exit(0);
	case LEADER:
		pthread_create(&threads[0], NULL, end_later, &r.seed);
		pthread_exit(NULL);
	case EXEC:
		if (dup2(ready, STDOUT_FILENO) < 0 || dup2(gone, STDIN_FILENO) < 0)
			_exit(3);
		/* tells that it has been executed, then lives until it is told */
		execl("/bin/cat", "cat", "/proc/self/comm", "-", NULL);
		_exit(4);
	case CLOSE:
		for (i = 0; i < FILES; i++)
			close(r.files[i]);
		break;
	case DUP2:
		for (i = 0; i < FILES; i++)
			dup2(null, r.files[i]);
		break;
	case KILL:
		kill(getpid(), SIGKILL);
		stop_here();
	case NR_ENDS:
		break;
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	if (write(ready, "", 1) != 1)
		_exit(5);
	stop_here();
}

FIXTURE(r2)
{
	int fd;		/* who comes next */
	int watch;
};

FIXTURE_SETUP(r2)
{
	begin_group();
	own_name();
	rounds = env("TOKMUX_RACES_ROUNDS", 300);
	seed = env("TOKMUX_RACES_SEED", getpid() ^ time(NULL));
	self->fd = open_bound(own_name(), 0);
	ASSERT_GE(self->fd, 0);
	self->watch = open_token(own_name());
	ASSERT_GE(self->watch, 0);
}

FIXTURE_TEARDOWN(r2)
{
	end_group();
	close(self->fd);
	close(self->watch);
}

static bool nothing_left(int watch)
{
	struct tokmux_info now = info(watch);

	return !now.holders && !now.waiters && !now.sessions && !now.users && !now.sos;
}

static int next_works(int fd)
{
	int ret = acquire(fd, TOKMUX_EXCLUSIVE, SOON);

	if (ret)
		return ret;
	ret = session_open(fd, 0);
	if (ret < 0)
		return ret;
	ret = login(fd, TOKMUX_SO);
	if (ret)
		return ret;
	ret = session_close_all(fd);
	if (ret < 0)
		return ret;
	return mark_clean(fd) ?: release(fd);
}

/* Does the process live on when its part is over? */
static bool lives_on(enum end end)
{
	return end == EXEC || end == CLOSE || end == DUP2;
}

TEST_F_TIMEOUT(r2, threads_against_their_end, 2400)
{
	unsigned int ends[NR_ENDS] = {};

	TH_LOG("%u rounds, TOKMUX_RACES_SEED=%u", rounds, seed);
	srandom(seed);
	for (unsigned int round = 0; round < rounds; round++) {
		int ready[PROCESSES][2], gone[PROCESSES][2], status, i;
		bool at_once = true;
		pid_t pids[PROCESSES];
		enum end end[PROCESSES];
		enum heir heir[PROCESSES];
		char byte;

		for (i = 0; i < PROCESSES; i++) {
			unsigned int state = random();

			end[i] = random() % NR_ENDS;
			heir[i] = random() % 2 ? NONE : random() % NR_HEIRS;
			/* closed in the table that it shares is closed for both */
			if (heir[i] == SHARES_TABLE && end[i] != EXEC && lives_on(end[i]))
				heir[i] = NONE;
			/* nothing is closed, so its death is heard of by work */
			at_once &= heir[i] != SHARES_TABLE;
			ends[end[i]]++;
			ASSERT_EQ(0, pipe2(ready[i], O_CLOEXEC));
			ASSERT_EQ(0, pipe2(gone[i], O_CLOEXEC));
			pids[i] = child();
			if (!pids[i])
				race(end[i], heir[i], ready[i][1], gone[i][0], state);
			close(ready[i][1]);
			close(gone[i][0]);
		}
		for (i = 0; i < PROCESSES; i++) {
			if (lives_on(end[i])) {
				ASSERT_EQ(1, read(ready[i][0], &byte, 1));
			} else {
				status = reap(pids[i]);
				ASSERT_EQ(end[i] == KILL ? 128 + SIGKILL : 0, status);
			}
		}
		EXPECT_TRUE(at_once ? nothing_left(self->watch) :
			    EVENTUALLY(nothing_left(self->watch)));
		EXPECT_EQ(0, next_works(self->fd));
		if (!__test_passed(_metadata)) {
			struct tokmux_info now = info(self->watch);

			TH_LOG("round %u: %s, %s: %u holders, %u waiters, %u sessions, %u users",
			       round, end_names[end[0]], end_names[end[1]],
			       now.holders, now.waiters, now.sessions, now.users);
			break;
		}
		for (i = 0; i < PROCESSES; i++) {
			close(ready[i][0]);
			close(gone[i][1]);
			if (!lives_on(end[i]))
				continue;
			kill(pids[i], SIGKILL);
			reap(pids[i]);
		}
		/* heirs, and what they had */
		end_group();
		EXPECT_TRUE(nothing_left(self->watch));
	}
	if (!__test_passed(_metadata))
		return;
	for (int i = 0; i < NR_ENDS; i++)
		TH_LOG("%-18s %u times", end_names[i], ends[i]);
	TH_LOG("%u rounds, 0 left over", rounds);
}

/* A stopped holder keeps it, as nobody set a limit, and goes on with it. */
TEST_F_TIMEOUT(r2, stopped_and_continued, 300)
{
	unsigned int turns = rounds / 3;

	srandom(seed);
	for (unsigned int round = 0; round < turns; round++) {
		int order[2], status;
		char byte = 0;
		pid_t pid;

		ASSERT_EQ(0, pipe2(order, O_CLOEXEC));
		pid = child();
		if (!pid) {
			int fd = open_bound(own_name(), 0);

			close(order[1]);
			while (fd >= 0 && !acquire(fd, TOKMUX_EXCLUSIVE, FOREVER)) {
				struct pollfd pfd = { .fd = order[0], .events = POLLIN };

				sched_yield();
				if (release(fd))
					_exit(1);
				if (poll(&pfd, 1, 0))
					_exit(0);
			}
			_exit(2);
		}
		close(order[0]);
		ASSERT_TRUE(EVENTUALLY(info(self->watch).grants > 0));
		spin(&seed);
		/* at any moment: with the lease, or without */
		kill(pid, SIGSTOP);
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		ASSERT_TRUE(WIFSTOPPED(status));
		if (info(self->watch).holders) {
			ASSERT_EQ(-EAGAIN, acquire(self->fd, TOKMUX_SHARED, 0));
			ASSERT_EQ(-ETIMEDOUT, acquire(self->fd, TOKMUX_SHARED, 1));
		} else {
			ASSERT_EQ(0, acquire(self->fd, TOKMUX_SHARED, 0));
			ASSERT_EQ(0, release(self->fd));
		}
		kill(pid, SIGCONT);
		ASSERT_EQ(1, write(order[1], &byte, 1));
		ASSERT_EQ(0, acquire(self->fd, TOKMUX_EXCLUSIVE, SOON));
		ASSERT_EQ(0, release(self->fd));
		ASSERT_EQ(0, reap(pid));
		close(order[1]);
		ASSERT_TRUE(nothing_left(self->watch));
	}
	EXPECT_EQ(0, info(self->watch).flags & TOKMUX_INFO_UNCLEAN);
}

/* With a limit it loses the lease while others wait, and is told so later. */
TEST_F_TIMEOUT(r2, stopped_beyond_the_limit, 300)
{
	struct tokmux_create arg = { .flags = TOKMUX_CREATE_USER, .hold_limit_ms = 1 };
	unsigned int turns = rounds / 10;
	char name[TOKMUX_NAME_SIZE];
	int next;

	snprintf(name, sizeof(name), "%.40s-limit", own_name());
	ASSERT_EQ(0, create(name, &arg));
	next = open_bound(name, 0);
	ASSERT_GE(next, 0);
	for (unsigned int round = 0; round < turns; round++) {
		struct tokmux_acquire told;
		int order[2], ready[2], status;
		char byte = 0;
		pid_t pid;

		ASSERT_EQ(0, pipe2(order, O_CLOEXEC));
		ASSERT_EQ(0, pipe2(ready, O_CLOEXEC));
		pid = child();
		if (!pid) {
			int fd = open_bound(name, 0);

			if (fd < 0 || acquire(fd, TOKMUX_EXCLUSIVE, FOREVER))
				_exit(1);
			if (write(ready[1], &byte, 1) != 1 || read(order[0], &byte, 1) != 1)
				_exit(2);
			if (release(fd) != -ESTALE || release(fd) != -ENOLCK)
				_exit(3);
			_exit(acquire(fd, TOKMUX_EXCLUSIVE, FOREVER) ? 4 : 0);
		}
		ASSERT_EQ(1, read(ready[0], &byte, 1));
		kill(pid, SIGSTOP);
		ASSERT_EQ(pid, waitpid(pid, &status, WUNTRACED));
		ASSERT_EQ(0, acquire_told(next, TOKMUX_EXCLUSIVE, SOON, &told));
		/* It has been told that the other one waits for it. */
		ASSERT_EQ(TOKMUX_GRANT_UNCLEAN,
			  told.granted & ~TOKMUX_GRANT_EVENTS);
		ASSERT_EQ(0, mark_clean(next));
		ASSERT_EQ(1, write(order[1], &byte, 1));
		kill(pid, SIGCONT);
		ASSERT_TRUE(EVENTUALLY(info(arg.fd).waiters == 1 ||
				       !info(arg.fd).holders));
		/* unless it has been taken from us in turn */
		release(next);
		ASSERT_EQ(0, reap(pid));
		ASSERT_TRUE(nothing_left(arg.fd));
		ASSERT_EQ(0, next_works(next));
		for (int i = 0; i < 2; i++) {
			close(order[i]);
			close(ready[i]);
		}
	}
	close(next);
	close(arg.fd);
}

/* Sends a socket and files through itself: only the collector finds them. */
static int send_round(int sock[2], const int *files, unsigned int nr)
{
	int ret = send_fd(sock[0], sock[1]);

	for (unsigned int i = 0; i < nr && !ret; i++)
		ret = send_fd(sock[0], files[i]);
	if (!ret)
		ret = send_fd(sock[1], sock[0]);
	return ret;
}

static int find(const char *name)
{
	struct tokmux_open arg = {};
	int ret;

	snprintf(arg.name, sizeof(arg.name), "%s", name);
	ret = control_verb(TOKMUX_CTL_OPEN, &arg);
	if (!ret)
		close(arg.fd);
	return ret;
}

/* Makes the kernel collect what is in flight and cannot be received any more. */
static bool collected(const char *name)
{
	int sock[2];

	if (!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sock)) {
		close(sock[0]);
		close(sock[1]);
	}
	return find(name) == -ENOENT;
}

TEST_F_TIMEOUT(r2, in_flight, 300)
{
	unsigned int turns = rounds / 3;
	char name[TOKMUX_NAME_SIZE];
	int sock[2], files[3];

	srandom(seed);
	for (unsigned int round = 0; round < turns; round++) {
		bool closes = random() % 2, waits = !closes && random() % 2;
		pid_t pid;
		int ret;

		snprintf(name, sizeof(name), "%.40s-flight-%u", own_name(), round);
		ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sock));
		/* of ours, of a process that dies before or after, of nobody */
		files[0] = open_bound(name, 0);
		files[1] = open_token(name);
		ASSERT_GE(files[0], 0);
		ASSERT_GE(files[1], 0);
		ASSERT_EQ(0, acquire(files[0], TOKMUX_EXCLUSIVE, 0));
		ASSERT_GT(session_open(files[0], 0), 0);
		pid = child();
		if (!pid) {
			files[2] = open_bound(name, TOKMUX_BIND_GROUP);
			if (files[2] < 0 || send_fd(sock[0], files[2]))
				_exit(1);
			if (session_open(files[2], 0) <= 0)
				_exit(2);
			/* a copy that is in flight is of no use to it */
			if (closes)
				close(files[2]);
			ret = acquire(files[2], TOKMUX_SHARED, FOREVER);
			_exit(ret != (closes ? -EBADF : 0));
		}
		if (waits) {
			ASSERT_TRUE(EVENTUALLY(info(files[1]).waiters == 1));
		} else {
			spin(&seed);
		}
		ASSERT_EQ(0, send_round(sock, files, 2));
		/* it is in flight, but we have closed it: the child is next */
		close(files[0]);
		close(files[1]);
		close(sock[0]);
		close(sock[1]);
		ASSERT_EQ(0, reap(pid));
		ASSERT_TRUE(EVENTUALLY(collected(name)));
	}
}

/* A vfork()ed child closes its copies, which says nothing of the parent's. */
static void *keep_using(void *arg)
{
	int fd = *(int *)arg;
	long failures = 0;

	for (unsigned int i = 0; i < 20; i++) {
		struct tokmux_acquire told;

		failures += acquire_told(fd, TOKMUX_EXCLUSIVE, FOREVER, &told) ||
			    told.granted & ~TOKMUX_GRANT_EVENTS;
		failures += session_open(fd, 0) <= 0;
		sched_yield();
		failures += session_close_all(fd) != 0;
		failures += release(fd) != 0;
	}
	return (void *)failures;
}

static __attribute__((noinline)) pid_t vfork_and_exec(int fd)
{
	pid_t pid = vfork();

	if (!pid) {
		close(fd);
		execl("/bin/true", "true", NULL);
		_exit(1);
	}
	return pid;
}

TEST_F_TIMEOUT(r2, vfork_and_exec, 300)
{
	unsigned int turns = rounds / 10;

	for (unsigned int round = 0; round < turns; round++) {
		pthread_t threads[THREADS];
		int files[THREADS], i;
		void *failures;

		for (i = 0; i < THREADS; i++) {
			files[i] = open_bound(own_name(), 0);
			ASSERT_GE(files[i], 0);
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, keep_using, &files[i]));
		}
		for (i = 0; i < 4; i++) {
			ASSERT_EQ(0, reap(vfork_and_exec(i % 2 ? files[0] : -1)));
		}
		for (i = 0; i < THREADS; i++) {
			ASSERT_EQ(0, pthread_join(threads[i], &failures));
			ASSERT_EQ(NULL, failures);
			close(files[i]);
		}
		ASSERT_TRUE(nothing_left(self->watch));
		ASSERT_EQ(0, next_works(self->fd));
	}
	EXPECT_EQ(0, info(self->watch).flags & TOKMUX_INFO_UNCLEAN);
}

TEST_HARNESS_MAIN

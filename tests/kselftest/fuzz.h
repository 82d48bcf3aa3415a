/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls of all kinds for the fuzzers: every ioctl, read, poll, fork and close, with
 * structs, sizes and files that are mostly nearly right.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "token.h"

#define FILES		8
#define TOKENS		3
#define WORDS		4

/* What is done is a matter of choices: an input's bytes, or random. */
struct choices {
	uint64_t state;
	const uint8_t *input;	/* NULL: by state alone */
	size_t len, at;
};

/*
 * xorshift: a state of its own for each thread, so that a seed tells it all. When an
 * input is used up, all else is 0.
 */
static inline uint32_t rnd(struct choices *c)
{
	if (c->input)
		return c->at < c->len ? c->input[c->at++] : 0;
	c->state ^= c->state << 13;
	c->state ^= c->state >> 7;
	c->state ^= c->state << 17;
	return c->state >> 16;
}

static const struct {
	unsigned long cmd;
	bool control;
} verbs[] = {
	{ TOKMUX_CTL_CREATE, true }, { TOKMUX_CTL_OPEN, true },
	{ TOKMUX_CTL_REMOVE, true },
	{ TOKMUX_BIND }, { TOKMUX_INFO }, { TOKMUX_ACQUIRE }, { TOKMUX_RELEASE },
	{ TOKMUX_MARK_CLEAN }, { TOKMUX_SESSION_OPEN }, { TOKMUX_SESSION_CLOSE },
	{ TOKMUX_SESSION_CLOSE_ALL }, { TOKMUX_LOGIN }, { TOKMUX_LOGOUT },
	{ TOKMUX_EJECT }, { TOKMUX_LEASE_FD }, { TOKMUX_NOTE_GET }, { TOKMUX_NOTE_SET },
	{ TOKMUX_CANCEL },
};

#define NR_VERBS	(sizeof(verbs) / sizeof(verbs[0]))

struct worker {
	struct choices choices;
	int *files;		/* FILES of them, shared by the threads */
	int control;
	int sock[2];		/* shared by all processes */
	unsigned int system;	/* index of a system token */
	uint64_t *good;		/* number of ioctls that were not refused */
};

/* Small numbers, powers of two, all ones, or anything. */
static inline uint32_t value(struct choices *s)
{
	uint32_t any = 0;
	int i;

	switch (rnd(s) % 6) {
	case 0:
		return 0;
	case 1:
		return ~0U;
	case 2:
		return 1U << rnd(s) % 32;
	case 3:
		for (i = 0; i < 4; i++)
			any = any << 8 ^ rnd(s);
		return any;
	default:
		return rnd(s) % 4;
	}
}

static inline void fill(struct worker *w, unsigned long cmd, uint32_t *arg, size_t words)
{
	struct choices *s = &w->choices;
	size_t i;

	memset(arg, 0, words * 4);
	switch (cmd) {
	case TOKMUX_CTL_CREATE:
		arg[0] = TOKMUX_CREATE_USER;
		arg[1] = rnd(s) % 2 ? 0 : 4;
		arg[2] = rnd(s) % 2 ? 0 : 1 + rnd(s) % 3;
		snprintf((char *)&arg[6], TOKMUX_NAME_SIZE, "fuzz-%u", rnd(s) % TOKENS);
		break;
	case TOKMUX_CTL_OPEN:
		snprintf((char *)&arg[2], TOKMUX_NAME_SIZE, "fuzz-%u", rnd(s) % TOKENS);
		break;
	case TOKMUX_BIND:
		arg[0] = rnd(s) % 2;
		break;
	case TOKMUX_ACQUIRE:
		arg[1] = 1 + rnd(s) % 2;
		arg[2] = rnd(s) % 4;
		break;
	case TOKMUX_RELEASE:
		arg[0] = rnd(s) % 2;
		arg[1] = arg[0] ? rnd(s) % 4 : 0;
		break;
	case TOKMUX_SESSION_OPEN:
		arg[1] = rnd(s) % 3;
		break;
	case TOKMUX_SESSION_CLOSE:
		arg[1] = rnd(s) % 64;
		break;
	case TOKMUX_NOTE_GET:
		arg[0] = rnd(s) % 2;
		break;
	case TOKMUX_NOTE_SET:
		memset(&arg[1], (int)rnd(s) % 2, TOKMUX_NOTE_SIZE);
		break;
	case TOKMUX_LOGIN:
		arg[1] = 1 + rnd(s) % 2;
		break;
	case TOKMUX_CTL_REMOVE:
		arg[1] = 4 + rnd(s) % 4;	/* not the tests' own */
		break;
	}
	if (rnd(s) % 4 == 0)
		for (i = rnd(s) % 3; i < 3; i++)
			arg[rnd(s) % words] = value(s);
	/* a wait that is not to end would end the test */
	if (cmd == TOKMUX_ACQUIRE && (int)arg[2] < 0)
		arg[2] = 1;
	if (cmd == TOKMUX_ACQUIRE)
		arg[2] %= 8;
	if (cmd == TOKMUX_SESSION_OPEN)
		arg[1] %= 8;
}

/* An ioctl as it is called. */
struct fuzz_ioctl {
	int fd;
	unsigned long cmd;
	void *arg;
	uint32_t buf[64];
	unsigned int file;	/* where a file that it answers goes */
};

static inline void prepare_ioctl(struct worker *w, int fd, struct fuzz_ioctl *call)
{
	struct choices *s = &w->choices;
	unsigned int which = rnd(s) % NR_VERBS;

	call->cmd = verbs[which].cmd;
	call->arg = call->buf;
	fill(w, call->cmd, call->buf, 64);
	/* what is beyond the struct is not looked at, unless it is told to be */
	if (rnd(s) % 16 == 0)
		call->cmd = _IOC(rnd(s) % 16 ? _IOC_DIR(call->cmd) : rnd(s) % 4,
				 TOKMUX_IOC_MAGIC, rnd(s) % 32,
				 rnd(s) % 2 ? _IOC_SIZE(call->cmd) : rnd(s) % 256);
	if (rnd(s) % 64 == 0)
		call->arg = rnd(s) % 2 ? NULL : (void *)(long)(int)value(s);
	call->fd = verbs[which].control != (rnd(s) % 32 == 0) ? w->control : fd;
	call->file = rnd(s) % FILES;
}

/* Another file in this place. */
static inline void put_file(struct worker *w, unsigned int place, int fd)
{
	close(__sync_lock_test_and_set(&w->files[place], fd));
}

static inline void do_ioctl(struct worker *w, struct fuzz_ioctl *call)
{
	int ret = verb(call->fd, call->cmd, call->arg);

	if (ret)
		return;
	__sync_fetch_and_add(w->good, 1);
	if (call->arg != call->buf)
		return;
	if (call->cmd == TOKMUX_CTL_CREATE && (int)call->buf[4] > 2)
		put_file(w, call->file, (int)call->buf[4]);
	if (call->cmd == TOKMUX_CTL_OPEN || call->cmd == TOKMUX_LEASE_FD)
		put_file(w, call->file, (int)call->buf[1]);
}

static inline void one_ioctl(struct worker *w, int fd)
{
	struct fuzz_ioctl call;

	prepare_ioctl(w, fd, &call);
	do_ioctl(w, &call);
}

static inline void one_call(struct worker *w)
{
	struct choices *s = &w->choices;
	int fd = w->files[rnd(s) % FILES], other;
	struct tokmux_event events[4];
	struct pollfd pfd;
	char path[64];
	pid_t pid;

	switch (rnd(s) % 256) {
	case 0:
		other = dup(fd);
		if (other >= 0)
			put_file(w, rnd(s) % FILES, other);
		break;
	case 1:
		if (fd >= 0)
			send_fd(w->sock[0], fd);
		break;
	case 2:
		other = receive_fd(w->sock[1]);
		if (other >= 0)
			put_file(w, rnd(s) % FILES, other);
		break;
	case 3:
		pid = fork();
		if (!pid) {
			for (int i = rnd(s) % 8; i > 0; i--)
				one_ioctl(w, w->files[rnd(s) % FILES]);
			if (rnd(s) % 4 == 0)
				execl("/bin/true", "true", NULL);
			_exit(0);
		}
		if (pid > 0 && rnd(s) % 2)
			kill(pid, SIGKILL);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		break;
	case 4:
		put_file(w, rnd(s) % FILES, -1);
		break;
	case 5:
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		other = open(path, O_RDONLY);
		if (other >= 0) {
			char text[512];

			if (read(other, text, sizeof(text)) < 0)
				text[0] = 0;
			close(other);
		}
		break;
	case 6:
		snprintf(path, sizeof(path), "/dev/tokmux%u", w->system);
		other = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
		if (other >= 0)
			put_file(w, rnd(s) % FILES, other);
		break;
	case 7 ... 20:
		pfd = (struct pollfd){ .fd = fd, .events = POLLIN };
		if (poll(&pfd, 1, rnd(s) % 2) == 1)
			fcntl(fd, F_SETFL, O_NONBLOCK);
		if (fcntl(fd, F_GETFL) & O_NONBLOCK &&
		    read(fd, rnd(s) % 16 ? (void *)events : NULL, rnd(s) % 128) < 0)
			break;
		break;
	default:
		one_ioctl(w, fd);
	}
}

/* Another mapping of a file's word, of a kind that may be refused. */
static inline struct tokmux_park *map_word(struct worker *w, struct tokmux_park *old)
{
	struct choices *s = &w->choices;
	size_t page = sysconf(_SC_PAGESIZE);
	void *map;

	if (old)
		munmap(old, page);
	map = mmap(NULL, page, PROT_READ | PROT_WRITE,
		   rnd(s) % 8 ? MAP_SHARED : MAP_PRIVATE,
		   w->files[rnd(s) % FILES], rnd(s) % 16 ? 0 : page);
	return map == MAP_FAILED ? NULL : map;
}

/* What a holder may write to its word, and what it must not. */
static inline void scribble(struct choices *s, struct tokmux_park *park)
{
	uint32_t word = __atomic_load_n(&park->word, __ATOMIC_RELAXED), new = word;

	switch (rnd(s) % 8) {
	case 0:
		new = value(s);
		break;
	case 1:
		new = (word & ~TOKMUX_PARK_BITS) | rnd(s) % 16;
		break;
	case 2:
		park->thread = rnd(s) % 2 ? gettid() : value(s);
		park->epoch = value(s);
		break;
	default:
		new = word ^ TOKMUX_PARK_IDLE;
		if (word & TOKMUX_PARK_LOOK)
			return;
	}
	if (rnd(s) % 16)
		__atomic_compare_exchange_n(&park->word, &word, new, false,
					    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	else
		__atomic_store_n(&park->word, new, __ATOMIC_RELAXED);
}

#endif /* FUZZ_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * R8 once more: no input from user space can oops, hang or leak. The calls of r8_fuzz
 * come from inputs, sequences of bytes. An input that reaches code of the module which
 * none has reached before is kept, and the next inputs are made from those that were.
 *
 * Needs a kernel with KCOV and the module built for it. In any other kernel only the
 * inputs that were kept before are run: those of the file that TOKMUX_FUZZ_CORPUS
 * names, a line each, in hexadecimal. TOKMUX_FUZZ_KEEP names the file for what is kept
 * now. TOKMUX_FUZZ_INPUTS, TOKMUX_FUZZ_SECONDS and TOKMUX_FUZZ_SEED change what is done.
 *
 * A process of its own runs each input, in two threads: what the second one does, the
 * first one does not wait for. It begins with some files of tokens, most of them bound.
 * Other users, lost leases and waits come about by the calls themselves.
 */
#include <pthread.h>
#include <sys/time.h>
#include <linux/kcov.h>
#include <linux/usbdevice_fs.h>
#include "fuzz.h"
#include "uhid.h"
#include "usb.h"
#include "kselftest_harness.h"

#define INPUT_SIZE	160		/* bytes */
#define MAX_KEPT	1024		/* inputs */
#define AREA		(64 << 10)	/* code points that a thread reaches for an input */
#define POINTS		(1 << 14)	/* more than the module has */
#define TICK_MS		40		/* no call waits longer */
#define SHRINKS		16		/* how often an input is tried without a part */

struct input {
	uint8_t bytes[INPUT_SIZE];
	size_t len;
	unsigned int reached;	/* code points that no input had reached before */
};

/* What was reached, and by which input first; a hash table. */
static struct point {
	uint64_t pc;
	unsigned int input;
	unsigned int run;
} points[POINTS];
static unsigned int nr_points, nr_runs;

static struct input kept[MAX_KEPT];
static unsigned int nr_kept;

/* Of the two threads of the process that runs an input. */
static struct {
	int fd;			/* -1: this kernel has no KCOV */
	uint64_t *area;
} kcov[2];

static uint64_t *good;

/* A HID device, a card reader if there is one, and a token of each. */
static char hid_node[64];
static struct reader reader;
static bool has_reader;
static struct tokmux_create tokens[2];

/* ---- an input, in a process of its own ---- */

struct second {
	struct fuzz_ioctl call;
	pthread_t thread;
	volatile bool busy, over;
	struct worker *w;
};

static void count(int which)
{
	if (kcov[0].fd >= 0)
		ioctl(kcov[which].fd, KCOV_ENABLE, KCOV_TRACE_PC);
}

static void *second_thread(void *arg)
{
	struct second *second = arg;

	count(1);
	while (!second->over) {
		if (second->busy) {
			do_ioctl(second->w, &second->call);
			second->busy = false;
		}
		sched_yield();
	}
	return NULL;
}

/* The file of a device: what usbfs has, and nearly that. */
static void device_ioctl(struct worker *w, int fd)
{
	static const unsigned long cmds[] = {
		USBDEVFS_CONTROL, USBDEVFS_BULK, USBDEVFS_RESETEP, USBDEVFS_SETINTERFACE,
		USBDEVFS_GETDRIVER, USBDEVFS_SUBMITURB, USBDEVFS_DISCARDURB,
		USBDEVFS_REAPURB, USBDEVFS_REAPURBNDELAY, USBDEVFS_CLAIMINTERFACE,
		USBDEVFS_RELEASEINTERFACE, USBDEVFS_CONNECTINFO, USBDEVFS_RESET,
		USBDEVFS_CLEAR_HALT, USBDEVFS_GET_CAPABILITIES, USBDEVFS_DISCONNECT_CLAIM,
		USBDEVFS_GET_SPEED, _IOR('H', 0x03, uint64_t),
	};
	static unsigned char memory[4096];
	struct choices *s = &w->choices;
	unsigned long cmd = cmds[rnd(s) % (sizeof(cmds) / sizeof(cmds[0]))];
	union {
		struct usbdevfs_urb urb;
		struct usbdevfs_ctrltransfer ctrl;
		struct usbdevfs_disconnect_claim claim;
		unsigned int number;
	} arg = {};

	memory[0] = rnd(s);
	memory[4] = rnd(s) % 4;
	if (cmd == USBDEVFS_SUBMITURB) {
		arg.urb.type = rnd(s) % 5;
		arg.urb.endpoint = rnd(s);
		arg.urb.buffer = rnd(s) % 16 ? memory : NULL;
		arg.urb.buffer_length = 8 + rnd(s) % 64;
		arg.urb.signr = rnd(s) % 16 ? 0 : SIGALRM;
	} else if (cmd == USBDEVFS_CONTROL) {
		arg.ctrl.bRequestType = rnd(s) % 2 ? 0x80 : rnd(s);
		arg.ctrl.bRequest = rnd(s) % 2 ? 8 : rnd(s);
		arg.ctrl.wLength = rnd(s) % 2;
		arg.ctrl.data = rnd(s) % 16 ? memory : NULL;
	} else {
		arg.number = rnd(s);
	}
	verb(fd, cmd, rnd(s) % 16 ? (void *)&arg : NULL);
}

static void one_step(struct worker *w, struct second *second)
{
	static struct tokmux_park *words[WORDS];
	struct choices *s = &w->choices;
	char byte;
	int i;

	switch (rnd(s) % 16) {
	case 0:
	case 1:
		if (second->busy)
			break;
		prepare_ioctl(w, w->files[rnd(s) % FILES], &second->call);
		second->busy = true;
		usleep(1000);
		break;
	case 2:
		/* of this thread alone: the raw system call */
		syscall(SYS_setresuid, -1, geteuid() ? 0 : 1000, -1);
		break;
	case 3:
		device_ioctl(w, w->files[rnd(s) % FILES]);
		break;
	case 4:
		if (write(w->files[rnd(s) % FILES], "123456789", 9) < 0)
			break;
		break;
	case 5:
		w->system = tokens[rnd(s) % 2].index;
		break;
	case 6:
		if (read(w->files[rnd(s) % FILES], &byte, rnd(s) % 2) < 0)
			break;
		break;
	case 7:
		i = rnd(s) % WORDS;
		words[i] = map_word(w, words[i]);
		break;
	case 8:
		i = rnd(s) % WORDS;
		if (words[i])
			scribble(s, words[i]);
		break;
	default:
		one_call(w);
	}
}

static void tick(int signal)
{
}

/* A call that waits is interrupted: by the timer, and in the end by hand. */
static void limit_waits(void)
{
	struct sigaction action = { .sa_handler = tick };
	struct itimerval timer = {
		.it_interval.tv_usec = TICK_MS * 1000, .it_value.tv_usec = TICK_MS * 1000,
	};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void run_in_child(const struct input *input)
{
	int files[FILES], sock[2], i;
	struct worker w = {
		.choices = { .input = input->bytes, .len = input->len },
		.files = files,
		.control = open(CONTROL, O_RDWR | O_CLOEXEC),
		.system = tokens[0].index,
		.good = good,
	};
	struct second second = { .w = &w };

	setpgid(0, 0);
	limit_waits();
	/* without these most inputs would only be refused */
	files[0] = open_bound("fuzz-0", 0);
	files[1] = open_bound("fuzz-0", TOKMUX_BIND_GROUP);
	files[2] = open_token("fuzz-1");
	files[3] = open_index_bound(tokens[0].index, 0);
	files[4] = open_index_bound(tokens[0].index, TOKMUX_BIND_GROUP);
	files[5] = open_index_bound(tokens[1].index, 0);
	for (i = 6; i < FILES; i++)
		files[i] = -1;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, sock))
		_exit(1);
	memcpy(w.sock, sock, sizeof(sock));
	pthread_create(&second.thread, NULL, second_thread, &second);
	count(0);
	while (w.choices.at < w.choices.len)
		one_step(&w, &second);
	/* what is still waiting is woken by this */
	for (i = 0; i < FILES; i++)
		put_file(&w, i, -1);
	while (second.busy) {
		pthread_kill(second.thread, SIGALRM);
		usleep(1000);
	}
	second.over = true;
	pthread_join(second.thread, NULL);
	_exit(0);
}

/* ---- what an input has reached ---- */

/* Returns the point; it is new if its run is 0. */
static struct point *find_point(uint64_t pc)
{
	unsigned int i = (pc * 0x9e3779b97f4a7c15ULL) >> 50;

	while (points[i % POINTS].pc && points[i % POINTS].pc != pc)
		i++;
	return &points[i % POINTS];
}

/*
 * The code points of an input: how many of them no other has reached. They are known
 * by the number @id from then on.
 */
static unsigned int reached_by(unsigned int id)
{
	unsigned int mine = 0;
	uint64_t i, end;
	int which;

	nr_runs++;
	for (which = 0; which < 2 && kcov[0].fd >= 0; which++) {
		end = kcov[which].area[0];
		for (i = 1; i <= end && i < AREA; i++) {
			struct point *point = find_point(kcov[which].area[i]);

			if (!point->pc) {
				*point = (struct point){ .pc = kcov[which].area[i], .input = id };
				nr_points++;
			}
			mine += point->input == id && point->run != nr_runs;
			point->run = nr_runs;
		}
	}
	return mine;
}

/* Returns false if the process did not end by itself. */
static bool run(const struct input *input)
{
	int64_t end = now_ms() + SOON;
	int which, status;
	pid_t pid, ended;

	for (which = 0; which < 2 && kcov[0].fd >= 0; which++)
		kcov[which].area[0] = 0;
	pid = child();
	if (!pid)
		run_in_child(input);
	while (!(ended = waitpid(pid, &status, WNOHANG)) && now_ms() < end)
		usleep(200);
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	if (!ended)
		reap(pid);
	return ended == pid;
}

/* Each of the taints is a complaint of the kernel's, but for an own module (12, 13). */
static unsigned long complaints(void)
{
	return strtoul(sysfs_read("/proc/sys/kernel/tainted"), NULL, 10) & ~(3UL << 12);
}

static void print_input(FILE *f, const struct input *input)
{
	size_t i;

	for (i = 0; i < input->len; i++)
		fprintf(f, "%02x", input->bytes[i]);
	fprintf(f, "\n");
}

/* ---- inputs ---- */

static void mutate(struct input *input, struct choices *s)
{
	const struct input *other = nr_kept ? &kept[rnd(s) % nr_kept] : NULL;
	size_t at, n, i;

	if (!other || rnd(s) % 16 == 0) {
		input->len = 16 + rnd(s) % (INPUT_SIZE - 16);
		for (i = 0; i < input->len; i++)
			input->bytes[i] = rnd(s);
		return;
	}
	*input = *other;
	for (n = 1 + rnd(s) % 4; n; n--) {
		at = rnd(s) % input->len;
		switch (rnd(s) % 4) {
		case 0:
			input->bytes[at] = rnd(s);
			break;
		case 1:
			input->bytes[at] += rnd(s) % 2 ? 1 : -1;
			break;
		case 2:		/* a few bytes go */
			i = 1 + rnd(s) % 8;
			if (input->len <= at + i || input->len <= 16)
				break;
			input->len -= i;
			memmove(&input->bytes[at], &input->bytes[at + i], input->len - at);
			break;
		default:	/* from here on, something else */
			input->len = at + 1;
		}
		if (rnd(s) % 2)
			continue;
		other = &kept[rnd(s) % nr_kept];
		for (i = rnd(s) % other->len; i < other->len && input->len < INPUT_SIZE; i++)
			input->bytes[input->len++] = other->bytes[i];
	}
}

/* Without the parts that it takes to reach nothing of what it was the first to reach. */
static void shrink(struct input *input, unsigned int id)
{
	size_t part = input->len / 2, at = 0;
	unsigned int tries;
	struct input less;

	for (tries = 0; tries < SHRINKS && part; tries++) {
		less = *input;
		less.len -= part;
		memcpy(&less.bytes[at], &input->bytes[at + part], input->len - part - at);
		if (less.len && run(&less) && reached_by(id) >= input->reached)
			*input = less;
		else
			at += part;
		while (part && at + part > input->len) {
			at = 0;
			part /= 2;
		}
	}
}

static unsigned int read_corpus(void)
{
	const char *name = getenv("TOKMUX_FUZZ_CORPUS");
	FILE *f = name ? fopen(name, "r") : NULL;
	char line[2 * INPUT_SIZE + 2];
	unsigned int nr = 0, byte;

	while (f && nr < MAX_KEPT && fgets(line, sizeof(line), f)) {
		struct input *input = &kept[nr];

		input->len = 0;
		while (input->len < INPUT_SIZE &&
		       sscanf(&line[2 * input->len], "%2x", &byte) == 1)
			input->bytes[input->len++] = byte;
		nr += input->len > 0;
	}
	if (f)
		fclose(f);
	return nr;
}

/* At once: the kernel may not survive the next input. */
static void keep(const struct input *input)
{
	const char *name = getenv("TOKMUX_FUZZ_KEEP");
	FILE *f = name ? fopen(name, nr_kept ? "a" : "w") : NULL;

	kept[nr_kept++] = *input;
	if (!f)
		return;
	print_input(f, input);
	fclose(f);
}

/* What was kept last goes first: it often reaches what the earlier ones do. */
static unsigned int write_corpus(void)
{
	const char *name = getenv("TOKMUX_FUZZ_KEEP");
	FILE *f = name ? fopen(name, "w") : NULL;
	unsigned int nr = 0, i;

	memset(points, 0, sizeof(points));
	nr_points = 0;
	for (i = nr_kept; i--;) {
		if (!run(&kept[i]) || !reached_by(i))
			continue;
		nr++;
		if (f)
			print_input(f, &kept[i]);
	}
	if (f)
		fclose(f);
	return nr;
}

static void open_kcov(void)
{
	int which;

	for (which = 0; which < 2; which++) {
		kcov[which].fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC);
		if (kcov[which].fd < 0 || ioctl(kcov[which].fd, KCOV_INIT_TRACE, AREA))
			return;
		kcov[which].area = mmap(NULL, AREA * 8, PROT_READ | PROT_WRITE, MAP_SHARED,
					kcov[which].fd, 0);
	}
}

FIXTURE(r8)
{
	int uhid;
};

/*
 * As before the first input, which may have removed our tokens or made others, that
 * keep their names from user tokens. A new one gets the lowest index that is free.
 */
static bool there_are_tokens(void)
{
	struct tokmux_create arg;
	unsigned int i;

	for (i = 0; i < 16; i++)
		if (i != tokens[0].index && i != tokens[1].index)
			unregister_token(i);
	for (i = 0; i < 1 + has_reader; i++) {
		char path[32];

		snprintf(path, sizeof(path), "/dev/tokmux%u", tokens[i].index);
		if (tokens[i].name[0] && !access(path, F_OK))
			continue;
		arg = (struct tokmux_create){ .hold_limit_ms = 2,
					      .device_kind = TOKMUX_DEVICE_HIDRAW };
		if (i) {
			arg.device_kind = TOKMUX_DEVICE_USB;
			arg.usb_endpoints = reader.endpoints;
			arg.usb_interface = reader.interface;
			arg.usb_configuration = reader.configuration;
		}
		arg.device_fd = open(i ? reader.node : hid_node, O_RDWR | O_CLOEXEC);
		if (create(i ? "reader" : "hid", &arg))
			return false;
		close(arg.device_fd);
		tokens[i] = arg;
	}
	if (!has_reader)
		tokens[1] = tokens[0];
	return true;
}

FIXTURE_SETUP(r8)
{
	if (!uhid_is_there())
		SKIP(return, "no uhid");
	self->uhid = uhid_plug(hid_node, sizeof(hid_node));
	ASSERT_GE(self->uhid, 0);
	has_reader = find_reader(&reader);
	ASSERT_TRUE(there_are_tokens());
	good = shared_memory(sizeof(*good));
	open_kcov();
}

/* System tokens that were made on the way, too: there is nobody else's in a guest. */
FIXTURE_TEARDOWN(r8)
{
	unsigned int i;

	for (i = 0; i < 4096; i++)
		unregister_token(i);
	close(self->uhid);
}

TEST_F_TIMEOUT(r8, coverage, 6000)
{
	unsigned int inputs = env("TOKMUX_FUZZ_INPUTS", 5000), read = read_corpus();
	unsigned int seed = env("TOKMUX_FUZZ_SEED", getpid() ^ time(NULL)), i, all, begin;
	struct choices s = { .state = ((uint64_t)seed << 20) + 1 };
	int64_t end = now_ms() + env("TOKMUX_FUZZ_SECONDS", 3000) * 1000LL;
	unsigned long before = complaints();
	struct input input = {};

	if (kcov[0].fd < 0 && !read)
		SKIP(return, "no KCOV, and no TOKMUX_FUZZ_CORPUS");
	for (i = 0; i < read; i++) {
		ASSERT_TRUE(there_are_tokens());
		input = kept[i];
		EXPECT_TRUE(run(&input));
		input.reached = reached_by(i);
		if (input.reached)
			keep(&input);
	}
	begin = nr_points;
	if (kcov[0].fd < 0) {
		TH_LOG("no KCOV: %u inputs of the corpus, %llu calls not refused",
		       read, (unsigned long long)*good);
		return;
	}
	TH_LOG("%u inputs of the corpus reach %u code points, %u of them are needed",
	       read, begin, nr_kept);
	for (i = 0; i < inputs && nr_kept < MAX_KEPT && now_ms() < end; i++) {
		ASSERT_TRUE(there_are_tokens());
		mutate(&input, &s);
		/* what hangs is a finding, as is what the kernel complains of */
		if (!run(&input) || complaints() != before) {
			print_input(stderr, &input);
			ASSERT_EQ(complaints(), before);
			ASSERT_TRUE(false);
		}
		input.reached = reached_by(read + i);
		if (!input.reached)
			continue;
		shrink(&input, read + i);
		keep(&input);
	}
	all = nr_points;
	inputs = i;
	i = write_corpus();
	TH_LOG("TOKMUX_FUZZ_SEED=%u: %u inputs reach %u code points; the %u that were kept %u",
	       seed, inputs, all, i, nr_points);
	EXPECT_GT(all, 0);
	/* most of it is reached again: time and the second thread have a part in the rest */
	EXPECT_GT(nr_points, all * 3 / 4);
}

TEST_HARNESS_MAIN

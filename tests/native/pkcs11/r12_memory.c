// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * R12: no PIN stays in memory, in no mapping and no form, right or wrong; its
 * hash is where no core dump and no forked child gets it, and goes with the last
 * login. Nor does the log have any of them, nor a core image: gdb's of a process
 * that goes on, and the kernel's of one that dies while logged in.
 *
 * A child uses the PINs and this process searches it, through /proc. What is
 * searched for is kept masked here and there, so that a test's own copy is none.
 */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <glob.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include "world.h"
#include "../../../lib/pkcs11/siphash.c"

#define LENGTH	24
#define MASK	0x80

enum secret {
	RIGHT,			/* the PIN, from the first change on */
	NEW,			/* the one after the second */
	WRONG,
	SECRETS
};

static const char *const secret_names[] = { "PIN", "new PIN", "wrong PIN" };
static unsigned char masked[SECRETS][LENGTH];

/* ---- the child ------------------------------------------------------------------ */

static CK_FUNCTION_LIST *a, *b;
static CK_SESSION_HANDLE sa, sb;

static void show(unsigned char *pin, enum secret secret)
{
	int i;

	for (i = 0; i < LENGTH; i++)
		pin[i] = masked[secret][i] ^ MASK;
}

static CK_RV log_in(CK_FUNCTION_LIST *p11, CK_SESSION_HANDLE session,
		    enum secret secret)
{
	unsigned char pin[LENGTH];
	CK_RV rv;

	show(pin, secret);
	rv = p11->C_Login(session, CKU_USER, pin, LENGTH);
	explicit_bzero(pin, sizeof(pin));
	return rv;
}

static CK_RV change(enum secret from, enum secret to)
{
	unsigned char old_pin[LENGTH] = USER_PIN, new_pin[LENGTH];
	CK_ULONG length = strlen(USER_PIN);
	CK_RV rv;

	if (from != SECRETS) {
		show(old_pin, from);
		length = LENGTH;
	}
	show(new_pin, to);
	rv = a->C_SetPIN(sa, old_pin, length, new_pin, LENGTH);
	explicit_bzero(old_pin, sizeof(old_pin));
	explicit_bzero(new_pin, sizeof(new_pin));
	return rv;
}

/* What has to be in a core, so that it is one. */
static char *control;

static void show_control(char *text, size_t size)
{
	snprintf(text, size, "a core has %x", MASK * 1000003);
}

static CK_RV open_both(void)
{
	CK_RV rv;

	control = malloc(64);
	show_control(control, 64);

	a = CALLER_A;
	b = CALLER_B;
	rv = a->C_Initialize(NULL) ?: b->C_Initialize(NULL);
	return rv ?: open_rw(a, &sa) ?: open_rw(b, &sb);
}

static CK_RV begin(void)
{
	return open_both() ?: change(SECRETS, RIGHT);
}

static CK_RV both_in(void)
{
	return log_in(a, sa, RIGHT) ?: log_in(b, sb, RIGHT);
}

static CK_RV wrong_ones(void)
{
	CK_RV rv = b->C_Logout(sb);

	if (rv != CKR_OK)
		return rv;
	/* Compared by us, then by the token. */
	if (log_in(b, sb, WRONG) != CKR_PIN_INCORRECT)
		return CKR_GENERAL_ERROR;
	rv = a->C_Logout(sa);
	if (rv != CKR_OK)
		return rv;
	if (log_in(a, sa, WRONG) != CKR_PIN_INCORRECT)
		return CKR_GENERAL_ERROR;
	return both_in();
}

static CK_RV another_pin(void)
{
	CK_RV rv = change(RIGHT, NEW);

	if (rv == CKR_OK)
		rv = b->C_Logout(sb);
	return rv ?: log_in(b, sb, NEW);
}

static CK_RV both_out(void)
{
	return a->C_Logout(sa) ?: b->C_CloseSession(sb);
}

static CK_RV end(void)
{
	return a->C_Finalize(NULL) ?: b->C_Finalize(NULL);
}

static const struct {
	const char *name;
	CK_RV (*act)(void);
	bool logged_in, core;
} acts[] = {
	{ "before any login", begin, false, false },
	{ "while two are logged in", both_in, true, true },
	{ "after wrong ones", wrong_ones, true, false },
	{ "after C_SetPIN", another_pin, true, false },
	{ "after the logout", both_out, false, true },
	{ "after C_Finalize", end, false, false },
};

#define ACTS	(sizeof(acts) / sizeof(*acts))

/* ---- the search ------------------------------------------------------------------- */

struct hits {
	int secrets[SECRETS];
	int hashes;
	int exposed;		/* hashes where a core dump or a child gets them */
};

static bool matches(const unsigned char *at, enum secret secret)
{
	int i;

	for (i = 0; i < LENGTH && at[i] == (masked[secret][i] ^ MASK); i++)
		;
	return i == LENGTH;
}

static unsigned char hex(unsigned char digit)
{
	return digit < 10 ? '0' + digit : 'a' + digit - 10;
}

/* As a log might write it. */
static bool matches_hex(const unsigned char *at, enum secret secret)
{
	int i;

	for (i = 0; i < LENGTH; i++) {
		unsigned char byte = masked[secret][i] ^ MASK;

		if (tolower(at[2 * i]) != hex(byte >> 4) ||
		    tolower(at[2 * i + 1]) != hex(byte & 15))
			return false;
	}
	return true;
}

/* What is kept of a PIN: a key, then the hash that the key makes of the PIN. */
static bool is_hash(const unsigned char *at)
{
	unsigned char pin[LENGTH];
	struct siphash_key key;
	struct siphash hash;
	bool found = false;
	int s;

	memcpy(&key, at, sizeof(key));
	if (!key.word[0] || !key.word[1])
		return false;
	for (s = 0; s < SECRETS && !found; s++) {
		show(pin, s);
		siphash(&key, pin, LENGTH, &hash);
		found = !memcmp(at + sizeof(key), &hash, sizeof(hash));
	}
	return found;
}

static void search(const unsigned char *text, size_t size, bool guarded,
		   struct hits *hits)
{
	size_t i;
	int s;

	for (i = 0; i + 2 * LENGTH <= size; i++) {
		for (s = 0; s < SECRETS; s++)
			hits->secrets[s] += matches(text + i, s) ||
					    matches_hex(text + i, s);
		if (i % sizeof(uint64_t) == 0 && is_hash(text + i)) {
			hits->hashes++;
			hits->exposed += !guarded;
		}
	}
}

#define PAGE	4096ul

/*
 * Of one mapping, what is in memory, or swapped out, in runs of pages: a
 * sanitizer's are large, and mostly nowhere.
 */
static void search_mapping(int memory, int pagemap, unsigned long from,
			   unsigned long to, bool guarded, struct hits *hits)
{
	size_t pages = (to - from) / PAGE, first, last;
	uint64_t *there = calloc(pages + 1, sizeof(*there));
	unsigned char *text = NULL;
	ssize_t n;

	n = pread(pagemap, there, pages * sizeof(*there),
		  (off_t)(from / PAGE * sizeof(*there)));
	if (n != (ssize_t)(pages * sizeof(*there)))
		pages = 0;	/* [vsyscall] has none */
	for (first = 0; first < pages; first = last + 1) {
		for (last = first; there[last] >> 62; last++)
			;
		if (last == first)
			continue;
		text = realloc(text, (last - first) * PAGE);
		n = pread(memory, text, (last - first) * PAGE,
			  (off_t)(from + first * PAGE));
		if (n > 0)
			search(text, (size_t)n, guarded, hits);
	}
	free(text);
	free(there);
}

/* Every mapping of @pid that can be read. */
static bool search_process(pid_t pid, struct hits *hits)
{
	unsigned long start = 0, end = 0, from, to;
	char path[64], line[512];
	int memory, pagemap;
	FILE *smaps;

	memset(hits, 0, sizeof(*hits));
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	smaps = fopen(path, "r");
	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	memory = open(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY);
	if (!smaps || memory < 0 || pagemap < 0)
		return false;
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			start = from;
			end = to;
			continue;
		}
		/* Larger ones are a sanitizer's. */
		if (!strncmp(line, "VmFlags:", 8) && strstr(line, " rd") &&
		    end - start <= 1ul << 30)
			search_mapping(memory, pagemap, start, end,
				       strstr(line, " dd") &&
				       strstr(line, " wf"), hits);
	}
	fclose(smaps);
	close(memory);
	close(pagemap);
	return true;
}

/* ---- */

static int number, failed;

static void ok(bool good, const char *when, const char *what)
{
	printf("%sok %d - %s: %s\n", good ? "" : "not ", ++number, when, what);
	failed += !good;
}

static void look(pid_t pid, size_t act)
{
	struct hits hits;
	char what[64];
	int s;

	if (!search_process(pid, &hits)) {
		ok(false, acts[act].name, "/proc can't be read");
		return;
	}
	for (s = 0; s < SECRETS; s++) {
		snprintf(what, sizeof(what), "no %s in memory", secret_names[s]);
		ok(!hits.secrets[s], acts[act].name, what);
		if (hits.secrets[s])
			printf("# %d times\n", hits.secrets[s]);
	}
	if (acts[act].logged_in) {
		ok(hits.hashes, acts[act].name, "there is a hash");
		ok(!hits.exposed, acts[act].name,
		   "but not for core dumps and children");
	} else {
		ok(!hits.hashes, acts[act].name, "there is no hash");
	}
	if (hits.hashes)
		printf("# %d, %d of them exposed\n", hits.hashes, hits.exposed);
}

/* Does the search find anything at all? */
static void look_for_what_is_there(void)
{
	struct {
		struct siphash_key key;
		struct siphash hash;
	} *pair = malloc(sizeof(*pair));
	unsigned char *copy = malloc(4 * LENGTH);
	struct hits hits;
	int i;

	show(copy, NEW);
	pair->key.word[0] = pair->key.word[1] = 0x0123456789abcdef;
	siphash(&pair->key, copy, LENGTH, &pair->hash);
	for (i = 0; i < LENGTH; i++)
		sprintf((char *)copy + LENGTH + 2 * i, "%02x",
			masked[RIGHT][i] ^ MASK);
	/* Printed, so that the compiler keeps it. */
	printf("# a hash of our own at %p\n", (void *)pair);
	ok(search_process(getpid(), &hits) && hits.secrets[NEW] &&
	   hits.secrets[RIGHT] && hits.hashes && hits.exposed,
	   "a copy of our own", "is found");
	explicit_bzero(copy, 4 * LENGTH);
	free(copy);
	free(pair);
}

static void skip(const char *when, const char *what, const char *why)
{
	printf("ok %d - %s: %s # SKIP %s\n", ++number, when, what, why);
}

static void search_core(const char *pattern, const char *when, const char *what)
{
	struct hits hits = { 0 };
	char there[64];
	void *core = MAP_FAILED;
	glob_t found = { 0 };
	struct stat info;
	int fd = -1;

	if (!glob(pattern, 0, NULL, &found))
		fd = open(found.gl_pathv[0], O_RDONLY);
	if (fd >= 0 && !fstat(fd, &info) && info.st_size)
		core = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE,
			    fd, 0);
	if (core == MAP_FAILED) {
		ok(false, when, "there is no core");
		goto out;
	}
	search(core, (size_t)info.st_size, false, &hits);
	show_control(there, sizeof(there));
	printf("# %s of %lld bytes\n", found.gl_pathv[0],
	       (long long)info.st_size);
	ok(memmem(core, (size_t)info.st_size, there, strlen(there)), when,
	   "there is a core");
	ok(!hits.secrets[RIGHT] && !hits.secrets[NEW] && !hits.secrets[WRONG] &&
	   !hits.hashes, when, what);
	munmap(core, (size_t)info.st_size);
	unlink(found.gl_pathv[0]);
out:
	if (fd >= 0)
		close(fd);
	globfree(&found);
}

/* Is there one to search? A sanitizer's memory is too much for it. */
static void debuggers_core(pid_t pid, const char *when)
{
	static const char what[] = "no PIN and no hash in a debugger's core";
	char command[256];

	if (getenv("SAN")) {
		skip(when, what, "with sanitizers it is too large");
		return;
	}
	snprintf(command, sizeof(command), "gcore -o %s %d >/dev/null 2>&1",
		 world_path("debugger"), pid);
	if (system(command))
		skip(when, what, "gdb can't make one here");
	else
		search_core(world_path("debugger.*"), when, what);
}

/* Will the kernel write a core to where we are? */
static bool cores_are_files(void)
{
	static const char pattern[] = "/proc/sys/kernel/core_pattern";
	int fd, first = EOF;
	FILE *file;

	/* In the guest it's nobody else's. */
	if (getenv("TOKMUX_GUEST")) {
		fd = open(pattern, O_WRONLY);
		if (fd < 0 || write(fd, "core", 4) != 4)
			printf("# %s: %s\n", pattern, strerror(errno));
		close(fd);
	}
	file = fopen(pattern, "r");
	if (file) {
		first = fgetc(file);
		fclose(file);
	}
	return first != EOF && first != '|' && first != '/';
}

static void kernels_core(void)
{
	static const char when[] = "dead while logged in";
	static const char what[] = "no PIN and no hash in the kernel's core";
	struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	pid_t pid;

	if (getenv("SAN") || !cores_are_files()) {
		skip(when, what, "there would be none, or not here");
		return;
	}
	pid = fork();
	if (!pid) {
		if (chdir(world_dir) || setrlimit(RLIMIT_CORE, &all) ||
		    !freopen(world_path("log"), "a", stderr) ||
		    open_both() || log_in(a, sa, NEW) || log_in(b, sb, NEW))
			_exit(1);
		signal(SIGABRT, SIG_DFL);
		abort();
	}
	waitpid(pid, NULL, 0);
	search_core(world_path("core*"), when, what);
}

static void search_log(void)
{
	static unsigned char text[1 << 20];
	int fd = open(world_path("log"), O_RDONLY);
	ssize_t n = read(fd, text, sizeof(text));
	struct hits hits = { 0 };

	close(fd);
	if (n > 0)
		search(text, (size_t)n, false, &hits);
	ok(n > 0, "the log", "there is one");
	ok(!hits.secrets[RIGHT] && !hits.secrets[NEW] && !hits.secrets[WRONG],
	   "the log", "no PIN");
	ok(!hits.hashes, "the log", "no hash");
}

int main(void)
{
	int go[2], done[2], log;
	size_t i;
	CK_RV rv;
	pid_t pid;
	char byte = 0;
	int s;

	if (getenv("SAN") && strstr(getenv("SAN"), "thread")) {
		printf("TAP version 13\n1..0 # SKIP ThreadSanitizer's memory is too much to search\n");
		return 0;
	}
	if (access("/proc/self/pagemap", R_OK)) {
		printf("TAP version 13\n1..0 # SKIP this kernel doesn't tell which pages there are\n");
		return 0;
	}
	setlinebuf(stdout);	/* nothing of it is a child's */
	printf("TAP version 13\n");
	if (!world_begin() || pipe(go) || pipe(done))
		return 1;
	world_configure("log = info", "");
	/* Rare enough to be found by chance nowhere. */
	for (s = 0; s < SECRETS; s++) {
		for (i = 0; i < LENGTH; i++)
			masked[s][i] = (unsigned char)('a' + rand() % 26) ^ MASK;
	}

	pid = fork();
	if (!pid) {
		close(go[1]);
		log = open(world_path("log"), O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(log, STDERR_FILENO);
		for (i = 0; i < ACTS; i++) {
			if (read(go[0], &byte, 1) != 1)
				_exit(1);
			rv = acts[i].act();
			if (write(done[1], &rv, sizeof(rv)) != sizeof(rv))
				_exit(1);
		}
		_exit(read(go[0], &byte, 1) != 1);
	}
	close(done[1]);
	for (i = 0; i < ACTS; i++) {
		rv = CKR_GENERAL_ERROR;
		if (write(go[1], &byte, 1) != 1 ||
		    read(done[0], &rv, sizeof(rv)) != sizeof(rv) || rv) {
			printf("# 0x%lx\n", rv);
			ok(false, acts[i].name, "it went wrong");
			break;
		}
		look(pid, i);
		if (acts[i].core)
			debuggers_core(pid, acts[i].name);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	kernels_core();
	search_log();
	look_for_what_is_there();
	world_end();
	printf("1..%d\n", number);
	return failed > 0;
}

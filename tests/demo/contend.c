// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Three processes, one token: who signs when, and what the others learn when
 * the one that holds the token is killed.
 *
 * usage: contend MODULE [with-leases]
 *
 * With leases each process asks libtokmux for the token before it signs. The
 * bare module has nothing to ask.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <tokmux.h>
#include "demo.h"

#define SIGNATURES	3
#define ACTORS		3

struct actor {
	const char *name;
	pid_t pid;
	int orders;	/* the parent writes one letter each */
	int answers;	/* the child answers each order with a byte */
};

static struct {
	int step;
	int signatures;
	char order[256];
	struct timespec killed;
	pid_t heir;
	volatile bool heir_done;
} *shared;

static bool leases;

static void die(const char *what, const char *why)
{
	fprintf(stderr, "contend: %s: %s\n", what, why);
	exit(1);
}

static void check(const char *what, CK_RV rv)
{
	if (rv != CKR_OK)
		die(what, rv_name(rv));
}

/* Give somebody else the time to come in between, if nobody keeps them out. */
static void linger(int signatures)
{
	struct timespec ms = { 0, 1000000 };

	for (int i = 0; i < 100; i++) {
		if (*(volatile int *)&shared->signatures != signatures)
			return;
		nanosleep(&ms, NULL);
	}
}

static void sign(const struct actor *me, struct signer *s, int i)
{
	int n;

	check("sign", signer_sign(s));
	n = __sync_fetch_and_add(&shared->signatures, 1);
	snprintf(&shared->order[n * 8], 8, "%s%d", me->name, i + 1);
	linger(n + 1);
}

static void acquire(const struct actor *me, struct tokmux_caller *token)
{
	struct tokmux_grant grant;
	struct timespec now;
	double ms;
	int err;

	if (!leases)
		return;
	err = tokmux_acquire(token, TOKMUX_EXCLUSIVE, -1, &grant);
	if (err)
		die("acquire", tokmux_strerror(err));
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (grant.flags & TOKMUX_GRANT_UNCLEAN) {
		ms = (now.tv_sec - shared->killed.tv_sec) * 1e3 +
		     (now.tv_nsec - shared->killed.tv_nsec) / 1e6;
		SAY(shared->step, "%s has the token %.1f ms after the kill, epoch %llu,", me->name, ms,
		    (unsigned long long)grant.epoch);
		SAY(shared->step, "   told: UNCLEAN (its holder died)");
		tokmux_mark_clean(token);
		SAY(shared->step, "   resets it, says so: mark clean");
	} else {
		SAY(shared->step, "%s has the token, epoch %llu", me->name,
		    (unsigned long long)grant.epoch);
	}
}

static void play(const struct actor *me, const char *module, int orders, int answers)
{
	struct tokmux_caller *token = NULL;
	struct signer s = {};
	pid_t heir;
	char order;
	int err;

	check("load", signer_load(&s, module));
	check("C_Initialize", signer_initialize(&s));
	check("C_OpenSession", signer_open(&s));
	check("C_Login", signer_login(&s));
	check("find the key", signer_find_key(&s));
	if (leases) {
		err = tokmux_open(DEMO_TOKEN, &token);
		err = err ? err : tokmux_bind(token, TOKMUX_BIND_GROUP);
		if (err)
			die(DEMO_TOKEN, tokmux_strerror(err));
	}
	order = '.';
	do {
		switch (order) {
		case 'a':
			acquire(me, token);
			break;
		case 's':
			for (int i = 0; i < SIGNATURES; i++)
				sign(me, &s, i);
			break;
		case 'r':
			if (leases)
				tokmux_release(token);
			break;
		case 'f':
			/* a child with a copy of all our files, as any fork() makes */
			heir = fork();
			if (!heir) {
				pause();
				if (leases)
					SAY(shared->step, "%s's child uses its copy: %s", me->name,
					    strerror(-tokmux_release(token)));
				shared->heir_done = true;
				_exit(0);
			}
			shared->heir = heir;
			break;
		}
		if (write(answers, &order, 1) != 1)
			break;
	} while (read(orders, &order, 1) == 1 && order != 'q');
	tokmux_close(token);
	s.f->C_Finalize(NULL);
	exit(0);
}

static void start(struct actor *actor, const char *module)
{
	int orders[2], answers[2];
	char ready;

	if (pipe(orders) || pipe(answers))
		die("pipe", strerror(errno));
	actor->pid = fork();
	if (!actor->pid) {
		close(orders[1]);
		close(answers[0]);
		play(actor, module, orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	actor->orders = orders[1];
	actor->answers = answers[0];
	if (read(actor->answers, &ready, 1) != 1)
		die(actor->name, "did not start");
}

/* Acquire, sign, release, fork, quit: a letter each. */
static void order(struct actor *actor, const char *what)
{
	if (write(actor->orders, what, strlen(what)) != (ssize_t)strlen(what))
		die(actor->name, "is gone");
}

static void wait_for(struct actor *actor, const char *what)
{
	char done;

	for (size_t i = 0; i < strlen(what); i++)
		if (read(actor->answers, &done, 1) != 1)
			die(actor->name, "is gone");
}

/* Until that many wait in the kernel's queue. */
static void wait_for_queue(struct tokmux_caller *watch, unsigned int waiters)
{
	struct timespec ms = { 0, 1000000 };
	struct tokmux_state info;

	while (leases && !tokmux_info(watch, &info, sizeof(info)) && info.waiters != waiters)
		nanosleep(&ms, NULL);
}

static void nothing(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct actor actors[ACTORS] = {
		{ .name = "Ann" }, { .name = "Bob" }, { .name = "Cem" }
	};
	struct actor *ann = &actors[0], *bob = &actors[1], *cem = &actors[2];
	struct sigaction act = { .sa_handler = nothing };
	struct tokmux_caller *watch = NULL;
	struct tokmux_state info;
	char line[256] = "";
	unsigned int index;
	int i, err, turns;

	if (argc < 2)
		die("usage", "contend MODULE [with-leases]");
	leases = argc > 2;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGUSR1, &act, NULL);
	if (leases) {
		err = tokmux_create_system(DEMO_TOKEN, 0, 0, &index);
		err = err ? err : tokmux_open(DEMO_TOKEN, &watch);
		if (err)
			die(DEMO_TOKEN, tokmux_strerror(err));
	}

	shared->step = 1;
	for (i = 0; i < ACTORS; i++)
		start(&actors[i], argv[1]);
	SAY(1, "%s[%d] %s[%d] %s[%d] log in, one by one", ann->name, ann->pid,
	    bob->name, bob->pid, cem->name, cem->pid);
	order(ann, "a");
	wait_for(ann, "a");
	order(bob, leases ? "asr" : "s");
	wait_for_queue(watch, 1);
	order(cem, leases ? "asr" : "s");
	wait_for_queue(watch, 2);
	if (leases) {
		SAY(1, "Bob asks for it, then Cem asks: both wait");
		tokmux_info(watch, &info, sizeof(info));
		SAY(1, "kernel: holder %d, %u waiters", info.holder_pid, info.waiters);
	} else {
		SAY(1, "nobody to ask: all three begin to sign");
	}
	order(ann, "sr");
	wait_for(ann, "sr");
	wait_for(bob, leases ? "asr" : "s");
	wait_for(cem, leases ? "asr" : "s");
	turns = 1;
	for (i = 0; i < shared->signatures; i++) {
		strcat(line, " ");
		strcat(line, &shared->order[i * 8]);
		turns += i && strncmp(&shared->order[i * 8],
				      &shared->order[i * 8 - 8], 3);
	}
	SAY(1, "signed:%s", line);
	SAY(1, turns == ACTORS ? "=> first come first served, one at a time" :
	    "=> INTERLEAVED: %d turns among 3 processes", turns);

	shared->step = 2;
	order(ann, "a");
	wait_for(ann, "a");
	order(ann, "f");
	wait_for(ann, "f");
	SAY(2, "Ann forks a child [%d], which keeps copies of its files", shared->heir);
	if (leases) {
		order(bob, "asr");
		wait_for_queue(watch, 1);
		SAY(2, "Bob asks and waits");
	}
	clock_gettime(CLOCK_MONOTONIC, &shared->killed);
	SAY(2, "kill -9 Ann[%d], in the middle of its work", ann->pid);
	kill(ann->pid, SIGKILL);
	if (leases) {
		wait_for(bob, "asr");
	} else {
		order(bob, "s");
		wait_for(bob, "s");
		SAY(2, "Bob signs; nothing tells it that Ann died,");
		SAY(2, "   nor in which state it left the token");
	}
	while (!shared->heir_done && !kill(shared->heir, SIGUSR1))
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
	waitpid(ann->pid, NULL, 0);

	shared->step = 3;
	for (i = 1; i < ACTORS; i++) {
		order(&actors[i], "q");
		waitpid(actors[i].pid, NULL, 0);
	}
	tokmux_close(watch);
	if (leases)
		tokmux_remove_system(index);
	return 0;
}

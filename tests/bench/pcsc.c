// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PC/SC program, with the library that it is told: pcsc-lite's, or ours.
 *
 *	pcsc LIBRARY TIMES
 *
 * Prints samples only, as JSON, for tests/bench/measure: for each case the median
 * of TIMES, in ns.
 */
#include <dlfcn.h>
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <signal.h>
#include <winscard.h>
#include "bench.h"

/* A command that cards answer in one way or another: SELECT, of the CAC's applet. */
static const BYTE command[] = { 0x00, 0xa4, 0x04, 0x00, 0x07,
				0xa0, 0x00, 0x00, 0x00, 0x79, 0x01, 0x00 };

#define FUNCTIONS(X)							\
	X(EstablishContext) X(ReleaseContext) X(ListReaders) X(Connect)	\
	X(Reconnect) X(Disconnect) X(BeginTransaction) X(EndTransaction)	\
	X(Transmit) X(GetStatusChange)

#define DECLARE(name) static __typeof__(&SCard##name) name;
FUNCTIONS(DECLARE)

static void load(const char *library)
{
	void *so = dlopen(library, RTLD_NOW);

	if (!so)
		errx(1, "%s", dlerror());
#define LOAD(name)							\
	*(void **)&name = dlsym(so, "SCard" #name);			\
	if (!name)							\
		errx(1, "%s", dlerror());
	FUNCTIONS(LOAD)
}

static void good(LONG rv, const char *what)
{
	if (rv)
		errx(1, "%s: %lx", what, (unsigned long)rv);
}
#define GOOD(call) good(call, #call)

static SCARDCONTEXT context;
static SCARDHANDLE card;
static const SCARD_IO_REQUEST *pci;
static char reader[128];

static void establish(void)
{
	GOOD(EstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context));
}

static void find_reader(void)
{
	char names[1000];
	DWORD len = sizeof(names);

	GOOD(ListReaders(context, NULL, names, &len));
	snprintf(reader, sizeof(reader), "%.127s", names);
}

static void use_protocol(DWORD protocol)
{
	static SCARD_IO_REQUEST request;

	request = (SCARD_IO_REQUEST){ protocol, sizeof(request) };
	pci = &request;
}

static void connect_card(void)
{
	DWORD protocol;

	GOOD(Connect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY,
		     &card, &protocol));
	use_protocol(protocol);
}

/*
 * Reconnects if the card was reset, as another process had it. pcscd resets the card of a
 * process that was killed, perhaps only after the next process has begun a transaction.
 * The next process learns of the reset with its first command then.
 */
static bool was_reset(LONG rv)
{
	DWORD protocol;

	if (rv != SCARD_W_RESET_CARD && rv != SCARD_E_PROTO_MISMATCH)
		return false;
	GOOD(Reconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY,
		       SCARD_LEAVE_CARD, &protocol));
	use_protocol(protocol);
	return true;
}

static void transmit(void)
{
	BYTE answer[300];
	DWORD len;
	LONG rv;

	do {
		len = sizeof(answer);
		rv = Transmit(card, pci, command, sizeof(command), NULL, answer, &len);
	} while (was_reset(rv));
	good(rv, "Transmit");
}

static void begin(void)
{
	LONG rv;

	do {
		rv = BeginTransaction(card);
	} while (was_reset(rv));
	good(rv, "BeginTransaction");
}

/* ---- the cases; between the first and the last of each nothing else goes on ---- */

static void transaction(void)
{
	begin();
	transmit();
	GOOD(EndTransaction(card, SCARD_LEAVE_CARD));
}

static void one_more_connection(void)
{
	SCARDHANDLE first = card;

	connect_card();
	GOOD(Disconnect(card, SCARD_LEAVE_CARD));
	card = first;
}

static void status(void)
{
	static SCARD_READERSTATE state;
	LONG rv;

	state.szReader = reader;
	rv = GetStatusChange(context, 0, &state, 1);
	if (rv != (LONG)SCARD_E_TIMEOUT)
		good(rv, "GetStatusChange");
	state.dwCurrentState = state.dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
}

static void program(void)
{
	SCARDCONTEXT old_context = context;
	SCARDHANDLE old = card;

	establish();
	find_reader();
	connect_card();
	transaction();
	GOOD(Disconnect(card, SCARD_LEAVE_CARD));
	GOOD(ReleaseContext(context));
	context = old_context;
	card = old;
}

/* From the kill of a process in a transaction to the next one's answer. */
static int64_t killed(void)
{
	int64_t start;
	int pipes[2];
	pid_t pid;
	char byte;

	if (pipe(pipes))
		err(1, "pipe");
	pid = fork();
	if (!pid) {
		establish();
		connect_card();
		begin();
		transmit();
		if (write(pipes[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	if (read(pipes[0], &byte, 1) != 1)
		errx(1, "the holder died");
	start = now_ns();
	kill(pid, SIGKILL);
	transaction();
	start = now_ns() - start;
	waitpid(pid, NULL, 0);
	close(pipes[0]);
	close(pipes[1]);
	return start;
}

static int64_t median_of(void (*what)(void), size_t times)
{
	int64_t ns[times];
	size_t i;

	/* Once for what is done the first time only. */
	what();
	for (i = 0; i < times; i++) {
		int64_t start = now_ns();

		what();
		ns[i] = now_ns() - start;
	}
	return median_ns(ns, times);
}

int main(int argc, char **argv)
{
	size_t times = argc == 3 ? strtoul(argv[2], NULL, 10) : 0, i;
	int64_t ns[20];

	if (!times)
		errx(2, "usage: pcsc LIBRARY TIMES");
	load(argv[1]);
	/* Its context is the only one, as in a program that runs for a moment. */
	printf("{\"program\": %ld, ", (long)median_of(program, times / 10 + 1));
	establish();
	find_reader();
	connect_card();
	printf("\"transaction\": %ld, ", (long)median_of(transaction, times));
	printf("\"connection\": %ld, ",
	       (long)median_of(one_more_connection, times));
	printf("\"status\": %ld, ", (long)median_of(status, times));
	for (i = 0; i < times / 20 + 1 && i < 20; i++)
		ns[i] = killed();
	printf("\"kill\": %ld}\n", (long)median_ns(ns, i));
	GOOD(ReleaseContext(context));
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The card of the tests behind QEMU's ccid-card-passthru: speaks its vscard
 * protocol on a socket that QEMU listens on. QEMU's reader is of the TPDU level
 * with T=0.
 *
 * usage: vscard SOCKET LOG
 *
 * QEMU does not say when the card loses its power, so it never does: what needs
 * that needs usbip.c. SIGUSR1 takes the card out, SIGUSR2 puts it in.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "reader.h"

/* All numbers are big-endian, but the magic, which is four letters. */
enum {
	VSC_INIT = 1, VSC_ERROR, VSC_READER_ADD, VSC_READER_REMOVE, VSC_ATR,
	VSC_CARD_REMOVE, VSC_APDU, VSC_FLUSH, VSC_FLUSH_COMPLETE,
};
#define VSC_VERSION	2
#define VSC_NO_READER	0xffffffff

static struct card card;
static int qemu = -1;

static void fatal(const char *what)
{
	perror(what);
	exit(1);
}

static void put(const void *data, size_t len)
{
	ssize_t n;

	for (; len; len -= (size_t)n, data = (const char *)data + n) {
		n = send(qemu, data, len, MSG_NOSIGNAL);
		if (n <= 0)
			exit(0);
	}
}

static void get(void *data, size_t len)
{
	ssize_t n;

	for (; len; len -= (size_t)n, data = (char *)data + n) {
		n = recv(qemu, data, len, 0);
		if (n <= 0)
			exit(0);	/* the guest went down */
	}
}

static void message(uint32_t type, uint32_t reader, const void *data, size_t len)
{
	const uint32_t header[3] = { htonl(type), htonl(reader),
				     htonl((uint32_t)len) };

	put(header, sizeof(header));
	put(data, len);
}

/* A reader, and a card in it: each time that QEMU begins anew. */
static void introduce(void)
{
	const char name[] = "tokmux";

	message(VSC_READER_ADD, VSC_NO_READER, name, sizeof(name));
	message(VSC_ATR, 0, card.atr, card.atr_len);
	card_power_on(&card);
}

static void apdu(const uint8_t *data, size_t len)
{
	static uint8_t answer[CARD_ANSWER];
	struct timespec t;
	size_t n;

	n = card_tpdu(&card, data, len, answer);
	t.tv_sec = card.delay_ms / 1000;
	t.tv_nsec = card.delay_ms % 1000 * 1000000L;
	nanosleep(&t, NULL);
	message(VSC_APDU, 0, answer, n);
}

static void receive(void)
{
	static uint8_t data[1 << 16];
	uint32_t header[3], len;

	get(header, sizeof(header));
	len = ntohl(header[2]);
	if (len > sizeof(data))
		exit(1);
	get(data, len);
	switch (ntohl(header[0])) {
	case VSC_INIT:
		introduce();
		break;
	case VSC_APDU:
		if (len >= 4)
			apdu(data, len);
		break;
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct { uint32_t version; char magic[4]; uint32_t capabilities; } init = {
		htonl(VSC_VERSION), { 'V', 'S', 'C', 'D' }, 0,
	};
	struct signalfd_siginfo info;
	struct pollfd fds[2];
	const uint8_t *atr;
	sigset_t signals;
	size_t len;
	FILE *log;
	int i;

	if (argc != 3 || strlen(argv[1]) >= sizeof(address.sun_path)) {
		fprintf(stderr, "usage: vscard SOCKET LOG\n");
		return 2;
	}
	log = fopen(argv[2], "we");
	if (!log)
		fatal(argv[2]);
	atr = reader_atr(READER_T0, &len);
	card_init(&card, log, atr, len);
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGUSR2);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	fds[1].fd = signalfd(-1, &signals, SFD_CLOEXEC);

	/* QEMU is being started: up to 10 s until it listens. */
	qemu = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, argv[1]);
	for (i = 0; connect(qemu, (struct sockaddr *)&address, sizeof(address)); i++) {
		if ((errno != ENOENT && errno != ECONNREFUSED) || i == 100)
			fatal(argv[1]);
		poll(NULL, 0, 100);
	}
	message(VSC_INIT, VSC_NO_READER, &init, sizeof(init));
	fds[0].fd = qemu;
	fds[0].events = POLLIN;
	fds[1].events = POLLIN;
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			fatal("poll");
		if (fds[0].revents)
			receive();
		if (!fds[1].revents || read(fds[1].fd, &info, sizeof(info)) < 0)
			continue;
		if (info.ssi_signo == SIGUSR1) {
			card_power_off(&card);
			message(VSC_CARD_REMOVE, 0, NULL, 0);
		} else {
			message(VSC_ATR, 0, card.atr, card.atr_len);
			card_power_on(&card);
		}
	}
}

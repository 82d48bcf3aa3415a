/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Scripts of several commands, run by several processes on one token, and what
 * the card's log must say of them: each whole, one after the other.
 */
#ifndef SCRIPTS_H
#define SCRIPTS_H

#include <tokmux-card.h>
#include "usb_reader.h"

#define ROUNDS	12
#define SCRIPT	4

/* Of a program that is no part of the test: its own caller and card. */
struct user {
	struct tokmux_caller *caller;
	struct tokmux_card *card;
	uint8_t answer[300];
};

static inline int user_open(struct user *u, const char *token)
{
	int ret = tokmux_open(token, &u->caller);

	if (!ret)
		ret = tokmux_bind(u->caller, 0);
	if (!ret)
		ret = tokmux_card_new(u->caller, 0, &u->card);
	return ret;
}

static inline void user_close(struct user *u)
{
	tokmux_card_free(u->card);
	tokmux_close(u->caller);
	*u = (struct user){};
}

/* The status word, or a negative errno. */
static inline int send_apdu(struct user *u, const uint8_t *apdu, size_t len)
{
	int ret = tokmux_card_transmit(u->card, apdu, len, u->answer,
				       sizeof(u->answer), 0, SOON);

	return ret < 0 ? ret : u->answer[ret - 2] << 8 | u->answer[ret - 1];
}
#define SEND(u, apdu)	send_apdu(u, apdu, sizeof(apdu))

/* ROUNDS scripts of SCRIPT commands, numbered, with this process' tag. */
static inline int script(const char *token, uint8_t tag)
{
	uint8_t echo[] = { 0x80, 0x10, tag, 0, 2, 0xaa, 0xbb, 2 };
	struct user user;
	int round, i, ret;
	double start;

	ret = user_open(&user, token);
	for (round = 0; !ret && round < ROUNDS; round++) {
		start = now();
		ret = tokmux_card_begin(user.card, SOON);
		if (ret < 0) {
			fprintf(stderr, "# begin %d after %.0f ms: %s\n", round,
				now() - start, tokmux_strerror(ret));
			return 2;
		}
		/* Nothing of the other one's is left: it is selected anew. */
		if (ret & TOKMUX_CARD_TOUCHED && SEND(&user, select_applet) < 0)
			return 3;
		for (i = 0; i < SCRIPT; i++) {
			echo[3] = (uint8_t)i;
			if (SEND(&user, echo) != 0x9000)
				return 4;
		}
		ret = tokmux_card_end(user.card, 0);
	}
	user_close(&user);
	return ret ? 5 : 0;
}

/*
 * How many scripts the log has, whole and in order, and how often the next one
 * was another process'; -1 if anything else came between two commands of one.
 */
static inline int count_scripts(const char *path, unsigned int *passed)
{
	unsigned int tag, number, next = 0, last_tag = 0;
	char line[256];
	int scripts = 0;
	FILE *log;

	*passed = 0;
	log = fopen(path, "r");
	while (log && scripts >= 0 && fgets(line, sizeof(line), log)) {
		/* By T=0 an answer is fetched: that is no other command. */
		if (!strncmp(line, "apdu 00c0", 9) || !strncmp(line, "apdu 80c0", 9))
			continue;
		if (sscanf(line, "apdu 8010%2x%2x02aabb", &tag, &number) != 2) {
			if (next)
				scripts = -1;
			continue;
		}
		if (number != next || (number && tag != last_tag)) {
			scripts = -1;
			break;
		}
		*passed += !number && last_tag && last_tag != tag;
		last_tag = tag;
		next = (number + 1) % SCRIPT;
		scripts += !next;
	}
	if (scripts < 0)
		fprintf(stderr, "# %s", line);
	if (log)
		fclose(log);
	return next ? -1 : scripts;
}

#endif /* SCRIPTS_H */

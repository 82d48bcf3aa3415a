/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libtokmux' transport to the reader of tests/card, a function call away: for
 * what no real reader can be made to do, and for levels that QEMU's has not.
 * Time that the library waits in vain does not pass.
 */
#ifndef LOCAL_READER_H
#define LOCAL_READER_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../../../lib/card/card.h"
#include "../../../lib/card/deadline.h"
#include "../../card/reader.h"

struct local_reader {
	struct ccid_transport transport;
	struct reader reader, second;
	struct card card, second_card;
	/* Errors of the bus: the next transfers fail with it. */
	int out_error, in_error;
	bool gone;
	bool exchange;		/* the card, while somebody waits for it */
	bool takes_time;	/* what the card takes its time for is waited for */
	unsigned int aborts, sent;
	size_t notice_size;	/* that was last asked for */
};

static inline struct local_reader *to_local(struct ccid_transport *t)
{
	return (struct local_reader *)t;
}

static inline int once(int *error)
{
	int e = *error;

	*error = 0;
	return e;
}

static inline int local_out(struct ccid_transport *t, const uint8_t *data,
			    size_t len, int timeout_ms)
{
	struct local_reader *l = to_local(t);
	size_t n;

	if (l->gone)
		return -ENODEV;
	if (l->out_error)
		return once(&l->out_error);
	l->sent++;
	for (; len; data += n, len -= n) {
		n = len < READER_PACKET ? len : READER_PACKET;
		reader_out(&l->reader, data, n);
	}
	return 0;
}

static inline int local_in(struct ccid_transport *t, uint8_t *data,
			   size_t size, int timeout_ms)
{
	struct local_reader *l = to_local(t);
	uint8_t packet[READER_PACKET];
	int64_t not_before;
	size_t have = 0;
	int n;

	if (l->gone)
		return -ENODEV;
	if (l->in_error)
		return once(&l->in_error);
	while (have < size) {
		n = reader_in(&l->reader, packet, &not_before);
		if (n < 0 && l->takes_time && not_before >= 0 &&
		    not_before - deadline_after(0) <= timeout_ms) {
			usleep(1000);
			continue;
		}
		if (n < 0)
			break;
		if ((size_t)n > size - have)
			return -EOVERFLOW;
		memcpy(data + have, packet, (size_t)n);
		have += (size_t)n;
		if (n < READER_PACKET)
			return (int)have;
	}
	return have ? (int)have : -ETIMEDOUT;
}

/* For a reader in which things take time. */
static inline int64_t local_now(void)
{
	return deadline_after(0);
}

static inline int local_interrupt(struct ccid_transport *t, uint8_t *data,
				  size_t size, int timeout_ms)
{
	struct local_reader *l = to_local(t);
	size_t n;

	if (l->gone)
		return -ENODEV;
	l->notice_size = size;
	if (timeout_ms && l->exchange) {
		l->exchange = false;
		reader_insert(&l->reader, false);
		reader_insert(&l->reader, true);
	}
	n = reader_notice(&l->reader, data);
	if (n)
		return (int)n;
	if (timeout_ms)
		usleep(1000);
	return -ETIMEDOUT;
}

static inline int local_abort(struct ccid_transport *t, uint8_t slot,
			      uint8_t seq)
{
	struct local_reader *l = to_local(t);

	if (l->gone)
		return -ENODEV;
	l->aborts++;
	reader_abort(&l->reader, slot, seq);
	return 0;
}

static inline void local_close(struct ccid_transport *t)
{
}

static const struct ccid_transport_ops local_ops = {
	.bulk_out = local_out,
	.bulk_in = local_in,
	.interrupt_in = local_interrupt,
	.abort = local_abort,
	.close = local_close,
};

/* A second slot, with a card of T=0. */
static inline void local_reader_add_slot(struct local_reader *l)
{
	const uint8_t *atr;
	size_t len;

	atr = reader_atr(READER_T0, &len);
	card_init(&l->second_card, NULL, atr, len);
	reader_init(&l->second, l->reader.level, &l->second_card);
	l->reader.second = &l->second;
	l->transport.desc.max_slot = 1;
}

static inline struct local_reader *local_reader(enum reader_level level)
{
	struct local_reader *l = calloc(1, sizeof(*l));
	uint8_t desc[54];
	size_t len;

	card_init(&l->card, NULL, NULL, 0);
	l->card.atr = reader_atr(level, &len);
	l->card.atr_len = len;
	reader_init(&l->reader, level, &l->card);
	reader_descriptor(&l->reader, desc);
	l->transport.ops = &local_ops;
	l->transport.in_packet = READER_PACKET;
	l->transport.interrupt_packet = 8;
	if (ccid_descriptor_parse(desc, sizeof(desc), &l->transport.desc))
		abort();
	return l;
}

static inline void local_reader_free(struct local_reader *l)
{
	reader_destroy(&l->reader);
	reader_destroy(&l->second);
	free(l);
}

#endif /* LOCAL_READER_H */

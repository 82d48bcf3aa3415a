// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The card of a token, held.
 */
#include <errno.h>
#include "card.h"
#include "subject.h"

bool card_option(struct card_options *options, int option, const char *arg,
		 int *status)
{
	switch (option) {
	case 'n':
		options->timeout_ms = 0;
		return true;
	case 'w':
		options->timeout_ms = parse_seconds(arg);
		if (options->timeout_ms < 0)
			*status = bad_usage("-w wants seconds, not '%s'", arg);
		return true;
	case CARD_SLOT:
		if (!parse_number(arg, 255, &options->slot))
			*status = bad_usage("--slot wants 0 to 255, not '%s'",
					    arg);
		return true;
	default:
		return false;
	}
}

int card_find(const char *what, const struct card_options *options,
	      struct held_card *held)
{
	struct subject *subject;
	int ret, status;

	*held = (struct held_card){ .what = what };
	status = subject_find(what, &subject);
	if (status)
		return status;
	status = subject_open(subject, &held->caller);
	subject_free(subject);
	if (status)
		return status;
	ret = tokmux_bind(held->caller, 0);
	if (!ret)
		ret = tokmux_card_new(held->caller, options->slot, &held->card);
	if (!ret)
		return STATUS_OK;
	tokmux_close(held->caller);
	return failed(what, ret);
}

int card_failed(const struct held_card *held, int err)
{
	struct tokmux_state info;

	switch (err) {
	case -ENODEV:
		/* The token is gone as soon as its device is. */
		if (tokmux_info(held->caller, &info, sizeof(info)) == -ENODEV)
			return failed(held->what, err);
		complain("%s: %s", held->what, tokmux_strerror(err));
		return STATUS_GONE;
	case -ENOMEDIUM:
		complain("%s: %s", held->what, tokmux_strerror(err));
		return STATUS_NO;
	case -EPERM:
	case -EACCES:
		return failed(held->what, err);
	default:
		complain("%s: %s", held->what, tokmux_strerror(err));
		return STATUS_FAILED;
	}
}

int card_hold(const struct held_card *held, const struct card_options *options)
{
	int ret = tokmux_card_begin(held->card, options->timeout_ms);

	/* Who waits for ever has not waited for the token, but for its reader. */
	if (ret == -EAGAIN || (ret == -ETIMEDOUT && options->timeout_ms > 0)) {
		complain("%s: %s", held->what, tokmux_strerror(ret));
		return STATUS_NO;
	}
	return ret < 0 ? card_failed(held, ret) : STATUS_OK;
}

void card_let_go(struct held_card *held)
{
	tokmux_card_end(held->card, TOKMUX_CARD_OFF);
	tokmux_card_free(held->card);
	tokmux_close(held->caller);
	*held = (struct held_card){};
}

void card_hex(char *hex, const uint8_t *bytes, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < len; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[2 * len] = '\0';
}

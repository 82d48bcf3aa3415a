// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pin: what is kept of a PIN, and how another one is compared with it (R12)
 *
 * Never the PIN: a keyed hash of it, with a random key of its own. Both are on a
 * page that is locked into memory, left out of core dumps and of forked children,
 * and wiped when it is forgotten.
 *
 * An attacker that reads that page could read the next PIN as it comes in, and would
 * try all PINs of four or six digits in no time, however slow the hash was. The hash
 * only has to tell two PINs apart, and to be of no use without the key. So it is fast.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "pin.h"
#include "siphash.h"

struct pin {
	struct siphash_key key;
	struct siphash hash;
};

/* Said once: a server may log in for each request. */
static void complain_unlocked(void)
{
	static atomic_flag said = ATOMIC_FLAG_INIT;

	if (!atomic_flag_test_and_set(&said))
		log_error("the memory for a PIN's hash can't be locked, it may be swapped out: %s; raise RLIMIT_MEMLOCK",
			  strerror(errno));
}

static struct pin *pin_new(void)
{
	struct pin *pin = mmap(NULL, sizeof(*pin), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pin == MAP_FAILED)
		return NULL;
	if (mlock(pin, sizeof(*pin)))
		complain_unlocked();
	madvise(pin, sizeof(*pin), MADV_DONTDUMP);
	madvise(pin, sizeof(*pin), MADV_WIPEONFORK);
	return pin;
}

/**
 * pin_remember() - keep the hash of a PIN that the token has accepted
 * @pin: in: what was kept so far, or NULL; out: the hash
 * @text: the PIN
 * @length: its length
 */
CK_RV pin_remember(struct pin **pin, const unsigned char *text,
		   unsigned long length)
{
	struct pin *made;

	pin_forget(pin);
	made = pin_new();
	if (!made)
		return CKR_HOST_MEMORY;
	if (getentropy(&made->key, sizeof(made->key))) {
		pin_forget(&made);
		return CKR_FUNCTION_FAILED;
	}
	siphash(&made->key, text, length, &made->hash);
	*pin = made;
	return CKR_OK;
}

/**
 * pin_check() - is it the PIN that was remembered?
 *
 * How long it takes says nothing of where two hashes differ.
 *
 * Return: CKR_OK or CKR_PIN_INCORRECT.
 */
CK_RV pin_check(const struct pin *pin, const unsigned char *text,
		unsigned long length)
{
	struct siphash hash;
	uint64_t differ;

	siphash(&pin->key, text, length, &hash);
	differ = (hash.word[0] ^ pin->hash.word[0]) |
		 (hash.word[1] ^ pin->hash.word[1]);
	explicit_bzero(&hash, sizeof(hash));
	return differ ? CKR_PIN_INCORRECT : CKR_OK;
}

void pin_forget(struct pin **pin)
{
	if (!*pin)
		return;
	explicit_bzero(*pin, sizeof(**pin));
	munmap(*pin, sizeof(**pin));
	*pin = NULL;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * pin: what is kept of a PIN, and how another one is compared with it (R12)
 *
 * Never the PIN: a yescrypt hash of it with a salt of its own, on a page that
 * is locked into memory, left out of core dumps and of forked children, and
 * wiped when it is forgotten. So is the room that hashing takes.
 */
#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "log.h"
#include "pin.h"

#define METHOD		"$y$"

/* Written out in hex, since crypt(3) wants text and a PIN may be any bytes. */
#define MAX_LENGTH	((CRYPT_MAX_PASSPHRASE_SIZE - 1) / 2)

struct pin {
	char hash[CRYPT_OUTPUT_SIZE];
};

struct workspace {
	struct crypt_data crypt;
	char text[2 * MAX_LENGTH + 1];
};

static void *secret_new(size_t size)
{
	void *secret = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (secret == MAP_FAILED)
		return NULL;
	if (mlock(secret, size))
		log_error("the memory for a PIN's hash can't be locked: %s",
			  strerror(errno));
	madvise(secret, size, MADV_DONTDUMP);
	madvise(secret, size, MADV_WIPEONFORK);
	return secret;
}

static void secret_free(void *secret, size_t size)
{
	if (!secret)
		return;
	explicit_bzero(secret, size);
	munmap(secret, size);
}

/* Return: the hash, within @space, or NULL. */
static const char *hash(struct workspace *space, const unsigned char *text,
			unsigned long length, const char *setting)
{
	static const char digits[] = "0123456789abcdef";
	unsigned long i;

	for (i = 0; i < length; i++) {
		space->text[2 * i] = digits[text[i] >> 4];
		space->text[2 * i + 1] = digits[text[i] & 15];
	}
	space->text[2 * length] = '\0';
	return crypt_rn(space->text, setting, &space->crypt,
			(int)sizeof(space->crypt));
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
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct workspace *space;
	const char *result;
	CK_RV rv = CKR_HOST_MEMORY;

	pin_forget(pin);
	if (length > MAX_LENGTH)
		return CKR_PIN_LEN_RANGE;
	space = secret_new(sizeof(*space));
	*pin = secret_new(sizeof(**pin));
	if (!space || !*pin)
		goto out;

	rv = CKR_FUNCTION_FAILED;
	if (!crypt_gensalt_rn(METHOD, 0, NULL, 0, setting, sizeof(setting)))
		goto out;
	result = hash(space, text, length, setting);
	if (!result)
		goto out;
	strcpy((*pin)->hash, result);
	rv = CKR_OK;
out:
	secret_free(space, sizeof(*space));
	if (rv != CKR_OK)
		pin_forget(pin);
	return rv;
}

/**
 * pin_check() - is it the PIN that was remembered?
 *
 * Return: CKR_OK or CKR_PIN_INCORRECT; CKR_PIN_LEN_RANGE for one that is longer
 * than any that is remembered.
 */
CK_RV pin_check(const struct pin *pin, const unsigned char *text,
		unsigned long length)
{
	struct workspace *space;
	const char *result;
	unsigned char differ = 0;
	CK_RV rv = CKR_FUNCTION_FAILED;
	size_t i;

	if (length > MAX_LENGTH)
		return CKR_PIN_LEN_RANGE;
	space = secret_new(sizeof(*space));
	if (!space)
		return CKR_HOST_MEMORY;
	result = hash(space, text, length, pin->hash);
	if (result) {
		/* Both were made with the same setting: the same length. */
		for (i = 0; i < sizeof(pin->hash) && pin->hash[i]; i++)
			differ |= (unsigned char)(pin->hash[i] ^ result[i]);
		rv = differ ? CKR_PIN_INCORRECT : CKR_OK;
	}
	secret_free(space, sizeof(*space));
	return rv;
}

void pin_forget(struct pin **pin)
{
	secret_free(*pin, sizeof(**pin));
	*pin = NULL;
}

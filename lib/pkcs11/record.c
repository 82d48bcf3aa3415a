// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * record: what the processes of a user tell each other of a token's PINs (R12)
 *
 * A process that is stopped for each wrong PIN and started again must be slowed all
 * the same, and a PIN that another process has changed must not be compared with
 * the old one. So wrong PINs and changes are counted in memory that all processes of
 * a user share. Where there is no shared memory, in a sandbox for example, the
 * process counts for itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cancel.h"
#include "log.h"
#include "record.h"

#define RECORDS		1024	/* tokens of a user at a time */

/* The number is that of this layout. */
#define PAGE_NAME	"/tokmux-1-%u"

struct page {
	struct record records[RECORDS];
};

static struct page own;		/* where there is no shared memory */
static _Atomic(struct page *) page;

/*
 * The directory is one that everybody writes to. So the file may be another user's, or
 * a second name of some other file of this user's.
 */
static int check_file(int fd)
{
	struct stat info;

	if (fstat(fd, &info))
		return errno;
	if (!S_ISREG(info.st_mode) || info.st_uid != geteuid() ||
	    info.st_mode & (S_IRWXG | S_IRWXO) || info.st_nlink != 1 ||
	    (info.st_size && info.st_size != sizeof(struct page)))
		return EPERM;
	/* Without its memory the first access would be a SIGBUS. */
	return posix_fallocate(fd, 0, sizeof(struct page));
}

static struct page *map_page(void)
{
	struct page *mapped = MAP_FAILED;
	char name[32];
	int fd, error;

	snprintf(name, sizeof(name), PAGE_NAME, (unsigned int)geteuid());
	fd = shm_open(name, O_RDWR | O_CREAT, S_IRUSR | S_IWUSR);
	error = fd < 0 ? errno : check_file(fd);
	if (!error) {
		mapped = mmap(NULL, sizeof(*mapped), PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, 0);
		error = errno;
	}
	if (fd >= 0)
		close(fd);
	if (mapped != MAP_FAILED)
		return mapped;
	log_info("wrong PINs and changed PINs of other processes aren't noticed: /dev/shm%s: %s",
		 name, strerror(error));
	return &own;
}

/* Two threads may map it at the same time: the first one's is used. */
static struct page *get_page(void)
{
	struct page *mapped, *before = atomic_load(&page);
	int cancel;

	if (before)
		return before;
	cancel = cancel_off();	/* it opens a file, with a lock of the slot's */
	mapped = map_page();
	cancel_on(cancel);
	if (atomic_compare_exchange_strong(&page, &before, mapped))
		return mapped;
	if (mapped != &own)
		munmap(mapped, sizeof(*mapped));
	return before;
}

/* FNV-1a */
static unsigned int hash_of(const char *token)
{
	uint32_t hash = 0x811c9dc5;

	for (; *token; token++)
		hash = (hash ^ (unsigned char)*token) * 0x01000193;
	return hash ? hash : 1;
}

static struct record *find(struct page *in, unsigned int hash)
{
	struct record *record;
	unsigned int i, taken;

	for (i = 0; i < RECORDS; i++) {
		record = &in->records[(hash + i) % RECORDS];
		taken = 0;
		if (atomic_compare_exchange_strong(&record->name, &taken, hash) ||
		    taken == hash)
			return record;
	}
	return NULL;
}

/**
 * record_of() - what is known of a token's PINs
 * @token: its name, which is the same in all processes
 *
 * It stays where it is for good. Tokens that are too many for the page, or whose names
 * have the same hash, have one together.
 */
struct record *record_of(const char *token)
{
	unsigned int hash = hash_of(token);
	struct page *in = get_page();
	struct record *record = find(in, hash);

	return record ? record : &in->records[hash % RECORDS];
}

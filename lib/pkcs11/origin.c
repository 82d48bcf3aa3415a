// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * origin: which shared object it is that calls, and whether it still is (R9)
 *
 * An address alone doesn't say: what is unloaded makes room for another, or for
 * itself once more, and neither may have what the first one had (R12). Nor does
 * anything that the loader tells, as a library that is loaded again often comes
 * to be where it was, described at the same places. So an object is marked, in
 * the rest of the last page of its data, which belongs to nobody, is mapped with
 * it and is fresh when it is loaded again. One without such a rest is kept from
 * being unloaded; the program itself can't be.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

#include "origin.h"

#define MAGIC	0x746f6b6d75785039ull

struct mark {
	uint64_t magic;
	uint64_t serial;
};

/* ---- what is loaded -------------------------------------------------------- */

/*
 * Held over fork(): else the child of another thread's might find the loader's own
 * lock taken, by a thread of ours that it hasn't got. Nothing that calls anybody's
 * code is done with it.
 */
static pthread_mutex_t looking = PTHREAD_MUTEX_INITIALIZER;

void origin_before_fork(void)
{
	pthread_mutex_lock(&looking);
}

/* In the parent and in the child. */
void origin_after_fork(void)
{
	pthread_mutex_unlock(&looking);
}

static int look(int (*at)(struct dl_phdr_info *info, size_t size, void *arg),
		void *arg)
{
	int result;

	pthread_mutex_lock(&looking);
	result = dl_iterate_phdr(at, arg);
	pthread_mutex_unlock(&looking);
	return result;
}

static bool has(const struct dl_phdr_info *info, const ElfW(Phdr) *part,
		const char *address)
{
	const char *start = (const char *)info->dlpi_addr + part->p_vaddr;

	return address >= start && address < start + part->p_memsz;
}

/* Between the end of its data and that of the page, unless it is read-only. */
static void find_room(struct origin *origin, const struct dl_phdr_info *info)
{
	uintptr_t page = getauxval(AT_PAGESZ);
	uintptr_t end = 0, from, to;
	int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_LOAD && part->p_flags & PF_W)
			end = info->dlpi_addr + part->p_vaddr + part->p_memsz;
	}
	from = (end + sizeof(struct mark) - 1) & ~(sizeof(struct mark) - 1);
	to = (end + page - 1) & ~(page - 1);
	for (i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_RELRO &&
		    has(info, &info->dlpi_phdr[i], (const char *)to - 1))
			return;
	if (from >= to)
		return;
	origin->room = (char *)from;
	origin->room_end = (char *)to;
}

/* The program itself is the one without a name, and never goes. */
static void describe(struct origin *origin, const struct dl_phdr_info *info)
{
	bool program = !*info->dlpi_name;
	int i = 0;

	*origin = (struct origin){ 0 };
	while (i < info->dlpi_phnum && info->dlpi_phdr[i].p_type != PT_LOAD)
		i++;
	if (i == info->dlpi_phnum)
		return;
	origin->base = (const char *)info->dlpi_addr +
		       info->dlpi_phdr[i].p_vaddr;
	snprintf(origin->name, sizeof(origin->name), "%s",
		 program ? "the program" : info->dlpi_name);
	if (!program)
		find_room(origin, info);
}

struct search {
	const char *address;
	struct origin *origin;
};

static int find_one(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *search = arg;
	int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_LOAD ||
		    !has(info, &info->dlpi_phdr[i], search->address))
			continue;
		describe(search->origin, info);
		return 1;
	}
	return 0;
}

/**
 * origin_of() - what is loaded where this address is
 * @address: of a call that is going on: it isn't unloaded meanwhile
 * @origin: out: without a mark
 */
void origin_of(const void *address, struct origin *origin)
{
	struct search search = { .address = address, .origin = origin };
	Dl_info info;

	*origin = (struct origin){ 0 };
	if (look(find_one, &search))
		return;
	/* Of another namespace: it is taken to stay. */
	if (dladdr(address, &info))
		origin->base = info.dli_fbase;
}

static int see_one(struct dl_phdr_info *info, size_t size, void *arg)
{
	void (**see)(const struct origin *now) = arg;
	struct origin now;

	describe(&now, info);
	(*see)(&now);
	return 0;
}

/* All that are loaded, and stay so while @see looks at them. */
void origin_each(void (*see)(const struct origin *now))
{
	look(see_one, &see);
}

static int count_unloads(struct dl_phdr_info *info, size_t size, void *arg)
{
	unsigned long long *unloads = arg;

	*unloads = info->dlpi_subs;
	return 1;
}

/* It changes whenever anything is unloaded. */
unsigned long long origin_unloads(void)
{
	unsigned long long unloads = 0;

	look(count_unloads, &unloads);
	return unloads;
}

/* ---- marks -------------------------------------------------------------------- */

/**
 * origin_claim() - mark it, so that it will be known again
 * @origin: from origin_of()
 *
 * Return: false where there is no room: it has to be kept, see origin_keep().
 */
bool origin_claim(struct origin *origin)
{
	static uint64_t serial;
	struct mark *at;

	if (!origin->room)
		return false;
	/* What is there is the file's, or another copy's mark. */
	for (at = (struct mark *)origin->room_end - 1;
	     (char *)at >= origin->room; at--) {
		if (at->magic == MAGIC)
			continue;
		origin->mark = at;
		origin->serial = ++serial;
		*at = (struct mark){ MAGIC, serial };
		return true;
	}
	return false;
}

/* From now on it is never unloaded, whatever others do. */
void origin_keep(const struct origin *origin)
{
	void *object = NULL;

	if (strchr(origin->name, '/'))
		object = dlopen(origin->name,
				RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
	if (object)
		dlclose(object);
}

/* Is @now, which is loaded, what was @known? */
bool origin_same(const struct origin *known, const struct origin *now)
{
	char *mark = (char *)known->mark;

	if (known->base != now->base)
		return false;
	if (!mark)
		return true;
	return mark >= now->room && mark < now->room_end &&
	       known->mark->magic == MAGIC &&
	       known->mark->serial == known->serial;
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * origin: which shared object it is that calls (R9)
 *
 * An object is known by the address that it is loaded at, and by the loader's copy of
 * its name: when it is loaded again at the same address, that is another copy. Nothing
 * is written into the object, and nothing keeps the program from unloading it.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "origin.h"

/* ---- what is loaded -------------------------------------------------------- */

/*
 * Held over fork(): else the loader's own lock might be taken in the child, by a
 * thread of the parent's that the child hasn't got. No other code is called while
 * a thread has it.
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

/* Return: the address of its first segment, NULL if it has none. */
static const char *base_of(const struct dl_phdr_info *info)
{
	int i;

	for (i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			return (const char *)info->dlpi_addr +
			       info->dlpi_phdr[i].p_vaddr;
	return NULL;
}

static bool has(const struct dl_phdr_info *info, const char *address)
{
	const char *start;
	int i;

	for (i = 0; i < info->dlpi_phnum; i++) {
		start = (const char *)info->dlpi_addr +
			info->dlpi_phdr[i].p_vaddr;
		if (info->dlpi_phdr[i].p_type == PT_LOAD && address >= start &&
		    address < start + info->dlpi_phdr[i].p_memsz)
			return true;
	}
	return false;
}

struct search {
	const char *address;
	struct origin *origin;
};

static void describe(const struct dl_phdr_info *info, struct origin *origin)
{
	origin->base = base_of(info);
	origin->file = info->dlpi_name;
	snprintf(origin->name, sizeof(origin->name), "%s",
		 *info->dlpi_name ? info->dlpi_name : "the program");
}

/* The copy of an object that is gone may have been where another one's is now. */
bool origin_same(const struct origin *one, const struct origin *other)
{
	return one->base == other->base && one->file == other->file &&
	       !strcmp(one->name, other->name);
}

static int find_one(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *search = arg;

	if (!has(info, search->address))
		return 0;
	describe(info, search->origin);
	return 1;
}

/**
 * origin_of() - which object is loaded where this address is
 * @address: of a call that is going on, so that the object stays meanwhile
 * @origin: out: the object
 */
void origin_of(const void *address, struct origin *origin)
{
	struct search search = { .address = address, .origin = origin };
	Dl_info info;

	*origin = (struct origin){ 0 };
	if (look(find_one, &search))
		return;
	/* Of another namespace: it has no name here. */
	if (dladdr(address, &info))
		origin->base = info.dli_fbase;
}

static int is_it(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct origin origin;

	if (base_of(info) != ((const struct origin *)arg)->base)
		return 0;
	describe(info, &origin);
	return origin_same(&origin, arg);
}

/* Is it still there? One without a name is taken to stay. */
bool origin_loaded(const struct origin *origin)
{
	return !*origin->name || look(is_it, (void *)origin);
}

static int count_unloads(struct dl_phdr_info *info, size_t size, void *arg)
{
	*(unsigned long long *)arg = info->dlpi_subs;
	return 1;
}

/* How many objects the loader has unloaded so far. */
unsigned long long origin_unloads(void)
{
	unsigned long long unloads = 0;

	look(count_unloads, &unloads);
	return unloads;
}

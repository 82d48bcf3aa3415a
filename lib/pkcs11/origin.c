// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * origin: which shared object it is that calls (R9)
 *
 * An object is known by the address that it is loaded at. That is enough: for as
 * long as it has anything here it is held, so that nothing else can be loaded
 * there, and an object that has nothing need not be told from another one. Nothing
 * is written into it.
 */
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
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

static int find_one(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct search *search = arg;

	if (!has(info, search->address))
		return 0;
	search->origin->base = base_of(info);
	snprintf(search->origin->name, sizeof(search->origin->name), "%s",
		 *info->dlpi_name ? info->dlpi_name : "the program");
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

static int is_at(struct dl_phdr_info *info, size_t size, void *arg)
{
	return base_of(info) == arg;
}

/* Is an object loaded there, this one or another? One without a name stays. */
bool origin_loaded(const struct origin *origin)
{
	return !*origin->name || look(is_at, (void *)origin->base);
}

/* ---- holding it -------------------------------------------------------------- */

/*
 * An object that only we hold is unloaded by origin_release(), which must not return
 * into it then. In C_Finalize that is so only when the process exits: a
 * program has closed the object already, and an exit handler of the object's own
 * calls. Exit handlers run after the destructors of the exiting thread's locals:
 * from those on it releases nothing, nor does a thread that wasn't seen before.
 */
__thread enum origin_thread origin_thread;

extern int __cxa_thread_atexit_impl(void (*function)(void *), void *arg,
				    void *dso) __attribute__((weak));
extern void *__dso_handle __attribute__((visibility("hidden")));

static void thread_ends(void *arg)
{
	origin_thread = THREAD_ENDS;
}

/* For origin_see_thread(). */
void origin_see_first(void)
{
	if (__cxa_thread_atexit_impl &&
	    !__cxa_thread_atexit_impl(thread_ends, NULL, &__dso_handle))
		origin_thread = THREAD_SEEN;
}

struct named {
	const char *base;
	ElfW(Addr) address;
	char *name;			/* to be freed */
};

static int name_one(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct named *named = arg;

	if (base_of(info) != named->base)
		return 0;
	named->address = info->dlpi_addr;
	named->name = strdup(info->dlpi_name);
	return 1;
}

/**
 * origin_hold() - keep an object from being unloaded
 * @origin: from origin_of()
 *
 * Return: for origin_release(); NULL for the program, which stays anyway, and for
 * code in no object or in another namespace, which is taken to stay.
 */
void *origin_hold(const struct origin *origin)
{
	struct named named = { .base = origin->base };
	struct link_map *map = NULL;
	void *object = NULL;

	origin_see_thread();
	if (!origin->base || !look(name_one, &named))
		return NULL;
	if (named.name && strchr(named.name, '/'))
		object = dlopen(named.name, RTLD_LAZY | RTLD_NOLOAD);
	free(named.name);
	/* One of this name, but elsewhere? */
	if (object && (dlinfo(object, RTLD_DI_LINKMAP, &map) ||
		       map->l_addr != named.address)) {
		dlclose(object);
		return NULL;
	}
	return object;
}

/* Where it can't be released, it stays for good. */
void origin_release(void *object)
{
	if (object && origin_thread == THREAD_SEEN)
		dlclose(object);
}

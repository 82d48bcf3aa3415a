/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef TOKMUX_CRASH_H
#define TOKMUX_CRASH_H

/* Where this thread is inside a backend; @function is NULL where it isn't. */
struct crash_site {
	const char *backend;
	const char *function;
};

extern __thread struct crash_site crash_site
	__attribute__((tls_model("initial-exec")));

/**
 * crash_enter() - this thread goes into a backend
 * @backend: its name
 * @function: what is called there
 *
 * Return: where it was before, for crash_leave(): a backend may call back.
 */
static inline struct crash_site crash_enter(const char *backend,
					    const char *function)
{
	struct crash_site before = crash_site;

	crash_site.backend = backend;
	crash_site.function = function;
	return before;
}

static inline void crash_leave(struct crash_site before)
{
	crash_site = before;
}

void crash_watch(void);
void crash_unwatch(void);

#endif /* TOKMUX_CRASH_H */

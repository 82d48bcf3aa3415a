/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cancel: a thread that is cancelled leaves nothing behind (R15)
 *
 * pthread_cancel() ends a thread where it waits: here, or in a backend. The stack is
 * unwound then, as after an exception of C++, so this part is built with -fexceptions.
 * What a thread holds while it waits is given back on that way. A call that isn't
 * cancelled pays nothing for it.
 *
 * Where that would take more than a line, cancellation waits until the function is
 * through: with cancel_off() and cancel_on().
 */
#ifndef TOKMUX_CANCEL_H
#define TOKMUX_CANCEL_H

#include <pthread.h>
#include <stddef.h>

struct cancel_undo {
	void (*undo)(void *of);
	void *of;
};

static inline __attribute__((always_inline)) void
cancel_leave(struct cancel_undo *left)
{
	if (left->undo)
		left->undo(left->of);
}

#define CANCEL_UNDOES(undoes, held, expression)				\
	CANCEL_UNDOES_AS(__COUNTER__, undoes, held, expression)
#define CANCEL_UNDOES_AS(n, undoes, held, expression)			\
	CANCEL_UNDOES_NAMED(n, undoes, held, expression)

/**
 * CANCEL_UNDOES() - evaluate something in which the thread may be cancelled
 * @undoes: called with @held then
 * @held: what the thread has meanwhile
 * @expression: what is evaluated, to its value
 */
#define CANCEL_UNDOES_NAMED(n, undoes, held, expression) ({		\
	struct cancel_undo undo_##n					\
		__attribute__((cleanup(cancel_leave))) = { undoes, held }; \
	__auto_type value_##n = (expression);				\
									\
	undo_##n.undo = NULL;						\
	value_##n;							\
})

static inline int cancel_off(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	return before;
}

static inline void cancel_on(int before)
{
	pthread_setcancelstate(before, NULL);
}

#endif /* TOKMUX_CANCEL_H */

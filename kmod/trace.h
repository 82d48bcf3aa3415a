/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The tracepoints, in tracefs under events/tokmux.
 *
 * A token is identified by its index, which is -1 for a user token, and by its
 * name; a caller by its address, hashed by %p. Pids are those of the initial
 * namespace.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM tokmux

#if !defined(TOKMUX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define TOKMUX_TRACE_H

#include <linux/tracepoint.h>
#include "internal.h"

DECLARE_EVENT_CLASS(tokmux_caller_class,
		    TP_PROTO(const struct tokmux_caller *caller, u32 arg),
		    TP_ARGS(caller, arg),
		    TP_STRUCT__entry(__field(int, index)
				     __array(char, name, TOKMUX_NAME_SIZE)
				     __field(const void *, caller)
				     __field(pid_t, owner)
				     __field(u64, epoch)
				     __field(unsigned int, waiters)
				     __field(u32, arg)),
		    TP_fast_assign(__entry->index = caller->token->index;
				   memcpy(__entry->name, caller->token->name,
					  TOKMUX_NAME_SIZE);
				   __entry->caller = caller;
				   __entry->owner = pid_nr(caller->tgid);
				   __entry->epoch = caller->token->epoch;
				   __entry->waiters = caller->token->lease_queue.length;
				   __entry->arg = arg;),
		    TP_printk("token=%d name=%s caller=%p owner=%d epoch=%llu waiters=%u arg=%u",
			      __entry->index, __entry->name, __entry->caller,
			      __entry->owner, __entry->epoch, __entry->waiters,
			      __entry->arg)
);

#define TOKMUX_TRACE(_name)						\
DEFINE_EVENT(tokmux_caller_class, tokmux_##_name,			\
	TP_PROTO(const struct tokmux_caller *caller, u32 arg),		\
	TP_ARGS(caller, arg))

TOKMUX_TRACE(wait);		/* for a lease; arg: mode */
TOKMUX_TRACE(grant);		/* arg: mode */
TOKMUX_TRACE(release);		/* arg: mode */
TOKMUX_TRACE(idle);		/* kept, but not used; arg: mode */
TOKMUX_TRACE(revoke);		/* by hold limit, eject, removal; if idle, for another; arg: mode */
TOKMUX_TRACE(end);		/* closed or dead; arg: 1 if now unclean */
TOKMUX_TRACE(session);		/* opened or closed; arg: how many it has now */
TOKMUX_TRACE(login);		/* arg: user type */
TOKMUX_TRACE(lease_fd);		/* the real device was opened; arg: kind */
TOKMUX_TRACE(logout);		/* arg: user type */

#endif /* TOKMUX_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

/*
 * What stands in the tracker's line, for tracker*.c only.
 */
#ifndef POOLER_PROTO_TRACKER_INTERNAL_H
#define POOLER_PROTO_TRACKER_INTERNAL_H

#include "proto/tracker.h"

enum kind {
	QUERY,
	FUNCTION,
	PARSE,
	BIND,
	DESCRIBE,
	EXECUTE,
	CLOSE,
	SYNC,
	SYNC_MAYBE, /* answered or eaten by a COPY that failed */
	COPY_END,   /* CopyDone, CopyFail: no answer, but it ends a COPY */
	KIND_COUNT,
	NO_QUESTION = KIND_COUNT,
};

enum copy {
	COPY_NONE,
	COPY_OUT,
	COPY_IN,       /* the client sends */
	COPY_IN_ENDED, /* and has ended it; the server has not said so */
	COPY_BOTH,
	COPY_BOTH_ENDED,       /* by the client */
	COPY_BOTH_SERVER_DONE, /* by the server */
};

static inline enum kind kind_at(const struct tracker *t, uint32_t i)
{
	return i < t->asked.runs ? (enum kind)questions_see(&t->asked, i)->kind
				 : NO_QUESTION;
}

/* The place of the first entry, from i on, that is not in doubt. */
static inline uint32_t behind_doubt(const struct tracker *t, uint32_t i)
{
	while (kind_at(t, i) == SYNC_MAYBE)
		i++;
	return i;
}

#endif

/*
 * Asking again. When a prepared statement has gone stale on a server (the tables changed:
 * "cached plan must not change result type"; or it is gone: somebody's DEALLOCATE in a
 * function), and that is the first answer to a batch of a client outside of a
 * transaction, nothing has happened yet: the pooler takes the error out of the stream,
 * has the statement prepared again and sends the same batch once more.
 *
 * Only where the client asks in that batch what the rows look like: one that goes by what
 * it was told before needs the error.
 *
 * For that the messages of such a batch are kept from its first (a Bind or Describe of a
 * named statement) up to its Sync, until the first answer is here.
 */
#ifndef POOLER_RELAY_REPLAY_H
#define POOLER_RELAY_REPLAY_H

#include "base/buffer.h"
#include "proto/frame.h"

struct server;

enum replay_state {
	REPLAY_NONE,
	REPLAY_KEEPS,    /* a batch that has begun */
	REPLAY_IS_READY, /* the batch has its Sync, and nothing came behind it */
	REPLAY_WAITS,    /* the error is swallowed; the ReadyForQuery is to come */
	REPLAY_RUNS,     /* the batch is sent for the second time */
};

/* Zero is valid. */
struct replay {
	struct buffer batch;
	struct buffer held; /* an answer that says nothing yet */
	uint8_t state;      /* enum replay_state */
	bool is_described;  /* a Describe is in the batch */
};

/* Whether a batch that could be repeated begins with this message, or behind it if the
 * pooler answers it. To be asked before the tracker is told of it. */
bool replay_may_begin(const struct server *s, const struct frame *f);

/* The client's message in front of `ahead`, as the client sent it, has gone to its
 * server; it goes on with a batch or may begin one. */
void replay_note(struct server *s, const struct frame *f, struct slice ahead);

/* An answer for the client that is no error is here. */
void replay_answered(struct server *s);
/* A ParameterDescription is, as `message`. It comes before PostgreSQL looks at the
 * tables. Whether it is kept here until the next message, in front of which `held` has to
 * go then unless that is swallowed. */
bool replay_holds(struct server *s, struct slice message);
/* An error is, in answer to an extended message. Whether it is to be swallowed; if it is
 * of that kind, the server's statements are not trusted any more in any case. */
bool replay_swallows_error(struct server *s, struct slice body);

/* The ReadyForQuery after a swallowed error is here, to be swallowed too. The batch, to
 * be sent again, is the caller's. */
struct buffer replay_take_batch(struct server *s);
/* It has been sent. */
void replay_done(struct server *s);

static inline bool replay_is_waiting(const struct replay *r)
{
	return r->state == REPLAY_WAITS;
}

void replay_fini(struct replay *r);

#endif

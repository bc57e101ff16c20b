/*
 * Keeping one batch, as long as it is small.
 */
#include "relay/replay.h"

#include "pool/pool.h"
#include "pool/statements.h"
#include "proto/extended.h"
#include "proto/notice.h"
#include "relay/server.h"

/* A batch with more is not kept. */
enum { BATCH_MAX = 8 * 1024 };

void replay_fini(struct replay *r)
{
	buffer_fini(&r->batch);
	buffer_fini(&r->held);
	*r = (struct replay){0};
}

static bool names_a_statement(const struct frame *f)
{
	struct extended e;

	return extended_read(f, &e) == EXTENDED_OK && e.target == 'S' &&
	       e.statement.len > 0;
}

bool replay_may_begin(const struct server *s, const struct frame *f)
{
	return (f->letter == 'B' || f->letter == 'D' || f->letter == 'P') &&
	       tracker_is_idle(&s->tracker) &&
	       tracker_transaction_status(&s->tracker) == 'I' && names_a_statement(f);
}

static bool may_follow(uint8_t letter)
{
	return letter == 'B' || letter == 'D' || letter == 'E' || letter == 'P' ||
	       letter == 'C' || letter == 'S';
}

/* Whether the client will hear what its rows look like. One that goes by what it was told
 * when it prepared must get the error, to prepare anew. */
static bool describes(struct replay *r, uint8_t letter)
{
	if (letter == 'D')
		r->is_described = true;
	return letter != 'E' || r->is_described;
}

static void keep(struct server *s, const struct frame *f, struct slice ahead)
{
	struct replay *r = &s->replay;

	/* What the pooler answers itself stays answered. */
	if (f->letter == 'P' && tracker_awaits_nothing(&s->tracker)) {
		r->state = REPLAY_KEEPS;
		return;
	}
	if (!frame_is_whole(f) || buffer_len(&r->batch) + f->total_len > BATCH_MAX ||
	    !may_follow(f->letter) || !describes(r, f->letter) ||
	    !buffer_append(&r->batch, slice_first(ahead, f->total_len))) {
		replay_fini(r);
		return;
	}
	r->state = f->letter == 'S' ? REPLAY_IS_READY : REPLAY_KEEPS;
}

void replay_note(struct server *s, const struct frame *f, struct slice ahead)
{
	struct replay *r = &s->replay;

	switch ((enum replay_state)r->state) {
	case REPLAY_NONE:
	case REPLAY_KEEPS:
		keep(s, f, ahead);
		return;
	case REPLAY_IS_READY:
		replay_fini(r);
		return;
	case REPLAY_WAITS:
	case REPLAY_RUNS:
		return;
	}
}

void replay_answered(struct server *s)
{
	struct replay *r = &s->replay;

	if (r->state != REPLAY_KEEPS && r->state != REPLAY_IS_READY)
		return;
	buffer_fini(&r->batch);
	*r = (struct replay){.held = r->held};
}

bool replay_holds(struct server *s, struct slice message)
{
	struct replay *r = &s->replay;

	return (r->state == REPLAY_KEEPS || r->state == REPLAY_IS_READY) &&
	       buffer_len(&r->held) == 0 && buffer_append(&r->held, message);
}

/* Both texts are translated; the name of the function is not, nor are our names. */
static bool is_stale(struct slice body)
{
	struct notice_fields fields;

	if (!notice_read(body, &fields))
		return false;
	if (slice_is_text(fields.sqlstate, SQLSTATE_FEATURE_NOT_SUPPORTED))
		return slice_is_text(fields.routine, "RevalidateCachedQuery");
	return slice_is_text(fields.sqlstate, SQLSTATE_UNKNOWN_STATEMENT) &&
	       memmem(fields.message.data, fields.message.len, "\"pooler_", 8);
}

bool replay_swallows_error(struct server *s, struct slice body)
{
	bool may_repeat = s->replay.state == REPLAY_IS_READY;

	if (!is_stale(body)) {
		replay_answered(s);
		return false;
	}
	server_statements_doubt(&s->statements);
	/* Whoever prepares anew from now on gets what the tables are now, everywhere. */
	s->slot.pool->database_usage->schema_epoch++;
	if (!may_repeat) {
		replay_answered(s);
		return false;
	}
	buffer_fini(&s->replay.held);
	s->replay.state = REPLAY_WAITS;
	return true;
}

struct buffer replay_take_batch(struct server *s)
{
	struct buffer batch = s->replay.batch;

	s->replay = (struct replay){.state = REPLAY_RUNS};
	return batch;
}

void replay_done(struct server *s)
{
	s->replay.state = REPLAY_NONE;
}

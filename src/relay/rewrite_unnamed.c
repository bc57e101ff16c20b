/*
 * The unnamed statement: prepared on the server there is, and on another one when it is
 * used there for the first time.
 */
#include "proto/notice.h"
#include "proto/sqlscan.h"
#include "relay/client.h"
#include "relay/message.h"
#include "relay/pass.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/text.h"

void rewrite_forget_unnamed(const struct message *m)
{
	m->server->has_unnamed = false;
	buffer_fini(&m->server->unnamed);
	if (m->client->session)
		buffer_fini(&m->client->session->unnamed);
}

enum rewritten rewrite_parse_unnamed(const struct message *m)
{
	struct server *s = m->server;
	struct slice text = extended_text(&m->names);
	uint32_t hints = rewrite_scan_front(m, text);
	enum rewritten verdict = rewrite_judge(m, text, hints);

	if (verdict != REWRITE_NOT)
		return verdict;
	rewrite_forget_unnamed(m);
	s->has_unnamed = true;
	s->is_unnamed_used = false;
	s->unnamed_asked = tracker_next(&s->tracker);
	if (frame_is_whole(m->frame) && m->names.rest.len <= STREAM_KEEP_MAX)
		buffer_append(&s->unnamed, m->names.rest); /* or it is not kept */
	if (!text_sent(m->client, hints, false))
		return message_no_memory(m);
	return rewrite_parse_names(m, text, hints);
}

/* As far as it is known: on this server, or kept from one before. */
static struct slice unnamed_tail(const struct message *m)
{
	struct session *session = m->client->session;

	if (buffer_len(&m->server->unnamed) > 0 || !session)
		return buffer_bytes(&m->server->unnamed);
	return buffer_bytes(&session->unnamed);
}

/* Prepared in an earlier batch, it is used now: what it may alter counts from here. */
static enum rewritten judge_unnamed(const struct message *m)
{
	struct slice tail = unnamed_tail(m), text = rewrite_text_of(tail);
	uint32_t hints = tail.len > 0 ? rewrite_scan(text) : SQL_RUNS_CODE;
	enum rewritten verdict = rewrite_judge(m, text, hints);

	if (verdict != REWRITE_NOT)
		return verdict;
	return text_sent(m->client, hints, false) ? REWRITE_NOT : message_no_memory(m);
}

static enum rewritten refuse_unnamed(const struct message *m)
{
	return message_refuse(
	    m, &(struct notice){.severity = "ERROR",
				.sqlstate = SQLSTATE_UNKNOWN_STATEMENT,
				.message = "unnamed prepared statement does not exist"});
}

/* The server's may be a stranger's. */
static enum rewritten provide_unnamed(const struct message *m)
{
	struct server *s = m->server;
	struct session *session = m->client->session;

	if (!session || buffer_len(&session->unnamed) == 0)
		return refuse_unnamed(m);
	enum rewritten verdict = judge_unnamed(m);
	if (verdict != REWRITE_NOT)
		return verdict;
	s->unnamed_asked = tracker_next(&s->tracker);
	if (!message_write_parse(m, slice_of(NULL, 0), buffer_bytes(&session->unnamed),
				 ASKED_BY_POOLER))
		return message_no_memory(m);
	s->has_unnamed = true;
	s->is_unnamed_used = true; /* the client's copy is kept anyway */
	pass_count(m->pass, PASS_SERVER_PARSE);
	return REWRITE_NOT;
}

enum rewritten rewrite_use_unnamed(const struct message *m)
{
	struct server *s = m->server;
	bool is_bind = m->frame->letter == 'B';

	if (!s->has_unnamed)
		return provide_unnamed(m);
	if (!is_bind)
		return REWRITE_NOT;
	if (s->unnamed_asked < tracker_turn(&s->tracker)) {
		enum rewritten verdict = judge_unnamed(m);
		if (verdict != REWRITE_NOT)
			return verdict;
		/* The server may have been asked something before this can go. */
		if (!s->has_unnamed)
			return provide_unnamed(m);
	}
	s->is_unnamed_used = true;
	return REWRITE_NOT;
}

void rewrite_keep_unnamed(struct client *c)
{
	struct server *s = c->server;

	if (s->has_unnamed && !s->is_unnamed_used && buffer_len(&s->unnamed) > 0 &&
	    session_get(c)) {
		c->session->unnamed = s->unnamed;
		s->unnamed = (struct buffer){0};
	}
	buffer_fini(&s->unnamed);
	s->has_unnamed = false;
}

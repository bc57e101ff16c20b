/*
 * Answers, and results in slices.
 */
#include "console/session.h"

#include <stdio.h>

#include "base/text.h"
#include "proto/notice.h"
#include "proto/writer.h"

/* ---- answers ---- */

static bool is_open(const struct console *s)
{
	return s->client->closing == CLOSE_NOT;
}

struct writer session_writer(struct console *s)
{
	return writer_of(stream_cork_buffer(&s->client->stream));
}

void session_written(struct console *s, struct writer *w)
{
	bool is_written = writer_finish(w);

	stream_corked(&s->client->stream);
	if (!is_written)
		client_close(s->client, CLOSE_OUT_OF_MEMORY);
}

/* What ends a command: ReadyForQuery, unless the client will ask for it by Sync. */
static void end_command(struct console *s, struct writer *w)
{
	s->state = CONSOLE_READY;
	if (s->is_simple)
		writer_ready(w, 'I');
}

void session_fail(struct console *s, const char *sqlstate, const char *message,
		  const char *detail, const char *hint)
{
	const struct notice notice = {"ERROR", sqlstate, message, detail, hint, NULL};

	if (!is_open(s))
		return;
	struct writer w = session_writer(s);
	notice_write(&w, &notice);
	end_command(s, &w);
	s->is_skipping = !s->is_simple;
	session_written(s, &w);
}

void session_notice(struct console *s, const char *message, const char *detail)
{
	const struct notice notice = {"NOTICE", SQLSTATE_OK, message, detail, NULL, NULL};

	if (!is_open(s))
		return;
	struct writer w = session_writer(s);
	notice_write(&w, &notice);
	session_written(s, &w);
}

void session_complete(struct console *s, const char *tag)
{
	if (!is_open(s))
		return;
	struct writer w = session_writer(s);
	writer_command_complete(&w, tag);
	end_command(s, &w);
	session_written(s, &w);
}

void session_say(struct console *s, uint8_t letter)
{
	if (!is_open(s))
		return;
	struct writer w = session_writer(s);
	writer_empty(&w, letter);
	end_command(s, &w);
	session_written(s, &w);
}

void session_ready(struct console *s)
{
	if (!is_open(s))
		return;
	struct writer w = session_writer(s);
	writer_ready(&w, 'I');
	session_written(s, &w);
}

void session_fail_command(struct console *s, struct slice command, const char *nearest)
{
	char shown[128], message[192], hint[96];

	snprintf(message, sizeof(message), "invalid command '%s', use SHOW HELP;",
		 text_escape(shown, sizeof(shown), command));
	if (nearest)
		snprintf(hint, sizeof(hint), "Perhaps you meant %s.", nearest);
	session_fail(s, SQLSTATE_SYNTAX_ERROR, message, NULL, nearest ? hint : NULL);
}

/* ---- results in slices ---- */

bool session_is_full(struct console *s)
{
	struct stream *stream = &s->client->stream;

	if (buffer_len(&stream->out) < SESSION_QUEUE_MOST)
		return false;
	stream_write(stream, slice_of(NULL, 0));
	return stream_has_queued(stream);
}

void session_show(struct console *s, const struct show_table *table, uint64_t binary)
{
	if (!show_begin(&s->show, table, s->service, binary)) {
		show_end(&s->show);
		session_fail(s, SQLSTATE_OUT_OF_MEMORY, "out of memory", NULL, NULL);
		return;
	}
	s->state = CONSOLE_SHOWING;
	session_go_on(s);
}

/* The client reads first (then on_drained comes), or others have their turn. */
static void put_off(struct console *s)
{
	struct stream *stream = &s->client->stream;

	stream_write(stream, slice_of(NULL, 0));
	if (!stream_has_queued(stream))
		loop_arm(stream->loop, &s->next_slice, stream->loop->now_us + 1);
}

void session_go_on(struct console *s)
{
	struct writer w = session_writer(s);
	size_t rows = 0;
	enum show_progress progress =
	    show_slice(&s->show, &w, SESSION_QUEUE_MOST, s->rows_left, &rows);

	session_written(s, &w);
	if (!is_open(s))
		return;
	if (s->rows_left != SIZE_MAX)
		s->rows_left -= rows;
	if (progress == SHOW_DONE) {
		show_end(&s->show);
		s->prepared.portal.is_done = true;
		session_complete(s, "SHOW");
	} else if (s->rows_left == 0) {
		session_say(s, 's'); /* PortalSuspended */
	} else {
		put_off(s);
	}
}

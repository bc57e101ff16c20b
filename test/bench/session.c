#include "session.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum {
	MESSAGE_MAX = 64 << 20,
	COPIED_MAX =
	    8192, /* a smaller answer is copied, a bigger one sent from where it is */
};

/* What PostgreSQL 15 reports at login, in its order. */
static const struct {
	const char *name, *value;
} params[] = {
    {"application_name", ""},      {"client_encoding", "UTF8"},
    {"DateStyle", "ISO, MDY"},     {"default_transaction_read_only", "off"},
    {"in_hot_standby", "off"},     {"integer_datetimes", "on"},
    {"IntervalStyle", "postgres"}, {"is_superuser", "off"},
    {"server_encoding", "UTF8"},   {"server_version", "15.0"},
    {"session_authorization", ""}, {"standard_conforming_strings", "on"},
    {"TimeZone", "Etc/UTC"},
};
_Static_assert(sizeof(params) / sizeof(params[0]) == SESSION_PARAMS, "params");

void session_init(struct session *s, struct session_world *world, uint32_t id)
{
	*s = (struct session){.world = world, .id = id, .status = 'I'};
	for (size_t i = 0; i < SESSION_PARAMS; i++)
		snprintf(s->login.value[i], SESSION_VALUE_CAP, "%s", params[i].value);
}

/* Behind a big answer everything goes to the tail. */
static struct bytes *out(struct session *s)
{
	return s->big ? &s->tail : &s->head;
}

static void put_text_message(struct session *s, char letter, const char *text)
{
	size_t begun = wire_begin(out(s), letter);
	wire_put_text(out(s), text);
	wire_end(out(s), begun);
}

static void put_empty(struct session *s, char letter)
{
	wire_end(out(s), wire_begin(out(s), letter));
}

static void put_ready(struct session *s)
{
	size_t begun = wire_begin(out(s), 'Z');
	bytes_add(out(s), &s->status, 1);
	wire_end(out(s), begun);
}

static void put_field(struct bytes *b, char letter, const char *text)
{
	bytes_add(b, &letter, 1);
	wire_put_text(b, text);
}

static void put_error(struct session *s, const char *severity, const char *sqlstate,
		      const char *message)
{
	struct bytes *b = out(s);
	size_t begun = wire_begin(b, 'E');
	put_field(b, 'S', severity);
	put_field(b, 'V', severity);
	put_field(b, 'C', sqlstate);
	put_field(b, 'M', message);
	bytes_add(b, "", 1);
	wire_end(b, begun);
	if (s->status == 'T')
		s->status = 'E';
}

static void put_fatal(struct session *s, const char *sqlstate, const char *message)
{
	put_error(s, "FATAL", sqlstate, message);
	s->is_ended = true;
}

static void put_param(struct session *s, size_t i)
{
	size_t begun = wire_begin(out(s), 'S');
	wire_put_text(out(s), params[i].name);
	wire_put_text(out(s), s->now.value[i]);
	wire_end(out(s), begun);
}

static void param_set(struct session_params *all, const char *name, const char *value)
{
	for (size_t i = 0; i < SESSION_PARAMS; i++) {
		if (!strcasecmp(params[i].name, name))
			snprintf(all->value[i], SESSION_VALUE_CAP, "%s", value);
	}
}

/* Moves to other values and reports those that differ. */
static void params_become(struct session *s, const struct session_params *next)
{
	for (size_t i = 0; i < SESSION_PARAMS; i++) {
		if (!strcmp(s->now.value[i], next->value[i]))
			continue;
		memcpy(s->now.value[i], next->value[i], SESSION_VALUE_CAP);
		put_param(s, i);
	}
}

static void login(struct session *s)
{
	s->now = s->login;
	s->is_started = true;
	size_t begun = wire_begin(out(s), 'R');
	wire_put_u32(out(s), 0);
	wire_end(out(s), begun);
	for (size_t i = 0; i < SESSION_PARAMS; i++)
		put_param(s, i);
	begun = wire_begin(out(s), 'K');
	wire_put_u32(out(s), s->id);
	wire_put_u32(out(s), ~s->id);
	wire_end(out(s), begun);
	put_ready(s);
}

/* Pairs of texts up to an empty name. False if they are not terminated. */
static bool read_startup_params(struct session *s, const uint8_t *body, size_t len)
{
	const char *at = (const char *)body, *end = at + len;
	while (at < end && *at) {
		const char *name = at;
		const char *value = memchr(at, 0, (size_t)(end - at));
		const char *value_end =
		    value ? memchr(value + 1, 0, (size_t)(end - value - 1)) : NULL;
		if (!value_end)
			return false;
		param_set(&s->login,
			  !strcmp(name, "user") ? "session_authorization" : name,
			  value + 1);
		at = value_end + 1;
	}
	return at < end;
}

static void on_startup(struct session *s, const uint8_t *body, size_t len)
{
	uint32_t code = wire_u32(body);
	if (code == WIRE_SSL_REQUEST || code == WIRE_GSSENC_REQUEST) {
		bytes_add(out(s), "N", 1);
	} else if (code == WIRE_CANCEL_REQUEST) {
		s->world->cancels++;
		s->is_ended = true;
	} else if (code != WIRE_PROTOCOL_3_0) {
		put_fatal(s, "0A000", "unsupported frontend protocol");
	} else if (!read_startup_params(s, body + 4, len - 4)) {
		put_fatal(s, "08P01", "invalid startup packet layout");
	} else {
		login(s);
	}
}

static void put_rows(struct session *s, const struct statement *st, bool described)
{
	const struct answer *a =
	    answers_find(&s->world->answers, st->rows, st->row_bytes);
	size_t from = described ? 0 : a->description_len;
	if (!s->big && (bytes_len(&a->text) > COPIED_MAX || st->times > 1)) {
		s->big = a;
		s->big_sent = from;
		s->big_left = st->times > 0 ? st->times - 1 : 0;
		return;
	}
	bytes_add(out(s), a->text.data + from, bytes_len(&a->text) - from);
}

static void end_transaction(struct session *s, const struct statement *st)
{
	const char *tag = s->status == 'E' ? "ROLLBACK" : st->tag;
	s->status = 'I';
	put_text_message(s, 'C', tag);
}

static void set_param(struct session *s, const struct statement *st)
{
	struct session_params next = s->now;
	param_set(&next, st->name, st->value);
	params_become(s, &next);
	put_text_message(s, 'C', st->tag);
}

/* Answers one statement; false if with an error. */
static bool execute(struct session *s, const struct statement *st, bool described)
{
	s->world->queries++;
	if (st->sleep_ms > s->sleep_ms) {
		s->sleep_ms = st->sleep_ms;
		s->spread = st->spread;
	}
	bool ends = st->verb == VERB_COMMIT || st->verb == VERB_ROLLBACK;
	if (s->status == 'E' && !ends) {
		put_error(s, "ERROR", "25P02", "current transaction is aborted");
		return false;
	}
	switch (st->verb) {
	case VERB_EMPTY:
		put_empty(s, 'I');
		return true;
	case VERB_ROWS:
		put_rows(s, st, described);
		return true;
	case VERB_SET:
		set_param(s, st);
		return true;
	case VERB_RESET:
		params_become(s, &s->login);
		put_text_message(s, 'C', st->tag);
		return true;
	case VERB_BEGIN:
		s->status = 'T';
		put_text_message(s, 'C', st->tag);
		return true;
	case VERB_COMMIT:
	case VERB_ROLLBACK:
		end_transaction(s, st);
		return true;
	case VERB_FAIL:
		put_error(s, "ERROR", "XX000", "failed as asked");
		return false;
	}
	return false;
}

static void on_query(struct session *s, const char *text)
{
	struct statement st;
	for (bool first = true; statement_next(&text, first, &st); first = false) {
		if (!execute(s, &st, true))
			break;
	}
	put_ready(s);
}

static void fail_batch(struct session *s, const char *sqlstate, const char *message)
{
	put_error(s, "ERROR", sqlstate, message);
	s->is_skipping = true;
}

/* The statement of that name, or a free place for one; NULL when there is neither. */
static struct session_statement *find_statement(struct session *s, const char *name,
						bool is_new)
{
	struct session_statement *free_place = NULL;
	for (int i = 0; i < SESSION_STATEMENTS; i++) {
		struct session_statement *at = &s->statements[i];
		if (at->is_there && !strcmp(at->name, name))
			return at;
		if (!at->is_there && !free_place)
			free_place = at;
	}
	return is_new ? free_place : NULL;
}

static void on_parse(struct session *s, const char *name, size_t len)
{
	size_t name_len = strlen(name);
	struct session_statement *at = find_statement(s, name, true);
	if (name_len + 1 >= len || name_len >= sizeof(at->name) || !at) {
		fail_batch(s, "54000", "too many statements, or too long a name");
		return;
	}
	if (at->is_there && name_len > 0) {
		fail_batch(s, "42P05", "prepared statement already exists");
		return;
	}
	const char *text = name + name_len + 1;
	statement_next(&text, true, &at->parsed);
	at->is_there = true;
	memcpy(at->name, name, name_len + 1);
	put_empty(s, '1');
}

static void on_bind(struct session *s, const char *portal, size_t len)
{
	/* Two names come first; what is bound does not change the answer. */
	const char *name = portal + strlen(portal) + 1;
	struct session_statement *at = NULL;
	if (portal[0] || name >= portal + len || !memchr(name, 0, len - 1)) {
		fail_batch(s, "0A000", "only the unnamed portal is known here");
		return;
	}
	at = find_statement(s, name, false);
	if (!at) {
		fail_batch(s, "26000", "prepared statement does not exist");
		return;
	}
	s->bound = &at->parsed;
	put_empty(s, '2');
}

static void put_description(struct session *s, const struct statement *st)
{
	if (st->verb != VERB_ROWS) {
		put_empty(s, 'n');
		return;
	}
	const struct answer *a =
	    answers_find(&s->world->answers, st->rows, st->row_bytes);
	bytes_add(out(s), a->text.data, a->description_len);
}

static void on_describe(struct session *s, const char *what)
{
	struct session_statement *at =
	    what[0] == 'S' ? find_statement(s, what + 1, false) : NULL;
	const struct statement *st = at ? &at->parsed : s->bound;
	if (!st || (what[0] == 'S' && !at)) {
		fail_batch(s, "26000", "nothing of that name exists");
		return;
	}
	if (at) {
		size_t begun = wire_begin(out(s), 't');
		wire_put_u16(out(s), 0);
		wire_end(out(s), begun);
	}
	put_description(s, st);
}

static void on_execute(struct session *s)
{
	if (!s->bound)
		fail_batch(s, "34000", "portal does not exist");
	else if (!execute(s, s->bound, false))
		s->is_skipping = true;
}

static void on_close(struct session *s, const char *what)
{
	struct session_statement *at =
	    what[0] == 'S' ? find_statement(s, what + 1, false) : NULL;
	if (at)
		at->is_there = false;
	s->bound = NULL;
	put_empty(s, '3');
}

static void on_sync(struct session *s)
{
	s->is_skipping = false;
	put_ready(s);
}

static void on_message(struct session *s, char letter, const uint8_t *body, size_t len)
{
	const char *text = (const char *)body;
	bool is_terminated = len > 0 && memchr(body, 0, len);
	if (letter == 'X') {
		s->is_ended = true;
	} else if (letter == 'S') {
		on_sync(s);
	} else if (s->is_skipping || letter == 'H' || strchr("dcf", letter)) {
		/* Nothing is held back, so Flush has nothing to do; CopyData outside of a
		 * copy is ignored, as PostgreSQL does. */
		return;
	} else if (letter == 'Q' && is_terminated) {
		on_query(s, text);
	} else if (letter == 'P' && is_terminated) {
		on_parse(s, text, len);
	} else if (letter == 'B' && is_terminated) {
		on_bind(s, text, len);
	} else if (letter == 'D' && is_terminated) {
		on_describe(s, text);
	} else if (letter == 'E' && is_terminated) {
		on_execute(s);
	} else if (letter == 'C' && is_terminated) {
		on_close(s, text);
	} else {
		put_fatal(s, "08P01", "message not understood");
	}
}

/* One whole message off the front, or 0. */
static size_t take_message(struct session *s, const uint8_t *data, size_t len)
{
	size_t head_len = s->is_started ? 1 : 0;
	if (len < head_len + 4)
		return 0;
	size_t body_len = wire_u32(data + head_len);
	if (body_len > MESSAGE_MAX || body_len < (s->is_started ? 4 : 8)) {
		put_fatal(s, "08P01", "invalid message length");
		return len;
	}
	if (len < head_len + body_len)
		return 0;
	if (s->is_started)
		on_message(s, (char)data[0], data + WIRE_HEADER_LEN, body_len - 4);
	else
		on_startup(s, data + 4, body_len - 4);
	return head_len + body_len;
}

size_t session_feed(struct session *s, const uint8_t *data, size_t len)
{
	size_t taken = 0;
	while (!s->is_ended && !s->sleep_ms) {
		size_t one = take_message(s, data + taken, len - taken);
		if (one == 0)
			break;
		taken += one;
	}
	return taken;
}

/* Where what is to be sent of the big answer ends for now. */
static size_t big_end(const struct session *s)
{
	return s->big_left > 0 ? s->big->rows_end : bytes_len(&s->big->text);
}

int session_pieces(struct session *s, struct iovec pieces[SESSION_IOVS])
{
	int count = 0;
	if (bytes_len(&s->head) > 0)
		pieces[count++] =
		    (struct iovec){s->head.data + s->head.start, bytes_len(&s->head)};
	if (s->big)
		pieces[count++] = (struct iovec){s->big->text.data + s->big_sent,
						 big_end(s) - s->big_sent};
	if (bytes_len(&s->tail) > 0 && !(s->big && s->big_left > 0))
		pieces[count++] =
		    (struct iovec){s->tail.data + s->tail.start, bytes_len(&s->tail)};
	return count;
}

static size_t sent_of(struct bytes *b, size_t len)
{
	size_t part = len < bytes_len(b) ? len : bytes_len(b);
	bytes_consume(b, part);
	return len - part;
}

void session_sent(struct session *s, size_t len)
{
	len = sent_of(&s->head, len);
	if (s->big) {
		size_t rest = big_end(s) - s->big_sent;
		size_t part = len < rest ? len : rest;
		s->big_sent += part;
		len -= part;
		if (part == rest && s->big_left > 0) {
			s->big_left--;
			s->big_sent = s->big->description_len;
		} else if (part == rest) {
			s->big = NULL;
		}
	}
	sent_of(&s->tail, len);
}

void session_fini(struct session *s)
{
	bytes_fini(&s->head);
	bytes_fini(&s->tail);
}

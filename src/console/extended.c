/*
 * Parse looks at the command already, so a bad one fails before anything is bound to it.
 */
#include "console/extended.h"

#include <errno.h>
#include <stdio.h>

#include "base/reader.h"
#include "base/text.h"
#include "console/session.h"
#include "proto/notice.h"
#include "proto/writer.h"

#define SQLSTATE_NO_SUCH_STATEMENT "26000"
#define SQLSTATE_NO_SUCH_PORTAL "34000"
#define SQLSTATE_DUPLICATE_STATEMENT "42P05"
#define SQLSTATE_LIMIT_EXCEEDED "54000"

/* The least of what the four messages about names have to say. */
static void fail_about(struct console *s, const char *sqlstate, const char *what,
		       struct slice name, const char *how)
{
	char shown[96], message[192];

	snprintf(message, sizeof(message), "%s \"%s\" %s", what,
		 text_escape(shown, sizeof(shown), name), how);
	session_fail(s, sqlstate, message, NULL, NULL);
}

static void say(struct console *s, uint8_t letter)
{
	struct writer w = session_writer(s);

	writer_empty(&w, letter);
	session_written(s, &w);
}

void extended_close_portal(struct console *s)
{
	s->prepared.portal.is_open = false;
	show_end(&s->show);
}

/* ---- Parse ---- */

static void keep(struct console *s, struct slice name, struct slice text)
{
	switch (prepared_add(&s->prepared, name, text)) {
	case 0:
		say(s, '1');
		return;
	case -EEXIST:
		fail_about(s, SQLSTATE_DUPLICATE_STATEMENT, "prepared statement", name,
			   "already exists");
		return;
	case -ENOSPC:
		session_fail(s, SQLSTATE_LIMIT_EXCEEDED,
			     "too many prepared statements on the console", NULL, NULL);
		return;
	default:
		session_fail(s, SQLSTATE_OUT_OF_MEMORY, "out of memory", NULL, NULL);
	}
}

bool extended_parse(struct console *s, struct slice body)
{
	struct reader r = reader_of(body);
	struct slice name = reader_cstring(&r), text = reader_cstring(&r);
	uint16_t types = reader_u16(&r);
	struct command command;

	reader_bytes(&r, 4 * (size_t)types);
	if (!reader_done(&r))
		return false;
	if (types > 0)
		session_fail(s, SQLSTATE_FEATURE_NOT_SUPPORTED,
			     "commands of the console have no parameters", NULL, NULL);
	else if (session_understand(s, text, &command) != COMMAND_INVALID)
		keep(s, name, text);
	return true;
}

/* ---- Bind ---- */

/* Result formats: none is text, one is for all columns, else one per column. */
static bool read_formats(struct reader *r, size_t columns, uint64_t *out_binary,
			 bool *out_fits)
{
	uint16_t count = reader_u16(r);
	uint64_t binary = 0;

	*out_fits = count <= 1 || count == columns;
	for (uint16_t i = 0; i < count && reader_ok(r); i++) {
		uint16_t format = reader_u16(r);
		*out_fits &= format <= 1;
		if (format == 1 && i < ROWS_COLUMNS_MAX)
			binary |= count == 1 ? UINT64_MAX : UINT64_C(1) << i;
	}
	*out_binary = binary;
	return reader_done(r);
}

/* A new portal of that statement, its formats not yet known. False when it failed. */
static bool open_portal(struct console *s, struct slice portal, struct slice statement)
{
	struct portal *p = &s->prepared.portal;
	struct slice text;

	if (!prepared_find(&s->prepared, statement, &text)) {
		fail_about(s, SQLSTATE_NO_SUCH_STATEMENT, "prepared statement", statement,
			   "does not exist");
		return false;
	}
	if (portal.len > PREPARED_NAME_MAX) {
		session_fail(s, SQLSTATE_NAME_TOO_LONG, "portal name is too long", NULL,
			     NULL);
		return false;
	}
	extended_close_portal(s);
	*p = (struct portal){.is_open = true};
	text_copy(p->name, sizeof(p->name), portal);
	p->is_empty = command_parse(text, &p->command) == COMMAND_EMPTY;
	return true;
}

static size_t column_count(const struct portal *p)
{
	return p->is_empty ? 0 : session_shape(&p->command).count;
}

bool extended_bind(struct console *s, struct slice body)
{
	struct reader r = reader_of(body);
	struct slice portal = reader_cstring(&r), statement = reader_cstring(&r);
	uint16_t formats = reader_u16(&r);
	bool fits;

	reader_bytes(&r, 2 * (size_t)formats);
	uint16_t parameters = reader_u16(&r);
	if (!reader_ok(&r))
		return false;
	if (parameters > 0) {
		session_fail(s, SQLSTATE_PROTOCOL_VIOLATION,
			     "commands of the console have no parameters", NULL, NULL);
		return true;
	}
	if (!open_portal(s, portal, statement))
		return true;
	struct portal *p = &s->prepared.portal;
	if (!read_formats(&r, column_count(p), &p->binary, &fits))
		return false;
	if (fits) {
		say(s, '2');
		return true;
	}
	extended_close_portal(s);
	session_fail(s, SQLSTATE_PROTOCOL_VIOLATION,
		     "the result formats do not fit the columns", NULL, NULL);
	return true;
}

/* ---- Describe and Close ---- */

static bool is_portal(const struct console *s, struct slice name)
{
	const struct portal *p = &s->prepared.portal;

	return p->is_open && slice_is_text(name, p->name);
}

static void write_shape(struct console *s, const struct command *command, bool is_empty,
			uint64_t binary, bool is_statement)
{
	struct writer w = session_writer(s);
	struct rows rows = {0};

	if (!is_empty)
		rows = session_shape(command);
	rows.binary = binary;
	if (is_statement) {
		writer_begin(&w, 't'); /* ParameterDescription: none */
		writer_u16(&w, 0);
		writer_end(&w);
	}
	rows_describe(&rows, &w);
	session_written(s, &w);
}

static void describe_statement(struct console *s, struct slice name)
{
	struct command command;
	struct slice text;

	if (!prepared_find(&s->prepared, name, &text)) {
		fail_about(s, SQLSTATE_NO_SUCH_STATEMENT, "prepared statement", name,
			   "does not exist");
		return;
	}
	bool is_empty = command_parse(text, &command) == COMMAND_EMPTY;
	write_shape(s, &command, is_empty, 0, true);
}

static void fail_without_portal(struct console *s, struct slice name)
{
	fail_about(s, SQLSTATE_NO_SUCH_PORTAL, "portal", name, "does not exist");
}

bool extended_describe(struct console *s, struct slice body)
{
	struct reader r = reader_of(body);
	uint8_t what = reader_u8(&r);
	struct slice name = reader_cstring(&r);
	const struct portal *p = &s->prepared.portal;

	if (!reader_done(&r) || (what != 'S' && what != 'P'))
		return false;
	if (what == 'S')
		describe_statement(s, name);
	else if (is_portal(s, name))
		write_shape(s, &p->command, p->is_empty, p->binary, false);
	else
		fail_without_portal(s, name);
	return true;
}

bool extended_close(struct console *s, struct slice body)
{
	struct reader r = reader_of(body);
	uint8_t what = reader_u8(&r);
	struct slice name = reader_cstring(&r);

	if (!reader_done(&r) || (what != 'S' && what != 'P'))
		return false;
	if (what == 'S')
		prepared_drop(&s->prepared, name);
	else if (is_portal(s, name))
		extended_close_portal(s);
	say(s, '3');
	return true;
}

/* ---- Execute ---- */

/* A portal that was executed before: more of its rows, or nothing more. */
static void execute_again(struct console *s, const struct portal *p)
{
	if (p->command.verb != COMMAND_SHOW) {
		session_fail(s, SQLSTATE_NOT_IN_STATE, "the portal has been executed",
			     NULL, NULL);
	} else if (p->is_done || !s->show.table) {
		session_complete(s, "SHOW");
	} else {
		s->state = CONSOLE_SHOWING;
		session_go_on(s);
	}
}

bool extended_execute(struct console *s, struct slice body)
{
	struct reader r = reader_of(body);
	struct slice name = reader_cstring(&r);
	uint32_t most = reader_u32(&r);
	struct portal *p = &s->prepared.portal;

	if (!reader_done(&r))
		return false;
	if (!is_portal(s, name)) {
		fail_without_portal(s, name);
		return true;
	}
	s->rows_left = most == 0 ? SIZE_MAX : most;
	if (p->is_empty) {
		session_say(s, 'I');
	} else if (p->is_started) {
		execute_again(s, p);
	} else {
		p->is_started = true;
		session_perform(s, &p->command);
	}
	return true;
}

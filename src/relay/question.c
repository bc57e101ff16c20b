/*
 * SQL that nothing in a session can make mean something else.
 */
#include "relay/question.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/reader.h"
#include "proto/params.h"
#include "relay/altered.h"
#include "relay/pin.h"

#define HEX(what)                                                                        \
	"pg_catalog.encode(pg_catalog.convert_to(" what                                  \
	", pg_catalog.getdatabaseencoding()), 'hex')"

/* The limit is read first; it counts from the arrival of the message, and is gone from
 * the second statement on. */
static const char pressing[] = "SHOW statement_timeout;SET LOCAL statement_timeout = 0;";

/* SERIALIZABLE READ ONLY DEFERRABLE would wait for others, and a standby would refuse. */
static const char isolating[] = "SET LOCAL transaction_isolation = 'read committed';";

/* clang-format off */
/* Each in three parts, with a number between. */
#define SELECT_KIND "SELECT CASE WHEN pg_catalog.octet_length(v) OPERATOR(pg_catalog.>) "
#define NAME_AND_VALUE                                                                   \
	" END, " HEX("n") ", CASE WHEN pg_catalog.octet_length(v) "                      \
	"OPERATOR(pg_catalog.<=) "
#define THEN_VALUE " THEN " HEX("v") " END"

static const char *const named_begin[] = {
    SELECT_KIND, " THEN 'l' ELSE 'n'" NAME_AND_VALUE,
    THEN_VALUE " FROM (SELECT n, pg_catalog.current_setting(n, true) AS v"
    " FROM (VALUES ('role'::pg_catalog.text)"};
static const char named_end[] = ") AS names(n) OFFSET 0) AS named;";

static const char *const everything[] = {
    "SELECT CASE WHEN NOT is_set THEN 'd' WHEN pg_catalog.octet_length(v) "
    "OPERATOR(pg_catalog.>) ",
    " THEN 'l' ELSE 's'" NAME_AND_VALUE,
    THEN_VALUE " FROM (SELECT name AS n, pg_catalog.current_setting(name) AS v,"
    " source OPERATOR(pg_catalog.=) 'session' AS is_set FROM pg_catalog.pg_settings"
    " WHERE source OPERATOR(pg_catalog.=) 'session'"
    " OR pg_catalog.strpos(name, '.') OPERATOR(pg_catalog.>) 0 OFFSET 0) AS every;"};
/* clang-format on */

/* 2615 is the oid of pg_namespace: whatever is in the schema of temporary objects depends
 * on it. */
static const struct {
	unsigned reason;
	char letter;
	const char *sql;
} states[] = {
    {PIN_LOCKS, 'l',
     "SELECT FROM pg_catalog.pg_locks WHERE locktype OPERATOR(pg_catalog.=) 'advisory' "
     "AND pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid()"},
    {PIN_CURSORS, 'c', "SELECT FROM pg_catalog.pg_cursors WHERE is_holdable"},
    {PIN_TEMPORARY, 't',
     "SELECT FROM pg_catalog.pg_depend WHERE refclassid OPERATOR(pg_catalog.=) 2615 AND "
     "refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()"},
    {PIN_PREPARED, 'p', "SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql"},
};

enum { STATES = sizeof(states) / sizeof(states[0]) };

struct sql {
	struct buffer *out;
	bool failed;
};

static void sql_text(struct sql *sql, const char *text)
{
	if (!buffer_append(sql->out, slice_of_text(text)))
		sql->failed = true;
}

/* Three parts, with the number between. */
static void sql_parts(struct sql *sql, const char *const parts[3], size_t number)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%zu", number);
	sql_text(sql, parts[0]);
	sql_text(sql, digits);
	sql_text(sql, parts[1]);
	sql_text(sql, digits);
	sql_text(sql, parts[2]);
}

static void sql_name(struct sql *sql, struct slice name)
{
	sql_text(sql, ", (");
	if (!params_append_literal(sql->out, name))
		sql->failed = true;
	sql_text(sql, ")");
}

static void write_known(struct sql *sql, const struct params *known)
{
	struct slice name, value;

	for (size_t i = 0; known && i < params_count(known); i++) {
		params_at(known, i, &name, &value);
		if (memchr(name.data, '.', name.len))
			sql_name(sql, name);
	}
}

static void write_extra(struct sql *sql, const char *list)
{
	while (*list) {
		size_t len = strcspn(list, ", ");
		if (len > 0)
			sql_name(sql, slice_of(list, len));
		list += len + strspn(list + len, ", ");
	}
}

static void write_named(struct sql *sql, const struct question *q)
{
	struct slice name;
	size_t at = 0;
	enum altered_how how;

	sql_parts(sql, named_begin, q->longest);
	while (altered_next(q->altered, &at, &name, &how))
		sql_name(sql, name);
	/* The table of all does not show what no extension has claimed. */
	if (q->altered->all) {
		write_known(sql, q->known);
		write_known(sql, q->begun);
	}
	write_extra(sql, q->extra);
	sql_text(sql, named_end);
}

static void write_states(struct sql *sql, unsigned reasons)
{
	char letter[] = "' ' END";

	sql_text(sql, "SELECT 'k', NULL, pg_catalog.concat(''");
	for (size_t i = 0; i < STATES; i++) {
		if (!(reasons & states[i].reason))
			continue;
		sql_text(sql, ", CASE WHEN EXISTS (");
		sql_text(sql, states[i].sql);
		sql_text(sql, ") THEN ");
		letter[1] = states[i].letter;
		sql_text(sql, letter);
	}
	sql_text(sql, ");");
}

bool question_is_passing(struct slice name, bool is_pressed)
{
	return (name.len > 12 && memcmp(name.data, "transaction_", 12) == 0) ||
	       (is_pressed && slice_is_text(name, "statement_timeout"));
}

bool question_write(const struct question *q, struct buffer *out)
{
	struct sql sql = {.out = out};

	if (q->is_pressed)
		sql_text(&sql, pressing);
	sql_text(&sql, isolating);
	if (!altered_is_empty(q->altered))
		write_named(&sql, q);
	if (q->altered->all)
		sql_parts(&sql, everything, q->longest);
	if (q->reasons)
		write_states(&sql, q->reasons);
	return !sql.failed;
}

/* ---- answers ---- */

static int digit(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Behind what the scratch buffer has; false when memory is short. What is no hexadecimal
 * makes *is_bad. */
static bool append_bytes(struct slice hex, struct buffer *scratch, bool *is_bad)
{
	uint8_t *to = buffer_reserve(scratch, hex.len / 2 + 1);

	if (!to)
		return false;
	for (size_t i = 0; i + 1 < hex.len; i += 2) {
		int high = digit(hex.data[i]), low = digit(hex.data[i + 1]);
		if (high < 0 || low < 0)
			*is_bad = true;
		to[i / 2] = (uint8_t)(high << 4 | low);
	}
	buffer_commit(scratch, hex.len / 2);
	return true;
}

static unsigned read_reasons(struct slice letters)
{
	unsigned reasons = 0;

	for (size_t i = 0; i < letters.len; i++)
		for (size_t k = 0; k < STATES; k++)
			if (letters.data[i] == (uint8_t)states[k].letter)
				reasons |= states[k].reason;
	return reasons;
}

/* A column of a DataRow; empty for NULL. */
static struct slice column(struct reader *r, bool *out_is_null)
{
	uint32_t len = reader_u32(r);

	*out_is_null = len == UINT32_MAX;
	return *out_is_null ? slice_of(NULL, 0) : reader_bytes(r, len);
}

static enum answer_kind kind_of(struct slice word)
{
	if (word.len != 1)
		return ANSWER_BAD;
	switch (word.data[0]) {
	case 'n':
		return ANSWER_NAMED;
	case 's':
		return ANSWER_SET;
	case 'd':
		return ANSWER_DEFAULT;
	case 'l':
		return ANSWER_LONG;
	case 'k':
		return ANSWER_STATE;
	default:
		return ANSWER_BAD;
	}
}

static bool read_value(struct slice name, struct slice value, struct buffer *scratch,
		       enum answer_kind *kind, struct answer *out)
{
	bool is_bad = false;

	buffer_consume(scratch, buffer_len(scratch));
	if (!append_bytes(name, scratch, &is_bad) ||
	    !append_bytes(value, scratch, &is_bad))
		return false;
	out->name = slice_first(buffer_bytes(scratch), name.len / 2);
	out->value = slice_after(buffer_bytes(scratch), name.len / 2);
	if (is_bad)
		*kind = ANSWER_BAD;
	return true;
}

bool answer_read(struct slice body, struct buffer *scratch, enum answer_kind *out_kind,
		 struct answer *out)
{
	struct reader r = reader_of(body);
	uint16_t columns = reader_u16(&r);
	bool is_null;

	*out = (struct answer){0};
	if (columns == 1) {
		out->name = slice_of_text("statement_timeout");
		out->value = column(&r, &is_null);
		out->has_value = !is_null;
		*out_kind = reader_done(&r) ? ANSWER_TIMEOUT : ANSWER_BAD;
		return true;
	}
	enum answer_kind kind = kind_of(column(&r, &is_null));
	struct slice name = column(&r, &is_null);
	struct slice value = column(&r, &is_null);
	if (columns != 3 || !reader_done(&r))
		kind = ANSWER_BAD;
	*out_kind = kind;
	out->has_value = !is_null;
	if (kind == ANSWER_STATE)
		out->reasons = read_reasons(value);
	if (kind == ANSWER_STATE || kind == ANSWER_BAD)
		return true;
	return read_value(name, value, scratch, out_kind, out);
}

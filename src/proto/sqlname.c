/*
 * Names as they are written in SQL made into those that PostgreSQL understands.
 */
#include "proto/sqlscan.h"

#include "proto/sqllex.h"

enum { IDENTIFIER_MAX = 63 };

struct name {
	char *out;
	size_t len, max;
	bool is_bad; /* no name at all */
};

/* What goes beyond the end is dropped, in whole characters of UTF-8. */
static void name_add(struct name *n, const uint8_t *bytes, size_t len)
{
	if (n->max - n->len < len) {
		n->max = n->len;
		return;
	}
	memcpy(n->out + n->len, bytes, len);
	n->len += len;
}

/* ---- characters by their number ---- */

static int hex_value(uint8_t c)
{
	uint8_t folded = c | 0x20;

	if (c >= '0' && c <= '9')
		return c - '0';
	return folded >= 'a' && folded <= 'f' ? folded - 'a' + 10 : -1;
}

static void name_add_code(struct name *n, uint32_t code)
{
	uint8_t bytes[4];
	size_t len = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;

	for (size_t i = len; i-- > 1; code >>= 6)
		bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
	bytes[0] = (uint8_t)(len == 1 ? code : (0xf00U >> len & 0xf0) | code);
	name_add(n, bytes, len);
}

/* The number in so many digits at the front of s; 0, which is none, where it is bad. */
static uint32_t code_of(struct slice s, size_t digits)
{
	uint32_t code = 0;

	if (s.len < digits)
		return 0;
	for (size_t i = 0; i < digits; i++) {
		int value = hex_value(s.data[i]);

		if (value < 0)
			return 0;
		code = code << 4 | (uint32_t)value;
	}
	return code <= 0x10ffff ? code : 0;
}

/* s begins behind an escape. How many bytes of it say the character. */
static size_t name_add_escaped(struct name *n, struct slice s, uint8_t escape)
{
	if (s.len > 0 && s.data[0] == escape) {
		name_add(n, &escape, 1);
		return 1;
	}
	bool is_long = s.len > 0 && s.data[0] == '+';
	uint32_t code = is_long ? code_of(slice_after(s, 1), 6) : code_of(s, 4);
	n->is_bad |= code == 0;
	name_add_code(n, code);
	return is_long ? 7 : 4;
}

/* ---- the three spellings ---- */

/* Of UTF-8 all bytes but the first are so. */
static size_t character_len(struct slice s)
{
	size_t len = 1;

	while (s.data[0] >= 0xc0 && len < s.len && len < 4 &&
	       (s.data[len] & 0xc0) == 0x80)
		len++;
	return len;
}

static void name_add_word(struct name *n, struct slice s)
{
	while (s.len > 0) {
		size_t len = character_len(s);
		uint8_t c = s.data[0];

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		name_add(n, len == 1 ? &c : s.data, len);
		s = slice_after(s, len);
	}
}

/* The inside of quotes, and its end for the outside; escape is 0 where there is none. */
static struct slice name_add_quoted(struct name *n, struct slice s, uint8_t escape)
{
	while (s.len > 0) {
		size_t len = character_len(s);

		if (s.data[0] == '"') {
			if (s.len == 1 || s.data[1] != '"')
				return slice_after(s, 1);
			s = slice_after(s, 1);
		}
		if (escape && s.data[0] == escape) {
			s = slice_after(s, 1);
			len = name_add_escaped(n, s, escape);
		} else {
			name_add(n, s.data, len);
		}
		s = slice_after(s, len < s.len ? len : s.len);
	}
	n->is_bad = true; /* it never ends */
	return s;
}

/* The letter of UESCAPE 'x' at the end of a name; without it, a backslash. */
static uint8_t escape_of(struct slice written)
{
	size_t len = written.len;

	return len > 3 && written.data[len - 1] == '\'' ? written.data[len - 2] : '\\';
}

size_t sqlscan_identifier(struct slice written, char out[64])
{
	struct name n = {.out = out, .max = IDENTIFIER_MAX};

	if (written.len == 0)
		return 0;
	if (written.data[0] == '"')
		n.is_bad |= name_add_quoted(&n, slice_after(written, 1), 0).len > 0;
	else if (written.len > 3 && written.data[1] == '&')
		name_add_quoted(&n, slice_after(written, 3), escape_of(written));
	else if (sqllex_is_word_start(written.data[0]))
		name_add_word(&n, written);
	if (n.is_bad)
		return 0;
	out[n.len] = '\0';
	return n.len;
}

bool sqlscan_is(struct slice written, const char *keyword)
{
	struct sql_token t = {SQL_TOKEN_WORD, written};

	return written.len > 0 && sqllex_is_word_start(written.data[0]) &&
	       sql_token_is(&t, keyword);
}

/* ---- parameters ---- */

/* What has a form of its own in SET and RESET, or is not the only one changed. */
static const struct form {
	const char *words[5]; /* NULL behind the last */
	const char *parameters[3];
} forms[] = {
    {{"all"}, {NULL}},
    {{"time", "zone"}, {"TimeZone"}},
    {{"names"}, {"client_encoding"}},
    {{"schema"}, {"search_path"}},
    {{"xml", "option"}, {"xmloption"}},
    {{"session", "authorization"}, {"session_authorization", "role"}},
    {{"session_authorization"}, {"session_authorization", "role"}},
    {{"session", "characteristics", "as", "transaction"},
     {"default_transaction_isolation", "default_transaction_read_only",
      "default_transaction_deferrable"}},
    /* Old names that PostgreSQL still takes. */
    {{"sort_mem"}, {"work_mem"}},
    {{"vacuum_mem"}, {"maintenance_work_mem"}},
};

static bool form_is(const struct form *form, struct slice written)
{
	struct sqllex l = sqllex_of(written, 0);
	struct sql_token t = sqllex_next(&l);

	for (size_t i = 0; form->words[i]; i++, t = sqllex_next(&l))
		if (!sql_token_is(&t, form->words[i]))
			return false;
	return t.kind == SQL_TOKEN_END;
}

/* The parts around the dots, one after the other. */
static const char *plain_parameter(struct slice written, char out[SQL_NAME_LEN])
{
	struct sqllex l = sqllex_of(written, 0);
	size_t len = 0;

	for (;;) {
		struct sql_token t = sqllex_next(&l), dot = sqllex_next(&l);
		char part[64];
		size_t part_len = sqlscan_identifier(t.text, part);

		if (part_len == 0 || len + part_len + 1 >= SQL_NAME_LEN)
			return NULL;
		memcpy(out + len, part, part_len);
		len += part_len;
		out[len] = '\0';
		if (dot.kind == SQL_TOKEN_END)
			return out;
		if (!sql_token_is_sign(&dot, '.'))
			return NULL;
		out[len++] = '.';
	}
}

const char *sqlscan_parameter(struct slice written, unsigned i, char out[SQL_NAME_LEN])
{
	for (size_t f = 0; f < sizeof(forms) / sizeof(forms[0]); f++)
		if (form_is(&forms[f], written))
			return i < 3 ? forms[f].parameters[i] : NULL;
	return i == 0 ? plain_parameter(written, out) : NULL;
}

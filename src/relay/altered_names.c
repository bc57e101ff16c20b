/*
 * Names of parameters of one's own ("my.tenant") where nobody says that they are: the
 * server does not list them, so it has to be asked for each.
 */
#include "base/reader.h"
#include "proto/meaning.h"
#include "proto/sqllex.h"
#include "proto/sqlscan.h"
#include "relay/altered.h"

/* set_config() has three; the text may have others in front. */
enum { ARGUMENTS_MAX = 32 };

/* Words with dots between. */
static bool is_own_name(struct slice name)
{
	size_t word_len = 0, dots = 0;

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.data[i];
		bool is_dot = c == '.';

		if (is_dot ? word_len == 0 : !sqllex_is_word(c))
			return false;
		if (word_len == 0 && ((c >= '0' && c <= '9') || c == '$'))
			return false;
		word_len = is_dot ? 0 : word_len + 1;
		dots += is_dot;
	}
	return word_len > 0 && dots > 0;
}

/* The arguments of a Bind, one after the other. */
struct arguments {
	struct reader r;
	unsigned count; /* still to come */
};

static struct arguments arguments_of(struct slice rest)
{
	struct arguments args = {.r = reader_of(rest)};
	uint32_t formats = reader_u16(&args.r);

	reader_bytes(&args.r, formats * sizeof(uint16_t));
	args.count = reader_u16(&args.r);
	return args;
}

static bool next_argument(struct arguments *args, struct slice *out)
{
	if (args->count == 0 || !reader_ok(&args->r))
		return false;
	args->count--;
	uint32_t len = reader_u32(&args->r);
	*out = len == UINT32_MAX ? slice_of(NULL, 0) : reader_bytes(&args->r, len);
	return reader_ok(&args->r);
}

void altered_note_arguments(struct altered *a, struct slice rest, enum altered_how how)
{
	struct arguments args = arguments_of(rest);
	struct slice value;

	for (unsigned i = 0; i < ARGUMENTS_MAX && next_argument(&args, &value); i++)
		if (is_own_name(value))
			altered_add(a, value, how);
}

uint32_t altered_hints_of_arguments(struct slice rest)
{
	struct arguments args = arguments_of(rest);
	struct slice value;
	uint32_t hints = 0;

	for (unsigned i = 0; i < ARGUMENTS_MAX && next_argument(&args, &value); i++)
		hints |= meaning_hint(value);
	return args.count == 0 && reader_ok(&args.r) ? hints : SQL_READS_ANYHOW;
}

/* ---- code ---- */

static struct slice without_blanks(struct slice text)
{
	return slice_after(text, sqllex_blank_len(text));
}

/* What is in front of the first byte that no such name has. */
static struct slice dotted_in(struct slice text)
{
	size_t len = 0;

	while (len < text.len &&
	       (sqllex_is_word(text.data[len]) || text.data[len] == '.'))
		len++;
	return slice_first(text, len);
}

/* The name of a SET behind that word. */
static struct slice name_behind(struct slice text)
{
	struct slice word = dotted_in(without_blanks(text));

	if (sqlscan_is(word, "session") || sqlscan_is(word, "local"))
		word = dotted_in(without_blanks(
		    slice_after(text, (size_t)(word.data + word.len - text.data))));
	return word;
}

/* A literal that is nothing but such a name: what is called may set it. */
static struct slice name_quoted(struct slice text)
{
	struct slice name = dotted_in(text);
	bool is_all = name.len < text.len && text.data[name.len] == '\'';

	return is_all ? name : slice_first(name, 0);
}

static bool is_set(struct slice text, size_t i)
{
	return i + 3 < text.len && sqllex_is_folded(slice_of(text.data + i, 3), "set") &&
	       !sqllex_is_word(text.data[i + 3]) &&
	       !(i > 0 && sqllex_is_word(text.data[i - 1]));
}

void altered_note_code(struct altered *a, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		struct slice name = {0};

		if (text.data[i] == '\'')
			name = name_quoted(slice_after(text, i + 1));
		else if (is_set(text, i))
			name = name_behind(slice_after(text, i + 3));
		if (is_own_name(name))
			altered_add(a, name, ALTERED_SET);
	}
}

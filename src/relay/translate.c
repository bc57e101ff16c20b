/*
 * Looking for "pooler_<n>", quotes and all, which hardly any error holds.
 */
#include "relay/translate.h"

#include "proto/writer.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/journal.h"
#include "relay/server.h"
#include "relay/session.h"

static const char own_name[] = "\"pooler_";

/* What servers call one of the client's statements, found in a text. */
struct found {
	struct slice before, after; /* of the text */
	struct slice name;          /* the client's */
};

static struct slice name_of(const struct client *c, uint64_t number)
{
	struct client_statement *named = NULL;

	while ((named = client_statements_next(&c->session->statements, named)))
		if (statement_number(client_statement_of(named)) == number)
			return client_statement_name(named);
	return journal_old_name(c->server, number);
}

static bool find(const struct client *c, struct slice body, struct found *out)
{
	size_t len = sizeof(own_name) - 1;
	const uint8_t *start = memmem(body.data, body.len, own_name, len);
	uint64_t number = 0;

	if (!start)
		return false;
	size_t at = (size_t)(start - body.data) + len;
	out->before = slice_first(body, at - len + 1);
	for (; at < body.len && body.data[at] >= '0' && body.data[at] <= '9'; at++)
		number = number * 10 + (uint64_t)(body.data[at] - '0');
	if (at == body.len || body.data[at] != '"')
		return false;
	out->after = slice_after(body, at);
	out->name = name_of(c, number);
	return out->name.len > 0;
}

bool translate_error(const struct client *c, struct slice body, struct buffer *out)
{
	struct writer w = writer_of(out);
	struct found found;

	if (!c->session || !find(c, body, &found))
		return false;
	writer_begin(&w, 'E');
	writer_bytes(&w, found.before);
	writer_bytes(&w, found.name);
	writer_bytes(&w, found.after);
	writer_end(&w);
	return writer_finish(&w);
}

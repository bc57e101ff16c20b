/*
 * Marks, and the table of statements.
 */
#include "relay/reset.h"

#include "base/buffer.h"
#include "relay/server.h"

static const struct {
	unsigned what;
	const char *sql;
} remedies[] = {
    {RESET_PARAMS, "SET SESSION AUTHORIZATION DEFAULT; RESET ALL;"},
    {RESET_CURSORS, "CLOSE ALL;"},
    {RESET_TEMP, "DISCARD TEMP;"},
    {RESET_LOCKS, "SELECT pg_catalog.pg_advisory_unlock_all();"},
    {RESET_LISTEN, "UNLISTEN *;"},
    {RESET_PREPARED, "DEALLOCATE ALL;"},
    {RESET_SEQUENCES, "DISCARD SEQUENCES;"},
};

void reset_mark(struct server *s, unsigned what)
{
	s->must_reset |= (uint16_t)what;
}

bool reset_write(unsigned what, struct buffer *out)
{
	/* It must be alone in its query. */
	if (what & RESET_ALL)
		return buffer_append(out, slice_of_text("DISCARD ALL"));
	for (size_t i = 0; i < sizeof(remedies) / sizeof(remedies[0]); i++)
		if (what & remedies[i].what &&
		    !buffer_append(out, slice_of_text(remedies[i].sql)))
			return false;
	return true;
}

/*
 * Making and ending sessions.
 */
#include "relay/session.h"

#include <stdlib.h>

#include "pool/pool.h"
#include "relay/client.h"
#include "relay/dispatcher.h"

bool session_is_shared(const struct client *c)
{
	return c->pool && !c->keeps_server && c->replication == STARTUP_REPLICATION_NONE;
}

size_t session_statement_count(const struct client *c)
{
	/* Without a pool something else stands there. */
	return c->pool && c->session ? c->session->statements.count : 0;
}

struct session *session_get(struct client *c)
{
	if (!c->session)
		c->session = calloc(1, sizeof(*c->session));
	return c->session;
}

void session_note_undone(struct client *c)
{
	if (c && c->session)
		c->session->altered.may_be_undone = true;
}

void session_free(struct client *c)
{
	struct session *session = c->session;
	struct dispatcher *d = c->dispatcher;

	if (!session)
		return;
	client_statements_clear(&d->statements, &session->statements);
	params_unref(&d->params, session->startup);
	params_unref(&d->params, session->told);
	params_unref(&d->params, session->set);
	params_unref(&d->params, session->unset);
	altered_clear(&session->altered);
	altered_clear(&session->asked);
	altered_clear(&session->overlong);
	altered_clear(&session->met);
	buffer_fini(&session->unnamed);
	free(session);
	c->session = NULL;
}

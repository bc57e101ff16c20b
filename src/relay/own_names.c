/*
 * Only names that the session does not know yet are worth a question.
 */
#include "relay/own_names.h"

#include "proto/params.h"
#include "relay/altered.h"
#include "relay/client.h"
#include "relay/session.h"

/* What the session does not know yet it will know from then on: then that is asked once.
 */
static void note(struct client *c, const struct altered *names)
{
	struct session *session = NULL;
	struct slice name, value;
	size_t at = 0;
	enum altered_how how;

	while (altered_next(names, &at, &name, &how)) {
		if (params_find(c->params, name, &value) ||
		    (c->session && altered_has(&c->session->met, name, ALTERED_LOCALLY)))
			continue;
		if ((session = session_get(c)))
			altered_add(&session->altered, name, ALTERED_LOCALLY);
	}
}

void own_names_note_arguments(struct client *c, struct slice rest)
{
	struct altered names = {0};

	altered_note_arguments(&names, rest, ALTERED_LOCALLY);
	note(c, &names);
	altered_clear(&names);
}

void own_names_note(struct client *c, const struct sql_text *t)
{
	struct altered names = {0};

	altered_note(&names, t);
	note(c, &names);
	altered_clear(&names);
}

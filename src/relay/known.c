/*
 * What is known of a pool's servers.
 */
#include "relay/known.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/tls.h"
#include "net/tls_context.h"
#include "pool/pool.h"
#include "relay/notifier.h"

bool known_create(struct pool *pool, struct dispatcher *dispatcher)
{
	struct known *known = calloc(1, sizeof(*known));

	pool->owner_data = known;
	if (!known)
		return false;
	known->dispatcher = dispatcher;
	TAILQ_INIT(&known->spares);
	return true;
}

struct known *known_of(const struct pool *pool)
{
	return pool->owner_data;
}

void known_free(struct pool *pool, struct params_store *store)
{
	struct known *known = pool->owner_data;

	if (!known)
		return;
	notifier_forget(&known->notifiers);
	params_unref(store, known->welcome);
	params_unref(store, known->spellings);
	credential_fini(&known->credential);
	tls_session_free(known->session);
	tls_context_unref(known->tls);
	free(known);
	pool->owner_data = NULL;
}

void known_learn(struct known *known, struct params_store *store, struct params *welcome)
{
	struct params *old = known->welcome;

	known->welcome = params_ref(welcome);
	params_unref(store, old);
	known->failure = (struct known_failure){0};
}

void known_meet(struct known *known, struct tls_context *tls, enum tls_mode mode)
{
	struct tls_context *old = known->tls;

	known->tls = tls ? tls_context_ref(tls) : NULL;
	known->tls_mode = mode;
	known->has_met = true;
	tls_context_unref(old);
}

static void copy_text(char *out, size_t cap, const char *text)
{
	snprintf(out, cap, "%s", text ? text : "");
}

void known_fail(struct known *known, const struct notice *notice)
{
	struct known_failure *f = &known->failure;

	copy_text(f->sqlstate, sizeof(f->sqlstate), notice->sqlstate);
	copy_text(f->message, sizeof(f->message), notice->message);
	copy_text(f->detail, sizeof(f->detail), notice->detail);
	copy_text(f->hint, sizeof(f->hint), notice->hint);
	f->is_set = true;
}

struct notice known_failure_notice(const struct known *known, const char *severity)
{
	const struct known_failure *f = &known->failure;

	return (struct notice){.severity = severity,
			       .sqlstate = f->sqlstate,
			       .message = f->message,
			       .detail = f->detail[0] ? f->detail : NULL,
			       .hint = f->hint[0] ? f->hint : NULL};
}

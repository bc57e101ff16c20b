/*
 * A set of parameters with names such as "DateStyle=iso".
 */
#include "relay/spelling.h"

#include "base/buffer.h"
#include "proto/params.h"
#include "relay/baseline.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/known.h"
#include "relay/server.h"

enum {
	SPELLINGS_MAX = 64, /* of a pool */
	LEN_MAX = 128,      /* of a name and its value; what is longer names things */
};

/* Empty where it is too long to be kept. */
static struct slice key_of(struct slice name, struct slice value, char out[LEN_MAX])
{
	size_t len = name.len + 1 + value.len;

	if (len > LEN_MAX)
		return slice_of(NULL, 0);
	memcpy(out, name.data, name.len);
	out[name.len] = '=';
	if (value.len > 0)
		memcpy(out + name.len + 1, value.data, value.len);
	return slice_of(out, len);
}

/* Case is not looked at, which is right for what PostgreSQL spells in its own way. */
static bool is_spelled(const struct server *s, struct slice name)
{
	return baseline_is_reported(s, name) && !slice_is_text(name, "application_name");
}

/* Others come in the encoding of the client that is told. */
static bool is_ascii(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.data[i] >= 0x80)
			return false;
	return true;
}

static void learn(struct server *s, struct slice key, struct slice spelled)
{
	struct known *known = known_of(s->slot.pool);
	struct params_store *store = &s->dispatcher->params;
	const struct params *now = known->spellings ? known->spellings : store->empty;
	struct params *more;

	if (key.len == 0 || params_count(now) >= SPELLINGS_MAX ||
	    !(more = params_with(store, now, key, spelled)))
		return;
	params_unref(store, known->spellings);
	known->spellings = more;
}

void spelling_learn(struct server *s, const struct params *wanted)
{
	struct slice name, value, spelled;
	char key[LEN_MAX];

	for (size_t i = 0; i < params_count(wanted); i++) {
		params_at(wanted, i, &name, &value);
		if (is_spelled(s, name) && params_find(s->params, name, &spelled) &&
		    !slice_equal(spelled, value) && is_ascii(value) && is_ascii(spelled))
			learn(s, key_of(name, value, key), spelled);
	}
}

void spelling_forget(struct server *s)
{
	struct known *known = known_of(s->slot.pool);

	params_unref(&s->dispatcher->params, known->spellings);
	known->spellings = NULL;
}

void spelling_apply(struct client *c)
{
	const struct params *spellings = known_of(c->pool)->spellings;
	struct params_store *store = &c->dispatcher->params;
	struct params *asked = params_ref(c->params);
	struct slice name, value, spelled;
	char key[LEN_MAX];

	for (size_t i = 0; spellings && i < params_count(asked); i++) {
		params_at(asked, i, &name, &value);
		if (!params_find(spellings, key_of(name, value, key), &spelled))
			continue;
		struct params *more = params_with(store, c->params, name, spelled);
		if (!more)
			break;
		params_unref(store, c->params);
		c->params = more;
	}
	params_unref(store, asked);
}

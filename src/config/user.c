/*
 * Entries of [users] have overrides and nothing else.
 */
#include "config/user.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/arena.h"
#include "config/connstr.h"
#include "config/hint.h"
#include "config/value.h"

static int refuse_unknown(const struct connstr_pair *pair, char *why, size_t cap)
{
	struct nearest nearest = nearest_to(pair->key);

	if (pair->is_hidden)
		return connstr_refuse_hidden(why, cap);
	for (unsigned i = 0; i < OVERRIDE_COUNT; i++) {
		const char *name =
		    overrides_key_name(OVERRIDE_IN_USERS, (enum override_key)i);
		if (name)
			nearest_offer(&nearest, name);
	}
	hint_unknown("key", &nearest, why, cap);
	return -EINVAL;
}

static int set_pair(void *owner, struct connstr_pair pair, char *why, size_t cap)
{
	struct overrides *over = owner;
	enum override_key key = overrides_find(OVERRIDE_IN_USERS, pair.key);
	char reason[VALUE_WHY_MAX];

	if (key == OVERRIDE_COUNT)
		return refuse_unknown(&pair, why, cap);
	if (overrides_has(over, key)) {
		snprintf(why, cap, "%s is given twice",
			 overrides_key_name(OVERRIDE_IN_USERS, key));
		return -EINVAL;
	}
	if (overrides_set(over, key, pair.value, reason, sizeof(reason)))
		return 0;
	snprintf(why, cap, "%s: %s", overrides_key_name(OVERRIDE_IN_USERS, key), reason);
	return -EINVAL;
}

int user_parse(const char *name, const char *text, struct arena *strings,
	       struct user_entry *out, char *why, size_t why_cap)
{
	struct user_entry entry = {0};

	if (name[0] == '\0' || strlen(name) > USER_NAME_MAX) {
		snprintf(why, why_cap, "a user's name has 1 to %d bytes", USER_NAME_MAX);
		return -EINVAL;
	}
	int rc = connstr_each(text, set_pair, &entry.over, why, why_cap);
	if (rc != 0)
		return rc;
	entry.name = arena_text(strings, slice_of_text(name));
	if (!entry.name)
		return -ENOMEM;
	*out = entry;
	return 0;
}

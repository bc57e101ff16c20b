/*
 * The functions of SQL that leave something in a session, or take it away.
 */
#include "proto/sqlfunction.h"

#include "proto/meaning.h"
#include "proto/sqllex.h"
#include "proto/sqlscan.h"

#define PAIR(a, b) ((unsigned)((a) | 0x20) | (unsigned)((b) | 0x20) << 8)

static const struct function {
	const char *name;
	uint32_t hint;
} functions[] = {
    {"set_config", SQL_CONFIGURES},
    {"set_limit", SQL_CONFIGURES}, /* of pg_trgm: sets a parameter of its own */
    {"nextval", SQL_STEPS},
    {"setval", SQL_STEPS},
    {"currval", SQL_CURRENTS},
    {"lastval", SQL_CURRENTS},
    {"pg_advisory_lock", SQL_LOCKS},
    {"pg_advisory_lock_shared", SQL_LOCKS},
    {"pg_try_advisory_lock", SQL_LOCKS},
    {"pg_try_advisory_lock_shared", SQL_LOCKS},
    {"pg_advisory_unlock", SQL_UNLOCKS},
    {"pg_advisory_unlock_shared", SQL_UNLOCKS},
    {"pg_advisory_unlock_all", SQL_UNLOCKS},
};

uint32_t sqlfunction_hints(struct slice name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (name.len >= SQLFUNCTION_MIN && name.len <= SQLFUNCTION_MAX &&
		    sqllex_is_folded(name, functions[i].name))
			return functions[i].hint;
	return 0;
}

bool sqlfunction_may_end(uint8_t last_but_one, uint8_t last)
{
	switch (PAIR(last_but_one, last)) {
	case PAIR('a', 'l'): /* val */
	case PAIR('c', 'k'): /* lock */
	case PAIR('e', 'd'): /* shared */
	case PAIR('i', 'g'): /* config */
	case PAIR('i', 't'): /* limit */
	case PAIR('l', 'l'): /* all */
		return true;
	}
	return false;
}

/* ---- set_config() ---- */

enum { ARGUMENTS_MAX = 200 /* words and signs */ };

/* set_config(..., true) is undone at the end of the transaction. One among the arguments
 * of others reads some of the same again, so this does not go far. */
static bool configures_locally(struct sqllex l)
{
	struct sql_token t = sqllex_next(&l);
	unsigned depth = 0, commas = 0, count = 0;

	do {
		depth += sql_token_is_sign(&t, '(') || sql_token_is_sign(&t, '[');
		depth -= sql_token_is_sign(&t, ')') || sql_token_is_sign(&t, ']');
		commas += depth == 1 && sql_token_is_sign(&t, ',');
		t = sqllex_next(&l);
	} while (t.kind != SQL_TOKEN_END && depth > 0 && commas < 2 &&
		 ++count < ARGUMENTS_MAX);
	if (commas != 2 ||
	    !(sql_token_is(&t, "true") || sqllex_is_folded(t.text, "'true'") ||
	      sqllex_is_folded(t.text, "'t'")))
		return false;
	t = sqllex_next(&l);
	return sql_token_is_sign(&t, ')');
}

static bool has_dot(struct slice s)
{
	return memchr(s.data, '.', s.len) != NULL;
}

/* What the name in its first argument tells. */
static uint32_t named_by(struct sqllex l)
{
	struct sql_token t = sqllex_next(&l);

	t = sqllex_next(&l);
	bool is_all = t.kind == SQL_TOKEN_STRING && sqllex_peek(&l).text.len == 1 &&
		      sqllex_peek(&l).text.data[0] == ',';
	if (!is_all)
		return SQL_NAMES_ARGUMENT;
	return has_dot(t.text) ? (uint32_t)SQL_NAMES : 0;
}

/* By the name that it sets. */
static uint32_t local_hint(struct sqllex l)
{
	sqllex_next(&l);
	struct sql_token name = sqllex_next(&l), next = sqllex_next(&l);
	struct slice s = name.text;

	if (sql_token_is_sign(&name, '$')) {
		while (next.kind == SQL_TOKEN_SIGN && next.text.data[0] >= '0' &&
		       next.text.data[0] <= '9')
			next = sqllex_next(&l);
		if (sql_token_is_sign(&next, ','))
			return SQL_READS_BY_ARGUMENT;
	}
	if (name.kind != SQL_TOKEN_STRING || !sql_token_is_sign(&next, ',') ||
	    s.data[0] != '\'' || s.len < 2 || memchr(s.data, '\\', s.len))
		return SQL_READS_ANYHOW;
	return meaning_hint(slice_of(s.data + 1, s.len - 2));
}

uint32_t sqlfunction_configures(struct sqllex behind)
{
	if (!configures_locally(behind))
		return SQL_CONFIGURES;
	return local_hint(behind) | named_by(behind);
}

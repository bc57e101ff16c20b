/*
 * The functions of SQL that leave something in a session, or take it away.
 */
#include "proto/sqlfunction.h"

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

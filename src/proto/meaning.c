/*
 * Which parameters these are.
 */
#include "proto/meaning.h"

#include <assert.h>

#include "base/check.h"
#include "proto/sqllex.h"
#include "proto/sqlscan.h"

static const struct parameter {
	const char *name;
	uint32_t hint;
} parameters[] = {
    {"search_path", SQL_READS_AGAIN},
    {"role", SQL_READS_AGAIN},
    {"row_security", SQL_READS_AGAIN},
    {"client_encoding", SQL_READS},
    {"standard_conforming_strings", SQL_READS},
    {"datestyle", SQL_READS},
    {"intervalstyle", SQL_READS},
    {"timezone", SQL_READS},
    {"timezone_abbreviations", SQL_READS_SILENTLY},
    {"transform_null_equals", SQL_READS_SILENTLY},
    {"backslash_quote", SQL_READS_SILENTLY},
    {"array_nulls", SQL_READS_SILENTLY},
    {"lc_monetary", SQL_READS_SILENTLY},
    {"xmloption", SQL_READS_SILENTLY},
    {"bytea_output", SQL_READS_SILENTLY},
    {"extra_float_digits", SQL_READS_SILENTLY},
    {"quote_all_identifiers", SQL_READS_SILENTLY},
};

static_assert(sizeof(parameters) / sizeof(parameters[0]) == MEANING_COUNT,
	      "the header says how many");

const char *meaning_parameter(unsigned i)
{
	CHECK(i < MEANING_COUNT);
	return parameters[i].name;
}

uint32_t meaning_hint(struct slice name)
{
	for (unsigned i = 0; i < MEANING_COUNT; i++)
		if (sqllex_is_folded(name, parameters[i].name))
			return parameters[i].hint;
	/* Servers have it told, with another for every user of the pooler. */
	return sqllex_is_folded(name, "session_authorization") ? SQL_READS_AGAIN : 0;
}

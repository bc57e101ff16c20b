/*
 * Maps from the names of the system or of certificates to those of PostgreSQL users:
 * pg_ident.conf as PostgreSQL 15 reads it, with PgBouncer's word "all" for any user.
 *
 * A system name that begins with '/' is a regular expression (POSIX extended, found
 * anywhere in the name unless anchored), and \1 in the user name stands for its first
 * group. One bad line refuses the whole file.
 */
#ifndef POOLER_AUTH_IDENT_H
#define POOLER_AUTH_IDENT_H

#include "base/slice.h"

struct config_errors;
struct ident; /* never changes */

enum { IDENT_NAME_MAX = 1023 };

/* NULL, and in errors all that is wrong, by line. */
struct ident *ident_load(const char *path, struct config_errors *errors);
struct ident *ident_parse(struct slice text, const char *file,
			  struct config_errors *errors);
void ident_free(struct ident *ident);

/* Whether who is known to the system as system_name may be that user. map NULL: the
 * names must be equal. ident may be NULL: no map has any line. Names with a NUL, and
 * longer ones than IDENT_NAME_MAX, are nobody's. */
bool ident_may_be(const struct ident *ident, const char *map, struct slice system_name,
		  struct slice user);

#endif

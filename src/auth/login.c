/*
 * See the header.
 */
#include "auth/login.h"

#include <stdarg.h>
#include <stdio.h>

enum login_verdict login_fail(struct login_failure *f, const char *sqlstate,
			      const char *format, ...)
{
	va_list args;

	if (f->sqlstate[0])
		return LOGIN_FAILED;
	snprintf(f->sqlstate, sizeof(f->sqlstate), "%s", sqlstate);
	va_start(args, format);
	vsnprintf(f->text, sizeof(f->text), format, args);
	va_end(args);
	return LOGIN_FAILED;
}

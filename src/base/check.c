/*
 * The report of a failed assertion. It goes through the log so that it reaches the file
 * or journal people read, and then the process ends: going on with a broken promise
 * could hand one client's bytes to another.
 */
#include "base/check.h"

#include <stdlib.h>

#include "base/log.h"

void check_failed(const char *cond, const char *file, int line, const char *function)
{
	log_fatal("broken promise: %s, in %s at %s:%d; please report this", cond,
		  function, file, line);
	abort();
}

/*
 * Memory that runs short when a test says so; see the header.
 */
#include "unit/proto/failing_memory.h"

static size_t until_failure;
static int has_failed;

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *at, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *at, size_t len);

void memory_fails_at(size_t n)
{
	until_failure = n;
	has_failed = 0;
}

int memory_has_failed(void)
{
	return has_failed;
}

static int fails_now(void)
{
	if (until_failure == 0 || --until_failure > 0)
		return 0;
	has_failed = 1;
	return 1;
}

void *__wrap_malloc(size_t len)
{
	return fails_now() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t len)
{
	return fails_now() ? NULL : __real_calloc(count, len);
}

void *__wrap_realloc(void *at, size_t len)
{
	return fails_now() ? NULL : __real_realloc(at, len);
}

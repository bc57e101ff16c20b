/*
 * Memory that runs short when a test says so. Link with
 * -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc.
 */
#ifndef POOLER_TEST_UNIT_PROTO_FAILING_MEMORY_H
#define POOLER_TEST_UNIT_PROTO_FAILING_MEMORY_H

#include <stddef.h>

/* The n-th request from now on (1 is the next) fails, once; 0: none does. */
void memory_fails_at(size_t n);

/* Whether that request has been made. */
int memory_has_failed(void);

#endif

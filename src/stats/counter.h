/*
 * What is counted for each pool and for the whole process. Plain numbers that only grow;
 * the console makes tables of them. Times are microseconds.
 */
#ifndef POOLER_STATS_COUNTER_H
#define POOLER_STATS_COUNTER_H

#include <stdint.h>

struct counters {
	uint64_t server_assignment_count; /* times a client got a server */
	uint64_t xact_count;
	uint64_t query_count;
	uint64_t received;      /* bytes from clients */
	uint64_t sent;          /* bytes to clients */
	uint64_t xact_time_us;  /* in transactions */
	uint64_t query_time_us; /* in queries */
	uint64_t wait_time_us;  /* clients waiting for a server */
	uint64_t client_parse_count;
	uint64_t server_parse_count;
	uint64_t bind_count;
	uint64_t client_login_count;
	uint64_t rejected_count; /* clients turned away because a queue was full */
	uint64_t timeout_count;  /* clients that waited for longer than they may */
	/* Servers whose client left in the middle of something: used again, or closed. */
	uint64_t server_saved_count;
	uint64_t server_unsaved_count;
};

enum { COUNTER_COUNT = sizeof(struct counters) / sizeof(uint64_t) };

#endif

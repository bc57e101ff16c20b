/*
 * A brake on guessing passwords: who fails too often within a window of time, from one
 * address as one user, is refused for a while without being asked.
 *
 * Memory is bounded: when the table is full, the entry whose last failure is longest ago
 * makes room. Knows no clock; times do not go backwards. IPv6 addresses count by their
 * /64, those that hold an IPv4 address as that; names by their first LOGIN_USER_MAX
 * bytes.
 */
#ifndef POOLER_AUTH_BRAKE_H
#define POOLER_AUTH_BRAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct brake;

struct brake_rules {
	int failure_limit;  /* so many failures ... 0: never blocks */
	uint64_t window_us; /* ... within this time ... */
	uint64_t block_us;  /* ... block for so long */
};

/* The most failures that are kept of one entry; a limit above it counts as this. */
enum { BRAKE_ADDRESS_MAX = 16, BRAKE_FAILURES_MAX = 1000 };

/* Who: the user's name and the bytes of the address (4, 16, or 0 for a Unix socket). */
struct brake_who {
	struct slice user;
	struct slice address;
};

/* NULL when memory is short. */
struct brake *brake_create(size_t entries_max);
void brake_destroy(struct brake *brake);

/* How long it is still blocked; 0: it may try. Blocks outlive a change of the rules:
 * whoever turns the brake off resets it. */
uint64_t brake_blocked_us(const struct brake *brake, const struct brake_who *who,
			  uint64_t now_us);

/* Counts a failure; whether that has just blocked it. Failures of logins that had begun
 * before the block do not prolong it, and after it the count starts anew. When memory is
 * short the failure is not counted. */
bool brake_failed(struct brake *brake, const struct brake_rules *rules,
		  const struct brake_who *who, uint64_t now_us);

/* A login has succeeded: its failures are forgotten. */
void brake_passed(struct brake *brake, const struct brake_who *who);

/* All entries are forgotten. */
void brake_reset(struct brake *brake);
/* Those of one user, from wherever; how many there were. */
size_t brake_reset_user(struct brake *brake, struct slice user);

/* ---- for the console ---- */

struct brake_row {
	struct slice user, address; /* borrowed until the brake changes */
	unsigned failures;          /* within the window that ends at the latest */
	uint64_t last_us;           /* when the latest was */
	uint64_t blocked_until_us;  /* 0: not blocked */
	uint64_t order; /* grows from row to row; another failure, another one */
};
size_t brake_count(const struct brake *brake);
/* Oldest first; *cursor is NULL at the start and this row's place afterwards, good until
 * the brake changes. False at the end. */
bool brake_next(const struct brake *brake, const void **cursor, struct brake_row *out);

/* The cursor behind a row that was seen before the brake changed, or, when that one has
 * failed again or was forgotten, behind those that were before it. */
const void *brake_cursor(const struct brake *brake, const struct brake_who *who,
			 uint64_t order);

#endif

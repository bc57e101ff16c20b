/*
 * SHOW: tables that are produced row by row, in slices, while what they show changes.
 *
 * A table says how its columns are called and writes its next row; where it stands is in
 * struct show. Nothing there points to a client, server or pool: those may be gone when
 * the next slice is due.
 */
#ifndef POOLER_CONSOLE_SHOW_H
#define POOLER_CONSOLE_SHOW_H

#include "auth/brake.h"
#include "auth/login.h"
#include "base/clock.h"
#include "console/names.h"
#include "console/rows.h"
#include "relay/dispatcher.h"

struct console_service;
struct hba_rule;
struct keyring;
struct show;

struct show_table {
	const char *name;
	const struct column *columns;
	size_t count;
	/* Prepares the walk; false when memory is short. May be NULL. */
	bool (*begin)(struct show *show);
	/* Writes the next row, or skips what has no row (a skip is a step, too, so that
	 * a slice stays short). False: there are no more. */
	bool (*next)(struct show *show, struct row *row);
};

#define SHOW_COLUMNS(list) .columns = (list), .count = sizeof(list) / sizeof((list)[0])

/* A place in a list of clients or servers that is ordered by id. */
struct show_place {
	uint64_t last_id;  /* the latest one that was looked at */
	uint64_t last_key; /* its cancel key, by which a client is found again at once */
	void *next;        /* valid within a slice only */
	bool is_found;
};

/* A place among the failed logins. */
struct show_failures {
	size_t steps_left;
	uint64_t order; /* of the latest one that was looked at; 0: none was */
	uint8_t user_len, address_len;
	char user[LOGIN_USER_MAX];
	uint8_t address[BRAKE_ADDRESS_MAX];
	const void *cursor; /* valid within a slice only */
	bool is_found;
};

/* One walk over a table. Zero is valid: none. */
struct show {
	const struct show_table *table;
	const struct console_service *service;
	const struct dispatcher *dispatcher;
	uint64_t now_us;    /* of this slice */
	uint64_t wall_us;   /* the same moment, for people */
	size_t step;        /* rows or names done */
	struct names names; /* what is walked over, where that is names */
	struct show_place clients, servers;
	struct show_failures failures;
	struct keyring *keyring;       /* counted; NULL: not needed */
	const struct hba_rule *rule;   /* of the keyring, the next one */
	char user[LOGIN_USER_MAX + 1]; /* of auth_file, the latest one */
	uint64_t binary;
};

/* The table of that name, in any case; NULL when there is none. */
const struct show_table *show_find(const char *name);
/* All of them but those for drivers' sake; NULL at the end. */
const struct show_table *show_table_at(size_t i);
/* The name nearest to it; NULL when none is near. */
const char *show_nearest(const char *name);

/* False when memory is short. */
bool show_begin(struct show *show, const struct show_table *table,
		const struct console_service *service, uint64_t binary);
void show_end(struct show *show);

enum show_progress { SHOW_DONE, SHOW_MORE };
/* Writes rows until the buffer holds about slice_len bytes, at most `most` of them. Adds
 * to *rows how many. */
enum show_progress show_slice(struct show *show, struct writer *w, size_t slice_len,
			      size_t most, size_t *rows);

/* ---- for the tables ---- */

/* The name of the row for the console itself. */
#define SHOW_OWN_NAME "pooler"

/* Whether an idle server has been so for so long that it is checked before it is used. */
bool show_is_used(const struct show *show, const struct server *s);

/* Of a client or server, as a column of four bytes can show it. */
static inline uint64_t show_shown_id(uint64_t id)
{
	return id & INT32_MAX;
}

/* "2026-01-31 12:00:00 UTC" of a monotonic time. */
void show_time(struct row *row, const struct show *show, uint64_t at_us);
/* Whole seconds, and the microseconds beyond. */
void show_wait(struct row *row, uint64_t wait_us);

/* Adds the names of all databases that are configured or in use; of all users, but for
 * those that are only in auth_file. */
bool show_begin_databases(struct show *show);
bool show_begin_users(struct show *show);
bool show_begin_pools(struct show *show);
bool show_begin_settings(struct show *show);
/* The next of show->names; NULL at the end. */
const char *show_next_name(struct show *show);

extern const struct show_table show_clients, show_servers, show_sockets,
    show_active_sockets;
extern const struct show_table show_pins;
extern const struct show_table show_pools, show_reach;
extern const struct show_table show_databases, show_users;
extern const struct show_table show_listeners;
extern const struct show_table show_queue;
extern const struct show_table show_hba, show_failed_logins;
extern const struct show_table show_stats, show_stats_totals, show_stats_averages,
    show_totals;
extern const struct show_table show_config, show_state, show_version, show_lists,
    show_mem, show_memory;

/* What drivers ask for, answered for their sake: SHOW client_encoding and the like. */
extern const struct show_table show_driver_tables[];
extern const size_t show_driver_table_count;
/* Whether SET of that parameter is accepted, and ignored, for drivers' sake. */
bool show_is_driver_parameter(const char *name);

#endif

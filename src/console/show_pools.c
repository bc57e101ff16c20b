/*
 * SHOW POOLS: one row per database and user at the server.
 */
#include "config/config.h"
#include "console/show.h"
#include "relay/leave.h"

static const struct column columns[] = {
    {"database", COLUMN_TEXT},
    {"user", COLUMN_TEXT},
    {"cl_active", COLUMN_INT4},
    {"cl_waiting", COLUMN_INT4},
    {"cl_active_cancel_req", COLUMN_INT4},
    {"cl_waiting_cancel_req", COLUMN_INT4},
    {"sv_active", COLUMN_INT4},
    {"sv_active_cancel", COLUMN_INT4},
    {"sv_being_canceled", COLUMN_INT4},
    {"sv_idle", COLUMN_INT4},
    {"sv_used", COLUMN_INT4},
    {"sv_tested", COLUMN_INT4},
    {"sv_login", COLUMN_INT4},
    {"maxwait", COLUMN_INT4},
    {"maxwait_us", COLUMN_INT4},
    {"pool_mode", COLUMN_TEXT},
    {"load_balance_hosts", COLUMN_TEXT},
    {"max_queue", COLUMN_INT4},
    {"rejected", COLUMN_INT8},
    {"timed_out", COLUMN_INT8},
    {"wait_p50_us", COLUMN_INT8},
    {"wait_p99_us", COLUMN_INT8},
    {"sv_saved", COLUMN_INT8},
    {"sv_unsaved", COLUMN_INT8},
};

/* What the slots alone do not tell. */
struct census {
	unsigned cancels; /* requests on their way to servers */
	unsigned being_canceled;
	unsigned finishing; /* what clients asked that have said goodbye */
	unsigned used;
	unsigned private; /* those that serve a client */
};

static void count_servers(const struct show *show, const struct pool *pool,
			  struct census *out)
{
	struct slot *slot;

	for (size_t state = SLOT_IDLE; state < SLOT_STATES; state++)
		TAILQ_FOREACH (slot, &pool->slots[state], place) {
			const struct server *s = server_of_slot(slot);
			out->cancels += s->cancels;
			out->private += s->private && s->client;
			if (s->leaving == LEAVING_FINISHING)
				out->finishing++;
			else if (state == SLOT_CLEANING && s->task == SERVER_TASK_NONE)
				out->being_canceled++;
			if (state == SLOT_IDLE && show_is_used(show, s))
				out->used++;
		}
}

static void show_waits(struct row *row, const struct pool *pool)
{
	const struct counters *counters = &pool->tally.now;

	row_int(row, pool->rules.max_queue);
	row_count(row, counters->rejected_count);
	row_count(row, counters->timeout_count);
	row_count(row, pool->waits ? histogram_quantile(pool->waits, 0.5) : 0);
	row_count(row, pool->waits ? histogram_quantile(pool->waits, 0.99) : 0);
	row_count(row, counters->server_saved_count);
	row_count(row, counters->server_unsaved_count);
}

static void show_pool(struct row *row, const struct show *show, const struct pool *pool)
{
	struct census census = {0};
	unsigned waiting = pool->line.count;

	count_servers(show, pool, &census);
	row_begin(row);
	row_text(row, pool->database_name);
	row_text(row, pool->user_name);
	row_count(row, pool->clients > waiting ? pool->clients - waiting : 0);
	row_count(row, waiting);
	row_count(row, census.cancels);
	row_count(row, 0); /* cancel requests never wait for a place */
	row_count(row, census.finishing + pool->counts[SLOT_BUSY] + census.private);
	row_count(row, census.cancels);
	row_count(row, census.being_canceled);
	row_count(row, pool->counts[SLOT_IDLE] - census.used);
	row_count(row, census.used);
	row_count(row,
		  pool->counts[SLOT_CLEANING] - census.being_canceled - census.finishing);
	row_count(row, pool->counts[SLOT_OPENING]);
	show_wait(row, pool_longest_wait(pool, show->now_us));
	row_text(row, pool_mode_name(pool->rules.pool_mode));
	row_null(row);
	show_waits(row, pool);
	row_end(row);
}

/* The console has no servers, and nobody waits for it. */
static void show_own(struct row *row, const struct show *show)
{
	row_begin(row);
	row_text(row, SHOW_OWN_NAME);
	row_text(row, SHOW_OWN_NAME);
	row_count(row, show->dispatcher->console_count);
	for (int zeros = 0; zeros < 12; zeros++)
		row_count(row, 0);
	row_text(row, pool_mode_name(POOL_MODE_STATEMENT));
	row_null(row);
	row_int(row, 0);
	for (int zeros = 0; zeros < 6; zeros++)
		row_count(row, 0);
	row_end(row);
}

static bool next(struct show *show, struct row *row)
{
	const struct names *names = &show->names;
	size_t i = show->step;

	if (i > names->count)
		return false;
	show->step++;
	if (i == names->count) {
		show_own(row, show);
		return true;
	}
	const struct pool *pool =
	    pools_find(&show->dispatcher->pools, slice_of_text(names_first(names, i)),
		       slice_of_text(names_second(names, i)));
	if (pool)
		show_pool(row, show, pool);
	return true;
}

const struct show_table show_pools = {
    .name = "POOLS", SHOW_COLUMNS(columns), .begin = show_begin_pools, .next = next};

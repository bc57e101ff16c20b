/*
 * SHOW REACH: whether servers can be opened, pool by pool, and if not, why, since when
 * and when that is tried again.
 */
#include "console/show.h"
#include "relay/known.h"

static const struct column columns[] = {
    {"database", COLUMN_TEXT}, {"user", COLUMN_TEXT},     {"state", COLUMN_TEXT},
    {"reason", COLUMN_TEXT},   {"failures", COLUMN_INT4}, {"since", COLUMN_INT8},
    {"retry_ms", COLUMN_INT8}, {"held_ms", COLUMN_INT8},  {"servers", COLUMN_INT4},
    {"waiting", COLUMN_INT4},  {"sqlstate", COLUMN_TEXT}, {"message", COLUMN_TEXT},
};

/* A pool whose last attempt failed may still have servers that work. */
static const char *state_of(const struct pool *pool)
{
	if (!opening_is_failing(&pool->opening))
		return pool->has_been_reached ? "ok" : "unknown";
	if (!opening_is_down(&pool->opening))
		return "waiting";
	return pool->total > pool->counts[SLOT_OPENING] ? "failing" : "down";
}

static uint64_t ms_until(const struct show *show, uint64_t at_us)
{
	return at_us > show->now_us ? (at_us - show->now_us) / USEC_PER_MSEC : 0;
}

static void show_pool(struct show *show, struct row *row, const struct pool *pool)
{
	const struct opening *o = &pool->opening;
	const struct known_failure *failure = &known_of(pool)->failure;
	bool is_failing = opening_is_failing(o);
	bool is_held = opening_is_down(o) && pool->line.count > 0;
	uint64_t held_until_us = o->down_since_us + pool->rules.hold_on_failure;

	row_begin(row);
	row_text(row, pool->database_name);
	row_text(row, pool->user_name);
	row_text(row, state_of(pool));
	row_text(row, reach_name(o->reach));
	row_count(row, o->failures);
	row_count(row, is_failing
			   ? clock_since(show->now_us, o->failing_since_us) / USEC_PER_SEC
			   : 0);
	row_count(row, is_failing ? ms_until(show, o->not_before_us) : 0);
	row_count(row, is_held ? ms_until(show, held_until_us) : 0);
	row_count(row, pool->total);
	row_count(row, pool->line.count);
	row_text(row, is_failing && failure->is_set ? failure->sqlstate : "");
	row_text(row, is_failing && failure->is_set ? failure->message : "");
	row_end(row);
}

static bool next(struct show *show, struct row *row)
{
	const struct names *names = &show->names;
	size_t i = show->step++;

	if (i >= names->count)
		return false;
	const struct pool *pool =
	    pools_find(&show->dispatcher->pools, slice_of_text(names_first(names, i)),
		       slice_of_text(names_second(names, i)));
	if (pool)
		show_pool(show, row, pool);
	return true;
}

const struct show_table show_reach = {
    .name = "REACH", SHOW_COLUMNS(columns), .begin = show_begin_pools, .next = next};

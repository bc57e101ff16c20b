/*
 * SHOW QUEUE: what admission thinks now; one row per database and user at the server.
 */
#include "console/show.h"

static const struct column columns[] = {
    {"database", COLUMN_TEXT},     {"user", COLUMN_TEXT},
    {"waiting", COLUMN_INT4},      {"critical", COLUMN_INT4},
    {"high", COLUMN_INT4},         {"normal", COLUMN_INT4},
    {"low", COLUMN_INT4},          {"max_queue", COLUMN_INT4},
    {"working", COLUMN_INT4},      {"working_limit", COLUMN_INT4},
    {"held_us", COLUMN_INT8},      {"held_spread_us", COLUMN_INT8},
    {"expected_us", COLUMN_INT8},  {"longest_us", COLUMN_INT8},
    {"max_wait_us", COLUMN_INT8},  {"policy", COLUMN_TEXT},
    {"standing", COLUMN_INT4},     {"lets_in", COLUMN_TEXT},
    {"shed_percent", COLUMN_INT4}, {"full", COLUMN_INT8},
    {"too_long", COLUMN_INT8},     {"shed", COLUMN_INT8},
    {"displaced", COLUMN_INT8},    {"late", COLUMN_INT8},
    {"timed_out", COLUMN_INT8},    {"would_too_long", COLUMN_INT8},
    {"would_shed", COLUMN_INT8},   {"would_late", COLUMN_INT8},
    {"weight", COLUMN_INT4},       {"guaranteed", COLUMN_INT4},
    {"held_back_by", COLUMN_TEXT},
};

static const char *policy_name(enum queue_policy policy)
{
	switch (policy) {
	case QUEUE_FIFO:
		return "fifo";
	case QUEUE_LOG:
		return "log";
	case QUEUE_CODEL:
		return "codel";
	}
	return "";
}

static void show_line(struct row *row, const struct pool *pool)
{
	row_count(row, pool->line.count);
	for (int class = 0; class < PRIORITY_CLASSES; class ++)
		row_count(row, pool->line.classes[class].count);
	row_int(row, pool->rules.max_queue);
}

static void show_servers_at_work(struct row *row, const struct pool *pool)
{
	row_count(row, pool_at_work(pool));
	row_count(row, pool_enough_at_work(pool));
	row_count(row, forecast_held(&pool->forecast));
	row_count(row, forecast_spread(&pool->forecast));
}

/* The least of those that are set; 0 when none is. */
static uint64_t longest_wait(const struct rules *rules)
{
	uint64_t queue_us = rules->max_queue_wait, query_us = rules->query_wait_timeout;

	if (queue_us == 0 || (query_us > 0 && query_us < queue_us))
		return query_us;
	return queue_us;
}

/* Of somebody of the pool's own user and class. */
static void show_waits(struct row *row, const struct show *show, struct pool *pool)
{
	const struct rules *rules = &pool->rules;
	const struct asker asker = {
	    .user = pool->user_usage, .weight = 1, .class = (uint8_t)rules->priority};

	row_count(row, pool_expected_wait(pool, &asker, show->now_us));
	row_count(row, pool_longest_wait(pool, show->now_us));
	row_count(row, longest_wait(rules));
}

static bool is_standing(const struct pool *pool)
{
	for (int class = 0; class < PRIORITY_CLASSES; class ++)
		if (codel_is_overloaded(&pool->line.classes[class].codel))
			return true;
	return false;
}

static void show_shedding(struct row *row, const struct show *show,
			  const struct threshold *t)
{
	if (t && threshold_is_over(t, show->now_us))
		t = NULL;
	unsigned floor = t ? threshold_floor(t) : 0;
	unsigned shed = t && t->arrivals > t->admitted
			    ? (t->arrivals - t->admitted) * 100 / t->arrivals
			    : 0;

	row_text(row,
		 priority_name((enum priority)(PRIORITY_LOW - floor / THRESHOLD_STEPS)));
	row_count(row, shed);
}

/* Of what it has in common with other pools. */
static void show_share(struct row *row, const struct pool *pool)
{
	static const char *const limits[USAGES_EACH] = {
	    [USAGE_OF_DATABASE] = "max_db_connections",
	    [USAGE_OF_USER] = "max_user_connections",
	    [USAGE_OF_PROCESS] = "max_server_connections",
	};

	row_count(row, pool->rules.weight);
	row_int(row, pool->rules.guaranteed);
	row_text(row, pool->blocked_by ? limits[pool->blocked_by->kind] : NULL);
}

static void show_pool(struct row *row, const struct show *show, struct pool *pool)
{
	row_begin(row);
	row_text(row, pool->database_name);
	row_text(row, pool->user_name);
	show_line(row, pool);
	show_servers_at_work(row, pool);
	show_waits(row, show, pool);
	row_text(row, policy_name(pool->rules.queue_policy));
	row_count(row, is_standing(pool));
	show_shedding(row, show, pool->threshold);
	for (int reason = 0; reason < REFUSAL_REASONS; reason++)
		row_count(row, pool->refusals[reason]);
	row_count(row, pool->spared[REFUSAL_TOO_LONG]);
	row_count(row, pool->spared[REFUSAL_SHED]);
	row_count(row, pool->spared[REFUSAL_LATE]);
	show_share(row, pool);
	row_end(row);
}

static bool next(struct show *show, struct row *row)
{
	const struct names *names = &show->names;
	size_t i = show->step++;
	struct pool *pool;

	if (i >= names->count)
		return false;
	pool = pools_find(&show->dispatcher->pools, slice_of_text(names_first(names, i)),
			  slice_of_text(names_second(names, i)));
	if (pool)
		show_pool(row, show, pool);
	return true;
}

const struct show_table show_queue = {
    .name = "QUEUE", SHOW_COLUMNS(columns), .begin = show_begin_pools, .next = next};

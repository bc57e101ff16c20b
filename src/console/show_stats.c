/*
 * SHOW STATS and its relatives: totals since the start, and averages over the last period
 * or two. Totals and averages of one kind come from one list of twelve numbers.
 */
#include "console/console.h"
#include "console/show.h"

/* In the order of all these tables. */
enum { NUMBERS = 12 };

#define TOTAL_COLUMNS(prefix, bytes_in, bytes_out)                                       \
	{prefix "server_assignment_count", COLUMN_NUMERIC},                              \
	    {prefix "xact_count", COLUMN_NUMERIC},                                       \
	    {prefix "query_count", COLUMN_NUMERIC}, {bytes_in, COLUMN_NUMERIC},          \
	    {bytes_out, COLUMN_NUMERIC}, {prefix "xact_time", COLUMN_NUMERIC},           \
	    {prefix "query_time", COLUMN_NUMERIC},                                       \
	{                                                                                \
		prefix "wait_time", COLUMN_NUMERIC                                       \
	}

#define STATEMENT_COLUMNS(prefix)                                                        \
	{prefix "client_parse_count", COLUMN_NUMERIC},                                   \
	    {prefix "server_parse_count", COLUMN_NUMERIC},                               \
	    {prefix "bind_count", COLUMN_NUMERIC},                                       \
	{                                                                                \
		prefix "client_login_count", COLUMN_NUMERIC                              \
	}

static const struct column stats_columns[] = {
    {"database", COLUMN_TEXT},
    TOTAL_COLUMNS("total_", "total_received", "total_sent"),
    STATEMENT_COLUMNS("total_"),
    TOTAL_COLUMNS("avg_", "avg_recv", "avg_sent"),
    STATEMENT_COLUMNS("avg_")};

static const struct column totals_columns[] = {
    {"database", COLUMN_TEXT},
    TOTAL_COLUMNS("", "bytes_received", "bytes_sent"),
    STATEMENT_COLUMNS("")};

/* The prefixes differ on the wire for years, and tools rely on it. */
static const struct column averages_columns[] = {
    {"database", COLUMN_TEXT},
    TOTAL_COLUMNS("", "bytes_received", "bytes_sent"),
    STATEMENT_COLUMNS("avg_")};

static const struct column list_columns[] = {{"name", COLUMN_TEXT},
					     {"value", COLUMN_NUMERIC}};

/* ---- adding up ---- */

static void list_numbers(const struct counters *c, uint64_t out[NUMBERS])
{
	const uint64_t numbers[NUMBERS] = {
	    c->server_assignment_count,
	    c->xact_count,
	    c->query_count,
	    c->received,
	    c->sent,
	    c->xact_time_us,
	    c->query_time_us,
	    c->wait_time_us,
	    c->client_parse_count,
	    c->server_parse_count,
	    c->bind_count,
	    c->client_login_count,
	};

	memcpy(out, numbers, sizeof(numbers));
}

struct sums {
	struct counters totals;
	double per_second[NUMBERS];
};

/* A copy is rolled: looking changes nothing. */
static void add_tally(struct sums *sums, const struct tally *tally, uint64_t now_us)
{
	struct tally copy = *tally;
	uint64_t elapsed_us, recent[NUMBERS];
	struct counters counters = tally_recent(&copy, now_us, &elapsed_us);

	counters_add(&sums->totals, &tally->now);
	list_numbers(&counters, recent);
	for (size_t i = 0; i < NUMBERS; i++)
		sums->per_second[i] +=
		    (double)recent[i] * (double)USEC_PER_SEC / (double)elapsed_us;
}

static uint64_t share(double part, double whole)
{
	return whole > 0 ? (uint64_t)(part / whole) : 0;
}

/* Counts and bytes are per second; times are per transaction, query and wait. */
static void list_averages(const struct sums *sums, uint64_t out[NUMBERS])
{
	enum { ASSIGNMENTS, XACTS, QUERIES, XACT_TIME = 5, QUERY_TIME, WAIT_TIME };
	const double *rate = sums->per_second;

	for (size_t i = 0; i < NUMBERS; i++)
		out[i] = (uint64_t)rate[i];
	out[XACT_TIME] = share(rate[XACT_TIME], rate[XACTS]);
	out[QUERY_TIME] = share(rate[QUERY_TIME], rate[QUERIES]);
	out[WAIT_TIME] = share(rate[WAIT_TIME], rate[ASSIGNMENTS]);
}

static void add_database(const struct show *show, const char *name, struct sums *sums)
{
	const struct usage *usage =
	    usages_find(&show->dispatcher->pools.databases, slice_of_text(name));
	const struct pool *pool;

	if (!usage)
		return;
	TAILQ_FOREACH (pool, &usage->pools, in_database)
		add_tally(sums, &pool->tally, show->now_us);
}

/* ---- rows per database ---- */

static void show_numbers(struct row *row, const uint64_t numbers[NUMBERS])
{
	for (size_t i = 0; i < NUMBERS; i++)
		row_count(row, numbers[i]);
}

static void show_sums(const struct show *show, struct row *row, const char *name,
		      const struct sums *sums)
{
	uint64_t numbers[NUMBERS];

	row_begin(row);
	row_text(row, name);
	if (show->table != &show_stats_averages) {
		list_numbers(&sums->totals, numbers);
		show_numbers(row, numbers);
	}
	if (show->table != &show_stats_totals) {
		list_averages(sums, numbers);
		show_numbers(row, numbers);
	}
	row_end(row);
}

/* Only databases that have been used have a row, and the console. */
static bool begin(struct show *show)
{
	const struct usage *usage;

	for (usage = show->dispatcher->pools.databases.table; usage;
	     usage = usage->hh.next)
		if (!TAILQ_EMPTY(&usage->pools))
			names_add(&show->names, slice_of(usage->name, usage->name_len),
				  slice_of_text(""));
	return names_finish(&show->names);
}

static bool next(struct show *show, struct row *row)
{
	const char *name = show_next_name(show);
	struct sums sums = {0};

	if (name) {
		add_database(show, name, &sums);
	} else {
		if (show->step++ > show->names.count)
			return false;
		name = SHOW_OWN_NAME;
		add_tally(&sums, &show->service->tally, show->now_us);
	}
	show_sums(show, row, name, &sums);
	return true;
}

/* ---- one row per number ---- */

static bool next_total(struct show *show, struct row *row)
{
	static const char *const names[2 * NUMBERS] = {
	    "total_server_assignment_count",
	    "total_xact_count",
	    "total_query_count",
	    "total_client_bytes",
	    "total_server_bytes",
	    "total_xact_time",
	    "total_query_time",
	    "total_wait_time",
	    "total_ps_client_parse_count",
	    "total_ps_server_parse_count",
	    "total_ps_bind_count",
	    "total_client_login_count",
	    "avg_server_assignment_count",
	    "avg_xact_count",
	    "avg_query_count",
	    "avg_client_bytes",
	    "avg_server_bytes",
	    "avg_xact_time",
	    "avg_query_time",
	    "avg_wait_time",
	    "avg_ps_client_parse_count",
	    "avg_ps_server_parse_count",
	    "avg_ps_bind_count",
	    "avg_client_login_count",
	};
	uint64_t numbers[2 * NUMBERS];
	struct sums sums = {0};

	if (show->step >= 2 * NUMBERS)
		return false;
	add_tally(&sums, &show->dispatcher->pools.tally, show->now_us);
	list_numbers(&sums.totals, numbers);
	list_averages(&sums, numbers + NUMBERS);
	row_begin(row);
	row_text(row, names[show->step]);
	row_count(row, numbers[show->step]);
	row_end(row);
	show->step++;
	return true;
}

const struct show_table show_stats = {
    .name = "STATS", SHOW_COLUMNS(stats_columns), .begin = begin, .next = next};
const struct show_table show_stats_totals = {
    .name = "STATS_TOTALS", SHOW_COLUMNS(totals_columns), .begin = begin, .next = next};
const struct show_table show_stats_averages = {.name = "STATS_AVERAGES",
					       SHOW_COLUMNS(averages_columns),
					       .begin = begin,
					       .next = next};
const struct show_table show_totals = {
    .name = "TOTALS", SHOW_COLUMNS(list_columns), .next = next_total};

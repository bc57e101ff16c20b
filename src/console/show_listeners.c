/*
 * SHOW LISTENERS: the connections on which the pooler listens for clients that share
 * servers; a row for each pool and client_encoding.
 */
#include "console/show.h"
#include "relay/known.h"
#include "relay/notifier.h"

static const struct column columns[] = {
    {"database", COLUMN_TEXT},        {"user", COLUMN_TEXT},
    {"client_encoding", COLUMN_TEXT}, {"state", COLUMN_TEXT},
    {"remote_pid", COLUMN_INT4},      {"channels", COLUMN_INT4},
    {"listening", COLUMN_INT8},       {"failures", COLUMN_INT4},
};

static const char *state_of(const struct notifier *n)
{
	if (!n->server)
		return n->channels.count > 0 ? "pausing" : "ending";
	if (!n->is_open)
		return "opening";
	return channels_are_settled(&n->channels) ? "listening" : "changing";
}

static void show_listener(struct row *row, const struct pool *pool,
			  const struct notifier *n)
{
	row_begin(row);
	row_text(row, pool->database_name);
	row_text(row, pool->user_name);
	row_text(row, n->encoding);
	row_text(row, state_of(n));
	row_count(row, n->server ? server_process_id(n->server) : 0);
	row_count(row, n->channels.count);
	row_count(row, n->channels.member_count);
	row_count(row, n->failures);
	row_end(row);
}

static bool next(struct show *show, struct row *row)
{
	const struct names *names = &show->names;
	const struct notifier *n;
	size_t i = show->step++;

	if (i >= names->count)
		return false;
	const struct pool *pool =
	    pools_find(&show->dispatcher->pools, slice_of_text(names_first(names, i)),
		       slice_of_text(names_second(names, i)));
	if (!pool)
		return true;
	LIST_FOREACH(n, &known_of(pool)->notifiers, place)
	show_listener(row, pool, n);
	return true;
}

const struct show_table show_listeners = {
    .name = "LISTENERS", SHOW_COLUMNS(columns), .begin = show_begin_pools, .next = next};

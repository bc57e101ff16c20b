/*
 * SHOW MEMORY: what bytes under way and the process take, and who was stopped or refused
 * for it. One row per number.
 */
#include "console/show.h"

static const struct column memory_columns[] = {{"name", COLUMN_TEXT},
					       {"value", COLUMN_NUMERIC}};

enum { ROW_TAKEN, ROW_COUNT = 13 };

static uint64_t value_of(const struct dispatcher *d, size_t i)
{
	const struct ledger *ledger = &d->loop->ledger;
	const struct memory *memory = &d->memory;
	const uint64_t values[ROW_COUNT] = {
	    /* Read from a file, so for its own row only. */
	    [ROW_TAKEN] = i == ROW_TAKEN ? footprint_now(&memory->footprint) : 0,
	    memory->high,
	    memory->is_high,
	    memory->login_count,
	    memory->query_count,
	    ledger->held,
	    ledger->peak,
	    ledger->limit,
	    ledger->holders,
	    ledger->stopped,
	    ledger->stop_count,
	    ledger->short_count,
	    memory->unread_count,
	};

	return values[i];
}

static bool next(struct show *show, struct row *row)
{
	static const char *const names[ROW_COUNT] = {
	    [ROW_TAKEN] = "memory", "memory_high",         "is_high",
	    "refused_login_count",  "refused_query_count", "buffer_memory",
	    "buffer_memory_peak",   "max_buffer_memory",   "buffering_connections",
	    "stopped_connections",  "stop_count",          "stop_for_memory_count",
	    "write_timeout_count",
	};

	if (show->step >= ROW_COUNT)
		return false;
	row_begin(row);
	row_text(row, names[show->step]);
	row_count(row, value_of(show->dispatcher, show->step));
	row_end(row);
	show->step++;
	return true;
}

const struct show_table show_memory = {
    .name = "MEMORY", SHOW_COLUMNS(memory_columns), .next = next};

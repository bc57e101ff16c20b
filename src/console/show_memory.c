/*
 * SHOW MEMORY: what bytes under way take, and who was stopped for it. One row per number.
 */
#include "console/show.h"

static const struct column memory_columns[] = {{"name", COLUMN_TEXT},
					       {"value", COLUMN_NUMERIC}};

struct figure {
	const char *name;
	uint64_t value;
};

static bool next(struct show *show, struct row *row)
{
	const struct ledger *ledger = &show->dispatcher->loop->ledger;
	const struct figure figures[] = {
	    {"buffer_memory", ledger->held},
	    {"buffer_memory_peak", ledger->peak},
	    {"max_buffer_memory", ledger->limit},
	    {"buffering_connections", ledger->holders},
	    {"stopped_connections", ledger->stopped},
	    {"stop_count", ledger->stop_count},
	    {"stop_for_memory_count", ledger->short_count},
	};

	if (show->step >= sizeof(figures) / sizeof(figures[0]))
		return false;
	row_begin(row);
	row_text(row, figures[show->step].name);
	row_count(row, figures[show->step].value);
	row_end(row);
	show->step++;
	return true;
}

const struct show_table show_memory = {
    .name = "MEMORY", SHOW_COLUMNS(memory_columns), .next = next};

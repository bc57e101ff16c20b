/*
 * SHOW PINS: clients that are kept at their servers, and why.
 *
 * The list of servers is in the order of their ids, so the place is found again by the id
 * of the one that was looked at last.
 */
#include "console/show.h"
#include "pool/pool.h"
#include "relay/pin.h"
#include "relay/session.h"

static const struct column columns[] = {
    {"database", COLUMN_TEXT},   {"user", COLUMN_TEXT},      {"reasons", COLUMN_TEXT},
    {"since", COLUMN_TEXT},      {"pinned", COLUMN_INT8},    {"idle", COLUMN_INT8},
    {"state", COLUMN_TEXT},      {"ptr", COLUMN_TEXT},       {"link", COLUMN_TEXT},
    {"remote_pid", COLUMN_INT4}, {"client_id", COLUMN_INT4}, {"server_id", COLUMN_INT4},
};

static struct server *next_server(struct show *show)
{
	struct show_place *at = &show->servers;
	struct server *s = at->next;

	if (!at->is_found) {
		TAILQ_FOREACH (s, &show->dispatcher->servers, place)
			if (s->id > at->last_id)
				break;
	}
	at->is_found = true;
	if (!s)
		return NULL;
	at->last_id = s->id;
	at->next = TAILQ_NEXT(s, place);
	return s;
}

static const char *state_of(const struct server *s)
{
	if (s->query_us != 0)
		return "active";
	return s->transaction_us != 0 ? "in transaction" : "idle";
}

static uint64_t idle_us(const struct show *show, const struct server *s)
{
	bool is_idle = s->query_us == 0 && s->transaction_us == 0;

	return is_idle ? clock_since(show->now_us, s->heard_us) : 0;
}

static bool next_row(struct show *show, struct row *row)
{
	const struct server *s = next_server(show);
	const struct client *c = s ? s->client : NULL;
	char reasons[PIN_REASONS_LEN];

	if (!s)
		return false;
	if (!c || !session_is_shared(c) || !c->session || c->session->pins == 0)
		return true;
	row_begin(row);
	row_text(row, c->pool->database_name);
	row_text(row, client_user_name(c));
	row_text(row, pin_reasons_print(c->session->pins, reasons));
	show_time(row, show, c->session->pinned_us);
	row_count(row, clock_since(show->now_us, c->session->pinned_us) / USEC_PER_SEC);
	row_count(row, idle_us(show, s) / USEC_PER_SEC);
	row_text(row, state_of(s));
	row_pointer(row, c->id);
	row_pointer(row, s->id);
	row_count(row, server_process_id(s));
	row_count(row, show_shown_id(c->id));
	row_count(row, show_shown_id(s->id));
	row_end(row);
	return true;
}

const struct show_table show_pins = {
    .name = "PINS", SHOW_COLUMNS(columns), .next = next_row};

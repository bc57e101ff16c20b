/*
 * SHOW HBA and SHOW FAILED_LOGINS: who may come in, and who tries in vain.
 *
 * Rules are those of the moment when the command came, to the end. Failures go on while
 * they are shown: who fails again moves to the end and may come twice.
 */
#include "auth/brake.h"
#include "auth/hba.h"
#include "base/text.h"
#include "config/config.h"
#include "console/show.h"
#include "net/address.h"
#include "relay/keyring.h"

/* ---- HBA ---- */

static const struct column hba_columns[] = {
    {"line", COLUMN_INT4},    {"type", COLUMN_TEXT},    {"database", COLUMN_TEXT},
    {"user", COLUMN_TEXT},    {"address", COLUMN_TEXT}, {"method", COLUMN_TEXT},
    {"options", COLUMN_TEXT},
};

static bool begin_rules(struct show *show)
{
	show->keyring = keyring_ref(show->dispatcher->logins.keyring);
	if (show->keyring->hba)
		show->rule = hba_first(show->keyring->hba);
	return true;
}

static void show_part(struct row *row, const struct hba_rule *rule,
		      enum hba_column column)
{
	struct buffer text = {0};

	if (hba_print(rule, column, &text))
		row_slice(row, buffer_bytes(&text));
	else
		row_null(row); /* memory is short */
	buffer_fini(&text);
}

static bool next_rule(struct show *show, struct row *row)
{
	const struct hba_rule *rule = show->rule;

	if (!rule)
		return false;
	row_begin(row);
	row_count(row, rule->line);
	for (int column = 0; column < HBA_COLUMN_COUNT; column++)
		show_part(row, rule, (enum hba_column)column);
	row_end(row);
	show->rule = rule->next;
	return true;
}

const struct show_table show_hba = {
    .name = "HBA", SHOW_COLUMNS(hba_columns), .begin = begin_rules, .next = next_rule};

/* ---- FAILED_LOGINS ---- */

static const struct column failure_columns[] = {
    {"user", COLUMN_TEXT},      {"address", COLUMN_TEXT},
    {"failures", COLUMN_INT4},  {"last_failure_s", COLUMN_INT4},
    {"blocked_s", COLUMN_INT4},
};

static const struct brake *brake_of(const struct show *show)
{
	return show->dispatcher->logins.brake;
}

static bool begin_failures(struct show *show)
{
	/* Some move to the end, but an end there must be. */
	show->failures.steps_left = 2 * brake_count(brake_of(show));
	return true;
}

static const void *find_place(const struct show *show)
{
	const struct show_failures *at = &show->failures;
	const struct brake_who who = {slice_of(at->user, at->user_len),
				      slice_of(at->address, at->address_len)};

	return at->order > 0 ? brake_cursor(brake_of(show), &who, at->order) : NULL;
}

static void copy(void *to, uint8_t *to_len, size_t cap, struct slice from)
{
	*to_len = (uint8_t)(from.len < cap ? from.len : cap);
	if (*to_len > 0)
		memcpy(to, from.data, *to_len);
}

/* The next one, moving the place on; false at the end. */
static bool next_failure(struct show *show, struct brake_row *out)
{
	struct show_failures *at = &show->failures;

	if (at->steps_left == 0)
		return false;
	at->steps_left--;
	if (!at->is_found)
		at->cursor = find_place(show);
	at->is_found = true;
	if (!brake_next(brake_of(show), &at->cursor, out))
		return false;
	at->order = out->order;
	copy(at->user, &at->user_len, sizeof(at->user), out->user);
	copy(at->address, &at->address_len, sizeof(at->address), out->address);
	return true;
}

/* Addresses of IPv6 count by their network. */
static void show_network(struct row *row, struct slice bytes)
{
	struct address address = {.family = ADDRESS_UNIX};
	char text[ADDRESS_TEXT_LEN + 4];

	if (bytes.len > 0) {
		address.family = bytes.len == 4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
		memcpy(address.bytes, bytes.data, bytes.len);
	}
	address_print(&address, text);
	if (address.family == ADDRESS_IPV6)
		text_copy(text + strlen(text), 4, slice_of_text("/64"));
	row_text(row, text);
}

static bool next_failure_row(struct show *show, struct row *row)
{
	const struct settings *settings = &show->dispatcher->config->settings;
	struct brake_row failure;

	if (!next_failure(show, &failure))
		return false;
	uint64_t until_us = failure.blocked_until_us;
	uint64_t left_us = until_us > show->now_us ? until_us - show->now_us : 0;
	uint64_t ago_us = clock_since(show->now_us, failure.last_us);
	if (left_us == 0 && ago_us >= settings->auth_failure_window)
		return true; /* it counts no more */
	row_begin(row);
	row_slice(row, failure.user);
	show_network(row, failure.address);
	row_count(row, failure.failures);
	row_count(row, ago_us / USEC_PER_SEC);
	row_count(row, (left_us + USEC_PER_SEC - 1) / USEC_PER_SEC);
	row_end(row);
	return true;
}

const struct show_table show_failed_logins = {.name = "FAILED_LOGINS",
					      SHOW_COLUMNS(failure_columns),
					      .begin = begin_failures,
					      .next = next_failure_row};

/*
 * Asking servers how much memory they use.
 *
 * PostgreSQL knows since version 14, and tells superusers; since version 15 members of
 * pg_read_all_stats, too, and anybody to whom the view and its function are granted. A
 * pool whose servers refuse is not asked again.
 */
#include "relay/checkup.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/reader.h"
#include "base/text.h"
#include "pool/pool.h"
#include "proto/notice.h"
#include "relay/clean.h"
#include "relay/dispatcher.h"
#include "relay/server.h"

/* Longer than any answer takes, and short enough not to keep a server for ever. */
#define QUESTION_LIMIT_US (10 * USEC_PER_SEC)

static const char question[] = "SELECT pg_catalog.sum(total_bytes) "
			       "FROM pg_catalog.pg_backend_memory_contexts";

void checkup_start(struct server *s)
{
	uint64_t now_us = dispatcher_now(s->dispatcher);

	/* Whatever it answers, it was asked. */
	pool_note_memory(s->slot.pool, &s->slot, 0, now_us);
	if (s->state != SERVER_CLEANING)
		clean_enter(s, now_us + QUESTION_LIMIT_US);
	server_ask(s, SERVER_TASK_MEMORY, slice_of_text(question));
}

static void log_told(const struct server *s, uint64_t bytes)
{
	char prefix[256];

	if (s->slot.is_bloated)
		log_write(LOG_LEVEL_LOG, server_prefix(s, prefix),
			  "server uses %llu bytes of memory (server_memory_limit)",
			  (unsigned long long)bytes);
	else if (log_wants(LOG_LEVEL_DEBUG))
		log_write(LOG_LEVEL_DEBUG, server_prefix(s, prefix),
			  "server uses %llu bytes of memory", (unsigned long long)bytes);
}

void checkup_row(struct server *s, struct slice body)
{
	struct reader r = reader_of(body);
	uint16_t columns = reader_u16(&r);
	uint32_t len = reader_u32(&r);
	struct slice value = reader_bytes(&r, len);
	char text[32];
	int64_t bytes;

	if (columns != 1 || !reader_done(&r) || value.len >= sizeof(text))
		return;
	text_copy(text, sizeof(text), value);
	if (!text_parse_int(text, &bytes) || bytes < 0)
		return;
	pool_note_memory(s->slot.pool, &s->slot, (uint64_t)bytes,
			 dispatcher_now(s->dispatcher));
	log_told(s, (uint64_t)bytes);
}

void checkup_error(struct server *s, struct slice body)
{
	struct notice_fields fields;
	char prefix[256], message[256];

	if (!notice_read(body, &fields))
		fields = (struct notice_fields){0};
	if (!s->slot.pool->hides_memory)
		log_write(LOG_LEVEL_WARNING, server_prefix(s, prefix),
			  "server_memory_limit has no effect here: the server does not "
			  "tell how much memory it uses: %s",
			  text_escape(message, sizeof(message), fields.message));
	pool_note_memory_hidden(s->slot.pool);
}

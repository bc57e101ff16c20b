/*
 * What is asked about a tracker: none of this changes it.
 */
#include "proto/tracker_internal.h"

bool tracker_is_skipping(const struct tracker *t)
{
	return t->skipping;
}

bool tracker_is_in_copy(const struct tracker *t)
{
	return t->copy != COPY_NONE && t->copy != COPY_OUT;
}

uint64_t tracker_next(const struct tracker *t)
{
	return t->sent;
}

uint64_t tracker_oldest(const struct tracker *t)
{
	return t->sent - t->asked.messages;
}

uint64_t tracker_batch(const struct tracker *t)
{
	return t->batch;
}

uint64_t tracker_turn(const struct tracker *t)
{
	return t->turn;
}

bool tracker_is_at_query(const struct tracker *t)
{
	return kind_at(t, 0) == QUERY;
}

enum asked_by tracker_asker(const struct tracker *t)
{
	return t->asked.runs > 0 && questions_see(&t->asked, 0)->by == ASKED_BY_POOLER
		   ? ASKED_BY_POOLER
		   : ASKED_BY_CLIENT;
}

bool tracker_is_idle(const struct tracker *t)
{
	return t->asked.runs == 0 && !t->skipping && !t->unsynced && !t->lost;
}

bool tracker_needs_probe(const struct tracker *t)
{
	return kind_at(t, 0) == SYNC_MAYBE && !t->skipping &&
	       behind_doubt(t, 0) == t->asked.runs;
}

bool tracker_awaits_copy(const struct tracker *t)
{
	return t->copy == COPY_IN || t->copy == COPY_BOTH ||
	       t->copy == COPY_BOTH_SERVER_DONE;
}

bool tracker_copies_both_ways(const struct tracker *t)
{
	return t->copy == COPY_BOTH || t->copy == COPY_BOTH_ENDED ||
	       t->copy == COPY_BOTH_SERVER_DONE;
}

bool tracker_is_unsynced(const struct tracker *t)
{
	return t->unsynced;
}

bool tracker_is_lost(const struct tracker *t)
{
	return t->lost;
}

uint32_t tracker_requests(const struct tracker *t)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < t->asked.runs; i++) {
		enum kind kind = kind_at(t, i);

		if (kind == SYNC || kind == QUERY || kind == FUNCTION)
			count += questions_see(&t->asked, i)->count;
	}
	return count;
}

uint8_t tracker_transaction_status(const struct tracker *t)
{
	return t->transaction_status ? t->transaction_status : 'I';
}

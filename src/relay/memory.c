/*
 * Refusing new work while memory is short.
 *
 * Memory that was freed may stay with the process for want of a gap at its end, and then
 * nothing would ever get better: so it is asked back before anybody is refused, and at
 * each look while that lasts.
 */
#include "relay/memory.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "proto/notice.h"
#include "relay/dispatcher.h"
#include "relay/refusal.h"

/* Looked at no more often than this, and no more seldom. */
#define LOOK_US (1 * USEC_PER_SEC)
#define LOOK_LATEST_US (10 * USEC_PER_SEC)

enum {
	/* So much more than at the last look is growth. */
	GROWTH = 1024 * 1024,
	/* Percent of the control group's ceiling where none is set. */
	OF_CEILING = 90,
	/* Percent of the limit at which the shortage is over. */
	OVER_BELOW = 95,
	TEXT_LEN = 160,
};

void memory_init(struct memory *m)
{
	footprint_init(&m->footprint, "/proc/self", "/sys/fs/cgroup");
}

/* What memory_high will do, where that is not plain from the file. */
static void log_limit(const struct memory *m, uint64_t set)
{
	if (m->high > 0 && footprint_now(&m->footprint) == 0) {
		log_warning("memory_high does nothing: %s/statm, which tells how much "
			    "memory the process takes, cannot be read",
			    m->footprint.proc);
		return;
	}
	if (set > 0)
		return;
	switch (m->footprint.group) {
	case FOOTPRINT_UNKNOWN:
		log_info("memory_high is 0, and no control group tells how much memory "
			 "the process may take: no work is refused for lack of it");
		return;
	case FOOTPRINT_UNLIMITED:
		return;
	case FOOTPRINT_LIMITED:
		log_info("memory_high is %" PRIu64 " bytes: %d %% of the %" PRIu64
			 " that the control group allows",
			 m->high, OF_CEILING, m->footprint.ceiling);
		return;
	}
}

void memory_take_settings(struct dispatcher *d)
{
	struct memory *m = &d->memory;
	uint64_t set = d->config->settings.memory_high, high = set;

	if (high == 0)
		high = m->footprint.ceiling / 100 * OF_CEILING;
	if (high != m->high || !m->is_told) {
		m->looked_us = 0;
		m->high = high;
		m->is_told = true;
		log_limit(m, set);
	}
	if (high == 0)
		m->is_high = false;
}

/* What grows with what peers do. */
static uint64_t counted(const struct dispatcher *d)
{
	const struct slab *clients = &d->client_slab, *servers = &d->server_slab;

	return d->loop->ledger.held + d->statements.bytes +
	       clients->used * clients->object_len + servers->used * servers->object_len;
}

static bool is_time_to_look(const struct dispatcher *d)
{
	const struct memory *m = &d->memory;
	uint64_t since_us = clock_since(dispatcher_now(d), m->looked_us);

	if (m->looked_us == 0 || since_us >= LOOK_LATEST_US)
		return true;
	if (since_us < LOOK_US)
		return false;
	return m->is_high || m->taken > m->high / 2 || counted(d) > m->counted + GROWTH;
}

static bool is_too_much(const struct memory *m)
{
	return m->taken >= (m->is_high ? m->high / 100 * OVER_BELOW : m->high);
}

static void set_high(struct memory *m, bool is_high)
{
	if (is_high == m->is_high)
		return;
	m->is_high = is_high;
	if (is_high)
		log_warning("memory is short: the process takes %" PRIu64
			    " bytes, memory_high is %" PRIu64
			    "; new clients and queries are refused",
			    m->taken, m->high);
	else
		log_info("memory is no longer short: the process takes %" PRIu64
			 " bytes; refused meanwhile: %" PRIu64 " logins, %" PRIu64
			 " queries since the start",
			 m->taken, m->login_count, m->query_count);
}

static void look(struct dispatcher *d)
{
	struct memory *m = &d->memory;

	m->looked_us = dispatcher_now(d);
	m->counted = counted(d);
	m->taken = footprint_now(&m->footprint);
	if (is_too_much(m)) {
		footprint_trim();
		m->taken = footprint_now(&m->footprint);
	}
	set_high(m, is_too_much(m));
}

bool memory_refuses(struct dispatcher *d)
{
	if (d->memory.high == 0)
		return false;
	if (is_time_to_look(d))
		look(d);
	return d->memory.is_high;
}

static const char *print_detail(const struct memory *m, char out[TEXT_LEN])
{
	snprintf(out, TEXT_LEN,
		 "The pooler takes %" PRIu64 " bytes of memory; limit: %" PRIu64 ".",
		 m->taken, m->high);
	return out;
}

void memory_refuse_login(struct client *c)
{
	struct memory *m = &c->dispatcher->memory;
	char detail[TEXT_LEN];

	m->login_count++;
	client_close_saying(c, CLOSE_MEMORY_HIGH, NULL, print_detail(m, detail),
			    "Try again later, or raise memory_high.");
}

void memory_refuse_query(struct client *c)
{
	struct memory *m = &c->dispatcher->memory;
	char detail[TEXT_LEN];

	m->query_count++;
	refusal_tell(c,
		     &(struct notice){.severity = "ERROR",
				      .sqlstate = SQLSTATE_OUT_OF_MEMORY,
				      .message = closing_row(CLOSE_MEMORY_HIGH)->text,
				      .detail = print_detail(m, detail),
				      .hint = "Try again later, or raise memory_high."});
}

/*
 * The line of statistics, with the words of PgBouncer's.
 */
#include "app/statistics.h"

#include <errno.h>
#include <stdio.h>

#include "app/notify.h"
#include "app/pooler.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"

enum { LINE_LEN = 512 };

static uint64_t per(uint64_t total, uint64_t count)
{
	return count > 0 ? total / count : 0;
}

static void print_line(char *out, const struct counters *now, const struct counters *last,
		       uint64_t elapsed_us)
{
	uint64_t s = elapsed_us / USEC_PER_SEC > 0 ? elapsed_us / USEC_PER_SEC : 1;
	uint64_t xacts = now->xact_count - last->xact_count;
	uint64_t queries = now->query_count - last->query_count;
	uint64_t waits = now->server_assignment_count - last->server_assignment_count;

	snprintf(
	    out, LINE_LEN,
	    /* pgBadger 12 knows the first six in this order with nothing between them. */
	    "stats: %llu xacts/s, %llu queries/s, in %llu B/s, out %llu B/s, "
	    "xact %llu us, query %llu us, wait %llu us, %llu client parses/s, "
	    "%llu server parses/s, %llu binds/s, %llu client logins/s",
	    (unsigned long long)per(xacts, s), (unsigned long long)per(queries, s),
	    (unsigned long long)per(now->received - last->received, s),
	    (unsigned long long)per(now->sent - last->sent, s),
	    (unsigned long long)per(now->xact_time_us - last->xact_time_us, xacts),
	    (unsigned long long)per(now->query_time_us - last->query_time_us, queries),
	    (unsigned long long)per(now->wait_time_us - last->wait_time_us, waits),
	    (unsigned long long)per(now->client_parse_count - last->client_parse_count,
				    s),
	    (unsigned long long)per(now->server_parse_count - last->server_parse_count,
				    s),
	    (unsigned long long)per(now->bind_count - last->bind_count, s),
	    (unsigned long long)per(now->client_login_count - last->client_login_count,
				    s));
}

void statistics_restart(struct pooler *p)
{
	loop_arm(&p->loop, &p->stats_due,
		 p->stats_last_us + p->config->settings.stats_period);
}

static void on_stats(struct deadline *due, uint64_t now_us)
{
	struct pooler *p =
	    (struct pooler *)(void *)((char *)due - offsetof(struct pooler, stats_due));
	const struct counters *now = &p->dispatcher.pools.tally.now;
	char line[LINE_LEN];

	print_line(line, now, &p->stats_last, clock_since(now_us, p->stats_last_us));
	if (p->config->settings.log_stats)
		log_info("%s", line);
	notify_status(line);
	p->stats_last = *now;
	p->stats_last_us = now_us;
	statistics_restart(p);
}

static void on_watchdog(struct deadline *due, uint64_t now_us)
{
	struct pooler *p =
	    (struct pooler *)(void *)((char *)due -
				      offsetof(struct pooler, watchdog_due));

	notify_alive();
	loop_arm(&p->loop, due, now_us + notify_interval_us());
}

int statistics_start(struct pooler *p)
{
	p->stats_due.on_due = on_stats;
	p->watchdog_due.on_due = on_watchdog;
	p->stats_last_us = p->loop.now_us;
	if (!loop_reserve_deadline(&p->loop) || !loop_reserve_deadline(&p->loop))
		return -ENOMEM;
	statistics_restart(p);
	if (notify_interval_us() > 0)
		on_watchdog(&p->watchdog_due, p->loop.now_us);
	return 0;
}

void statistics_stop(struct pooler *p)
{
	if (!p->stats_due.on_due)
		return;
	loop_release_deadline(&p->loop, &p->stats_due);
	loop_release_deadline(&p->loop, &p->watchdog_due);
}

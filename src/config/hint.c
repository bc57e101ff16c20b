/*
 * The nearest name is within one letter in four, or the hint would mislead. Names that
 * PgBouncer knows get an answer of their own: people move their files here.
 */
#include "config/hint.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static const char *const unsupported[] = {
    "cancel_wait_timeout",
    "conffile",
    "disable_pqexec",
    "dns_zone_check_period",
    "job_name",
    "load_balance_hosts",
    "login_notify_message",
    "peer_id",
    "peers",
    "pkt_buf",
    "pool_idle_timeout",
    "resolv_conf",
    "sbuf_loopcnt",
    "scram_iterations",
    "server_fast_close",
    "service_name",
    "suspend_timeout",
};

static bool is_unsupported(const char *name)
{
	for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
		if (text_equal_nocase(name, unsupported[i]))
			return true;
	}
	return false;
}

char *hint_show(const char *text, char *out)
{
	out[0] = '"';
	text_escape(out + 1, HINT_SHOWN_MAX - 2, slice_of_text(text));
	size_t len = strlen(out);
	out[len] = '"';
	out[len + 1] = '\0';
	return out;
}

struct nearest nearest_to(const char *wanted)
{
	return (struct nearest){.wanted = wanted, .distance = UINT_MAX};
}

void nearest_offer(struct nearest *n, const char *name)
{
	unsigned distance = text_distance(n->wanted, name);

	if (distance >= n->distance)
		return;
	n->distance = distance;
	n->name = name;
}

const char *nearest_name(const struct nearest *n)
{
	return n->name && n->distance <= 1 + strlen(n->wanted) / 4 ? n->name : NULL;
}

void hint_unknown(const char *what, const struct nearest *n, char *out, size_t cap)
{
	char shown[HINT_SHOWN_MAX];
	const char *near = nearest_name(n);

	hint_show(n->wanted, shown);
	/* A slip of one letter is likelier than a name that only begins like one. */
	if (is_unsupported(n->wanted))
		snprintf(out, cap, "%s %s is not supported by this version", what, shown);
	else if (near)
		snprintf(out, cap, "unknown %s %s; did you mean \"%s\"?", what, shown,
			 near);
	else
		snprintf(out, cap, "unknown %s %s", what, shown);
}

/*
 * The line of clients waiting for a server of one pool: who is let in, who is next, and
 * who has waited for so long that it is better to say so.
 *
 * Classes come in order, but of what is served each that waits gets at least its reserve.
 * Within a class,
 * users take turns by server time (lane.h), and those of one user are served in order of
 * arrival; the other way round while the line is longer than it has to be (codel.h). The
 * line is bounded: who would make it longer is not let in, unless somebody of a lower
 * class, or of a user with more than his share of the line, can make room. Of its places,
 * too, each class has its reserve.
 *
 * Knows nothing of clocks and timeouts: callers say what time it is.
 */
#ifndef POOLER_POOL_ADMISSION_H
#define POOLER_POOL_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "config/priorities.h"
#include "pool/codel.h"
#include "pool/flow.h"
#include "pool/waiter.h"

enum { ADMISSION_UNBOUNDED = -1 };

struct class_line {
	struct ring ring; /* of lanes in which somebody waits */
	unsigned count;   /* of waiters */
	unsigned lanes;   /* in the ring */
	unsigned owed;    /* of its reserve, in hundredths of a turn */
	struct codel codel;
};

struct admission {
	struct waiters all; /* in order of arrival */
	unsigned count;
	int max; /* of waiters; ADMISSION_UNBOUNDED */
	struct class_line classes[PRIORITY_CLASSES];
	struct flows flows;
};

void admission_init(struct admission *a, int max);
void admission_fini(struct admission *a); /* nobody may wait, nothing be at work */

/* Whether one more would be let in, given how many servers are on their way for this line
 * (those who will get one of these are not counted as queueing). */
bool admission_is_full(const struct admission *a, unsigned servers_coming);

/* Who of a full line has to make room for this one: the newest of the lowest class below
 * his, or of a user of his class who has more than his share of the line, or of a higher
 * class while his own has fewer places than its reserve; NULL when it is nobody. A class
 * keeps the places of its reserve. */
struct waiter *admission_yields_to(struct admission *a, const struct asker *asker,
				   const struct priority_reserve *reserve);

/* How many of those who wait would be served before one who comes now, if nobody came
 * after him. */
unsigned admission_ahead(struct admission *a, const struct asker *asker,
			 const struct priority_reserve *reserve);
/* Where he would stand; NULL when nobody of his class and user waits or is served. */
const struct lane *admission_lane(struct admission *a, const struct asker *asker);
/* Whether of so many servers some are reserved for a class, and it has nobody waiting, or
 * few, for these. */
bool admission_has_reserve(const struct admission *a, uint8_t class,
			   const struct priority_reserve *reserve, unsigned servers);

/* asker, since_us and expected_us of the waiter are set. */
void admission_join(struct admission *a, struct waiter *w);
/* Leaves whatever line it stands in; harmless when it stands in none. */
void admission_leave(struct waiter *w);

/* How the next is chosen. */
struct admission_rules {
	enum queue_policy policy;
	struct codel_config codel;
	uint64_t from_us;  /* waits count from here: nobody was served before */
	uint64_t round_us; /* server time of a turn: about how long one is held */
};

enum admission_verdict {
	ADMISSION_NOBODY, /* waits */
	ADMISSION_SERVE,  /* *out, who is still in line */
	ADMISSION_REJECT, /* *out, who has waited for too long; then ask again */
};

/* What a free server is for. After LOG's policy has served somebody, *out_late says
 * whether CODEL would have rejected the oldest. */
enum admission_verdict admission_judge(struct admission *a,
				       const struct admission_rules *rules,
				       uint64_t now_us, struct waiter **out,
				       bool *out_late);

/* Who has waited longest; NULL when nobody waits. */
struct waiter *admission_first(const struct admission *a);

/* For how long the first has waited; 0 when nobody waits. */
uint64_t admission_longest_wait(const struct admission *a, uint64_t now_us);

/* ---- servers at work, for those who came from the line and those who did not ---- */

/* A server goes to this waiter, who leaves the line. Others that wait come nearer to
 * their reserve. */
void admission_serve(struct admission *a, struct waiter *w,
		     const struct priority_reserve *reserve, uint64_t expected_us,
		     struct work *out);
/* It was held for so long. */
void admission_served(struct admission *a, struct work *work, uint64_t held_us);

bool admission_is_sound(const struct admission *a); /* linear: for CHECK_SLOW and tests */

#endif

/*
 * Everything here is a few compares, whatever the length of the line.
 */
#include "pool/admission.h"

#include "base/check.h"
#include "base/clock.h"

/* So many lanes are looked at for one that can make room. */
enum { LANES_LOOKED_AT = 8 };

/* In hundredths. */
enum { A_TURN = 100, OWED_MOST = PRIORITY_CLASSES * A_TURN };

void admission_init(struct admission *a, int max)
{
	*a = (struct admission){.max = max};
	TAILQ_INIT(&a->all);
	for (int class = 0; class < PRIORITY_CLASSES; class ++) {
		TAILQ_INIT(&a->classes[class].ring);
		codel_init(&a->classes[class].codel);
	}
	flows_init(&a->flows);
}

void admission_fini(struct admission *a)
{
	CHECK(a->count == 0);
	flows_fini(&a->flows);
}

bool admission_is_full(const struct admission *a, unsigned servers_coming)
{
	if (a->max == ADMISSION_UNBOUNDED)
		return false;
	return a->count >= (uint64_t)a->max + servers_coming;
}

static unsigned at_most(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static struct lane *lane_of(struct admission *a, const struct asker *asker)
{
	struct flow *flow = flows_find(&a->flows, asker->user);

	return flow ? &flow->lanes[asker->class] : NULL;
}

const struct lane *admission_lane(struct admission *a, const struct asker *asker)
{
	return lane_of(a, asker);
}

/* ---- making room ---- */

/* Of a lane in which somebody waits. */
static struct waiter *newest_of(const struct lane *l)
{
	CHECK(l && l->count > 0);
	return TAILQ_LAST(&l->waiters, waiters);
}

/* Of the first few in the ring, the one with the most waiters. */
static struct lane *longest(const struct ring *ring)
{
	struct lane *l, *found = TAILQ_FIRST(ring);
	int looked_at = 0;

	TAILQ_FOREACH (l, ring, turn) {
		if (l->count > found->count)
			found = l;
		if (++looked_at == LANES_LOOKED_AT)
			break;
	}
	return found;
}

/* How many of the places in line its reserve keeps for a class: none of a short one, in
 * which a single place would be more than that. */
static unsigned reserved_places(const struct admission *a, int class,
				const struct priority_reserve *reserve)
{
	return a->max > 0
		   ? (unsigned)((uint64_t)a->max * reserve->percent[class] / A_TURN)
		   : 0;
}

/* Of the classes from `from` up to `to`, the newest of the lowest that has more places
 * than are reserved for it; NULL when none has. */
static struct waiter *dispensable(struct admission *a, int from, int to,
				  const struct priority_reserve *reserve)
{
	for (int class = from; class >= to; class --)
		if (a->classes[class].count > reserved_places(a, class, reserve))
			return newest_of(longest(&a->classes[class].ring));
	return NULL;
}

struct waiter *admission_yields_to(struct admission *a, const struct asker *asker,
				   const struct priority_reserve *reserve)
{
	const struct class_line *line = &a->classes[asker->class];
	const struct lane *own = lane_of(a, asker), *most = longest(&line->ring);
	struct waiter *lower = dispensable(a, PRIORITY_LOW, asker->class + 1, reserve);

	if (lower)
		return lower;
	if (most && most != own && most->count > (own ? own->count : 0) + 1)
		return newest_of(most);
	if (line->count >= reserved_places(a, asker->class, reserve))
		return NULL;
	return dispensable(a, asker->class - 1, PRIORITY_CRITICAL, reserve);
}

unsigned admission_ahead(struct admission *a, const struct asker *asker,
			 const struct priority_reserve *reserve)
{
	const struct class_line *line = &a->classes[asker->class];
	const struct lane *own = lane_of(a, asker);
	unsigned mine = own ? own->count : 0, ahead = 0, turns;
	unsigned percent = reserve->percent[asker->class];

	for (int class = 0; class < asker->class; class ++)
		ahead += a->classes[class].count;
	/* Each lane has about as many turns until his comes. */
	turns = (mine + 1) * (line->lanes + (mine == 0)) - 1;
	turns = at_most(turns, line->count);
	if (percent == 0)
		return ahead + turns;
	return at_most(ahead + turns, (turns + 1) * A_TURN / percent - 1);
}

bool admission_has_reserve(const struct admission *a, uint8_t class,
			   const struct priority_reserve *reserve, unsigned servers)
{
	unsigned reserved = reserve->percent[class] * servers;

	return reserved > 0 && a->classes[class].count * A_TURN < reserved + A_TURN;
}

/* ---- coming and leaving ---- */

void admission_join(struct admission *a, struct waiter *w)
{
	struct class_line *line = &a->classes[w->asker.class];
	struct flow *flow;

	CHECK(w->line == NULL);
	flow = flows_hold(&a->flows, w->asker.user, w->asker.weight);
	w->line = a;
	TAILQ_INSERT_TAIL(&a->all, w, arrival);
	a->count++;
	line->count++;
	line->lanes += flow->lanes[w->asker.class].count == 0;
	lane_join(&flow->lanes[w->asker.class], &line->ring, w);
}

void admission_leave(struct waiter *w)
{
	struct admission *a = w->line;
	struct class_line *line;
	struct lane *lane = w->lane;

	if (!a)
		return;
	CHECK(a->count > 0);
	line = &a->classes[w->asker.class];
	TAILQ_REMOVE(&a->all, w, arrival);
	a->count--;
	line->count--;
	lane_leave(lane, &line->ring, w);
	line->lanes -= lane->count == 0;
	flow_release(&a->flows, lane->flow);
	w->line = NULL;
	if (line->count > 0)
		return;
	line->owed = 0;
	codel_emptied(&line->codel);
}

/* ---- who is next ---- */

/* Those to whom a turn is owed first, then the highest. */
static struct class_line *next_class(struct admission *a)
{
	struct class_line *highest = NULL;

	for (int class = 0; class < PRIORITY_CLASSES; class ++) {
		struct class_line *line = &a->classes[class];

		if (line->count == 0)
			continue;
		if (line->owed >= A_TURN)
			return line;
		if (!highest)
			highest = line;
	}
	return highest;
}

enum admission_verdict admission_judge(struct admission *a,
				       const struct admission_rules *rules,
				       uint64_t now_us, struct waiter **out,
				       bool *out_late)
{
	struct class_line *line = next_class(a);
	const struct lane *lane;
	uint64_t waited_us;

	*out_late = false;
	if (!line)
		return ADMISSION_NOBODY;
	lane = lane_whose_turn(&line->ring, rules->round_us > 0 ? rules->round_us : 1);
	*out = TAILQ_FIRST(&lane->waiters);
	if (rules->policy == QUEUE_FIFO)
		return ADMISSION_SERVE;
	waited_us = clock_since(now_us, clock_later((*out)->since_us, rules->from_us));
	*out_late =
	    codel_dequeue(&line->codel, &rules->codel, waited_us, now_us) == CODEL_REJECT;
	if (rules->policy == QUEUE_LOG)
		return ADMISSION_SERVE;
	if (*out_late)
		return ADMISSION_REJECT;
	if (codel_is_overloaded(&line->codel))
		*out = newest_of(lane);
	return ADMISSION_SERVE;
}

struct waiter *admission_first(const struct admission *a)
{
	return TAILQ_FIRST(&a->all);
}

uint64_t admission_longest_wait(const struct admission *a, uint64_t now_us)
{
	const struct waiter *first = admission_first(a);

	return first ? clock_since(now_us, first->since_us) : 0;
}

/* ---- servers at work ---- */

/* A class was served. Who has to let others go first that are owed a turn, too, does not
 * lose by it; but nobody makes up for time in which he had no use for what he is owed. */
static void count_turn(struct admission *a, const struct class_line *served,
		       const struct priority_reserve *reserve)
{
	for (int class = 0; class < PRIORITY_CLASSES; class ++) {
		struct class_line *line = &a->classes[class];

		if (line == served)
			line->owed -= line->owed < A_TURN ? line->owed : A_TURN;
		else if (line->count > 0 && line->owed < OWED_MOST)
			line->owed += reserve->percent[class];
	}
}

void admission_serve(struct admission *a, struct waiter *w,
		     const struct priority_reserve *reserve, uint64_t expected_us,
		     struct work *out)
{
	struct lane *lane = w->lane;

	count_turn(a, &a->classes[w->asker.class], reserve);
	*out = (struct work){.lane = lane, .expected_us = expected_us};
	lane->flow->held++;
	lane_pay(lane, expected_us);
	admission_leave(w);
}

void admission_served(struct admission *a, struct work *work, uint64_t held_us)
{
	if (!work->lane)
		return;
	lane_settle(work->lane, work->expected_us, held_us);
	flow_release(&a->flows, work->lane->flow);
	work->lane = NULL;
}

/* ---- soundness ---- */

static bool lane_is_sound(const struct admission *a, const struct lane *l, int class)
{
	const struct waiter *w;
	unsigned count = 0;
	uint64_t since_us = 0;

	TAILQ_FOREACH (w, &l->waiters, place) {
		if (w->line != a || w->lane != l || w->asker.class != class ||
		    w->since_us < since_us)
			return false;
		since_us = w->since_us;
		count++;
	}
	return count > 0 && count == l->count && l->flow->held >= count;
}

static bool class_is_sound(const struct admission *a, int class)
{
	const struct class_line *line = &a->classes[class];
	const struct lane *l;
	unsigned count = 0, lanes = 0;

	TAILQ_FOREACH (l, &line->ring, turn) {
		if (!lane_is_sound(a, l, class))
			return false;
		count += l->count;
		lanes++;
	}
	return count == line->count && lanes == line->lanes;
}

bool admission_is_sound(const struct admission *a)
{
	const struct waiter *w;
	unsigned count = 0, in_classes = 0;

	TAILQ_FOREACH (w, &a->all, arrival)
		count++;
	for (int class = 0; class < PRIORITY_CLASSES; class ++) {
		if (!class_is_sound(a, class))
			return false;
		in_classes += a->classes[class].count;
	}
	return count == a->count && in_classes == count;
}

#include "simulation/naive.h"

enum {
	LOOK_EACH = 16, /* steps, at everything */
	/* Turns by which reserves may be off: one of each other class that is owed one.
	 */
	SLACK = PRIORITY_CLASSES,
	/* Turns of others after which one who waits has starved. */
	STARVED = 4000,
};

static struct naive *naive_of(struct simulation *s)
{
	return (struct naive *)s->observer.context;
}

static struct naive_pool *pool_of(struct simulation *s, const struct person *p)
{
	return &naive_of(s)->pools[s->crowds[p->crowd].pool];
}

static unsigned waiting(const struct naive_pool *p, unsigned class)
{
	unsigned count = 0;

	for (unsigned i = 0; i < p->count; i++)
		count += p->line[i].class == class;
	return count;
}

/* ---- coming and going ---- */

static void on_join(struct simulation *s, struct person *person)
{
	const struct crowd *c = &s->crowds[person->crowd];
	struct naive_pool *p = pool_of(s, person);

	if (p->count == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 64;
		p->line = realloc(p->line, p->cap * sizeof(*p->line));
		assert_non_null(p->line);
	}
	p->line[p->count++] =
	    (struct naive_place){person, naive_of(s)->number++, c->class, c->user};
}

static unsigned place_of(const struct naive_pool *p, const struct person *person)
{
	unsigned i = 0;

	while (i < p->count && p->line[i].person != person)
		i++;
	/* Who is served, refused or leaves must have been waiting. */
	assert_true(i < p->count);
	return i;
}

static void take_out(struct naive_pool *p, unsigned at)
{
	unsigned class = p->line[at].class, user = p->line[at].user, left = 0;

	memmove(&p->line[at], &p->line[at + 1], (p->count - at - 1) * sizeof(*p->line));
	p->count--;
	for (unsigned i = 0; i < p->count; i++)
		left += p->line[i].class == class && p->line[i].user == user;
	if (left == 0)
		p->passed[class][user] = 0;
	if (waiting(p, class) == 0)
		p->turns[class] = p->got[class] = 0;
}

static void on_leave(struct simulation *s, struct person *person)
{
	struct naive_pool *p = pool_of(s, person);

	take_out(p, place_of(p, person));
}

/* ---- servers ---- */

static unsigned servers_of(const struct simulation *s, const struct pool *pool, int state)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < SLOTS_MOST; i++)
		sum += s->slots[i].state == state && s->slots[i].pool == pool;
	return sum;
}

static unsigned at_work(const struct simulation *s, const struct pool *pool)
{
	return servers_of(s, pool, SLOT_BUSY) + servers_of(s, pool, SLOT_CLEANING);
}

/* ---- who is served ---- */

static void expect_order(const struct naive_pool *p, unsigned at,
			 enum queue_policy policy)
{
	const struct naive_place *served = &p->line[at];
	bool is_oldest = true, is_newest = true;

	for (unsigned i = 0; i < p->count; i++) {
		const struct naive_place *other = &p->line[i];

		if (other->class != served->class || other->user != served->user)
			continue;
		is_oldest = is_oldest && other->number >= served->number;
		is_newest = is_newest && other->number <= served->number;
	}
	assert_true(is_oldest || (policy == QUEUE_CODEL && is_newest));
}

static void expect_reserves(struct naive_pool *p, unsigned class, const uint8_t *percent)
{
	bool is_before_higher = false;

	for (unsigned i = 0; i < PRIORITY_CLASSES; i++) {
		if (waiting(p, i) == 0)
			continue;
		is_before_higher = is_before_higher || i < class;
		if (i == class) {
			p->got[i]++;
			continue;
		}
		p->turns[i]++;
		p->lent[i]++;
		assert_true(p->got[i] + SLACK >= p->turns[i] * percent[i] / 100);
	}
	if (!is_before_higher)
		return;
	p->borrowed[class]++;
	assert_true(p->borrowed[class] <= p->lent[class] * percent[class] / 100 + SLACK);
}

/* Turns count while there is somebody to pass over, of whatever class. */
static void count_passed(struct naive *n, struct naive_pool *p, unsigned at)
{
	unsigned class = p->line[at].class, user = p->line[at].user;
	bool has_seen[USERS_MOST] = {false};

	for (unsigned i = 0; i < p->count; i++) {
		const struct naive_place *other = &p->line[i];

		if (other->class != class || other->user == user || has_seen[other->user])
			continue;
		has_seen[other->user] = true;
		if (++p->passed[class][other->user] > n->most_passed)
			n->most_passed = p->passed[class][other->user];
		assert_true(p->passed[class][other->user] < STARVED);
	}
	p->passed[class][user] = 0;
}

static bool is_paused(const struct simulation *s, const struct pool *pool)
{
	return s->paused_all > 0 || pool->database_usage->gate.is_paused;
}

static void on_serve(struct simulation *s, struct person *person, struct slot *slot)
{
	struct naive *n = naive_of(s);
	struct naive_pool *p = pool_of(s, person);
	const struct pool *pool = &s->pools[s->crowds[person->crowd].pool];
	unsigned at = place_of(p, person);

	assert_ptr_equal(slot->pool, pool);
	assert_false(is_paused(s, pool));
	expect_order(p, at, pool->rules.queue_policy);
	expect_reserves(p, p->line[at].class, pool->rules.priority_reserve.percent);
	count_passed(n, p, at);
	take_out(p, at);
}

static void on_begin(struct simulation *s, struct person *person, struct slot *slot)
{
	struct naive *n = naive_of(s);
	const struct pool *pool = &s->pools[s->crowds[person->crowd].pool];

	assert_null(n->served_by[slot - s->slots]);
	assert_ptr_equal(slot->pool, pool);
	assert_false(is_paused(s, pool));
	assert_true(at_work(s, pool) <=
		    (unsigned)(pool->rules.pool_size + pool->rules.reserve_pool_size));
	n->served_by[slot - s->slots] = person;
}

static void on_free(struct simulation *s, struct slot *slot)
{
	struct naive *n = naive_of(s);

	assert_non_null(n->served_by[slot - s->slots]);
	n->served_by[slot - s->slots] = NULL;
}

/* ---- limits ---- */

static unsigned servers_under(const struct simulation *s, const struct usage *usage)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < SLOTS_MOST; i++)
		if (s->slots[i].state != SLOT_OUTSIDE)
			for (int k = 0; k < USAGES_EACH; k++)
				sum += s->slots[i].pool->usages[k] == usage;
	return sum;
}

static void on_open(struct simulation *s, struct slot *slot)
{
	const struct pool *p = slot->pool;
	unsigned total = 0;

	for (int state = SLOT_OPENING; state <= SLOT_CLEANING; state++)
		total += servers_of(s, p, state);
	if (p->rules.pool_size > 0)
		assert_true(total <=
			    (unsigned)(p->rules.pool_size + p->rules.reserve_pool_size));
	for (int i = 0; i < USAGES_EACH; i++)
		if (p->usages[i]->max_servers > 0)
			assert_true(servers_under(s, p->usages[i]) <=
				    (unsigned)p->usages[i]->max_servers);
}

/* ---- everything ---- */

static void expect_pool(struct simulation *s, unsigned i)
{
	const struct pool *p = &s->pools[i];
	const struct naive_pool *n = &naive_of(s)->pools[i];
	unsigned idle = 0;

	assert_int_equal(n->count, p->line.count);
	for (unsigned k = 0; k < SLOTS_MOST; k++)
		idle += s->slots[k].pool == p && s->slots[k].state == SLOT_IDLE &&
			!s->slots[k].retire;
	assert_true(n->count == 0 || idle == 0 || is_paused(s, p) ||
		    at_work(s, p) >= (unsigned)p->rules.pool_size);
	for (int state = SLOT_OPENING; state <= SLOT_CLEANING; state++)
		assert_int_equal(p->counts[state], servers_of(s, p, state));
}

static void after(struct simulation *s)
{
	struct naive *n = naive_of(s);

	if (++n->steps % LOOK_EACH != 0)
		return;
	for (unsigned i = 0; i < s->pool_count; i++)
		expect_pool(s, i);
	for (unsigned i = 0; i < SLOTS_MOST; i++)
		assert_true((n->served_by[i] != NULL) ==
			    (s->slots[i].state == SLOT_BUSY));
}

/* ---- beginning and end ---- */

void naive_begin(struct naive *n, struct simulation *s)
{
	*n = (struct naive){0};
	s->observer = (struct observer){
	    .on_join = on_join,
	    .on_leave = on_leave,
	    .on_refuse = on_leave,
	    .on_serve = on_serve,
	    .on_begin = on_begin,
	    .on_open = on_open,
	    .on_free = on_free,
	    .after = after,
	    .context = n,
	};
}

void naive_end(struct naive *n)
{
	for (unsigned i = 0; i < POOLS_MOST; i++)
		free(n->pools[i].line);
	*n = (struct naive){0};
}

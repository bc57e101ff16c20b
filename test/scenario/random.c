/*
 * Scenarios made up by chance: clients, servers, time and an administrator do whatever
 * the seed says, and after every turn all must be sound. Every client knows what it has
 * asked, so an answer to another's question, or out of order, is seen at once.
 *
 * RANDOM_SEED=n repeats one run; RANDOM_RUNS=n makes more of them.
 */
#include "proto/frame.h"
#include "relay/control.h"
#include "scenario/answering.h"
#include "scenario/world.h"

enum { CLIENTS = 12, ASKED_MOST = 64, STEPS = 1500 };

/* What one client has asked and what it has heard of it. */
struct guest {
	struct actor *actor;        /* NULL: there is none in this seat */
	unsigned asked[ASKED_MOST]; /* tokens, in order; each ends with a ReadyForQuery */
	size_t count;
	unsigned next;
	bool is_greeted;
	bool is_over;  /* a FATAL was heard: nothing more may come but the end */
	size_t unsent; /* bytes of its buffer below that are still to be pushed */
	struct buffer words;
};

struct party {
	struct world w;
	uint64_t random;
	struct guest guests[CLIENTS];
	unsigned tokens;
	unsigned answered,
	    greeted; /* so that a run in which nothing happens is noticed */
	bool is_paused;
};

static unsigned dice(struct party *p, unsigned sides)
{
	/* xorshift64* */
	p->random ^= p->random >> 12;
	p->random ^= p->random << 25;
	p->random ^= p->random >> 27;
	return (unsigned)((p->random * 2685821657736338717ull >> 33) % sides);
}

/* ---- what a client hears ------------------------------------------------------------
 */

/* The token of a row: "t<number> ...". */
static void hear_row(struct guest *g, struct slice body)
{
	char text[32] = "";

	memcpy(text, body.data, body.len < 31 ? body.len : 31);
	if (text[0] != 't')
		return;
	assert_true(g->count > 0);
	assert_int_equal(strtoul(text + 1, NULL, 10), g->asked[0]);
}

static void hear_ready(struct party *p, struct guest *g)
{
	if (!g->is_greeted) {
		g->is_greeted = true;
		p->greeted++;
		return;
	}
	assert_true(g->count > 0);
	p->answered++;
	g->count--;
	memmove(g->asked, g->asked + 1, g->count * sizeof(g->asked[0]));
}

static void hear(struct party *p, struct guest *g, const struct frame *f)
{
	static const char known[] = "RSKZTDCEN12n3IGHdcv";

	assert_non_null(memchr(known, f->letter, sizeof(known) - 1));
	assert_false(g->is_over);
	if (f->letter == 'D')
		hear_row(g, f->body);
	if (f->letter == 'Z')
		hear_ready(p, g);
	if (f->letter == 'E' && f->body.len > 6 && memcmp(f->body.data, "SFATAL", 6) == 0)
		g->is_over = true;
}

static void listen_to(struct party *p, struct guest *g)
{
	struct slice bytes = fake_peer_received(&g->actor->peer);
	struct frame f;
	size_t done = 0;

	while (frame_peek(slice_after(bytes, done), INT32_MAX, &f) == FRAME_OK &&
	       frame_is_whole(&f)) {
		if (f.letter == 'K')
			actor_learn_key(g->actor, f.body);
		hear(p, g, &f);
		done += f.total_len;
	}
	/* Half a message may stand there, but never garbage. */
	assert_int_not_equal(frame_peek(slice_after(bytes, done), INT32_MAX, &f),
			     FRAME_BAD);
	fake_peer_drop(&g->actor->peer, done);
}

static void free_seat(struct guest *g)
{
	buffer_fini(&g->words);
	actor_forget(g->actor);
	*g = (struct guest){0};
}

static void listen_to_all(struct party *p)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct guest *g = &p->guests[i];

		if (!g->actor)
			continue;
		listen_to(p, g);
		if (is_gone(g->actor))
			free_seat(g);
	}
}

/* ---- what a client does -------------------------------------------------------------
 */

static void arrive(struct party *p, struct guest *g)
{
	static const char *const who[] = {
	    "user=anna;database=app",
	    "user=anna;database=app;TimeZone=CET",
	    "user=otto;database=app;application_name=o",
	    "user=anna;database=other",
	    "user=otto;database=shared;TimeZone=UTC+1",
	    "user=emil;database=nowhere",
	    "3.2;user=anna;database=app;replication=database",
	};

	g->actor = world_connect(&p->w);
	if (is_gone(g->actor)) {
		free_seat(g);
		return;
	}
	script_write_startup(&g->words, who[dice(p, 7)]);
}

static void ask(struct party *p, struct guest *g)
{
	static const char *const ways[] = {
	    "Q[t%u]",
	    "Q[begin]",
	    "Q[commit]",
	    "Q[fail]",
	    "P[t%u] B[t%u] D[p] E S",
	    "P[x] B[fail] E P[y] B[t0] E S",
	    "B[t%u] H E S",
	    "Q[copy out]",
	    "Q[stall]",
	    "Q[die]",
	    "S",
	    "Q[copy in] d[some] d[data] c",
	    "Q[copy in] d[some] f[sorry]",
	    "Q[SET \"application_name\" = 't%u';]",
	};
	char script[256];
	/* The odd ones are rarer. */
	unsigned way = dice(p, 3) ? dice(p, 8) : dice(p, 14);

	if (g->count == ASKED_MOST)
		return;
	unsigned token = ++p->tokens;
	/* Each way has at most two places for the token. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(script, sizeof(script), ways[way], token, token);
#pragma GCC diagnostic pop
	script_write(&g->words, FROM_CLIENT, script);
	g->asked[g->count++] = token;
}

static void send_some(struct party *p, struct guest *g)
{
	size_t len = buffer_len(&g->words);

	if (len == 0)
		return;
	if (dice(p, 3) == 0)
		len = 1 + dice(p, (unsigned)len);
	actor_push_bytes(g->actor, slice_first(buffer_bytes(&g->words), len));
	buffer_consume(&g->words, len);
}

static void hang_up(struct party *p, struct guest *g)
{
	switch (dice(p, 3)) {
	case 0:
		if (buffer_len(&g->words) == 0 && g->is_greeted)
			actor_push(g->actor, "X");
		return;
	case 1:
		g->actor->peer.has_closed = true;
		return;
	case 2:
		g->actor->peer.read_error = g->actor->peer.write_error = 104;
		return;
	}
}

static void guest_acts(struct party *p)
{
	struct guest *g = &p->guests[dice(p, CLIENTS)];

	if (!g->actor) {
		arrive(p, g);
		return;
	}
	switch (dice(p, 12)) {
	case 0:
		if (dice(p, 4) == 0)
			hang_up(p, g);
		return;
	case 1:
		g->actor->peer.room = dice(p, 2) ? SIZE_MAX : dice(p, 30);
		return;
	case 2:
		g->actor->peer.read_most = dice(p, 2) ? SIZE_MAX : 1 + dice(p, 20);
		return;
	case 3:
	case 4:
	case 5:
	case 6:
		if (g->is_greeted)
			ask(p, g);
		return;
	default:
		send_some(p, g);
	}
}

/* ---- what the others do -------------------------------------------------------------
 */

static void end_with_a_word(struct actor *server)
{
	actor_push(server, "E[FATAL 57P01]");
	server->peer.has_closed = true;
}

static void server_acts(struct party *p)
{
	struct actor *a, *next;

	for (a = TAILQ_FIRST(&p->w.actors); a; a = next) {
		next = TAILQ_NEXT(a, place);
		if (a->kind == ACTOR_CLIENT || dice(p, 4) > 0)
			continue;
		if (a->connector)
			dice(p, 6) ? actor_accept(a) : actor_refuse(a, 111);
		else if (is_gone(a))
			actor_forget(a);
		else if (a->peer.has_closed)
			a->peer.room = SIZE_MAX; /* it has said its last word */
		else if (a->kind == ACTOR_CANCEL)
			a->peer.has_closed = true;
		else if (dice(p, 3) == 0)
			answering_go_on(a);
		else if (dice(p, 40) == 0)
			a->peer.has_closed = true;
		else if (dice(p, 40) == 0 && a->has_greeted)
			end_with_a_word(a);
		else if (dice(p, 60) == 0 && a->has_greeted)
			actor_push(a, "N[WARNING 01000]");
		else
			a->peer.room = dice(p, 4) ? SIZE_MAX : dice(p, 50);
	}
	p->w.logs_in = dice(p, 10) > 0;
}

static void someone_cancels(struct party *p)
{
	const struct guest *g = &p->guests[dice(p, CLIENTS)];

	if (!g->actor || !g->is_greeted)
		return;
	struct actor *a = world_canceller(&p->w, g->actor);
	a->peer.has_closed = true;
}

static void administrator_acts(struct party *p)
{
	static const char *const lines[] = {
	    "pool_mode = transaction\ndefault_pool_size = 2\nmax_db_connections = 3\n",
	    "pool_mode = session\ndefault_pool_size = 4\nmax_queue = 2\n",
	    "pool_mode = transaction\ndefault_pool_size = 1\nreserve_pool_size = 2\n"
	    "query_timeout = 20\nclient_idle_timeout = 300\nserver_lifetime = 0\n",
	    "pool_mode = statement\nmin_pool_size = 2\nquery_wait_timeout = 3\n"
	    "server_reset_query_always = 1\nserver_check_delay = 0\n",
	};
	struct dispatcher *d = &p->w.dispatcher;
	struct usage *app = usages_find(&d->pools.databases, slice_of_text("app"));

	if (p->is_paused) {
		control_resume(d, NULL);
		p->is_paused = false;
		return;
	}
	switch (dice(p, 6)) {
	case 0:
		control_pause(d, NULL);
		p->is_paused = true;
		return;
	case 1:
		control_reconnect(d, dice(p, 2) ? app : NULL);
		return;
	case 2:
		if (app && dice(p, 3) == 0) {
			control_kill(d, app);
			control_resume(d, app);
		}
		return;
	default:
		world_reload(&p->w, lines[dice(p, 4)]);
	}
}

/* Everything that is ready is told, in one turn or several. */
static void turn(struct party *p)
{
	struct actor *a;

	TAILQ_FOREACH (a, &p->w.actors, place)
		if (dice(p, 3) > 0)
			actor_step(a);
	loop_turn(&p->w.loop, p->w.loop.now_us + dice(p, 1000));
	world_check(&p->w);
	listen_to_all(p);
}

static void step(struct party *p)
{
	switch (dice(p, 40)) {
	case 0:
		world_pass(&p->w, dice(p, 3) * USEC_PER_SEC);
		break;
	case 1:
		world_pass(&p->w, dice(p, 10) ? USEC_PER_SEC : 100 * USEC_PER_SEC);
		break;
	case 2:
		if (dice(p, 3) == 0)
			administrator_acts(p);
		break;
	case 3:
		someone_cancels(p);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
	case 8:
		server_acts(p);
		break;
	default:
		guest_acts(p);
	}
	turn(p);
}

/* All leave; what remains is what nobody uses. */
static void go_home(struct party *p)
{
	struct actor *a;

	TAILQ_FOREACH (a, &p->w.actors, place) {
		if (a->kind != ACTOR_SERVER)
			a->peer.has_closed = true;
		a->peer.room = SIZE_MAX;
	}
	if (p->is_paused)
		control_resume(&p->w.dispatcher, NULL);
	p->w.accepts = p->w.logs_in = true;
	for (int i = 0; i < 10; i++) {
		TAILQ_FOREACH (a, &p->w.actors, place)
			if (a->kind == ACTOR_CANCEL && a->connector)
				actor_refuse(a, 111);
		world_pass(&p->w, 20 * USEC_PER_SEC);
		listen_to_all(p);
	}
	assert_int_equal(p->w.dispatcher.client_slab.used, 0);
	assert_int_equal(p->w.dispatcher.cancel_count, 0);
	assert_int_equal(p->w.dispatcher.cancels.count, 0);
}

static void run(uint64_t seed)
{
	struct party *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->random = seed * 0x9e3779b97f4a7c15ull + 1;
	world_begin(&p->w, "pool_mode = transaction\ndefault_pool_size = 2\n");
	p->w.answers = true;
	p->w.accepts = false;
	for (int i = 0; i < STEPS; i++)
		step(p);
	go_home(p);
	world_end(&p->w);
	print_message("# seed %llu: %u logins, %u of %u questions answered\n",
		      (unsigned long long)seed, p->greeted, p->answered, p->tokens);
	assert_true(p->greeted > 0 && p->answered > 0);
	for (int i = 0; i < CLIENTS; i++)
		assert_null(p->guests[i].actor);
	free(p);
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text ? strtoul(text, NULL, 10) : otherwise;
}

static void whatever_happens_all_stays_sound(void **state)
{
	unsigned long first = from_environment("RANDOM_SEED", 1);
	unsigned long runs = from_environment("RANDOM_RUNS", 20);

	(void)state;
	for (unsigned long seed = first; seed < first + runs; seed++)
		run(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whatever_happens_all_stays_sound),
	};

	return cmocka_run_group_tests_name("chance", tests, NULL, NULL);
}

/*
 * The world's turns, its actors, and what catches the relay's calls to the network.
 */
#include "scenario/world.h"

#include <errno.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "config/config.h"
#include "config/ini.h"
#include "proto/frame.h"
#include "proto/notice.h"
#include "proto/startup.h"
#include "proto/writer.h"
#include "relay/control.h"
#include "relay/events.h"
#include "relay/keyring.h"
#include "scenario/answering.h"

static struct world *current;
static uint64_t random_state;

/* Whether the code under test is running, rather than the world itself. Volatile, since
 * compilers do not expect malloc() to look at it. */
static volatile bool is_at_work;

bool world_pooler_is_at_work(void)
{
	return is_at_work;
}

/* Both return what was, for the way back. */
static bool work_begin(void)
{
	bool before = is_at_work;

	is_at_work = true;
	return before;
}

static bool rest_begin(void)
{
	bool before = is_at_work;

	is_at_work = false;
	return before;
}

/* No descriptor has this number: whoever used it as one would fail. */
enum { NO_SUCH_FD = 1 << 24 };

/* ---- what catches the relay's calls ---- */

void __real_stream_open(struct stream *stream, struct loop *loop, int fd,
			const struct transport *transport, const struct stream_ops *ops);
void __wrap_stream_open(struct stream *stream, struct loop *loop, int fd,
			const struct transport *transport, const struct stream_ops *ops);
void __wrap_connector_start(struct connector *connector, struct loop *loop,
			    struct resolver *resolver, const char *host, uint16_t port,
			    const struct tuning *tuning, connector_fn on_done);
void __wrap_connector_start_at(struct connector *connector, struct loop *loop,
			       const struct endpoint *endpoint,
			       const struct tuning *tuning, connector_fn on_done);
void __wrap_connector_stop(struct connector *connector);

/* The fake transport, whose buffers are the world's affair. */
static ssize_t world_write(struct stream *stream, const struct iovec *pieces, int count)
{
	bool was_at_work = rest_begin();
	ssize_t put = transport_fake.write(stream, pieces, count);

	is_at_work = was_at_work;
	return put;
}

static ssize_t world_read(struct stream *stream, uint8_t *into, size_t len)
{
	return transport_fake.read(stream, into, len);
}

static void world_shutdown(struct stream *stream)
{
	transport_fake.shutdown(stream);
}

static void world_close(struct stream *stream)
{
	transport_fake.close(stream);
}

static const struct transport transport_world = {.read = world_read,
						 .write = world_write,
						 .shutdown = world_shutdown,
						 .close = world_close};

ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags);

/* Chance, too, is the same in every run. */
ssize_t __wrap_getrandom(void *out, size_t len, unsigned flags)
{
	uint8_t *at = out;

	(void)flags;
	for (size_t i = 0; i < len; i++) {
		random_state =
		    random_state * 6364136223846793005ull + 1442695040888963407ull;
		at[i] = (uint8_t)(random_state >> 56);
	}
	return (ssize_t)len;
}

static struct actor *actor_make(struct world *w, enum actor_kind kind)
{
	bool was_at_work = rest_begin();
	struct actor *a = calloc(1, sizeof(*a));

	is_at_work = was_at_work;
	assert_non_null(a);
	a->world = w;
	a->kind = kind;
	fake_peer_init(&a->peer);
	TAILQ_INSERT_TAIL(&w->actors, a, place);
	return a;
}

void __wrap_connector_start(struct connector *connector, struct loop *loop,
			    struct resolver *resolver, const char *host, uint16_t port,
			    const struct tuning *tuning, connector_fn on_done)
{
	struct actor *a = actor_make(current, ACTOR_SERVER);

	(void)loop, (void)resolver, (void)host, (void)port, (void)tuning;
	a->number = ++current->server_count;
	a->answers = current->answers;
	a->connector = connector;
	a->on_done = on_done;
}

void __wrap_connector_start_at(struct connector *connector, struct loop *loop,
			       const struct endpoint *endpoint,
			       const struct tuning *tuning, connector_fn on_done)
{
	struct actor *a = actor_make(current, ACTOR_CANCEL);
	struct address at = address_of_endpoint(endpoint);

	(void)loop, (void)tuning;
	a->number = at.port;
	a->connector = connector;
	a->on_done = on_done;
}

void __wrap_connector_stop(struct connector *connector)
{
	struct actor *a;

	TAILQ_FOREACH (a, &current->actors, place)
		if (a->connector == connector)
			a->connector = NULL;
}

/* Servers are known by the port they seem to be at. */
static void bind_server(struct actor *a, struct stream *stream)
{
	struct server *s = server_of_stream(stream);

	a->id = s->id;
	CHECK(endpoint_from_ip("10.0.0.1", (uint16_t)a->number, &s->at));
}

void __wrap_stream_open(struct stream *stream, struct loop *loop, int fd,
			const struct transport *transport, const struct stream_ops *ops)
{
	struct actor *a = current->accepting;

	(void)transport;
	CHECK(fd == (a->kind == ACTOR_CLIENT ? -1 : NO_SUCH_FD));
	__real_stream_open(stream, loop, -1, &transport_world, ops);
	fake_peer_attach(&a->peer, stream);
	stream->transport = &transport_world;
	if (a->kind == ACTOR_SERVER)
		bind_server(a, stream);
}

/* ---- beginning and end ---- */

static const struct config *load(const char *lines)
{
	static const char head[] = "[pooler]\n"
				   "auth_type = trust\n"
				   "server_tls_sslmode = disable\n"
				   "admin_users = admin\n"
				   "log_connections = 0\n"
				   "log_disconnections = 0\n"
				   "log_pooler_errors = 0\n";
	static const char tail[] = "\n[databases]\n"
				   "app = host=10.0.0.1\n"
				   "other = host=10.0.0.2\n"
				   "shared = host=10.0.0.3 user=pool\n";
	char path[] = "/tmp/pooler-world.XXXXXX", line[1000];
	struct config_errors errors = {0};
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w");

	assert_non_null(file);
	fprintf(file, "%s%s%s", head, lines, tail);
	fclose(file);
	const struct config *config = config_load(path, &errors);
	unlink(path);
	if (!config)
		fail_msg("%s", config_error_print(&errors.items[0], line, sizeof(line)));
	config_errors_fini(&errors);
	return config;
}

static struct keyring *keyring_of(const struct config *config)
{
	struct config_errors errors = {0};
	struct keyring *keyring = keyring_load(config, &errors);

	assert_non_null(keyring);
	config_errors_fini(&errors);
	return keyring;
}

static void on_progress(void *context)
{
	struct world *w = context;

	w->progress_count++;
}

int world_try_begin(struct world *w, const char *lines)
{
	struct dispatcher_ground ground = {.loop = &w->loop,
					   .ops = &events_relay_ops,
					   .console.on_progress = on_progress,
					   .console.context = w,
					   .client_ceiling = 10000};

	random_state = 1;
	current = w;
	*w = (struct world){.accepts = true, .logs_in = true, .greeting = PARAMETERS};
	TAILQ_INIT(&w->actors);
	ini_setup();
	log_apply(&(struct log_settings){.to_stderr = getenv("WORLD_LOG") != NULL,
					 .verbose = 2});
	assert_int_equal(loop_init_without_events(&w->loop, 1000 * USEC_PER_SEC), 0);
	w->config = ground.config = load(lines);
	ground.keyring = keyring_of(w->config);
	bool was_at_work = work_begin();
	int err = dispatcher_init(&w->dispatcher, &ground);
	is_at_work = was_at_work;
	w->is_begun = err == 0;
	return err;
}

void world_begin(struct world *w, const char *lines)
{
	assert_int_equal(world_try_begin(w, lines), 0);
}

void world_reload(struct world *w, const char *lines)
{
	const struct config *config = load(lines);

	control_apply(&w->dispatcher, config, keyring_of(config));
	config_unref(w->config);
	w->config = config;
	world_settle(w);
}

static void forget_all(struct world *w)
{
	struct actor *a;

	while ((a = TAILQ_FIRST(&w->actors)))
		actor_forget(a);
}

void world_end(struct world *w)
{
	if (w->is_begun)
		world_check(w);
	dispatcher_fini(&w->dispatcher);
	assert_int_equal(w->loop.deadline_count, 0);
	assert_int_equal(loop_next_deadline(&w->loop), CLOCK_NEVER);
	forget_all(w);
	loop_fini(&w->loop);
	config_unref(w->config);
	log_reset();
	current = NULL;
}

/* ---- turns ---- */

static void read_startup(struct actor *a)
{
	struct slice bytes = fake_peer_received(&a->peer);
	struct startup_packet packet;
	char words[SCRIPT_TEXT_LEN];

	if (a->kind != ACTOR_SERVER || a->has_startup ||
	    startup_peek(bytes, &packet) != STARTUP_LOGIN)
		return;
	script_tell_startup(packet.params, words);
	snprintf(a->startup, sizeof(a->startup), "%.250s", words);
	a->version = packet.version;
	a->has_startup = true;
	fake_peer_drop(&a->peer, packet.total_len);
}

void actor_greet(struct actor *a)
{
	char script[512];

	snprintf(script, sizeof(script), "R %s K[%u] Z[I]", a->world->greeting,
		 a->number);
	a->has_greeted = true;
	actor_push(a, script);
}

bool actor_step(struct actor *a)
{
	struct world *w = a->world;

	if (a->connector && a->kind == ACTOR_SERVER && w->accepts) {
		actor_accept(a);
		return true;
	}
	read_startup(a);
	if (a->has_startup && !a->has_greeted && w->logs_in &&
	    w->examination.method == EXCHANGE_TRUST) {
		actor_greet(a);
		return true;
	}
	if (a->has_startup && !a->has_greeted && w->logs_in && examiner_step(a))
		return true;
	if (prover_step(a))
		return true;
	if (a->kind == ACTOR_CLIENT && a->peer.was_shut_down && !a->stays)
		a->peer.has_closed = true;
	if (a->answers && a->has_greeted && answering_step(a))
		return true;
	bool was_at_work = work_begin();
	bool was_anything = fake_peer_poke(&a->peer);
	is_at_work = was_at_work;
	return was_anything;
}

static void end_turn(struct world *w, uint64_t now_us)
{
	bool was_at_work = work_begin();

	loop_turn(&w->loop, now_us);
	is_at_work = was_at_work;
}

bool world_turn(struct world *w)
{
	bool was_anything = false;
	struct actor *a;

	TAILQ_FOREACH (a, &w->actors, place)
		if (actor_step(a))
			was_anything = true;
	end_turn(w, w->loop.now_us);
	world_check(w);
	return was_anything;
}

void world_settle(struct world *w)
{
	/* What the turn itself brought about shows in the next round. */
	for (unsigned rounds = 0, quiet = 0; quiet < 2; rounds++) {
		quiet = world_turn(w) ? 0 : quiet + 1;
		assert_true(rounds < 100000);
	}
}

void world_pass(struct world *w, uint64_t us)
{
	uint64_t end_us = w->loop.now_us + us;

	world_settle(w);
	for (;;) {
		uint64_t next_us = loop_next_deadline(&w->loop);
		bool is_last = next_us > end_us;

		if (next_us < w->loop.now_us)
			next_us = w->loop.now_us;
		end_turn(w, is_last ? end_us : next_us);
		world_settle(w);
		if (is_last && loop_next_deadline(&w->loop) > end_us)
			return;
	}
}

struct pool *world_pool(struct world *w, const char *database, const char *user)
{
	return pools_find(&w->dispatcher.pools, slice_of_text(database),
			  slice_of_text(user));
}

/* ---- actors ---- */

struct actor *world_connect(struct world *w)
{
	struct actor *a = actor_make(w, ACTOR_CLIENT);

	w->accepting = a;
	bool was_at_work = work_begin();
	struct client *c =
	    events_accept(&w->dispatcher, -1, &transport_fake, CLIENT_BY_TCP);
	is_at_work = was_at_work;
	w->accepting = NULL;
	if (c)
		a->id = c->id;
	else
		a->peer.was_closed = true;
	return a;
}

struct actor *world_client(struct world *w, const char *pairs)
{
	struct actor *a = world_connect(w);

	script_write_startup(&a->peer.sent, pairs);
	world_settle(w);
	return a;
}

struct actor *world_session(struct world *w)
{
	struct actor *a = world_client(w, "user=anna;database=app");

	ASSERT_HEARS(a, GREETING);
	return a;
}

struct actor *world_server(struct world *w, unsigned number)
{
	struct actor *a;

	TAILQ_FOREACH (a, &w->actors, place)
		if (a->kind == ACTOR_SERVER && a->number == number)
			return a;
	return NULL;
}

struct actor *world_cancel(struct world *w)
{
	struct actor *a;

	TAILQ_FOREACH_REVERSE(a, &w->actors, actors, place)
	if (a->kind == ACTOR_CANCEL)
		return a;
	return NULL;
}

struct actor *world_canceller(struct world *w, const struct actor *client)
{
	struct actor *a = world_connect(w);
	struct buffer packet = {0};
	struct writer writer = writer_of(&packet);

	writer_cancel_request(&writer, slice_of(client->key.bytes, client->key.len));
	CHECK(writer_finish(&writer));
	actor_push_bytes(a, buffer_bytes(&packet));
	buffer_fini(&packet);
	world_settle(w);
	return a;
}

void actor_accept(struct actor *a)
{
	struct connector *connector = a->connector;

	CHECK(connector);
	a->connector = NULL;
	a->world->accepting = a;
	bool was_at_work = work_begin();
	a->on_done(connector, NO_SUCH_FD, 0, "");
	is_at_work = was_at_work;
	a->world->accepting = NULL;
}

void actor_refuse(struct actor *a, int error)
{
	struct connector *connector = a->connector;

	CHECK(connector);
	a->connector = NULL;
	a->peer.was_closed = true;
	a->on_done(connector, -1, error, strerror(error));
}

void actor_push(struct actor *a, const char *script)
{
	script_write(&a->peer.sent, a->kind == ACTOR_CLIENT ? FROM_CLIENT : FROM_SERVER,
		     script);
}

void actor_push_bytes(struct actor *a, struct slice bytes)
{
	fake_peer_push(&a->peer, bytes);
}

void say(struct actor *a, const char *script)
{
	actor_push(a, script);
	world_settle(a->world);
}

void actor_learn_key(struct actor *a, struct slice key)
{
	CHECK(key.len <= sizeof(a->key.bytes));
	memcpy(a->key.bytes, key.data, key.len);
	a->key.len = (uint16_t)key.len;
}

static void learn_key(struct actor *a, struct slice bytes)
{
	struct frame f;

	while (frame_peek(bytes, INT32_MAX, &f) == FRAME_OK && frame_is_whole(&f)) {
		if (f.letter == 'K')
			actor_learn_key(a, f.body);
		bytes = slice_after(bytes, f.total_len);
	}
}

const char *heard(struct actor *a)
{
	struct slice bytes = fake_peer_received(&a->peer);
	struct startup_packet packet;

	if (a->kind == ACTOR_CANCEL && startup_peek(bytes, &packet) == STARTUP_CANCEL) {
		snprintf(a->told, sizeof(a->told), "cancel %u",
			 packet.cancel_key.data[3]);
	} else {
		if (a->kind == ACTOR_CLIENT)
			learn_key(a, bytes);
		script_tell(bytes, a->kind == ACTOR_CLIENT ? FROM_SERVER : FROM_CLIENT,
			    a->told);
	}
	fake_peer_drop(&a->peer, bytes.len);
	return a->told;
}

const char *heard_field(struct actor *a, char field)
{
	struct slice bytes = fake_peer_received(&a->peer);
	struct frame f;

	a->told[0] = '\0';
	while (frame_peek(bytes, INT32_MAX, &f) == FRAME_OK && frame_is_whole(&f)) {
		struct reader r = reader_of(f.body);
		uint8_t code;
		bool is_notice = f.letter == 'E' || f.letter == 'N';

		while (is_notice && (code = reader_u8(&r)) != 0) {
			struct slice text = reader_cstring(&r);
			if (code == (uint8_t)field)
				snprintf(a->told, sizeof(a->told), "%.*s", (int)text.len,
					 (const char *)text.data);
		}
		bytes = slice_after(bytes, f.total_len);
	}
	return a->told;
}

void leave(struct actor *a)
{
	a->peer.has_closed = true;
	world_settle(a->world);
}

void break_off(struct actor *a)
{
	a->peer.read_error = ECONNRESET;
	a->peer.write_error = ECONNRESET;
	world_settle(a->world);
}

bool is_gone(const struct actor *a)
{
	return a->peer.was_closed;
}

struct client *client_of(const struct actor *a)
{
	struct client *c;

	TAILQ_FOREACH (c, &a->world->dispatcher.clients, place)
		if (c->id == a->id)
			return c;
	return NULL;
}

struct server *actor_server(const struct actor *a)
{
	struct server *s;

	TAILQ_FOREACH (s, &a->world->dispatcher.servers, place)
		if (s->id == a->id)
			return s;
	return NULL;
}

void actor_forget(struct actor *a)
{
	TAILQ_REMOVE(&a->world->actors, a, place);
	fake_peer_fini(&a->peer);
	answering_free(a->answering);
	prover_free(a->prover);
	examiner_free(a->examiner);
	free(a);
}

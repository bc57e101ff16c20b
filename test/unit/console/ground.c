/*
 * See the header.
 */
#include "unit/console/ground.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/reader.h"
#include "base/text.h"
#include "config/config.h"
#include "config/ini.h"
#include "proto/frame.h"
#include "relay/control.h"
#include "relay/events.h"
#include "relay/keeper.h"
#include "relay/keyring.h"

enum { START_US = 1000000000 };

/* ---- the program ---- */

static bool app_reload(void *context, char *problem, size_t cap)
{
	struct ground *g = context;

	g->reloads++;
	if (g->refuses)
		snprintf(problem, cap, "line 3 is bad");
	return !g->refuses;
}

static bool app_set(void *context, const char *key, const char *value, char *problem,
		    size_t cap)
{
	struct ground *g = context;

	g->sets++;
	snprintf(g->last_set, sizeof(g->last_set), "%s=%s", key, value);
	if (g->refuses)
		snprintf(problem, cap, "no such setting");
	return !g->refuses;
}

static void app_shut_down(void *context, enum shutdown_mode mode)
{
	((struct ground *)context)->shut_down = (int)mode;
}

static void app_on_progress(void *context)
{
	((struct ground *)context)->progress++;
}

static uint64_t app_wall_now(void *context)
{
	(void)context;
	return UINT64_C(1769860800) * USEC_PER_SEC; /* 2026-01-31 12:00:00 UTC */
}

/* ---- files ---- */

static char *path_of(const struct ground *g, const char *name, char out[64])
{
	snprintf(out, 64, "%s/%s", g->directory, name);
	return out;
}

static void write_file(const struct ground *g, const char *name, const char *text)
{
	char path[64];
	FILE *file = fopen(path_of(g, name, path), "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void write_config(const struct ground *g, const struct ground_files *files)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 "[pooler]\nauth_type = %s\nauth_file = %s/users\n%s%s%s"
		 "admin_users = admin\nstats_users = stats\n"
		 "listen_addr = 127.0.0.1\nmax_client_conn = 5000\n"
		 "unix_socket_dir = /tmp\nlog_connections = 0\n"
		 "log_disconnections = 0\nlog_pooler_errors = 0\n%s"
		 "[databases]\napp = host=127.0.0.1 port=1 pool_size=3\n"
		 "other = host=127.0.0.1 port=1 dbname=elsewhere user=carol "
		 "password=DaTaBaSe-SeCrEt\n"
		 "[users]\nbob = pool_size=4 pool_mode=statement\n",
		 files->hba ? "hba" : "trust", g->directory,
		 files->hba ? "auth_hba_file = " : "", files->hba ? g->directory : "",
		 files->hba ? "/hba\n" : "", files->settings ? files->settings : "");
	write_file(g, "ini", text);
	write_file(g, "users", files->users ? files->users : ground_users);
	write_file(g, "hba", files->hba ? files->hba : "");
}

const char ground_users[] = "\"admin\" \"FiLe-SeCrEt\"\n\"stats\" \"\"\n"
			    "\"alice\" \"FiLe-SeCrEt\"\n";

static void check_errors(struct config_errors *errors)
{
	char line[512];

	for (size_t i = 0; i < errors->count; i++)
		print_message("# %s\n",
			      config_error_print(&errors->items[i], line, sizeof(line)));
	config_errors_fini(errors);
}

struct keyring *ground_load(struct ground *g, const struct ground_files *files,
			    const struct config **out)
{
	struct config_errors errors = {0};
	struct keyring *keyring = NULL;
	char path[64];

	write_config(g, files);
	*out = config_load(path_of(g, "ini", path), &errors);
	if (*out)
		keyring = keyring_load(*out, &errors);
	check_errors(&errors);
	assert_non_null(keyring);
	return keyring;
}

bool ground_has_logged(const struct ground *g, const char *text)
{
	static char bytes[1 << 16];
	char path[64];
	FILE *file = fopen(path_of(g, "log", path), "r");

	assert_non_null(file);
	size_t len = fread(bytes, 1, sizeof(bytes), file);
	assert_true(len < sizeof(bytes));
	fclose(file);
	return memmem(bytes, len, text, strlen(text)) != NULL;
}

/* ---- beginning and end ---- */

static struct ground *make_ground(void)
{
	struct ground *g = calloc(1, sizeof(*g));
	char path[64];

	assert_non_null(g);
	ini_setup();
	snprintf(g->directory, sizeof(g->directory), "/tmp/pooler-console.XXXXXX");
	assert_non_null(mkdtemp(g->directory));
	log_apply(&(struct log_settings){.file = path_of(g, "log", path)});
	setenv("TZ", "UTC", 1);
	g->shut_down = -1;
	g->app = (struct console_app_ops){.version = "pooler 9.8.7",
					  .reload = app_reload,
					  .set = app_set,
					  .shut_down = app_shut_down,
					  .on_progress = app_on_progress,
					  .wall_now = app_wall_now,
					  .context = g};
	return g;
}

int ground_begin_with(void **state, const struct ground_files *files)
{
	struct ground *g = make_ground();
	struct keyring *keyring = ground_load(g, files, &g->config);

	assert_int_equal(loop_init_without_events(&g->loop, START_US), 0);
	console_service_init(&g->service, &g->dispatcher, &g->app);
	const struct dispatcher_ground ground = {
	    .loop = &g->loop,
	    .config = g->config,
	    .keyring = keyring,
	    .ops = &events_relay_ops,
	    .console = console_service_ops(&g->service),
	    .client_ceiling = 100000,
	};
	assert_int_equal(dispatcher_init(&g->dispatcher, &ground), 0);
	*state = g;
	return 0;
}

int ground_begin(void **state)
{
	return ground_begin_with(state, &(struct ground_files){0});
}

void finish_work(struct ground *g)
{
	if (g->busy.pool)
		pool_remove(g->pool, &g->busy, g->loop.now_us);
	g->busy = (struct slot){0};
	dispatcher_note_progress(&g->dispatcher);
	loop_turn(&g->loop, g->loop.now_us + 1);
}

static void remove_files(const struct ground *g)
{
	static const char *const names[] = {"ini", "users", "hba", "log"};
	char path[64];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlink(path_of(g, names[i], path));
	rmdir(g->directory);
}

int ground_end(void **state)
{
	struct ground *g = *state;

	finish_work(g);
	dispatcher_fini(&g->dispatcher);
	loop_fini(&g->loop);
	config_unref(g->config);
	for (size_t i = 0; i < g->peer_count; i++) {
		fake_peer_fini(g->peers[i]);
		free(g->peers[i]);
	}
	log_reset();
	remove_files(g);
	free(g);
	return 0;
}

void settle(struct ground *g)
{
	/* Slices are put off to a later turn. */
	for (int i = 0; i < 4; i++) {
		fake_peers_settle(&g->loop, g->peers, g->peer_count);
		loop_turn(&g->loop, g->loop.now_us + 1000);
	}
	fake_peers_settle(&g->loop, g->peers, g->peer_count);
}

/* ---- clients ---- */

struct fake_peer *connect_peer(struct ground *g)
{
	struct fake_peer *peer = calloc(1, sizeof(*peer));

	assert_non_null(peer);
	assert_true(g->peer_count < PEERS_MOST);
	fake_peer_init(peer);
	struct client *c =
	    events_accept(&g->dispatcher, -1, &transport_fake, CLIENT_BY_TCP);
	assert_non_null(c);
	fake_peer_attach(peer, &c->stream);
	g->peers[g->peer_count++] = peer;
	return peer;
}

void push_startup(struct fake_peer *peer, const char *user, const char *database)
{
	uint8_t bytes[256] = {0};
	int len = 8 + snprintf((char *)bytes + 8, sizeof(bytes) - 8,
			       "user%c%s%cdatabase%c%s", 0, user, 0, 0, database);

	len += 2; /* the value's NUL, and the last one */
	bytes[3] = (uint8_t)len;
	bytes[5] = 3;
	fake_peer_push(peer, slice_of(bytes, (size_t)len));
}

/* What the peer has received: the letters of the messages, in order. */
const char *letters(const struct fake_peer *peer)
{
	static char out[4096];
	struct slice rest = fake_peer_received(peer);
	struct frame f;
	size_t count = 0;

	while (rest.len > 0 && frame_peek(rest, SIZE_MAX >> 1, &f) == FRAME_OK &&
	       count + 1 < sizeof(out)) {
		assert_true(frame_is_whole(&f));
		out[count++] = (char)f.letter;
		rest = slice_after(rest, f.total_len);
	}
	assert_int_equal(rest.len, 0);
	out[count] = '\0';
	return out;
}

void drop_all(struct fake_peer *peer)
{
	fake_peer_drop(peer, fake_peer_received(peer).len);
}

bool has(const struct fake_peer *peer, const char *text)
{
	struct slice got = fake_peer_received(peer);

	return got.len > 0 && memmem(got.data, got.len, text, strlen(text));
}

struct fake_peer *console_of(struct ground *g, const char *user)
{
	struct fake_peer *peer = connect_peer(g);

	push_startup(peer, user, "pooler");
	settle(g);
	assert_int_equal(letters(peer)[0], 'R');
	drop_all(peer);
	return peer;
}

struct fake_peer *admin(struct ground *g)
{
	return console_of(g, "admin");
}

void push_message(struct fake_peer *peer, char letter, const void *body, size_t len)
{
	uint8_t head[5] = {(uint8_t)letter, 0, 0, (uint8_t)((len + 4) >> 8),
			   (uint8_t)(len + 4)};

	fake_peer_push(peer, slice_of(head, 5));
	fake_peer_push(peer, slice_of(body, len));
}

void push_query(struct fake_peer *peer, const char *text)
{
	push_message(peer, 'Q', text, strlen(text) + 1);
}

/* The letters of the answer to one query. */
const char *ask(struct ground *g, struct fake_peer *peer, const char *text)
{
	drop_all(peer);
	push_query(peer, text);
	settle(g);
	return letters(peer);
}

struct client *client_of(const struct fake_peer *peer)
{
	return client_of_stream(peer->stream);
}

/* A pool with a server at work, so that PAUSE has to wait. */
void begin_work(struct ground *g)
{
	g->pool =
	    keeper_pool(&g->dispatcher, slice_of_text("app"), slice_of_text("alice"));
	assert_non_null(g->pool);
	pool_add(g->pool, &g->busy, g->loop.now_us);
}

void push_extended(struct fake_peer *peer, const char *text)
{
	uint8_t parse[256] = {0};

	memcpy(parse + 1, text, strlen(text));
	push_message(peer, 'P', parse, strlen(text) + 4);
	PUSH(peer, 'B', "\0\0\0\0\0\0\0\0");
	PUSH(peer, 'D', "P\0");
	PUSH(peer, 'E', "\0\0\0\0\0");
	PUSH(peer, 'S', "");
}

size_t count_letter(const struct fake_peer *peer, char letter)
{
	struct slice rest = fake_peer_received(peer);
	struct frame f;
	size_t count = 0;

	while (frame_peek(rest, SIZE_MAX >> 1, &f) == FRAME_OK && frame_is_whole(&f)) {
		count += f.letter == letter;
		rest = slice_after(rest, f.total_len);
	}
	return count;
}

static void read_column(struct slice body, size_t column, char *out, size_t cap)
{
	struct reader r = reader_of(body);
	uint16_t count = reader_u16(&r);

	assert_true(column < count);
	for (size_t i = 0;; i++) {
		uint32_t len = reader_u32(&r);
		struct slice value = reader_bytes(&r, len == UINT32_MAX ? 0 : len);
		if (i < column)
			continue;
		assert_true(value.len < cap);
		text_copy(out, cap, value);
		return;
	}
}

bool next_row(struct slice *rest, size_t column, char *out, size_t cap)
{
	struct frame f;

	while (frame_peek(*rest, SIZE_MAX >> 1, &f) == FRAME_OK && frame_is_whole(&f)) {
		*rest = slice_after(*rest, f.total_len);
		if (f.letter != 'D')
			continue;
		read_column(f.body, column, out, cap);
		return true;
	}
	return false;
}

void read_on(struct ground *g, struct fake_peer *peer, size_t piece)
{
	for (int i = 0; i < 10000 && count_letter(peer, 'Z') == 0; i++) {
		peer->room = piece;
		fake_peer_poke(peer);
		loop_turn(&g->loop, g->loop.now_us + 1000);
	}
}

/*
 * The two sides of a login wired to each other: the pooler's exchange with a client, and
 * its answer to a server. Every method against every kind of secret, whole and cut.
 */
#include "auth/exchange.h"

#include "auth/answer.h"
#include "proto/frame.h"
#include "proto/writer.h"
#include "unit/base/kit.h"

#define SCRAM                                                                            \
	"SCRAM-SHA-256$4096:u1YWGrvVFOta7q0Jrgcp+A==$"                                   \
	"Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI=:"                                  \
	"Z0c7juVYnhSrvHdBToQ5vW1pL1I+rK6XhsGGROA6P2c="
/* Of "wonderland" and the user "m5". */
#define MD5 "md5d8e5469de403ab7006df63ac8ca23819"
#define USER "m5"
#define PASSWORD "wonderland"
#define WRONG "password authentication failed for user \"m5\""

/* Few iterations in mock verifiers, so that the tests are fast. */
static struct exchange_mock mock_of(enum secret_kind kind)
{
	return (struct exchange_mock){.key = "key", .kind = kind, .iterations = 4096};
}

struct pair {
	struct exchange e;
	struct answer a;
	struct answer_means means;
	struct buffer to_client, to_server;
	enum login_verdict server, client; /* so far */
	size_t messages;
};

struct scene {
	enum exchange_method method;
	const char *stored; /* NULL: no such user */
	const char *typed;  /* NULL: nothing */
	struct slice binding, client_binding;
	enum secret_kind mock;
};

static void say_ok(struct buffer *out)
{
	struct writer w = writer_of(out);

	writer_begin(&w, 'R');
	writer_u32(&w, 0);
	writer_end(&w);
	assert_true(writer_finish(&w));
}

static void pair_begin(struct pair *p, const struct scene *scene, struct secret *typed)
{
	struct exchange_mock mock = mock_of(scene->mock);
	struct exchange_setup setup = {.method = scene->method,
				       .user = slice_of_text(USER),
				       .binding = scene->binding,
				       .mock = &mock};
	struct secret stored;

	*p = (struct pair){.server = LOGIN_MORE, .client = LOGIN_MORE};
	assert_true(secret_parse(slice_of_text(scene->typed ? scene->typed : ""), typed));
	p->means = (struct answer_means){.user = slice_of_text(USER),
					 .secret = typed,
					 .binding = scene->client_binding};
	p->server = exchange_start(&p->e, &setup, &p->to_client);
	if (p->server != LOGIN_WAIT)
		return;
	if (scene->stored)
		assert_true(secret_parse(slice_of_text(scene->stored), &stored));
	p->server =
	    exchange_resume(&p->e, scene->stored ? &stored : NULL, NULL, &p->to_client);
}

static void pair_end(struct pair *p)
{
	exchange_fini(&p->e);
	exchange_fini(&p->e);
	answer_fini(&p->a);
	answer_fini(&p->a);
	buffer_fini(&p->to_client);
	buffer_fini(&p->to_server);
}

/* One message of the buffer, if it is there whole: in memory of its own. */
static bool take_message(struct buffer *b, size_t max, uint8_t *letter, uint8_t **body,
			 size_t *len)
{
	struct frame f;
	enum frame_result result = frame_peek(buffer_bytes(b), max, &f);

	assert_int_not_equal(result, FRAME_BAD);
	if (result != FRAME_OK || !frame_is_whole(&f))
		return false;
	*letter = f.letter;
	*len = f.body.len;
	*body = exact_copy(f.body);
	buffer_consume(b, f.total_len);
	return true;
}

static void client_step(struct pair *p)
{
	uint8_t letter, *body;
	size_t len;

	while (p->client == LOGIN_MORE &&
	       take_message(&p->to_client, ANSWER_MAX_LEN, &letter, &body, &len)) {
		assert_int_equal(letter, 'R');
		p->client =
		    answer_feed(&p->a, slice_of(body, len), &p->means, &p->to_server);
		p->messages++;
		free(body);
	}
}

static void server_step(struct pair *p)
{
	uint8_t letter, *body;
	size_t len;

	while (
	    p->server == LOGIN_MORE &&
	    take_message(&p->to_server, exchange_max_len(&p->e), &letter, &body, &len)) {
		p->server =
		    exchange_feed(&p->e, letter, slice_of(body, len), &p->to_client);
		p->messages++;
		free(body);
		if (p->server == LOGIN_DONE)
			say_ok(&p->to_client);
	}
}

static void pump(struct pair *p)
{
	size_t before;

	if (p->server == LOGIN_DONE)
		say_ok(&p->to_client);
	do {
		before = p->messages;
		client_step(p);
		server_step(p);
	} while (p->messages > before);
}

/* ---- every method, every secret ---- */

enum outcome {
	IN,     /* both are content */
	OUT,    /* 28P01 */
	UNABLE, /* the client's side cannot answer */
};

static void check_outcome(const struct pair *p, enum outcome expected)
{
	switch (expected) {
	case IN:
		assert_int_equal(p->server, LOGIN_DONE);
		assert_int_equal(p->client, LOGIN_DONE);
		assert_string_equal(p->e.failure.sqlstate, "");
		assert_string_equal(p->a.failure.sqlstate, "");
		break;
	case OUT:
		assert_int_equal(p->server, LOGIN_FAILED);
		assert_string_equal(p->e.failure.sqlstate, "28P01");
		assert_string_equal(p->e.failure.text, WRONG);
		break;
	case UNABLE:
		assert_int_equal(p->server, LOGIN_MORE);
		assert_int_equal(p->client, LOGIN_FAILED);
		assert_string_equal(p->a.failure.sqlstate, "28000");
		break;
	}
}

static void run(const struct scene *scene, enum outcome expected)
{
	struct pair p;
	struct secret typed;

	pair_begin(&p, scene, &typed);
	pump(&p);
	check_outcome(&p, expected);
	pair_end(&p);
}

static const struct {
	enum exchange_method method;
	const char *stored, *typed;
	enum outcome outcome;
} method_cases[] = {
    {EXCHANGE_TRUST, NULL, NULL, IN},
    {EXCHANGE_ANY, NULL, NULL, IN},
    {EXCHANGE_PLAIN, PASSWORD, PASSWORD, IN},
    {EXCHANGE_PLAIN, MD5, PASSWORD, IN},
    {EXCHANGE_PLAIN, SCRAM, PASSWORD, IN},
    {EXCHANGE_PLAIN, PASSWORD, "x", OUT},
    {EXCHANGE_PLAIN, MD5, "x", OUT},
    {EXCHANGE_PLAIN, SCRAM, "x", OUT},
    {EXCHANGE_PLAIN, "", PASSWORD, OUT},
    {EXCHANGE_PLAIN, NULL, PASSWORD, OUT},
    {EXCHANGE_PLAIN, PASSWORD, NULL, UNABLE},
    {EXCHANGE_PLAIN, PASSWORD, MD5, UNABLE},
    {EXCHANGE_PLAIN, PASSWORD, SCRAM, UNABLE},
    {EXCHANGE_MD5, PASSWORD, PASSWORD, IN},
    {EXCHANGE_MD5, MD5, PASSWORD, IN},
    {EXCHANGE_MD5, SCRAM, PASSWORD, IN},
    {EXCHANGE_MD5, MD5, MD5, IN},
    {EXCHANGE_MD5, PASSWORD, MD5, IN},
    {EXCHANGE_MD5, PASSWORD, "x", OUT},
    {EXCHANGE_MD5, MD5, "x", OUT},
    {EXCHANGE_MD5, SCRAM, "x", OUT},
    {EXCHANGE_MD5, "", PASSWORD, OUT},
    {EXCHANGE_MD5, NULL, PASSWORD, OUT},
    {EXCHANGE_MD5, PASSWORD, NULL, UNABLE},
    {EXCHANGE_MD5, SCRAM, MD5, UNABLE},
    {EXCHANGE_MD5, PASSWORD, SCRAM, UNABLE},
    {EXCHANGE_SCRAM, PASSWORD, PASSWORD, IN},
    {EXCHANGE_SCRAM, SCRAM, PASSWORD, IN},
    {EXCHANGE_SCRAM, MD5, PASSWORD, OUT},
    {EXCHANGE_SCRAM, PASSWORD, "x", OUT},
    {EXCHANGE_SCRAM, SCRAM, "x", OUT},
    {EXCHANGE_SCRAM, "", PASSWORD, OUT},
    {EXCHANGE_SCRAM, NULL, PASSWORD, OUT},
    {EXCHANGE_SCRAM, SCRAM, NULL, UNABLE},
    {EXCHANGE_SCRAM, SCRAM, MD5, UNABLE},
    {EXCHANGE_SCRAM, SCRAM, SCRAM, UNABLE},
};

static void every_method_takes_every_secret_it_can(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(method_cases); i++)
		for (int mock = SECRET_NONE; mock <= SECRET_SCRAM; mock++) {
			enum outcome outcome = method_cases[i].outcome;
			const struct scene scene = {.method = method_cases[i].method,
						    .stored = method_cases[i].stored,
						    .typed = method_cases[i].typed,
						    .mock = (enum secret_kind)mock};

			run(&scene, outcome);
		}
}

static void channel_binding_is_used_where_both_can(void **state)
{
	struct slice hash = slice_of_text("hash"), none = {0};
	static const char *const stored[] = {PASSWORD, SCRAM};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(stored); i++) {
		struct scene s = {.method = EXCHANGE_SCRAM,
				  .stored = stored[i],
				  .typed = PASSWORD,
				  .binding = hash,
				  .client_binding = hash};
		struct pair p;
		struct secret typed;

		pair_begin(&p, &s, &typed);
		pump(&p);
		check_outcome(&p, IN);
		assert_true(p.e.scram.is_plus);
		pair_end(&p);
		s.client_binding = none;
		run(&s, IN);
		s.binding = none;
		s.client_binding = hash;
		run(&s, IN);
	}
	struct scene other = {.method = EXCHANGE_SCRAM,
			      .stored = SCRAM,
			      .typed = PASSWORD,
			      .binding = hash,
			      .client_binding = slice_of_text("other")};
	struct pair p;
	struct secret typed;
	pair_begin(&p, &other, &typed);
	pump(&p);
	assert_int_equal(p.server, LOGIN_FAILED);
	assert_string_equal(p.e.failure.sqlstate, "28000");
	assert_string_equal(p.e.failure.text, "SCRAM channel binding check failed");
	pair_end(&p);
}

static void reject_says_so_at_once(void **state)
{
	struct scene scene = {.method = EXCHANGE_REJECT, .stored = PASSWORD};
	struct pair p;
	struct secret typed;

	(void)state;
	pair_begin(&p, &scene, &typed);
	assert_int_equal(p.server, LOGIN_FAILED);
	assert_string_equal(p.e.failure.sqlstate, "28000");
	assert_int_equal(buffer_len(&p.to_client), 0);
	pair_end(&p);
}

static void others_may_judge_the_password(void **state)
{
	(void)state;
	for (int is_right = 0; is_right < 2; is_right++) {
		struct scene scene = {.method = EXCHANGE_OUTSIDE, .typed = PASSWORD};
		struct pair p;
		struct secret typed;
		uint8_t letter, *body;
		size_t len;

		pair_begin(&p, &scene, &typed);
		client_step(&p);
		assert_true(take_message(&p.to_server, exchange_max_len(&p.e), &letter,
					 &body, &len));
		assert_int_equal(
		    exchange_feed(&p.e, letter, slice_of(body, len), &p.to_client),
		    LOGIN_WAIT);
		assert_slice_is(p.e.password, PASSWORD);
		free(body);
		assert_int_equal(exchange_judge(&p.e, is_right),
				 is_right ? LOGIN_DONE : LOGIN_FAILED);
		assert_string_equal(p.e.failure.sqlstate, is_right ? "" : "28P01");
		pair_end(&p);
	}
}

/* ---- cut and damaged ---- */

static const struct scene long_scenes[] = {
    {.method = EXCHANGE_PLAIN, .stored = SCRAM, .typed = PASSWORD},
    {.method = EXCHANGE_MD5, .stored = MD5, .typed = PASSWORD},
    {.method = EXCHANGE_SCRAM,
     .stored = SCRAM,
     .typed = PASSWORD,
     .binding = {(const uint8_t *)"hash", 4},
     .client_binding = {(const uint8_t *)"hash", 4}},
};

/* Moves at most n bytes. */
static void trickle(struct buffer *from, struct buffer *to, size_t n)
{
	struct slice bytes = buffer_bytes(from);

	if (n > bytes.len)
		n = bytes.len;
	assert_true(buffer_append(to, slice_first(bytes, n)));
	buffer_consume(from, n);
}

/* What each side has said, and how much of it has arrived at the other. */
struct wires {
	struct buffer to_client, to_server;
};

static void arrive(struct pair *p, struct wires *w, size_t n)
{
	uint8_t letter, *body;
	size_t len;

	trickle(&w->to_client, &p->to_client, n);
	trickle(&w->to_server, &p->to_server, n);
	if (p->client == LOGIN_MORE &&
	    take_message(&p->to_client, ANSWER_MAX_LEN, &letter, &body, &len)) {
		p->client =
		    answer_feed(&p->a, slice_of(body, len), &p->means, &w->to_server);
		free(body);
	}
	if (p->server == LOGIN_MORE &&
	    take_message(&p->to_server, exchange_max_len(&p->e), &letter, &body, &len)) {
		p->server =
		    exchange_feed(&p->e, letter, slice_of(body, len), &w->to_client);
		free(body);
		if (p->server == LOGIN_DONE)
			say_ok(&w->to_client);
	}
}

static void bytes_may_come_in_any_portions(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(long_scenes); i++) {
		for (size_t n = 1; n < 12; n++) {
			struct wires w = {0};
			struct pair p;
			struct secret typed;

			pair_begin(&p, &long_scenes[i], &typed);
			w.to_client = p.to_client;
			p.to_client = (struct buffer){0};
			for (unsigned turn = 0; turn < 1000; turn++)
				arrive(&p, &w, n);
			check_outcome(&p, IN);
			buffer_fini(&w.to_client);
			buffer_fini(&w.to_server);
			pair_end(&p);
		}
	}
}

/* The same, whether a message comes whole or one byte at a time. */
static void every_method_takes_messages_cut_at_every_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(method_cases); i++) {
		const struct scene scene = {.method = method_cases[i].method,
					    .stored = method_cases[i].stored,
					    .typed = method_cases[i].typed};
		struct wires w = {0};
		struct pair p;
		struct secret typed;

		pair_begin(&p, &scene, &typed);
		/* Trust says nothing until the welcome. */
		if (p.server == LOGIN_DONE)
			say_ok(&p.to_client);
		w.to_client = p.to_client;
		p.to_client = (struct buffer){0};
		for (unsigned turn = 0; turn < 1000; turn++)
			arrive(&p, &w, 1);
		check_outcome(&p, method_cases[i].outcome);
		buffer_fini(&w.to_client);
		buffer_fini(&w.to_server);
		pair_end(&p);
	}
}

/* How a message is spoilt: shortened to len, or with the byte there changed. */
struct damage {
	size_t message;
	size_t at;
	bool is_cut;
};

/* Runs the scene with one message spoilt. False when there is no such place. */
static bool run_damaged(const struct scene *scene, const struct damage *d, struct pair *p)
{
	struct secret typed;
	bool was_there = false;
	size_t before;

	pair_begin(p, scene, &typed);
	do {
		uint8_t letter, *body;
		size_t len;

		before = p->messages;
		for (int side = 0; side < 2; side++) {
			enum login_verdict *verdict = side ? &p->server : &p->client;
			struct buffer *in = side ? &p->to_server : &p->to_client;

			if (*verdict != LOGIN_MORE ||
			    !take_message(in, 100000, &letter, &body, &len))
				continue;
			if (p->messages == d->message && d->at < len) {
				was_there = true;
				if (d->is_cut)
					len = d->at;
				else
					body[d->at] ^= 0x15;
			}
			uint8_t *copy = exact_copy(slice_of(body, len));
			struct slice bytes = slice_of(copy, len);
			*verdict =
			    side ? exchange_feed(&p->e, letter, bytes, &p->to_client)
				 : answer_feed(&p->a, bytes, &p->means, &p->to_server);
			if (side && *verdict == LOGIN_DONE)
				say_ok(&p->to_client);
			p->messages++;
			free(copy);
			free(body);
		}
	} while (p->messages > before);
	return was_there;
}

/* The name of the mechanism that is offered and not chosen. */
static bool is_harmless(size_t scene, const struct damage *d)
{
	return scene == 2 && d->message == 0 && !d->is_cut &&
	       d->at >= 4 + sizeof(SCRAM_SHA_256_PLUS);
}

/* A login with one byte changed or lost never succeeds on both sides. */
static void a_damaged_message_ends_the_login(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(long_scenes); i++) {
		for (size_t message = 0; message < 5; message++) {
			for (unsigned cut = 0; cut < 2; cut++) {
				for (size_t at = 0;; at++) {
					struct damage d = {message, at, cut};
					struct pair p;
					bool was_there =
					    run_damaged(&long_scenes[i], &d, &p);
					bool is_in = p.server == LOGIN_DONE &&
						     p.client == LOGIN_DONE;

					if (was_there && is_in && !is_harmless(i, &d))
						fail_msg("scene %zu message %zu byte %zu "
							 "cut %u got in",
							 i, message, at, cut);
					if (p.server == LOGIN_FAILED)
						assert_int_equal(
						    strlen(p.e.failure.sqlstate), 5);
					if (p.client == LOGIN_FAILED)
						assert_int_equal(
						    strlen(p.a.failure.sqlstate), 5);
					pair_end(&p);
					if (!was_there)
						break;
				}
			}
		}
	}
}

/* ---- the client's messages ---- */

static void feed_one(const struct scene *scene, uint8_t letter, struct slice body,
		     const char *sqlstate, const char *text)
{
	struct pair p;
	struct secret typed;
	uint8_t *copy = exact_copy(body);

	pair_begin(&p, scene, &typed);
	size_t before = buffer_len(&p.to_client);
	assert_int_equal(
	    exchange_feed(&p.e, letter, slice_of(copy, body.len), &p.to_client),
	    LOGIN_FAILED);
	assert_string_equal(p.e.failure.sqlstate, sqlstate);
	assert_string_equal(p.e.failure.text, text);
	assert_int_equal(buffer_len(&p.to_client), before);
	/* Nothing brings it back. */
	assert_int_equal(
	    exchange_feed(&p.e, letter, slice_of(copy, body.len), &p.to_client),
	    LOGIN_FAILED);
	assert_string_equal(p.e.failure.text, text);
	free(copy);
	pair_end(&p);
}

static void broken_answers_are_told_as_such(void **state)
{
	static const struct scene plain = {.method = EXCHANGE_PLAIN, .stored = PASSWORD};
	static const struct scene md5 = {.method = EXCHANGE_MD5, .stored = PASSWORD};
	static const struct scene scram = {.method = EXCHANGE_SCRAM, .stored = SCRAM};
#define BODY(text) slice_of(text, sizeof(text) - 1)
#define BAD_SASL "invalid SASL initial response"
#define BAD_MECHANISM "client selected an invalid SASL authentication mechanism"

	(void)state;
	feed_one(&plain, 'Q', BODY("x\0"), "08P01",
		 "expected password response, got message type 81");
	feed_one(&plain, 'p', BODY("\0"), "28P01", "empty password returned by client");
	feed_one(&plain, 'p', BODY(""), "08P01", "invalid password packet");
	feed_one(&plain, 'p', BODY(PASSWORD), "08P01", "invalid password packet");
	feed_one(&plain, 'p', BODY(PASSWORD "\0x"), "08P01", "invalid password packet");
	feed_one(&md5, 'p', BODY("\0"), "28P01", "empty password returned by client");
	feed_one(&md5, 'p', BODY(PASSWORD "\0"), "28P01", WRONG);
	feed_one(&md5, 'p', BODY("md5\0"), "28P01", WRONG);
	feed_one(&scram, 'p', BODY(""), "08P01", BAD_SASL);
	feed_one(&scram, 'p', BODY("SCRAM-SHA-256"), "08P01", BAD_SASL);
	feed_one(&scram, 'p', BODY("SCRAM-SHA-256\0"), "08P01", BAD_SASL);
	feed_one(&scram, 'p', BODY("SCRAM-SHA-256\0\0\0\0\5n,,n"), "08P01", BAD_SASL);
	feed_one(&scram, 'p', BODY("SCRAM-SHA-256\0\0\0\0\3n,,n"), "08P01", BAD_SASL);
	feed_one(&scram, 'p', BODY("SCRAM-SHA-256\0\xff\xff\xff\xfen,,n"), "08P01",
		 BAD_SASL);
	feed_one(&scram, 'p', BODY("SCRAM-SHA-256\0\x7f\xff\xff\xffn,,n"), "08P01",
		 BAD_SASL);
	feed_one(&scram, 'p', BODY("SCRAM-SHA-256\0\xff\xff\xff\xffn,,n"), "08P01",
		 BAD_SASL);
	feed_one(&scram, 'p', BODY("SCRAM-SHA-1\0\0\0\0\4n,,n"), "08P01", BAD_MECHANISM);
	feed_one(&scram, 'p', BODY("SCRAM-SHA-256-PLUS\0\0\0\0\4n,,n"), "08P01",
		 BAD_MECHANISM);
	feed_one(&scram, 'p', BODY("SCRAM-SHA-256\0\0\0\0\4n,,n"), "08P01",
		 "malformed SCRAM message: there is no user name");
}

static void the_first_message_may_come_after_an_empty_challenge(void **state)
{
	struct scene scene = {.method = EXCHANGE_SCRAM, .stored = SCRAM};
	static const uint8_t empty[] = {'R', 0, 0, 0, 8, 0, 0, 0, 11};
	struct pair p;
	struct secret typed;

	(void)state;
	pair_begin(&p, &scene, &typed);
	buffer_consume(&p.to_client, buffer_len(&p.to_client));
	assert_int_equal(exchange_feed(&p.e, 'p', BODY("SCRAM-SHA-256\0\xff\xff\xff\xff"),
				       &p.to_client),
			 LOGIN_MORE);
	assert_int_equal(buffer_len(&p.to_client), sizeof(empty));
	assert_memory_equal(buffer_bytes(&p.to_client).data, empty, sizeof(empty));
	assert_int_equal(exchange_feed(&p.e, 'p', BODY("n,,n=,r=abc"), &p.to_client),
			 LOGIN_MORE);
	pair_end(&p);
}

static void names_that_cannot_be_printed_are_shown_escaped(void **state)
{
	struct exchange_mock mock = mock_of(SECRET_PLAIN);
	struct exchange_setup setup = {
	    .method = EXCHANGE_PLAIN, .user = slice_of_text("a\nb\xff"), .mock = &mock};
	struct exchange e;
	struct buffer out = {0};

	(void)state;
	assert_int_equal(exchange_start(&e, &setup, &out), LOGIN_WAIT);
	assert_int_equal(exchange_resume(&e, NULL, NULL, &out), LOGIN_MORE);
	assert_int_equal(exchange_feed(&e, 'p', BODY("x\0"), &out), LOGIN_FAILED);
	assert_null(strchr(e.failure.text, '\n'));
	exchange_fini(&e);
	buffer_fini(&out);
}

/* ---- nobody learns who exists ---- */

/* All that the pooler says to a client with a wrong password. */
static void record(const struct scene *scene, const char *user, struct buffer *out)
{
	struct exchange_mock mock = mock_of(scene->mock);
	struct exchange_setup setup = {
	    .method = scene->method, .user = slice_of_text(user), .mock = &mock};
	struct pair p = {0};
	struct secret typed, stored;

	assert_true(secret_parse(slice_of_text("bad"), &typed));
	if (scene->stored)
		assert_true(secret_parse(slice_of_text(scene->stored), &stored));
	p.means = (struct answer_means){.user = slice_of_text(user), .secret = &typed};
	assert_int_equal(exchange_start(&p.e, &setup, &p.to_client), LOGIN_WAIT);
	p.server =
	    exchange_resume(&p.e, scene->stored ? &stored : NULL, NULL, &p.to_client);
	while (p.server == LOGIN_MORE) {
		struct slice said = buffer_bytes(&p.to_client);
		assert_true(buffer_append(out, said));
		client_step(&p);
		server_step(&p);
	}
	assert_int_equal(p.server, LOGIN_FAILED);
	assert_true(buffer_append(out, slice_of_text(p.e.failure.sqlstate)));
	pair_end(&p);
}

/* Salts and nonces differ; the shape does not. */
static void unknown_users_look_like_wrong_passwords(void **state)
{
	static const struct {
		enum exchange_method method;
		enum secret_kind kind;
		const char *stored;
	} cases[] = {
	    {EXCHANGE_PLAIN, SECRET_PLAIN, PASSWORD},
	    {EXCHANGE_PLAIN, SECRET_MD5, MD5},
	    {EXCHANGE_PLAIN, SECRET_SCRAM, SCRAM},
	    {EXCHANGE_MD5, SECRET_PLAIN, PASSWORD},
	    {EXCHANGE_MD5, SECRET_MD5, MD5},
	    {EXCHANGE_MD5, SECRET_SCRAM, SCRAM},
	    {EXCHANGE_SCRAM, SECRET_PLAIN, PASSWORD},
	    {EXCHANGE_SCRAM, SECRET_SCRAM, SCRAM},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scene known = {.method = cases[i].method,
				      .stored = cases[i].stored,
				      .mock = cases[i].kind};
		struct scene unknown = {.method = cases[i].method, .mock = cases[i].kind};
		struct buffer a = {0}, b = {0};

		record(&known, USER, &a);
		record(&unknown, USER, &b);
		assert_int_equal(buffer_len(&a), buffer_len(&b));
		assert_memory_equal(buffer_bytes(&a).data, buffer_bytes(&b).data, 9);
		buffer_fini(&a);
		buffer_fini(&b);
	}
}

/* The salt that a client is told, as text. */
static void salt_told(const struct scene *scene, const char *user, char out[64])
{
	struct buffer all = {0};

	record(scene, user, &all);
	struct slice bytes = buffer_bytes(&all);
	const uint8_t *at = memmem(bytes.data, bytes.len, ",s=", 3);
	assert_non_null(at);
	const uint8_t *end =
	    memchr(at + 3, ',', (size_t)(bytes.data + bytes.len - at - 3));
	assert_non_null(end);
	snprintf(out, 64, "%.*s", (int)(end - at), (const char *)at);
	buffer_fini(&all);
}

static void the_salt_of_a_user_stays_the_same(void **state)
{
	struct scene unknown = {.method = EXCHANGE_SCRAM, .mock = SECRET_SCRAM};
	struct scene like_plain = {.method = EXCHANGE_SCRAM, .mock = SECRET_PLAIN};
	struct scene plain = {.method = EXCHANGE_SCRAM, .stored = PASSWORD};
	char a[64], b[64];

	(void)state;
	salt_told(&unknown, "a", a);
	salt_told(&unknown, "a", b);
	assert_string_equal(a, b);
	salt_told(&unknown, "b", b);
	assert_string_not_equal(a, b);
	/* Were it random for users with a password, it would tell them apart. */
	salt_told(&plain, "a", a);
	salt_told(&plain, "a", b);
	assert_string_equal(a, b);
	salt_told(&like_plain, "a", b);
	assert_string_equal(a, b);
}

/* ---- what a login leaves ---- */

static void scram_keys_pass_through_to_the_server(void **state)
{
	struct scene scene = {
	    .method = EXCHANGE_SCRAM, .stored = SCRAM, .typed = PASSWORD};
	struct pair front, back;
	struct secret typed;
	struct scram_keys keys;

	(void)state;
	pair_begin(&front, &scene, &typed);
	assert_null(exchange_keys(&front.e));
	pump(&front);
	assert_non_null(exchange_keys(&front.e));
	assert_null(exchange_salted(&front.e));
	keys = *exchange_keys(&front.e);
	pair_end(&front);
	assert_null(exchange_keys(&front.e));
	/* The server has the same verifier; we have no password. */
	scene.typed = SCRAM;
	pair_begin(&back, &scene, &typed);
	back.means.keys = &keys;
	pump(&back);
	check_outcome(&back, IN);
	pair_end(&back);
	/* Another verifier of the same password will not do, and we say why. */
	scene.stored = PASSWORD;
	pair_begin(&back, &scene, &typed);
	back.means.keys = &keys;
	pump(&back);
	check_outcome(&back, UNABLE);
	assert_non_null(strstr(back.a.failure.text, "another salt"));
	pair_end(&back);
}

static void a_login_leaves_what_spares_the_next_one(void **state)
{
	struct scene scene = {
	    .method = EXCHANGE_SCRAM, .stored = PASSWORD, .typed = PASSWORD};
	struct scram_salted known, kept = {0};
	struct secret typed, stored;
	struct pair p;

	(void)state;
	pair_begin(&p, &scene, &typed);
	p.means.salted = &kept;
	pump(&p);
	check_outcome(&p, IN);
	assert_null(exchange_keys(&p.e));
	assert_non_null(exchange_salted(&p.e));
	known = *exchange_salted(&p.e);
	assert_memory_equal(&known, &kept, sizeof(known));
	pair_end(&p);
	/* It is used: spoilt, it no longer fits. */
	known.bytes[5] ^= 1;
	pair_begin(&p, &scene, &typed);
	buffer_consume(&p.to_client, buffer_len(&p.to_client));
	p.e.state = EXCHANGE_LOOKUP;
	assert_true(secret_parse(slice_of_text(PASSWORD), &stored));
	p.server = exchange_resume(&p.e, &stored, &known, &p.to_client);
	pump(&p);
	check_outcome(&p, OUT);
	pair_end(&p);
}

/* ---- the server's messages ---- */

struct saying {
	const char *body;
	size_t len;
};
#define SAYING(text)                                                                     \
	{                                                                                \
		text, sizeof(text) - 1                                                   \
	}

static void malicious_servers_get_nothing(void **state)
{
	static const struct {
		struct saying body;
		const char *sqlstate, *text;
	} cases[] = {
	    {SAYING(""), "08P01", "the server's authentication request is broken"},
	    {SAYING("\0\0\0"), "08P01", "the server's authentication request is broken"},
	    {SAYING("\0\0\0\0x"), "08P01", "the server's AuthenticationOk is too long"},
	    {SAYING("\0\0\0\3x"), "08P01",
	     "the server's request for a password is too long"},
	    {SAYING("\0\0\0\5abc"), "08P01", "the server's md5 salt is broken"},
	    {SAYING("\0\0\0\5abcde"), "08P01", "the server's md5 salt is broken"},
	    {SAYING("\0\0\0\2"), "28000",
	     "the server asks for authentication method 2, which is not supported"},
	    {SAYING("\0\0\0\7"), "28000",
	     "the server asks for authentication method 7, which is not supported"},
	    {SAYING("\0\0\0\x63"), "28000",
	     "the server asks for authentication method 99, which is not supported"},
	    {SAYING("\xff\xff\xff\xff"), "28000",
	     "the server asks for authentication method 4294967295, which is not "
	     "supported"},
	    {SAYING("\0\0\0\12"), "08P01",
	     "the server's list of SASL mechanisms is broken"},
	    {SAYING("\0\0\0\12SCRAM-SHA-256"), "08P01",
	     "the server's list of SASL mechanisms is broken"},
	    {SAYING("\0\0\0\12SCRAM-SHA-256\0"), "08P01",
	     "the server's list of SASL mechanisms is broken"},
	    {SAYING("\0\0\0\12SCRAM-SHA-256\0\0x"), "08P01",
	     "the server's list of SASL mechanisms is broken"},
	    {SAYING("\0\0\0\12\0"), "28000",
	     "the server offers no SASL mechanism that is supported"},
	    {SAYING("\0\0\0\12OAUTHBEARER\0\0"), "28000",
	     "the server offers no SASL mechanism that is supported"},
	    {SAYING("\0\0\0\12SCRAM-SHA-256-PLUS\0\0"), "28000",
	     "the server asks for channel binding, which this connection does not have"},
	    {SAYING("\0\0\0\13r=a,s=AAAA,i=1"), "28000",
	     "the server asks for authentication method 11, which is not supported"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct answer a = {0};
		struct buffer out = {0};
		struct secret typed;
		struct slice body = slice_of(cases[i].body.body, cases[i].body.len);
		uint8_t *copy = exact_copy(body);

		assert_true(secret_parse(slice_of_text(PASSWORD), &typed));
		struct answer_means means = {.user = slice_of_text(USER),
					     .secret = &typed};
		assert_int_equal(answer_feed(&a, slice_of(copy, body.len), &means, &out),
				 LOGIN_FAILED);
		assert_string_equal(a.failure.sqlstate, cases[i].sqlstate);
		assert_string_equal(a.failure.text, cases[i].text);
		assert_int_equal(buffer_len(&out), 0);
		assert_int_equal(answer_feed(&a, BODY("\0\0\0\0"), &means, &out),
				 LOGIN_FAILED);
		free(copy);
		answer_fini(&a);
	}
}

static void servers_may_not_change_their_minds(void **state)
{
	static const struct {
		struct saying first, second;
		const char *text;
	} cases[] = {
	    {SAYING("\0\0\0\3"), SAYING("\0\0\0\3"),
	     "the server's authentication requests are out of order"},
	    {SAYING("\0\0\0\5salt"), SAYING("\0\0\0\3"),
	     "the server's authentication requests are out of order"},
	    {SAYING("\0\0\0\12SCRAM-SHA-256\0\0"), SAYING("\0\0\0\3"),
	     "the server's authentication requests are out of order"},
	    {SAYING("\0\0\0\12SCRAM-SHA-256\0\0"), SAYING("\0\0\0\0"),
	     "the server ended SCRAM before it had proved itself"},
	    {SAYING("\0\0\0\12SCRAM-SHA-256\0\0"), SAYING("\0\0\0\14v=AAAA"),
	     "the server's SASL messages are out of order"},
	    {SAYING("\0\0\0\12SCRAM-SHA-256\0\0"), SAYING("\0\0\0\13"),
	     "malformed SCRAM message from the server: there is no nonce"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct answer a = {0};
		struct buffer out = {0};
		struct secret typed;

		assert_true(secret_parse(slice_of_text(PASSWORD), &typed));
		struct answer_means means = {.user = slice_of_text(USER),
					     .secret = &typed};
		assert_int_equal(
		    answer_feed(&a, slice_of(cases[i].first.body, cases[i].first.len),
				&means, &out),
		    LOGIN_MORE);
		assert_int_equal(
		    answer_feed(&a, slice_of(cases[i].second.body, cases[i].second.len),
				&means, &out),
		    LOGIN_FAILED);
		assert_string_equal(a.failure.text, cases[i].text);
		assert_string_equal(a.failure.sqlstate, "08P01");
		answer_fini(&a);
		buffer_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_method_takes_every_secret_it_can),
	    cmocka_unit_test(channel_binding_is_used_where_both_can),
	    cmocka_unit_test(reject_says_so_at_once),
	    cmocka_unit_test(others_may_judge_the_password),
	    cmocka_unit_test(bytes_may_come_in_any_portions),
	    cmocka_unit_test(every_method_takes_messages_cut_at_every_byte),
	    cmocka_unit_test(a_damaged_message_ends_the_login),
	    cmocka_unit_test(broken_answers_are_told_as_such),
	    cmocka_unit_test(the_first_message_may_come_after_an_empty_challenge),
	    cmocka_unit_test(names_that_cannot_be_printed_are_shown_escaped),
	    cmocka_unit_test(unknown_users_look_like_wrong_passwords),
	    cmocka_unit_test(the_salt_of_a_user_stays_the_same),
	    cmocka_unit_test(scram_keys_pass_through_to_the_server),
	    cmocka_unit_test(a_login_leaves_what_spares_the_next_one),
	    cmocka_unit_test(malicious_servers_get_nothing),
	    cmocka_unit_test(servers_may_not_change_their_minds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

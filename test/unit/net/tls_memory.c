/* TLS when OpenSSL is refused memory, once, at any moment: an orderly end or none. */
#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness/certs.h"
#include "harness/tls_pair.h"
#include "net/tls_context.h"

/* Each handshake takes thousands of pieces; every so-many-th is refused in turn. */
enum { STRIDE = 29 };

/* ---- memory that fails when told to ---- */

static bool will_fail;
static size_t until_failure, requests;

static bool fails_now(void)
{
	if (!will_fail || until_failure-- > 0)
		return false;
	will_fail = false;
	return true;
}

static void *get(size_t len, const char *file, int line)
{
	(void)file, (void)line;
	requests++;
	return fails_now() ? NULL : malloc(len);
}

static void *change(void *old, size_t len, const char *file, int line)
{
	(void)file, (void)line;
	return fails_now() ? NULL : realloc(old, len);
}

static void give_back(void *old, const char *file, int line)
{
	(void)file, (void)line;
	free(old);
}

static void fail_after(size_t count)
{
	will_fail = true;
	until_failure = count;
}

/* Whether it did not come to that. */
static bool never_failed(void)
{
	bool was_waiting = will_fail;

	will_fail = false;
	return was_waiting;
}

/* ---- */

struct stage {
	struct certs certs;
	struct tls_options accept, connect;
};

static int open_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	certs_open(&s->certs);
	struct cert *ca =
	    certs_make(&s->certs, &(struct cert_spec){.name = "ca", .is_ca = true});
	certs_make(&s->certs, &(struct cert_spec){
				  .name = "own", .issuer = ca, .alt = "DNS:localhost"});
	s->accept = (struct tls_options){.verify = TLS_VERIFY_IF_GIVEN,
					 .key_file = certs_path(&s->certs, "own.key"),
					 .cert_file = certs_path(&s->certs, "own.pem"),
					 .ca_file = certs_path(&s->certs, "ca.pem")};
	s->connect = s->accept;
	s->connect.verify = TLS_VERIFY_FULL;
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	certs_close(&s->certs);
	free(s);
	return 0;
}

static void a_context_is_made_or_not(void **state)
{
	struct stage *s = *state;
	char problem[200];
	size_t refused = 0;
	bool is_over = false;

	for (size_t at = 0; !is_over; at += STRIDE) {
		fail_after(at);
		struct tls_context *c = tls_context_create(TLS_SIDE_ACCEPT, &s->accept,
							   problem, sizeof(problem));
		is_over = never_failed();
		assert_true(c ? problem[0] == '\0' : problem[0] != '\0');
		refused += !c;
		tls_context_unref(c);
	}
	assert_true(refused > 0);
}

/* Whether the client heard its own words again. */
static bool meet(struct stage *s, struct tls_context *accept, struct tls_context *connect)
{
	struct tls_session *session = NULL;
	struct tls_target target = {.host = "localhost", .session = &session};
	struct tls_pair p;
	int failed;

	(void)s;
	tls_pair_open(&p, false);
	p.server.echoes = true;
	failed = tls_connect(&p.client.stream, connect, &target, NULL);
	failed |= tls_accept(&p.server.stream, accept, false, slice_of(NULL, 0), NULL);
	if (!failed) {
		tls_end_write(&p.client, "echo");
		tls_pair_settle(&p);
		/* Nobody is left waiting for nothing. */
		assert_true(tls_end_saw(&p.client, "echo") || p.client.ends > 0 ||
			    p.server.ends > 0);
	}
	bool was_heard = tls_end_saw(&p.client, "echo");
	tls_pair_close(&p);
	tls_session_free(session);
	return was_heard;
}

static void a_handshake_is_done_or_ends(void **state)
{
	static const char *const protocols[] = {"tlsv1.2", "tlsv1.3"};
	struct stage *s = *state;
	char problem[200];

	for (size_t i = 0; i < 2; i++) {
		s->accept.protocols = protocols[i];
		struct tls_context *accept = tls_context_create(
		    TLS_SIDE_ACCEPT, &s->accept, problem, sizeof(problem));
		struct tls_context *connect = tls_context_create(
		    TLS_SIDE_CONNECT, &s->connect, problem, sizeof(problem));
		size_t unheard = 0;
		bool is_over = false;

		for (size_t at = i; !is_over; at += STRIDE) {
			fail_after(at);
			unheard += !meet(s, accept, connect);
			is_over = never_failed();
		}
		assert_true(unheard > 0);
		assert_true(meet(s, accept, connect));
		tls_context_unref(accept);
		tls_context_unref(connect);
	}
}

/* Thousands may come at once and wait for their turn. */
static void a_client_that_is_silent_takes_none(void **state)
{
	struct stage *s = *state;
	char problem[200];
	struct tls_pair p;

	s->accept.protocols = NULL;
	struct tls_context *accept =
	    tls_context_create(TLS_SIDE_ACCEPT, &s->accept, problem, sizeof(problem));
	assert_non_null(accept);
	tls_pair_open(&p, false);
	size_t before = requests;
	assert_int_equal(
	    tls_accept(&p.server.stream, accept, false, slice_of(NULL, 0), NULL), 0);
	tls_pair_settle(&p);
	assert_int_equal(requests, before);
	tls_pair_close(&p);
	tls_context_unref(accept);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_context_is_made_or_not),
	    cmocka_unit_test(a_handshake_is_done_or_ends),
	    cmocka_unit_test(a_client_that_is_silent_takes_none),
	};

	if (!CRYPTO_set_mem_functions(get, change, give_back))
		return 1;
	return cmocka_run_group_tests(tests, open_stage, close_stage);
}

/* Two streams with TLS between them: handshakes, data, ends. */
#include "net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/certs.h"
#include "harness/tls_pair.h"
#include "net/tls_context.h"
#include "net/tls_parts.h"

struct stage {
	struct certs certs;
	struct cert *ca, *other_ca;
	struct tls_pair pair;
	struct tls_context *accept, *connect;
	struct tls_session *session;
};

static const struct tls_target localhost = {.host = "localhost"};

static void make_certs(struct stage *s)
{
	struct certs *c = &s->certs;

	s->ca = certs_make(c, &(struct cert_spec){.name = "ca", .is_ca = true});
	s->other_ca = certs_make(c, &(struct cert_spec){.name = "other", .is_ca = true});
	certs_make(c, &(struct cert_spec){.name = "server",
					  .issuer = s->ca,
					  .alt = "DNS:localhost,IP:127.0.0.1,IP:::1"});
	certs_make(c, &(struct cert_spec){.name = "client", .issuer = s->ca});
	certs_make(c, &(struct cert_spec){.name = "stranger", .issuer = s->other_ca});
}

static int open_all(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	certs_open(&s->certs);
	make_certs(s);
	*state = s;
	return 0;
}

static int close_all(void **state)
{
	struct stage *s = *state;

	certs_close(&s->certs);
	free(s);
	return 0;
}

static int close_one(void **state)
{
	struct stage *s = *state;

	if (s->pair.loop.ev)
		tls_pair_close(&s->pair);
	s->pair = (struct tls_pair){0};
	tls_context_unref(s->accept);
	tls_context_unref(s->connect);
	s->accept = s->connect = NULL;
	tls_session_free(s->session);
	s->session = NULL;
	return 0;
}

/* ---- steps ---- */

static struct tls *inside(const struct stream *stream)
{
	assert_true(tls_is_on(stream));
	return stream->transport_state;
}

static struct tls_context *make_context(enum tls_side side, const struct tls_options *o)
{
	char problem[300] = "";
	struct tls_context *c = tls_context_create(side, o, problem, sizeof(problem));

	assert_string_equal(problem, "");
	assert_non_null(c);
	return c;
}

static struct tls_options accept_options(struct stage *s)
{
	return (struct tls_options){.key_file = certs_path(&s->certs, "server.key"),
				    .cert_file = certs_path(&s->certs, "server.pem")};
}

static struct tls_options connect_options(struct stage *s)
{
	return (struct tls_options){.verify = TLS_VERIFY_FULL,
				    .ca_file = certs_path(&s->certs, "ca.pem")};
}

static void set_contexts(struct stage *s, const struct tls_options *accept,
			 const struct tls_options *connect)
{
	s->accept = make_context(TLS_SIDE_ACCEPT, accept);
	s->connect = make_context(TLS_SIDE_CONNECT, connect);
}

static void set_usual_contexts(struct stage *s, const char *protocols)
{
	struct tls_options a = accept_options(s), c = connect_options(s);

	a.protocols = protocols;
	set_contexts(s, &a, &c);
}

static void shake(struct stage *s, bool with_relay, const struct tls_target *target)
{
	tls_pair_open(&s->pair, with_relay);
	tls_pair_start(&s->pair, s->accept, s->connect, target);
	tls_pair_settle(&s->pair);
}

static void again(struct stage *s, const struct tls_target *target)
{
	tls_pair_close(&s->pair);
	shake(s, false, target);
}

static void talk(struct stage *s)
{
	struct tls_pair *p = &s->pair;

	buffer_fini(&p->client.seen);
	buffer_fini(&p->server.seen);
	tls_end_write(&p->client, "ping");
	tls_pair_settle(p);
	assert_true(tls_end_saw(&p->server, "ping"));
	tls_end_write(&p->server, "pong");
	tls_pair_settle(p);
	assert_true(tls_end_saw(&p->client, "pong"));
}

static void assert_failed(const struct tls_end *e, const char *why)
{
	if (e->ends != 1 || !strstr(e->problem, why))
		print_error("ends %u, problem \"%s\", not \"%s\"\n", e->ends, e->problem,
			    why);
	assert_int_equal(e->ends, 1);
	assert_int_equal(e->how, STREAM_END_BROKEN);
	assert_int_equal(e->error, EPROTO);
	assert_non_null(strstr(e->problem, why));
	assert_int_equal(e->dones, 0);
}

/* ---- handshakes ---- */

static const char *const protocols[] = {"tlsv1.2", "tlsv1.3"};

static void two_streams_agree_and_talk(void **state)
{
	static const char *const names[] = {"TLSv1.2", "TLSv1.3"};
	struct stage *s = *state;
	struct tls_facts facts;

	for (size_t i = 0; i < 2; i++) {
		set_usual_contexts(s, protocols[i]);
		shake(s, false, &localhost);
		assert_true(tls_pair_is_done(&s->pair));
		assert_true(tls_facts(&s->pair.server.stream, &facts));
		assert_string_equal(facts.protocol, names[i]);
		assert_string_equal(facts.alpn, "postgresql");
		assert_false(facts.is_resumed);
		assert_non_null(strstr(facts.cipher, "AES"));
		talk(s);
		close_one(state);
	}
}

static void a_client_of_tls_13_costs_no_library_object(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, "tlsv1.3");
	shake(s, false, &localhost);
	assert_null(inside(&s->pair.server.stream)->ssl);
	assert_null(inside(&s->pair.server.stream)->start);
	talk(s);
	assert_null(inside(&s->pair.server.stream)->carry.data);
	assert_null(inside(&s->pair.server.stream)->unsent.data);
}

static void every_suite_of_tls_13_works(void **state)
{
	static const char *const suites[] = {
	    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
	    "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_CCM_SHA256"};
	struct stage *s = *state;
	struct tls_facts facts;

	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++) {
		struct tls_options a = accept_options(s), c = connect_options(s);

		a.tls13_ciphers = c.tls13_ciphers = suites[i];
		set_contexts(s, &a, &c);
		shake(s, false, &localhost);
		assert_true(tls_facts(&s->pair.server.stream, &facts));
		assert_string_equal(facts.cipher, suites[i]);
		talk(s);
		close_one(state);
	}
}

static void bytes_written_early_go_when_the_handshake_is_done(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, NULL);
	tls_pair_open(&s->pair, false);
	tls_pair_start(&s->pair, s->accept, s->connect, &localhost);
	tls_end_write(&s->pair.client, "early ");
	tls_end_write(&s->pair.server, "from here ");
	tls_end_write(&s->pair.client, "bird");
	tls_end_write(&s->pair.server, "too");
	tls_pair_settle(&s->pair);
	assert_true(tls_end_saw(&s->pair.server, "early bird"));
	assert_true(tls_end_saw(&s->pair.client, "from here too"));
}

static void write_in_done(struct tls_end *end)
{
	tls_end_write(end, "done");
}

static void the_owner_may_write_when_it_is_told(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, NULL);
	tls_pair_open(&s->pair, false);
	s->pair.client.in_done = s->pair.server.in_done = write_in_done;
	tls_pair_start(&s->pair, s->accept, s->connect, &localhost);
	tls_pair_settle(&s->pair);
	assert_true(tls_end_saw(&s->pair.server, "done"));
	assert_true(tls_end_saw(&s->pair.client, "done"));
}

static void close_in_done(struct tls_end *end)
{
	stream_close(&end->stream);
}

static void the_owner_may_close_when_it_is_told(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, NULL);
	tls_pair_open(&s->pair, false);
	s->pair.server.in_done = close_in_done;
	tls_pair_start(&s->pair, s->accept, s->connect, &localhost);
	tls_end_write(&s->pair.server, "never sent");
	tls_pair_settle(&s->pair);
	assert_false(stream_is_open(&s->pair.server.stream));
	assert_int_equal(s->pair.client.ends, 1);
	assert_int_equal(buffer_len(&s->pair.client.seen), 0);
}

static void what_was_queued_in_clear_goes_first(void **state)
{
	struct stage *s = *state;
	char answer[2] = "";

	set_usual_contexts(s, NULL);
	tls_pair_open(&s->pair, true);
	buffer_append(stream_cork_buffer(&s->pair.server.stream), slice_of("S", 1));
	stream_corked(&s->pair.server.stream);
	assert_int_equal(
	    tls_accept(&s->pair.server.stream, s->accept, false, slice_of(NULL, 0), NULL),
	    0);
	tls_pair_settle(&s->pair);
	assert_int_equal(recv(loop_io_fd(&s->pair.client.stream.io), answer, 1, 0), -1);
	assert_true(tls_end_saw(&s->pair.client, "S"));
	tls_connect(&s->pair.client.stream, s->connect, &localhost, NULL);
	tls_pair_settle(&s->pair);
	assert_true(tls_is_done(&s->pair.client.stream));
	assert_true(tls_is_done(&s->pair.server.stream));
}

static void the_first_bytes_may_have_been_read_before(void **state)
{
	struct stage *s = *state;
	uint8_t hello[4096];

	set_usual_contexts(s, NULL);
	for (size_t keep = 1; keep < 1u << 20; keep *= 3) {
		tls_pair_open(&s->pair, false);
		loop_io_watch(&s->pair.loop, &s->pair.server.stream.io, 0);
		tls_connect(&s->pair.client.stream, s->connect, &localhost, NULL);
		ssize_t len =
		    recv(loop_io_fd(&s->pair.server.stream.io), hello,
			 keep < sizeof(hello) ? keep : sizeof(hello), MSG_DONTWAIT);
		assert_true(len > 0);
		tls_accept(&s->pair.server.stream, s->accept, false,
			   slice_of(hello, (size_t)len), NULL);
		tls_pair_settle(&s->pair);
		talk(s);
		tls_pair_close(&s->pair);
	}
	s->pair = (struct tls_pair){0};
}

static void handshakes_come_in_pieces_of_any_size(void **state)
{
	static const size_t chunks[] = {1, 2, 3, 5, 17, 64, 250, 1000};
	struct stage *s = *state;

	for (size_t v = 0; v < 2; v++) {
		set_usual_contexts(s, protocols[v]);
		for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
			tls_pair_open(&s->pair, true);
			s->pair.up.chunk = s->pair.down.chunk = chunks[i];
			tls_pair_start(&s->pair, s->accept, s->connect, &localhost);
			tls_end_write(&s->pair.client, "first words");
			tls_pair_settle(&s->pair);
			assert_true(tls_pair_is_done(&s->pair));
			assert_true(tls_end_saw(&s->pair.server, "first words"));
			talk(s);
			tls_pair_close(&s->pair);
		}
		s->pair = (struct tls_pair){0};
		close_one(state);
	}
}

/* The whole conversation, with all that the client sends cut once at every byte. */
static void handshakes_are_cut_at_every_byte(void **state)
{
	struct stage *s = *state;
	size_t most = 1;

	set_usual_contexts(s, "tlsv1.3");
	for (size_t cut = 1; cut < most + 1; cut++) {
		tls_pair_open(&s->pair, true);
		s->pair.up.stop_at = cut;
		tls_pair_start(&s->pair, s->accept, s->connect, &localhost);
		tls_end_write(&s->pair.client, "hi");
		tls_pair_settle(&s->pair);
		s->pair.up.stop_at = SIZE_MAX;
		tls_pair_settle(&s->pair);
		assert_true(tls_end_saw(&s->pair.server, "hi"));
		most = s->pair.up.count;
		tls_pair_close(&s->pair);
	}
	s->pair = (struct tls_pair){0};
	assert_true(most > 300);
}

static void the_end_may_come_at_any_byte_of_the_handshake(void **state)
{
	struct stage *s = *state;

	for (size_t v = 0; v < 2; v++) {
		set_usual_contexts(s, protocols[v]);
		for (size_t cut = 0; cut < 280; cut += 1 + cut / 16) {
			tls_pair_open(&s->pair, true);
			s->pair.up.stop_at = cut;
			tls_pair_start(&s->pair, s->accept, s->connect, &localhost);
			tls_pair_settle(&s->pair);
			shutdown(s->pair.relay[1], SHUT_WR);
			tls_pair_settle(&s->pair);
			assert_failed(&s->pair.server, "closed the connection");
			tls_pair_close(&s->pair);
		}
		s->pair = (struct tls_pair){0};
		close_one(state);
	}
}

/* Left behind by somebody else in this process, such as libpq. */
static void what_failed_elsewhere_is_not_the_reason(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, NULL);
	tls_pair_open(&s->pair, false);
	tls_accept(&s->pair.server.stream, s->accept, false, slice_of(NULL, 0), NULL);
	ERR_raise(ERR_LIB_SSL, SSL_R_CERTIFICATE_VERIFY_FAILED);
	shutdown(loop_io_fd(&s->pair.client.stream.io), SHUT_WR);
	tls_pair_settle(&s->pair);
	assert_failed(&s->pair.server, "closed the connection");
}

/* ---- peers that will not do ---- */

static void set_stranger(struct tls_options *o, struct stage *s)
{
	o->cert_file = certs_path(&s->certs, "stranger.pem");
	o->key_file = certs_path(&s->certs, "stranger.key");
}

static void a_server_must_be_made_out_to_the_host(void **state)
{
	static const struct {
		const char *host;
		bool fits;
	} rows[] = {{"localhost", true},    {"127.0.0.1", true},  {"::1", true},
		    {"localhost.x", false}, {"127.0.0.2", false}, {"server", false},
		    {NULL, false},          {"", false},          {"LOCALHOST", true}};
	struct stage *s = *state;

	set_usual_contexts(s, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		shake(s, false, &(struct tls_target){.host = rows[i].host});
		if (rows[i].fits) {
			assert_true(tls_pair_is_done(&s->pair));
			assert_true(tls_peer_is_verified(&s->pair.client.stream));
		} else {
			assert_failed(&s->pair.client, "mismatch");
		}
		tls_pair_close(&s->pair);
	}
	s->pair = (struct tls_pair){0};
}

static void verify_ca_does_not_look_at_the_name(void **state)
{
	struct stage *s = *state;
	struct tls_options a = accept_options(s), c = connect_options(s);

	c.verify = TLS_VERIFY_CA;
	set_contexts(s, &a, &c);
	shake(s, false, &(struct tls_target){.host = "elsewhere"});
	assert_true(tls_pair_is_done(&s->pair));
}

static void wildcards_stand_for_one_whole_label(void **state)
{
	static const struct {
		const char *host;
		bool fits;
	} rows[] = {{"a.wild.test", true},
		    {"a.b.wild.test", false},
		    {"wild.test", false},
		    {"part.half.test", false}};
	struct stage *s = *state;

	certs_make(&s->certs,
		   &(struct cert_spec){.name = "wild",
				       .issuer = s->ca,
				       .alt = "DNS:*.wild.test,DNS:p*.half.test"});
	struct tls_options a = accept_options(s), c = connect_options(s);
	a.cert_file = certs_path(&s->certs, "wild.pem");
	a.key_file = certs_path(&s->certs, "wild.key");
	set_contexts(s, &a, &c);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		shake(s, false, &(struct tls_target){.host = rows[i].host});
		assert_int_equal(tls_pair_is_done(&s->pair), rows[i].fits);
		tls_pair_close(&s->pair);
	}
	s->pair = (struct tls_pair){0};
}

static void a_server_of_an_unknown_authority_is_refused(void **state)
{
	struct stage *s = *state;
	struct tls_options a = accept_options(s), c = connect_options(s);

	set_stranger(&a, s);
	c.verify = TLS_VERIFY_CA;
	set_contexts(s, &a, &c);
	shake(s, false, NULL);
	assert_failed(&s->pair.client, "certificate verify failed");
	assert_failed(&s->pair.server, "unknown ca");
}

static void an_unverified_server_is_told_from_a_verified_one(void **state)
{
	struct stage *s = *state;
	struct tls_options a = accept_options(s), c = {.verify = TLS_VERIFY_NONE};

	set_contexts(s, &a, &c);
	shake(s, false, &localhost);
	assert_true(tls_pair_is_done(&s->pair));
	assert_false(tls_peer_is_verified(&s->pair.client.stream));
}

static void make_dated(struct stage *s, const char *name, long from_s, long to_s)
{
	certs_make(&s->certs, &(struct cert_spec){.name = name,
						  .issuer = s->ca,
						  .alt = "DNS:localhost",
						  .from_s = from_s,
						  .to_s = to_s});
}

static void a_certificate_counts_only_in_its_time(void **state)
{
	struct stage *s = *state;
	static const char *const why[] = {"expired", "not yet valid"};
	static const char *const files[][2] = {{"old.pem", "old.key"},
					       {"new.pem", "new.key"}};

	make_dated(s, "old", -7200, -3600);
	make_dated(s, "new", 3600, 7200);
	for (size_t i = 0; i < 2; i++) {
		struct tls_options a = accept_options(s), c = connect_options(s);

		a.cert_file = certs_path(&s->certs, files[i][0]);
		a.key_file = certs_path(&s->certs, files[i][1]);
		set_contexts(s, &a, &c);
		shake(s, false, &localhost);
		assert_failed(&s->pair.client, why[i]);
		close_one(state);
	}
}

static struct tls_options with_client_certificate(struct stage *s, const char *pem,
						  const char *key)
{
	struct tls_options c = connect_options(s);

	c.cert_file = certs_path(&s->certs, pem);
	c.key_file = certs_path(&s->certs, key);
	return c;
}

static struct tls_options verifying(struct stage *s, enum tls_verify verify)
{
	struct tls_options a = accept_options(s);

	a.verify = verify;
	a.ca_file = certs_path(&s->certs, "ca.pem");
	return a;
}

static void clients_are_verified_as_asked(void **state)
{
	static const struct {
		enum tls_verify verify;
		const char *pem, *key; /* of the client */
		const char *problem;
	} rows[] = {
	    {TLS_VERIFY_NONE, "client.pem", "client.key", NULL},
	    {TLS_VERIFY_IF_GIVEN, "client.pem", "client.key", NULL},
	    {TLS_VERIFY_IF_GIVEN, NULL, NULL, NULL},
	    {TLS_VERIFY_IF_GIVEN, "stranger.pem", "stranger.key", "verify failed"},
	    {TLS_VERIFY_CA, "client.pem", "client.key", NULL},
	    {TLS_VERIFY_CA, NULL, NULL, "did not return a certificate"},
	    {TLS_VERIFY_CA, "stranger.pem", "stranger.key", "verify failed"},
	};
	struct stage *s = *state;

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		size_t row = i / 2;
		struct tls_options a = verifying(s, rows[row].verify);
		struct tls_options c = connect_options(s);

		if (rows[row].pem)
			c = with_client_certificate(s, rows[row].pem, rows[row].key);
		a.protocols = protocols[i % 2];
		set_contexts(s, &a, &c);
		shake(s, false, &localhost);
		if (rows[row].problem) {
			assert_failed(&s->pair.server, rows[row].problem);
		} else {
			talk(s);
			assert_int_equal(tls_peer_is_verified(&s->pair.server.stream),
					 rows[row].pem &&
					     rows[row].verify != TLS_VERIFY_NONE);
		}
		close_one(state);
	}
}

static void a_revoked_client_is_refused(void **state)
{
	struct stage *s = *state;
	struct cert *bad =
	    certs_make(&s->certs, &(struct cert_spec){.name = "bad", .issuer = s->ca});

	certs_revoke(&s->certs, "ca.crl", s->ca, (const struct cert *[]){bad, NULL});
	struct tls_options a = verifying(s, TLS_VERIFY_CA);
	struct tls_options c = with_client_certificate(s, "bad.pem", "bad.key");
	a.crl_file = certs_path(&s->certs, "ca.crl");
	set_contexts(s, &a, &c);
	shake(s, false, &localhost);
	assert_failed(&s->pair.server, "certificate revoked");
	tls_context_unref(s->connect);
	c = with_client_certificate(s, "client.pem", "client.key");
	s->connect = make_context(TLS_SIDE_CONNECT, &c);
	again(s, &localhost);
	talk(s);
}

/* ---- ALPN ---- */

/* A client of OpenSSL's own that offers this list, or nothing. */
static void shake_with_alpn(struct stage *s, bool is_direct, const char *list)
{
	tls_pair_open(&s->pair, false);
	struct tls_target target = {.host = "localhost"};
	if (list)
		SSL_CTX_set_alpn_protos(s->connect->ssl, (const uint8_t *)list,
					(unsigned)strlen(list));
	else
		SSL_CTX_set_alpn_protos(s->connect->ssl, NULL, 0);
	tls_connect(&s->pair.client.stream, s->connect, &target, NULL);
	tls_accept(&s->pair.server.stream, s->accept, is_direct, slice_of(NULL, 0), NULL);
	tls_pair_settle(&s->pair);
}

static void direct_tls_needs_the_protocols_name(void **state)
{
	static const struct {
		const char *list;
		bool is_direct;
		const char *alpn; /* NULL: refused */
	} rows[] = {
	    {"\012postgresql", true, "postgresql"},
	    {"\2h2\012postgresql", true, "postgresql"},
	    {"\2h2", true, NULL},
	    {NULL, true, NULL},
	    {"\012postgresql", false, "postgresql"},
	    {"\2h2", false, ""},
	    {NULL, false, ""},
	};
	struct stage *s = *state;
	struct tls_facts facts;

	set_usual_contexts(s, NULL);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		shake_with_alpn(s, rows[i].is_direct, rows[i].list);
		if (!rows[i].alpn) {
			assert_int_equal(s->pair.server.ends, 1);
			assert_int_equal(s->pair.client.ends, 1);
			assert_non_null(
			    strstr(s->pair.client.problem, "no application protocol"));
		} else {
			assert_true(tls_facts(&s->pair.server.stream, &facts));
			assert_string_equal(facts.alpn, rows[i].alpn);
			talk(s);
		}
		tls_pair_close(&s->pair);
	}
	s->pair = (struct tls_pair){0};
}

static void a_direct_server_must_choose_the_protocol(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, NULL);
	SSL_CTX_set_alpn_select_cb(s->accept->ssl, NULL, NULL);
	tls_pair_open(&s->pair, false);
	tls_connect(&s->pair.client.stream, s->connect,
		    &(struct tls_target){.host = "localhost", .is_direct = true}, NULL);
	tls_accept(&s->pair.server.stream, s->accept, false, slice_of(NULL, 0), NULL);
	tls_pair_settle(&s->pair);
	assert_failed(&s->pair.client, "ALPN");
	assert_false(tls_is_done(&s->pair.client.stream));
}

/* ---- resumption ---- */

static bool was_resumed(const struct tls_end *e)
{
	struct tls_facts facts;

	assert_true(tls_facts(&e->stream, &facts));
	return facts.is_resumed;
}

/* Its ticket goes with the server's first words. */
static void hand_over_ticket(struct stage *s)
{
	stream_write(&s->pair.server.stream, slice_of_text("welcome"));
	tls_pair_settle(&s->pair);
}

static void a_session_spares_the_next_handshake(void **state)
{
	struct stage *s = *state;
	struct tls_target target = {.host = "localhost", .session = &s->session};

	for (size_t i = 0; i < 2; i++) {
		struct tls_options a = verifying(s, TLS_VERIFY_CA);
		struct tls_options c =
		    with_client_certificate(s, "client.pem", "client.key");

		a.protocols = protocols[i];
		set_contexts(s, &a, &c);
		shake(s, false, &target);
		hand_over_ticket(s);
		assert_false(was_resumed(&s->pair.client));
		for (int round = 0; round < 3; round++) {
			assert_non_null(s->session);
			again(s, &target);
			assert_true(was_resumed(&s->pair.client));
			assert_true(was_resumed(&s->pair.server));
			/* What was verified then is known now. */
			assert_true(tls_peer_is_verified(&s->pair.server.stream));
			assert_true(tls_peer_is_verified(&s->pair.client.stream));
			char name[20];
			assert_true(tls_peer_name(&s->pair.server.stream, 0, name, 20));
			assert_string_equal(name, "client");
			talk(s);
		}
		close_one(state);
	}
}

static void a_session_is_good_for_its_host_and_context_only(void **state)
{
	struct stage *s = *state;
	struct tls_target target = {.host = "localhost", .session = &s->session};

	set_usual_contexts(s, NULL);
	shake(s, false, &target);
	hand_over_ticket(s);
	assert_non_null(s->session);
	again(s, &(struct tls_target){.host = "elsewhere", .session = &s->session});
	assert_failed(&s->pair.client, "mismatch");
	assert_null(s->session);
	again(s, &target);
	hand_over_ticket(s);
	assert_non_null(s->session);
	/* A context that would ask for more must not take the word of one that did not.
	 */
	struct tls_options c = {.verify = TLS_VERIFY_NONE};
	tls_context_unref(s->connect);
	s->connect = make_context(TLS_SIDE_CONNECT, &c);
	again(s, &target);
	assert_false(was_resumed(&s->pair.client));
}

static void tickets_outlive_a_reload_that_changes_nothing(void **state)
{
	struct stage *s = *state;
	struct tls_target target = {.host = "localhost", .session = &s->session};
	struct tls_options a = accept_options(s), b = accept_options(s);
	struct tls_context *old;

	set_usual_contexts(s, NULL);
	shake(s, false, &target);
	hand_over_ticket(s);
	old = s->accept;
	b.ciphers = "HIGH";
	s->accept = make_context(TLS_SIDE_ACCEPT, &b);
	again(s, &target);
	hand_over_ticket(s);
	assert_false(was_resumed(&s->pair.client));
	tls_context_unref(s->accept);
	s->accept = make_context(TLS_SIDE_ACCEPT, &b);
	tls_context_unref(old);
	old = make_context(TLS_SIDE_ACCEPT, &a);
	tls_context_inherit(s->accept, old);
	tls_context_unref(s->accept);
	s->accept = tls_context_ref(old);
	again(s, &target);
	hand_over_ticket(s);
	struct tls_context *next = make_context(TLS_SIDE_ACCEPT, &b);
	tls_context_inherit(next, old);
	tls_context_unref(s->accept);
	tls_context_unref(old);
	s->accept = next;
	again(s, &target);
	assert_true(was_resumed(&s->pair.client));
}

static void tickets_are_no_good_where_others_verify(void **state)
{
	struct stage *s = *state;
	struct tls_target target = {.host = "localhost", .session = &s->session};
	struct tls_options a = verifying(s, TLS_VERIFY_IF_GIVEN);
	struct tls_options c = with_client_certificate(s, "client.pem", "client.key");
	uint8_t keys[80];

	set_contexts(s, &a, &c);
	shake(s, false, &target);
	hand_over_ticket(s);
	assert_non_null(s->session);
	assert_true(tls_peer_is_verified(&s->pair.server.stream));
	/* Even if the key that seals tickets were the same. */
	SSL_CTX_get_tlsext_ticket_keys(s->accept->ssl, keys, sizeof(keys));
	a.ca_file = certs_path(&s->certs, "other.pem");
	tls_context_unref(s->accept);
	s->accept = make_context(TLS_SIDE_ACCEPT, &a);
	SSL_CTX_set_tlsext_ticket_keys(s->accept->ssl, keys, sizeof(keys));
	again(s, &target);
	assert_failed(&s->pair.server, "verify failed");
}

/* What verifies chains is told that it is still an hour ago; a resumed session has none.
 */
static void set_clock_back(struct tls_context *context)
{
	X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(context->ssl), time(NULL) - 3600);
}

static void a_session_is_no_better_than_its_certificate(void **state)
{
	struct stage *s = *state;
	struct tls_target target = {.host = "localhost", .session = &s->session};

	make_dated(s, "over", -7200, -60);
	for (size_t i = 0; i < 4; i++) {
		bool is_clients = i % 2;
		struct tls_options a = verifying(s, TLS_VERIFY_CA);
		struct tls_options c =
		    with_client_certificate(s, is_clients ? "over.pem" : "client.pem",
					    is_clients ? "over.key" : "client.key");

		a.protocols = protocols[i / 2];
		if (!is_clients) {
			a.cert_file = certs_path(&s->certs, "over.pem");
			a.key_file = certs_path(&s->certs, "over.key");
		}
		set_contexts(s, &a, &c);
		set_clock_back(is_clients ? s->accept : s->connect);
		shake(s, false, &target);
		hand_over_ticket(s);
		assert_non_null(s->session);
		again(s, &target);
		assert_failed(is_clients ? &s->pair.server : &s->pair.client, "expired");
		close_one(state);
	}
}

/* ---- data ---- */

static void fill_bytes(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
}

static void large_data_goes_both_ways_at_once(void **state)
{
	enum { LEN = 3000001 };
	struct stage *s = *state;
	uint8_t *bytes = malloc(LEN);

	assert_non_null(bytes);
	fill_bytes(bytes, LEN);
	for (size_t i = 0; i < 2; i++) {
		set_usual_contexts(s, protocols[i]);
		shake(s, false, &localhost);
		stream_write(&s->pair.client.stream, slice_of(bytes, LEN));
		stream_write(&s->pair.server.stream, slice_of(bytes, LEN));
		assert_true(stream_has_queued(&s->pair.client.stream));
		assert_true(stream_has_queued(&s->pair.server.stream));
		tls_pair_settle(&s->pair);
		assert_true(slice_equal(buffer_bytes(&s->pair.server.seen),
					slice_of(bytes, LEN)));
		assert_true(slice_equal(buffer_bytes(&s->pair.client.seen),
					slice_of(bytes, LEN)));
		assert_false(stream_has_queued(&s->pair.server.stream));
		assert_int_equal(s->pair.client.drains, 1);
		assert_int_equal(s->pair.server.drains, 1);
		close_one(state);
	}
	free(bytes);
}

static void a_reader_that_stops_stops_the_writer(void **state)
{
	enum { LEN = 1000000 };
	struct stage *s = *state;
	uint8_t *bytes = malloc(LEN);

	assert_non_null(bytes);
	fill_bytes(bytes, LEN);
	for (size_t i = 0; i < 2; i++) {
		set_usual_contexts(s, protocols[i]);
		shake(s, false, &localhost);
		s->pair.server.consume_most = 0;
		stream_write(&s->pair.client.stream, slice_of(bytes, LEN));
		tls_pair_settle(&s->pair);
		assert_int_equal(buffer_len(&s->pair.server.seen), 0);
		assert_true(stream_kept(&s->pair.server.stream).len >= STREAM_KEEP_MAX);
		assert_true(stream_kept(&s->pair.server.stream).len <=
			    STREAM_KEEP_MAX + 64 * 1024);
		assert_true(stream_has_queued(&s->pair.client.stream));
		/* A few bytes at a time; what is decrypted must not be forgotten. */
		s->pair.server.consume_most = 777;
		while (buffer_len(&s->pair.server.seen) < LEN) {
			size_t before = buffer_len(&s->pair.server.seen);

			stream_pump(&s->pair.server.stream);
			if (stream_kept(&s->pair.server.stream).len < 1000)
				tls_pair_settle(&s->pair);
			assert_true(buffer_len(&s->pair.server.seen) > before);
		}
		assert_true(slice_equal(buffer_bytes(&s->pair.server.seen),
					slice_of(bytes, LEN)));
		close_one(state);
	}
	free(bytes);
}

static void records_are_cut_anywhere(void **state)
{
	enum { LEN = 40000 };
	static const size_t chunks[] = {7, 100, 1000, 4099, 16384};
	struct stage *s = *state;
	uint8_t bytes[LEN];

	fill_bytes(bytes, LEN);
	for (size_t i = 0; i < 10; i++) {
		set_usual_contexts(s, protocols[i % 2]);
		shake(s, true, &localhost);
		assert_true(tls_pair_is_done(&s->pair));
		s->pair.up.chunk = chunks[i / 2];
		for (size_t at = 0; at < LEN; at += LEN / 5)
			stream_write(&s->pair.client.stream,
				     slice_of(bytes + at, LEN / 5));
		tls_pair_settle(&s->pair);
		assert_true(slice_equal(buffer_bytes(&s->pair.server.seen),
					slice_of(bytes, LEN)));
		close_one(state);
	}
}

static void a_small_keep_reads_big_records_in_parts(void **state)
{
	enum { LEN = 50000 };
	struct stage *s = *state;
	uint8_t bytes[LEN];

	fill_bytes(bytes, LEN);
	for (size_t i = 0; i < 2; i++) {
		set_usual_contexts(s, protocols[i]);
		shake(s, false, &localhost);
		stream_set_keep_max(&s->pair.server.stream, 100);
		s->pair.server.stream.appetite.level = 0;
		stream_write(&s->pair.client.stream, slice_of(bytes, LEN));
		tls_pair_settle(&s->pair);
		assert_true(slice_equal(buffer_bytes(&s->pair.server.seen),
					slice_of(bytes, LEN)));
		close_one(state);
	}
}

static void two_pieces_go_in_one_record(void **state)
{
	struct stage *s = *state;

	for (size_t i = 0; i < 2; i++) {
		set_usual_contexts(s, protocols[i]);
		shake(s, true, &localhost);
		struct stream *server = &s->pair.server.stream;
		stream_write(server, slice_of_text("zero, "));
		tls_pair_settle(&s->pair);
		size_t before = s->pair.down.count;
		buffer_append(stream_cork_buffer(server), slice_of_text("one and "));
		stream_write(server, slice_of_text("two"));
		tls_pair_settle(&s->pair);
		assert_true(tls_end_saw(&s->pair.client, "zero, one and two"));
		/* 1.2 has eight bytes of nonce where 1.3 has one of type. */
		assert_int_equal(s->pair.down.count - before,
				 11 + 5 + 16 + (i == 0 ? 8 : 1));
		close_one(state);
	}
}

/* ---- keys are renewed ---- */

static void renew_client_key(struct stage *s, int kind)
{
	struct tls *t = inside(&s->pair.client.stream);

	assert_int_equal(SSL_key_update(t->ssl, kind), 1);
	tls_end_write(&s->pair.client, "x");
	tls_pair_settle(&s->pair);
}

static void clients_may_renew_their_keys(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, "tlsv1.3");
	shake(s, false, &localhost);
	for (int i = 0; i < 100; i++) {
		renew_client_key(s, i % 3 ? SSL_KEY_UPDATE_REQUESTED
					  : SSL_KEY_UPDATE_NOT_REQUESTED);
		talk(s);
	}
}

static void worn_keys_are_renewed(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, "tlsv1.3");
	shake(s, false, &localhost);
	struct tls *t = inside(&s->pair.server.stream);
	uint8_t before = t->out.secret[0], changes = 0;
	for (int i = 0; i < 8; i++) {
		/* As if so many had gone; the client's count must agree. */
		uint64_t count = t->out.count;

		assert_false(tls_way_is_worn(&t->out));
		assert_true(tls_way_is_worn(&(struct tls_way){.count = 1 << 23}));
		t->owes_renewal = true;
		talk(s);
		assert_true(t->out.count <= count + 1);
		changes += t->out.secret[0] != before;
		before = t->out.secret[0];
	}
	assert_true(changes > 2);
}

static void a_flood_of_empty_records_ends_the_connection(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, "tlsv1.3");
	shake(s, false, &localhost);
	for (int i = 0; i < 40 && s->pair.server.ends == 0; i++) {
		struct tls *t = inside(&s->pair.client.stream);

		SSL_key_update(t->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(t->ssl);
		tls_wire_flush(t);
		tls_pair_settle(&s->pair);
	}
	assert_int_equal(s->pair.server.ends, 1);
	assert_int_equal(s->pair.server.error, EPROTO);
	assert_non_null(strstr(s->pair.client.problem, "unexpected message"));
}

/* ---- ends ---- */

static void a_polite_end_is_told(void **state)
{
	struct stage *s = *state;

	for (size_t i = 0; i < 4; i++) {
		set_usual_contexts(s, protocols[i % 2]);
		shake(s, false, &localhost);
		struct tls_end *one = i < 2 ? &s->pair.client : &s->pair.server;
		struct tls_end *other = i < 2 ? &s->pair.server : &s->pair.client;
		tls_end_write(one, "last words");
		stream_finish(&one->stream);
		tls_pair_settle(&s->pair);
		assert_true(tls_end_saw(other, "last words"));
		assert_int_equal(other->ends, 1);
		assert_int_equal(other->how, STREAM_END_BY_PEER);
		stream_close(&other->stream);
		tls_pair_settle(&s->pair);
		assert_int_equal(one->ends, 1);
		assert_int_equal(one->how, STREAM_END_BY_PEER);
		close_one(state);
	}
}

static void last_words_are_sent_though_there_are_many(void **state)
{
	enum { LEN = 1000000 };
	struct stage *s = *state;
	uint8_t *bytes = malloc(LEN);

	assert_non_null(bytes);
	fill_bytes(bytes, LEN);
	for (size_t i = 0; i < 2; i++) {
		set_usual_contexts(s, protocols[i]);
		shake(s, false, &localhost);
		stream_write(&s->pair.server.stream, slice_of(bytes, LEN));
		stream_finish(&s->pair.server.stream);
		tls_pair_settle(&s->pair);
		assert_true(slice_equal(buffer_bytes(&s->pair.client.seen),
					slice_of(bytes, LEN)));
		assert_int_equal(s->pair.client.how, STREAM_END_BY_PEER);
		assert_int_equal(s->pair.client.ends, 1);
		close_one(state);
	}
	free(bytes);
}

static void an_end_without_farewell_is_one(void **state)
{
	struct stage *s = *state;

	for (size_t i = 0; i < 4; i++) {
		set_usual_contexts(s, protocols[i % 2]);
		shake(s, false, &localhost);
		struct tls_end *one = i < 2 ? &s->pair.client : &s->pair.server;
		struct tls_end *other = i < 2 ? &s->pair.server : &s->pair.client;
		tls_end_write(one, "gone");
		shutdown(loop_io_fd(&one->stream.io), SHUT_WR);
		tls_pair_settle(&s->pair);
		assert_true(tls_end_saw(other, "gone"));
		assert_int_equal(other->ends, 1);
		assert_int_equal(other->how, STREAM_END_BY_PEER);
		close_one(state);
	}
}

static void garbage_instead_of_a_handshake_is_refused(void **state)
{
	static const char *const garbage[] = {
	    "GET / HTTP/1.0\r\n\r\n", "\x16\x03\x01\xff\xff garbage of some length",
	    "\x17\x03\x03\x01\x01 0123456789", "\x15\x03\x01\x01\x02\x02\x28 1234567"};
	struct stage *s = *state;

	set_usual_contexts(s, NULL);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		tls_pair_open(&s->pair, false);
		tls_accept(&s->pair.server.stream, s->accept, false,
			   slice_of_text(garbage[i]), NULL);
		for (int more = 0; more < 20; more++)
			tls_end_write(&s->pair.client, "0123456789012345678901234567");
		tls_pair_settle(&s->pair);
		assert_int_equal(s->pair.server.ends, 1);
		assert_int_equal(s->pair.server.how, STREAM_END_BROKEN);
		assert_int_equal(s->pair.server.error, EPROTO);
		assert_true(s->pair.server.problem[0] != '\0');
		tls_pair_close(&s->pair);
	}
	s->pair = (struct tls_pair){0};
}

static void garbage_after_the_handshake_is_refused(void **state)
{
	static const char *const garbage[] = {
	    "\x17\x03\x03\x01\x02 0123456789012345678901234567890123456789",
	    "\x17\x03\x03\xff\xff too long", "\x17\x03\x03\x01\x02\x17\x17\x17\x17",
	    "\x16\x03\x03\x01\x02 abcdefghijklmnopqrstuvwxyz"};
	struct stage *s = *state;

	for (size_t i = 0; i < 8; i++) {
		struct slice bytes = slice_of_text(garbage[i / 2]);

		set_usual_contexts(s, protocols[i % 2]);
		shake(s, false, &localhost);
		tls_end_write(&s->pair.client, "good");
		send(loop_io_fd(&s->pair.client.stream.io), bytes.data, bytes.len, 0);
		for (int more = 0; more < 20; more++)
			send(loop_io_fd(&s->pair.client.stream.io),
			     "0123456789012345678901234567890123456789", 40, 0);
		tls_pair_settle(&s->pair);
		assert_true(tls_end_saw(&s->pair.server, "good"));
		assert_int_equal(s->pair.server.ends, 1);
		assert_int_equal(s->pair.server.how, STREAM_END_BROKEN);
		assert_int_equal(s->pair.server.error, EPROTO);
		close_one(state);
	}
}

static void a_client_that_will_not_negotiate_again_is_refused(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, "tlsv1.2");
	SSL_CTX_clear_options(s->connect->ssl, SSL_OP_NO_RENEGOTIATION);
	shake(s, false, &localhost);
	struct tls *t = inside(&s->pair.client.stream);
	assert_int_equal(SSL_renegotiate(t->ssl), 1);
	SSL_do_handshake(t->ssl);
	tls_wire_flush(t);
	tls_pair_settle(&s->pair);
	/* The answer is a warning, with which OpenSSL's client gives up. */
	assert_int_equal(s->pair.client.ends, 1);
	assert_non_null(strstr(s->pair.client.problem, "renegotiation"));
	assert_int_equal(s->pair.server.dones, 1);
}

static void a_peer_that_reads_nothing_holds_up_only_itself(void **state)
{
	struct stage *s = *state;

	set_usual_contexts(s, NULL);
	tls_pair_open(&s->pair, true);
	s->pair.down.stop_at = 0;
	int small = 1;
	setsockopt(loop_io_fd(&s->pair.server.stream.io), SOL_SOCKET, SO_SNDBUF, &small,
		   sizeof(small));
	tls_pair_start(&s->pair, s->accept, s->connect, &localhost);
	tls_end_write(&s->pair.server, "welcome");
	tls_pair_settle(&s->pair);
	assert_int_equal(s->pair.server.dones, 0);
	assert_int_equal(s->pair.server.ends, 0);
	/* Nothing to write that could go: the socket is not watched for room. */
	assert_int_equal(loop_io_events(&s->pair.server.stream.io), LOOP_READ);
	s->pair.down.stop_at = SIZE_MAX;
	tls_pair_settle(&s->pair);
	assert_true(tls_pair_is_done(&s->pair));
	assert_true(tls_end_saw(&s->pair.client, "welcome"));
}

/* The kernel takes the server's flight in many small parts. */
static void a_flight_that_does_not_fit_the_kernel_goes_on(void **state)
{
	struct stage *s = *state;
	static const char *const parts[] = {"server.pem", "ca.pem", "ca.pem", "ca.pem",
					    "ca.pem",     "ca.pem", "ca.pem", "ca.pem",
					    "ca.pem",     "ca.pem", "ca.pem", NULL};
	int small = 1;

	certs_join(&s->certs, "long.pem", parts);
	struct tls_options a = accept_options(s), c = connect_options(s);
	a.cert_file = certs_path(&s->certs, "long.pem");
	set_contexts(s, &a, &c);
	tls_pair_open(&s->pair, false);
	setsockopt(loop_io_fd(&s->pair.server.stream.io), SOL_SOCKET, SO_SNDBUF, &small,
		   sizeof(small));
	tls_pair_start(&s->pair, s->accept, s->connect, &localhost);
	tls_pair_settle(&s->pair);
	assert_true(tls_pair_is_done(&s->pair));
	talk(s);
}

/* What a stream and its transport take, as the ledger should know it. */
static uint64_t taken_by(const struct stream *stream)
{
	const struct tls *t = inside(stream);

	return (uint64_t)stream->in.cap + stream->out.cap + t->carry.cap + t->unsent.cap;
}

static void what_is_encrypted_and_not_taken_counts_and_stalls(void **state)
{
	enum { LEN = 20 * 1000 * 1000, SECOND = 1000 * 1000 };
	struct stage *s = *state;
	struct tls_pair *p = &s->pair;
	struct stream *server = &p->server.stream;
	uint8_t *bytes = calloc(1, LEN);

	assert_non_null(bytes);
	set_usual_contexts(s, "secure");
	shake(s, false, &localhost);
	assert_int_equal(p->loop.ledger.held,
			 taken_by(server) + taken_by(&p->client.stream));
	stream_write(server, slice_of(bytes, LEN));
	assert_true(server->is_blocked);
	assert_true(buffer_len(&inside(server)->unsent) > 0);
	assert_int_equal(p->loop.ledger.held,
			 taken_by(server) + taken_by(&p->client.stream));
	do {
		p->loop.now_us += SECOND;
	} while (stream_stalled_us(server) < 10 * (uint64_t)SECOND);
	tls_pair_settle(p);
	assert_int_equal(buffer_len(&p->client.seen), LEN);
	assert_int_equal(stream_stalled_us(server), 0);
	assert_int_equal(p->loop.ledger.held,
			 taken_by(server) + taken_by(&p->client.stream));
	assert_int_equal(inside(server)->unsent.cap, 0);
	free(bytes);
}

static void a_plain_stream_knows_nothing_of_tls(void **state)
{
	struct stage *s = *state;
	struct tls_facts facts;
	uint8_t binding[TLS_BINDING_MAX];
	char text[10] = "x";

	tls_pair_open(&s->pair, false);
	const struct stream *plain = &s->pair.client.stream;
	assert_false(tls_is_on(plain));
	assert_false(tls_is_done(plain));
	assert_false(tls_facts(plain, &facts));
	assert_int_equal(tls_binding(plain, binding), 0);
	assert_false(tls_peer_is_verified(plain));
	assert_int_equal(tls_peer_name_count(plain), 0);
	assert_false(tls_peer_name(plain, 0, text, sizeof(text)));
	assert_string_equal(text, "");
	assert_false(tls_peer_subject(plain, text, sizeof(text)));
	assert_string_equal(tls_problem(plain, text, sizeof(text)), "");
}

#define T(test) cmocka_unit_test_teardown(test, close_one)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    T(two_streams_agree_and_talk),
	    T(a_client_of_tls_13_costs_no_library_object),
	    T(every_suite_of_tls_13_works),
	    T(bytes_written_early_go_when_the_handshake_is_done),
	    T(the_owner_may_write_when_it_is_told),
	    T(the_owner_may_close_when_it_is_told),
	    T(what_was_queued_in_clear_goes_first),
	    T(the_first_bytes_may_have_been_read_before),
	    T(handshakes_come_in_pieces_of_any_size),
	    T(handshakes_are_cut_at_every_byte),
	    T(the_end_may_come_at_any_byte_of_the_handshake),
	    T(what_failed_elsewhere_is_not_the_reason),
	    T(a_server_must_be_made_out_to_the_host),
	    T(verify_ca_does_not_look_at_the_name),
	    T(wildcards_stand_for_one_whole_label),
	    T(a_server_of_an_unknown_authority_is_refused),
	    T(an_unverified_server_is_told_from_a_verified_one),
	    T(a_certificate_counts_only_in_its_time),
	    T(clients_are_verified_as_asked),
	    T(a_revoked_client_is_refused),
	    T(direct_tls_needs_the_protocols_name),
	    T(a_direct_server_must_choose_the_protocol),
	    T(a_session_spares_the_next_handshake),
	    T(a_session_is_good_for_its_host_and_context_only),
	    T(tickets_outlive_a_reload_that_changes_nothing),
	    T(tickets_are_no_good_where_others_verify),
	    T(a_session_is_no_better_than_its_certificate),
	    T(large_data_goes_both_ways_at_once),
	    T(a_reader_that_stops_stops_the_writer),
	    T(records_are_cut_anywhere),
	    T(a_small_keep_reads_big_records_in_parts),
	    T(two_pieces_go_in_one_record),
	    T(clients_may_renew_their_keys),
	    T(worn_keys_are_renewed),
	    T(a_flood_of_empty_records_ends_the_connection),
	    T(a_polite_end_is_told),
	    T(last_words_are_sent_though_there_are_many),
	    T(an_end_without_farewell_is_one),
	    T(garbage_instead_of_a_handshake_is_refused),
	    T(garbage_after_the_handshake_is_refused),
	    T(a_client_that_will_not_negotiate_again_is_refused),
	    T(a_peer_that_reads_nothing_holds_up_only_itself),
	    T(a_flight_that_does_not_fit_the_kernel_goes_on),
	    T(what_is_encrypted_and_not_taken_counts_and_stalls),
	    T(a_plain_stream_knows_nothing_of_tls),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}

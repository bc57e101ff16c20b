/*
 * Fuzzes both roles of SCRAM and the messages around them: the input is cut at newlines,
 * and each piece is fed to all of them in turn.
 */
#include <stdlib.h>

#include "auth/answer.h"
#include "auth/exchange.h"
#include "base/buffer.h"
#include "base/check.h"
#include "fuzz/fuzz.h"

/* One iteration, so that a run is short. */
#define VERIFIER                                                                         \
	"SCRAM-SHA-256$1:u1YWGrvVFOta7q0Jrgcp+A==$"                                      \
	"Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI=:"                                  \
	"Z0c7juVYnhSrvHdBToQ5vW1pL1I+rK6XhsGGROA6P2c="

struct all {
	struct scram_server server;
	struct scram_client client;
	struct exchange exchange;
	struct answer answer;
	struct secret secret, verifier;
	struct buffer out;
};

static void begin(struct all *a)
{
	static const struct exchange_mock mock = {.kind = SECRET_SCRAM, .iterations = 1};
	struct scram_expected expected = {0};
	struct scram_message first;
	struct slice none = {0}, binding = slice_of_text("hash");

	CHECK(secret_parse(slice_of_text("pencil"), &a->secret));
	CHECK(secret_parse(slice_of_text(VERIFIER), &a->verifier));
	CHECK(scram_verifier_parse(a->verifier.text, &expected.verifier));
	scram_server_init(&a->server, &expected, binding, false, slice_of_text("S"));
	scram_client_init(&a->client, none, false, slice_of_text("C"), &first);
	struct exchange_setup setup = {.method = EXCHANGE_SCRAM,
				       .user = slice_of_text("u"),
				       .binding = binding,
				       .mock = &mock};
	CHECK(exchange_start(&a->exchange, &setup, &a->out) == LOGIN_WAIT);
	CHECK(exchange_resume(&a->exchange, &a->verifier, NULL, &a->out) == LOGIN_MORE);
}

/* Iterations that a server may ask for, but that take too long here. */
static bool asks_for_many(struct slice piece)
{
	const uint8_t *at = piece.len ? memmem(piece.data, piece.len, "i=", 2) : NULL;

	return at && (size_t)(piece.data + piece.len - at) > 5;
}

static void feed(struct all *a, struct slice piece)
{
	struct scram_message reply;
	struct scram_proof proof = {.password = a->secret.text};
	struct answer_means means = {.user = slice_of_text("u"), .secret = &a->secret};
	struct scram_verifier verifier;

	/* Nobody has the password, and the server has no proof of it. */
	CHECK(scram_server_feed(&a->server, piece, &reply) != SCRAM_DONE);
	CHECK(exchange_feed(&a->exchange, 'p', piece, &a->out) != LOGIN_DONE);
	scram_verifier_parse(piece, &verifier);
	if (asks_for_many(piece))
		return;
	CHECK(scram_client_feed(&a->client, piece, &proof, &reply) != SCRAM_DONE);
	enum login_verdict verdict = answer_feed(&a->answer, piece, &means, &a->out);
	CHECK((verdict == LOGIN_FAILED) == (a->answer.failure.sqlstate[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice rest = slice_of(data, len);
	struct all *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	begin(a);
	while (rest.len > 0) {
		const uint8_t *end = memchr(rest.data, '\n', rest.len);
		size_t piece = end ? (size_t)(end - rest.data) : rest.len;

		feed(a, slice_first(rest, piece));
		rest = slice_after(rest, end ? piece + 1 : piece);
	}
	CHECK(buffer_len(&a->out) < 10 * SCRAM_MESSAGE_MAX);
	exchange_fini(&a->exchange);
	answer_fini(&a->answer);
	buffer_fini(&a->out);
	free(a);
	return 0;
}

#define INPUT(text) run(slice_of(text, sizeof(text) - 1))

void fuzz_corpus(fuzz_run_fn run)
{
	INPUT("n,,n=user,r=abc\nc=biws,r=abcS,"
	      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
	INPUT("y,,n=,r=abc,x=1");
	INPUT("p=tls-server-end-point,,n=,r=abc");
	INPUT("r=CS,s=AAAA,i=2\nv=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	INPUT("r=CS,s=AAAA,i=2\ne=other-error");
	INPUT("r=CS,s=,i=99999999999");
	INPUT("SCRAM-SHA-256\0\0\0\0\17n,,n=user,r=abc\nc=biws,r=abc");
	INPUT("SCRAM-SHA-256-PLUS\0\xff\xff\xff\xff\nn,,");

	INPUT("\0\0\0\5salt\n\0\0\0\0");
	INPUT("\0\0\0\3\n\0\0\0\0");
	INPUT(VERIFIER);
}

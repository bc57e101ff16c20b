/*
 * Fuzzes what a client sends when it owes a password: the input is its stream, cut into
 * messages as the relay cuts them and fed to exchanges of every method with a password.
 */
#include <stdlib.h>

#include "auth/exchange.h"
#include "base/buffer.h"
#include "base/check.h"
#include "fuzz/fuzz.h"
#include "proto/frame.h"

#define PASSWORD "secret"

/* One iteration, so that a run is short; of no known password. */
#define VERIFIER                                                                         \
	"SCRAM-SHA-256$1:u1YWGrvVFOta7q0Jrgcp+A==$"                                      \
	"Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI=:"                                  \
	"Z0c7juVYnhSrvHdBToQ5vW1pL1I+rK6XhsGGROA6P2c="

static const struct {
	enum exchange_method method;
	const char *stored; /* NULL: no such user */
} logins[] = {
    {EXCHANGE_PLAIN, PASSWORD}, {EXCHANGE_PLAIN, "md5d8e5469de403ab7006df63ac8ca23819"},
    {EXCHANGE_PLAIN, VERIFIER}, {EXCHANGE_PLAIN, NULL},
    {EXCHANGE_MD5, PASSWORD},   {EXCHANGE_MD5, NULL},
    {EXCHANGE_OUTSIDE, NULL},
};

static enum login_verdict begin(struct exchange *e, size_t login, struct buffer *out)
{
	static const struct exchange_mock mock = {.kind = SECRET_PLAIN};
	struct exchange_setup setup = {
	    .method = logins[login].method, .user = slice_of_text("u"), .mock = &mock};
	const char *stored = logins[login].stored;
	struct secret secret;

	enum login_verdict verdict = exchange_start(e, &setup, out);
	if (verdict != LOGIN_WAIT)
		return verdict;
	if (stored)
		CHECK(secret_parse(slice_of_text(stored), &secret));
	return exchange_resume(e, stored ? &secret : NULL, NULL, out);
}

static void judge(const struct exchange *e, size_t login, enum login_verdict verdict,
		  const struct frame *f)
{
	bool is_right = f->letter == 'p' &&
			slice_equal(f->body, slice_of(PASSWORD, sizeof(PASSWORD)));

	switch (verdict) {
	case LOGIN_DONE:
		CHECK(is_right && login == 0);
		break;
	case LOGIN_FAILED:
		CHECK(e->failure.sqlstate[0] && e->failure.text[0]);
		CHECK(!(is_right && login == 0));
		break;
	case LOGIN_WAIT:
		CHECK(logins[login].method == EXCHANGE_OUTSIDE);
		CHECK(e->password.len > 0 && e->password.len + 1 == f->body.len);
		CHECK(!memchr(e->password.data, '\0', e->password.len));
		break;
	case LOGIN_MORE:
		CHECK(false);
	}
}

static void log_in(struct slice stream, size_t login)
{
	struct exchange *e = calloc(1, sizeof(*e));
	struct buffer out = {0};
	struct frame f;

	if (!e)
		abort();
	enum login_verdict verdict = begin(e, login, &out);
	CHECK(verdict == LOGIN_MORE);
	while (verdict == LOGIN_MORE &&
	       frame_peek(stream, exchange_max_len(e), &f) == FRAME_OK &&
	       frame_is_whole(&f)) {
		verdict = exchange_feed(e, f.letter, f.body, &out);
		judge(e, login, verdict, &f);
		stream = slice_after(stream, f.total_len);
	}
	if (verdict == LOGIN_WAIT)
		CHECK(exchange_judge(e, stream.len & 1) != LOGIN_MORE);
	exchange_fini(e);
	buffer_fini(&out);
	free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++)
		log_in(slice_of(data, len), i);
	return 0;
}

#define INPUT(text) run(slice_of(text, sizeof(text) - 1))

void fuzz_corpus(fuzz_run_fn run)
{
	INPUT("p\0\0\0\13secret\0");
	INPUT("p\0\0\0\12secret");
	INPUT("p\0\0\0\13secre\0\0");
	INPUT("p\0\0\0\5\0");
	INPUT("p\0\0\0\4");
	INPUT("p\0\0\0\50md5d8e5469de403ab7006df63ac8ca23819\0");
	INPUT("p\0\0\0\50md5D8E5469DE403AB7006DF63AC8CA23819\0");
	INPUT("Q\0\0\0\13secret\0");
	INPUT("X\0\0\0\4p\0\0\0\13secret\0");
	INPUT("p\xff\xff\xff\xffsecret\0");
}

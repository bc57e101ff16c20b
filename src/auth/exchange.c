/*
 * Each method asks one question, or for SCRAM two, and holds the answer against something
 * that was made of the secret when the question was asked.
 */
#include "auth/exchange.h"

#include "auth/plain.h"
#include "base/check.h"
#include "base/random.h"
#include "base/reader.h"
#include "base/text.h"
#include "proto/notice.h"
#include "proto/writer.h"

enum request {
	REQUEST_PASSWORD = 3,
	REQUEST_MD5 = 5,
	REQUEST_SASL = 10,
	REQUEST_SASL_CONTINUE = 11,
	REQUEST_SASL_FINAL = 12
};

enum { MOCK_SALT_LEN = 16 };

static struct slice user_of(const struct exchange *e)
{
	return slice_of(e->user, e->user_len);
}

static enum login_verdict fail(struct exchange *e, const char *sqlstate, const char *text)
{
	e->state = EXCHANGE_OVER;
	return login_fail(&e->failure, sqlstate, "%s", text);
}

static enum login_verdict fail_memory(struct exchange *e)
{
	return fail(e, SQLSTATE_OUT_OF_MEMORY, "out of memory");
}

static enum login_verdict fail_wrong(struct exchange *e)
{
	char user[LOGIN_USER_MAX + 1];

	e->state = EXCHANGE_OVER;
	return login_fail(&e->failure, SQLSTATE_INVALID_PASSWORD,
			  "password authentication failed for user \"%s\"",
			  text_escape(user, sizeof(user), user_of(e)));
}

static enum login_verdict succeed(struct exchange *e)
{
	e->state = EXCHANGE_OVER;
	return LOGIN_DONE;
}

/* ---- requests ---- */

static enum login_verdict request(struct exchange *e, enum request code,
				  struct slice data, enum exchange_state next,
				  struct buffer *out)
{
	struct writer w = writer_of(out);

	writer_begin(&w, 'R');
	writer_u32(&w, code);
	writer_bytes(&w, data);
	writer_end(&w);
	if (!writer_finish(&w))
		return fail_memory(e);
	e->state = next;
	return LOGIN_MORE;
}

static enum login_verdict request_password(struct exchange *e, struct buffer *out)
{
	return request(e, REQUEST_PASSWORD, (struct slice){0}, EXCHANGE_PASSWORD, out);
}

static enum login_verdict
request_digest(struct exchange *e, const char secret[MD5_TEXT_LEN], struct buffer *out)
{
	uint8_t salt[MD5_SALT_LEN];

	random_bytes(salt, sizeof(salt));
	if (!md5_answer(secret, salt, e->digest))
		return fail_memory(e);
	return request(e, REQUEST_MD5, slice_of(salt, sizeof(salt)), EXCHANGE_DIGEST,
		       out);
}

static enum login_verdict request_mechanism(struct exchange *e, struct buffer *out)
{
	static const char all[] = SCRAM_SHA_256_PLUS "\0" SCRAM_SHA_256 "\0";
	struct slice offer = slice_of(all, sizeof(all));

	if (e->binding_len == 0)
		offer = slice_after(offer, sizeof(SCRAM_SHA_256_PLUS));
	return request(e, REQUEST_SASL, offer, EXCHANGE_MECHANISM, out);
}

/* ---- what stands in for a secret ---- */

/* A value that belongs to this user for as long as the process lives, and that nobody
 * else can know. */
static bool mock_bytes(const struct exchange *e, const char *purpose,
		       uint8_t out[CRYPTO_SHA256_LEN])
{
	struct slice parts[] = {slice_of_text(purpose), user_of(e)};

	return crypto_hmac_sha256(slice_of(e->mock.key, sizeof(e->mock.key)), parts, 2,
				  out);
}

/* The salt of users that have no verifier: the same at each login, for known users too,
 * or it would tell who is known. */
static bool mock_salt(const struct exchange *e, struct scram_salt *out)
{
	uint8_t bytes[CRYPTO_SHA256_LEN];

	if (!mock_bytes(e, "salt:", bytes))
		return false;
	*out = (struct scram_salt){.iterations = SCRAM_ITERATIONS, .len = MOCK_SALT_LEN};
	memcpy(out->bytes, bytes, MOCK_SALT_LEN);
	return true;
}

static bool mock_verifier(const struct exchange *e, struct scram_verifier *out)
{
	*out = (struct scram_verifier){0};
	if (!mock_salt(e, &out->salt) || !mock_bytes(e, "stored:", out->stored_key) ||
	    !mock_bytes(e, "server:", out->server_key))
		return false;
	if (e->mock.iterations > 0)
		out->salt.iterations = e->mock.iterations;
	return true;
}

/* Whether a user without a fitting secret looks like one with a verifier. */
static bool mock_has_verifier(const struct exchange *e)
{
	return e->mock.kind == SECRET_SCRAM;
}

static bool mock_expected(const struct exchange *e, struct scram_expected *out)
{
	uint8_t password[CRYPTO_SHA256_LEN];

	out->is_mock = true;
	if (mock_has_verifier(e))
		return mock_verifier(e, &out->verifier);
	out->has_password = true;
	return mock_salt(e, &out->verifier.salt) &&
	       mock_bytes(e, "password:", password) &&
	       scram_password_of(slice_of(password, 8), &out->password);
}

static bool mock_print(const struct exchange *e, struct secret_print *out)
{
	*out = (struct secret_print){.kind = e->mock.kind, .is_mock = true};
	if (out->kind == SECRET_NONE)
		out->kind = SECRET_PLAIN;
	return mock_bytes(e, "sum:", out->sum) && mock_verifier(e, &out->verifier);
}

static bool mock_digest(const struct exchange *e, char out[MD5_TEXT_LEN])
{
	uint8_t password[CRYPTO_SHA256_LEN];

	return mock_bytes(e, "password:", password) &&
	       md5_secret(slice_of(password, sizeof(password)), user_of(e), out);
}

/* ---- the secret has come ---- */

static enum login_verdict resume_plain(struct exchange *e, const struct secret *secret,
				       struct buffer *out)
{
	bool is_ok = secret->kind == SECRET_NONE ? mock_print(e, &e->print)
						 : secret_print_of(secret, &e->print);

	return is_ok ? request_password(e, out) : fail_memory(e);
}

static bool expect(const struct exchange *e, const struct secret *secret,
		   const struct scram_salted *known, struct scram_expected *out)
{
	*out = (struct scram_expected){0};
	switch (secret->kind) {
	case SECRET_NONE:
	case SECRET_MD5:
		return mock_expected(e, out);
	case SECRET_PLAIN:
		out->has_password = true;
		if (known)
			out->known = *known;
		return scram_password_of(secret->text, &out->password) &&
		       mock_salt(e, &out->verifier.salt);
	case SECRET_SCRAM:
		return scram_verifier_parse(secret->text, &out->verifier);
	}
	return false;
}

static enum login_verdict resume_scram(struct exchange *e, const struct secret *secret,
				       const struct scram_salted *known,
				       struct buffer *out)
{
	if (!expect(e, secret, known, &e->expected))
		return fail_memory(e);
	return request_mechanism(e, out);
}

static enum login_verdict resume_md5(struct exchange *e, const struct secret *secret,
				     struct buffer *out)
{
	char text[MD5_TEXT_LEN];
	bool is_ok = false;

	switch (secret->kind) {
	case SECRET_SCRAM:
		return resume_scram(e, secret, NULL, out);
	case SECRET_NONE:
		if (mock_has_verifier(e))
			return resume_scram(e, secret, NULL, out);
		e->is_mock = true;
		is_ok = mock_digest(e, text);
		break;
	case SECRET_PLAIN:
		is_ok = md5_secret(secret->text, user_of(e), text);
		break;
	case SECRET_MD5:
		memcpy(text, secret->text.data, sizeof(text));
		is_ok = true;
		break;
	}
	enum login_verdict verdict =
	    is_ok ? request_digest(e, text, out) : fail_memory(e);
	crypto_wipe(text, sizeof(text));
	return verdict;
}

enum login_verdict exchange_resume(struct exchange *e, const struct secret *secret,
				   const struct scram_salted *known, struct buffer *out)
{
	static const struct secret none = {.kind = SECRET_NONE};

	CHECK(e->state == EXCHANGE_LOOKUP);
	if (!secret)
		secret = &none;
	switch (e->method) {
	case EXCHANGE_PLAIN:
		return resume_plain(e, secret, out);
	case EXCHANGE_MD5:
		return resume_md5(e, secret, out);
	case EXCHANGE_SCRAM:
		return resume_scram(e, secret, known, out);
	case EXCHANGE_TRUST:
	case EXCHANGE_ANY:
	case EXCHANGE_OUTSIDE:
	case EXCHANGE_REJECT:
		break;
	}
	CHECK(!"a method that looks up a secret");
	return LOGIN_FAILED;
}

/* ---- begin and end ---- */

enum login_verdict exchange_start(struct exchange *e, const struct exchange_setup *setup,
				  struct buffer *out)
{
	CHECK(setup->user.len <= LOGIN_USER_MAX);
	CHECK(setup->binding.len <= SCRAM_BINDING_MAX);
	*e = (struct exchange){.method = setup->method, .mock = *setup->mock};
	e->user_len = (uint8_t)setup->user.len;
	if (setup->user.len > 0)
		memcpy(e->user, setup->user.data, setup->user.len);
	e->binding_len = (uint8_t)setup->binding.len;
	if (setup->binding.len > 0)
		memcpy(e->binding, setup->binding.data, setup->binding.len);
	switch (setup->method) {
	case EXCHANGE_TRUST:
	case EXCHANGE_ANY:
		return succeed(e);
	case EXCHANGE_REJECT:
		return fail(e, SQLSTATE_NOT_AUTHORIZED, "login rejected");
	case EXCHANGE_OUTSIDE:
		return request_password(e, out);
	case EXCHANGE_PLAIN:
	case EXCHANGE_MD5:
	case EXCHANGE_SCRAM:
		break;
	}
	e->state = EXCHANGE_LOOKUP;
	return LOGIN_WAIT;
}

void exchange_fini(struct exchange *e)
{
	crypto_wipe(e, sizeof(*e));
	e->state = EXCHANGE_OVER;
}

/* ---- answers ---- */

static bool read_password(struct exchange *e, struct slice body, struct slice *out)
{
	switch (plain_read(body, out)) {
	case PLAIN_OK:
		return true;
	case PLAIN_EMPTY:
		fail(e, SQLSTATE_INVALID_PASSWORD, "empty password returned by client");
		return false;
	case PLAIN_TOO_LONG:
		fail(e, SQLSTATE_PROTOCOL_VIOLATION, "password too long");
		return false;
	case PLAIN_MALFORMED:
		break;
	}
	fail(e, SQLSTATE_PROTOCOL_VIOLATION, "invalid password packet");
	return false;
}

static enum login_verdict feed_password(struct exchange *e, struct slice body)
{
	if (!read_password(e, body, &e->password))
		return LOGIN_FAILED;
	if (e->method == EXCHANGE_OUTSIDE) {
		e->state = EXCHANGE_JUDGED;
		return LOGIN_WAIT;
	}
	switch (secret_check(&e->print, user_of(e), e->password)) {
	case SECRET_RIGHT:
		return succeed(e);
	case SECRET_WRONG:
		return fail_wrong(e);
	case SECRET_UNKNOWN:
		break;
	}
	return fail_memory(e);
}

static enum login_verdict feed_digest(struct exchange *e, struct slice body)
{
	struct slice answer = {0};

	if (!read_password(e, body, &answer))
		return LOGIN_FAILED;
	bool is_right = crypto_equal(answer, slice_of(e->digest, sizeof(e->digest)));
	return is_right && !e->is_mock ? succeed(e) : fail_wrong(e);
}

static enum login_verdict fail_scram(struct exchange *e)
{
	const char *problem = e->scram.problem;

	e->state = EXCHANGE_OVER;
	switch (e->scram.fault) {
	case SCRAM_FAULT_WRONG:
		return fail_wrong(e);
	case SCRAM_FAULT_BINDING:
		return fail(e, SQLSTATE_NOT_AUTHORIZED, problem);
	case SCRAM_FAULT_MEMORY:
		return fail_memory(e);
	case SCRAM_FAULT_NONE:
	case SCRAM_FAULT_MALFORMED:
	case SCRAM_FAULT_REFUSED:
	case SCRAM_FAULT_SALT:
	case SCRAM_FAULT_TOO_MUCH:
		break;
	}
	return login_fail(&e->failure, SQLSTATE_PROTOCOL_VIOLATION,
			  "malformed SCRAM message: %s", problem);
}

static enum login_verdict feed_scram(struct exchange *e, struct slice message,
				     struct buffer *out)
{
	struct scram_message reply = {0};
	struct slice data;

	switch (scram_server_feed(&e->scram, message, &reply)) {
	case SCRAM_MORE:
		data = scram_message_bytes(&reply);
		return request(e, REQUEST_SASL_CONTINUE, data, EXCHANGE_SASL, out);
	case SCRAM_DONE:
		data = scram_message_bytes(&reply);
		if (request(e, REQUEST_SASL_FINAL, data, EXCHANGE_OVER, out) ==
		    LOGIN_FAILED)
			return LOGIN_FAILED;
		return succeed(e);
	case SCRAM_FAILED:
		break;
	}
	return fail_scram(e);
}

/* SASLInitialResponse: the mechanism and, unless its length is -1, the first message. */
static enum login_verdict feed_mechanism(struct exchange *e, struct slice body,
					 struct buffer *out)
{
	struct reader r = reader_of(body);
	struct slice mechanism = reader_cstring(&r);
	uint32_t len = reader_u32(&r);
	bool has_message = len != UINT32_MAX;
	struct slice message = reader_bytes(&r, has_message ? len : 0);
	bool is_plus = slice_is_text(mechanism, SCRAM_SHA_256_PLUS);

	if (!reader_done(&r))
		return fail(e, SQLSTATE_PROTOCOL_VIOLATION,
			    "invalid SASL initial response");
	if (!(is_plus && e->binding_len > 0) && !slice_is_text(mechanism, SCRAM_SHA_256))
		return fail(e, SQLSTATE_PROTOCOL_VIOLATION,
			    "client selected an invalid SASL authentication mechanism");
	scram_server_init(&e->scram, &e->expected, slice_of(e->binding, e->binding_len),
			  is_plus, (struct slice){0});
	crypto_wipe(&e->expected, sizeof(e->expected));
	if (!has_message)
		return request(e, REQUEST_SASL_CONTINUE, (struct slice){0}, EXCHANGE_SASL,
			       out);
	return feed_scram(e, message, out);
}

enum login_verdict exchange_feed(struct exchange *e, uint8_t letter, struct slice body,
				 struct buffer *out)
{
	if (letter != 'p') {
		e->state = EXCHANGE_OVER;
		return login_fail(&e->failure, SQLSTATE_PROTOCOL_VIOLATION,
				  "expected password response, got message type %u",
				  letter);
	}
	switch (e->state) {
	case EXCHANGE_PASSWORD:
		return feed_password(e, body);
	case EXCHANGE_DIGEST:
		return feed_digest(e, body);
	case EXCHANGE_MECHANISM:
		return feed_mechanism(e, body, out);
	case EXCHANGE_SASL:
		return feed_scram(e, body, out);
	case EXCHANGE_START:
	case EXCHANGE_LOOKUP:
	case EXCHANGE_JUDGED:
	case EXCHANGE_OVER:
		break;
	}
	return fail(e, SQLSTATE_PROTOCOL_VIOLATION, "password response out of turn");
}

enum login_verdict exchange_judge(struct exchange *e, bool is_right)
{
	CHECK(e->state == EXCHANGE_JUDGED);
	return is_right ? succeed(e) : fail_wrong(e);
}

/* ---- questions ---- */

size_t exchange_max_len(const struct exchange *e)
{
	switch (e->state) {
	case EXCHANGE_PASSWORD:
	case EXCHANGE_DIGEST: /* some send what they have, and are to be told */
		return 4 + LOGIN_PASSWORD_MAX + 1;
	case EXCHANGE_MECHANISM:
		return 4 + sizeof(SCRAM_SHA_256_PLUS) + 4 + SCRAM_MESSAGE_MAX;
	case EXCHANGE_SASL:
		return 4 + SCRAM_MESSAGE_MAX;
	case EXCHANGE_START:
	case EXCHANGE_LOOKUP:
	case EXCHANGE_JUDGED:
	case EXCHANGE_OVER:
		break;
	}
	return 4;
}

static bool is_done(const struct exchange *e)
{
	return e->state == EXCHANGE_OVER && !e->failure.sqlstate[0];
}

const struct scram_keys *exchange_keys(const struct exchange *e)
{
	return is_done(e) && e->scram.keys.salt.iterations > 0 ? &e->scram.keys : NULL;
}

const struct scram_salted *exchange_salted(const struct exchange *e)
{
	const struct scram_expected *expected = &e->scram.expected;

	return is_done(e) && expected->has_password && expected->known.salt.iterations > 0
		   ? &expected->known
		   : NULL;
}

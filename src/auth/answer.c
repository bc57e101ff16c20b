/*
 * See the header.
 */
#include "auth/answer.h"

#include "auth/md5.h"
#include "auth/plain.h"
#include "base/reader.h"
#include "proto/notice.h"
#include "proto/writer.h"

enum request {
	REQUEST_OK = 0,
	REQUEST_KERBEROS = 2,
	REQUEST_PASSWORD = 3,
	REQUEST_MD5 = 5,
	REQUEST_SCM = 6,
	REQUEST_GSS = 7,
	REQUEST_GSS_CONTINUE = 8,
	REQUEST_SSPI = 9,
	REQUEST_SASL = 10,
	REQUEST_SASL_CONTINUE = 11,
	REQUEST_SASL_FINAL = 12
};

void answer_fini(struct answer *a)
{
	crypto_wipe(a, sizeof(*a));
	a->state = ANSWER_OVER;
}

static enum login_verdict fail(struct answer *a, const char *sqlstate, const char *text)
{
	a->state = ANSWER_OVER;
	return login_fail(&a->failure, sqlstate, "%s", text);
}

static enum login_verdict fail_protocol(struct answer *a, const char *text)
{
	return fail(a, SQLSTATE_PROTOCOL_VIOLATION, text);
}

static enum login_verdict fail_memory(struct answer *a)
{
	return fail(a, SQLSTATE_OUT_OF_MEMORY, "out of memory");
}

static enum secret_kind kind_of(const struct answer_means *means)
{
	return means->secret ? means->secret->kind : SECRET_NONE;
}

/* ---- passwords and digests ---- */

static enum login_verdict send_password(struct answer *a, struct slice password,
					struct buffer *out)
{
	struct writer w = writer_of(out);

	plain_write(&w, password);
	if (!writer_finish(&w))
		return fail_memory(a);
	a->state = ANSWER_SENT;
	return LOGIN_MORE;
}

static enum login_verdict
answer_password(struct answer *a, const struct answer_means *means, struct buffer *out)
{
	switch (kind_of(means)) {
	case SECRET_PLAIN:
		return send_password(a, means->secret->text, out);
	case SECRET_NONE:
		return fail(a, SQLSTATE_NOT_AUTHORIZED,
			    "the server asks for a password, and there is none");
	case SECRET_MD5:
	case SECRET_SCRAM:
		break;
	}
	return fail(a, SQLSTATE_NOT_AUTHORIZED,
		    "the server asks for a password in clear, and only a hash of it is "
		    "known");
}

static enum login_verdict answer_md5(struct answer *a, const uint8_t salt[MD5_SALT_LEN],
				     const struct answer_means *means, struct buffer *out)
{
	char secret[MD5_TEXT_LEN], text[MD5_TEXT_LEN];
	bool is_ok = true;

	switch (kind_of(means)) {
	case SECRET_PLAIN:
		is_ok = md5_secret(means->secret->text, means->user, secret);
		break;
	case SECRET_MD5:
		memcpy(secret, means->secret->text.data, sizeof(secret));
		break;
	case SECRET_NONE:
		return fail(a, SQLSTATE_NOT_AUTHORIZED,
			    "the server asks for a password (md5), and there is none");
	case SECRET_SCRAM:
		return fail(a, SQLSTATE_NOT_AUTHORIZED,
			    "the server asks for md5, and only a SCRAM secret is known");
	}
	is_ok = is_ok && md5_answer(secret, salt, text);
	crypto_wipe(secret, sizeof(secret));
	if (!is_ok)
		return fail_memory(a);
	enum login_verdict verdict = send_password(a, slice_of(text, sizeof(text)), out);
	crypto_wipe(text, sizeof(text));
	return verdict;
}

/* ---- SCRAM ---- */

struct offer {
	bool has_scram, has_plus;
};

/* A list of names, closed by an empty one. */
static bool read_offer(struct reader *r, struct offer *out)
{
	struct offer offer = {0};

	for (;;) {
		struct slice name = reader_cstring(r);

		if (!reader_ok(r) || name.len == 0)
			break;
		offer.has_scram |= slice_is_text(name, SCRAM_SHA_256);
		offer.has_plus |= slice_is_text(name, SCRAM_SHA_256_PLUS);
	}
	*out = offer;
	return reader_done(r);
}

static enum login_verdict write_first(struct answer *a, bool is_plus,
				      const struct answer_means *means,
				      struct buffer *out)
{
	struct scram_message message;
	struct writer w = writer_of(out);

	scram_client_init(&a->scram, means->binding, is_plus, (struct slice){0},
			  &message);
	writer_begin(&w, 'p');
	writer_text(&w, is_plus ? SCRAM_SHA_256_PLUS : SCRAM_SHA_256);
	writer_u32(&w, message.len);
	writer_bytes(&w, scram_message_bytes(&message));
	writer_end(&w);
	if (!writer_finish(&w))
		return fail_memory(a);
	a->state = ANSWER_SASL;
	return LOGIN_MORE;
}

static enum login_verdict answer_offer(struct answer *a, struct reader *r,
				       const struct answer_means *means,
				       struct buffer *out)
{
	struct offer offer;

	if (!read_offer(r, &offer))
		return fail_protocol(a, "the server's list of SASL mechanisms is broken");
	if (!means->keys && kind_of(means) == SECRET_NONE)
		return fail(a, SQLSTATE_NOT_AUTHORIZED,
			    "the server asks for a password (SCRAM), and there is none");
	if (!means->keys && kind_of(means) == SECRET_SCRAM)
		return fail(
		    a, SQLSTATE_NOT_AUTHORIZED,
		    "the server asks for SCRAM, and only a SCRAM secret is known, "
		    "without the keys of a client's SCRAM login");
	if (!means->keys && kind_of(means) != SECRET_PLAIN)
		return fail(a, SQLSTATE_NOT_AUTHORIZED,
			    "the server asks for SCRAM, and only an md5 secret is known");
	if (offer.has_plus && means->binding.len > 0)
		return write_first(a, true, means, out);
	if (offer.has_scram)
		return write_first(a, false, means, out);
	return fail(a, SQLSTATE_NOT_AUTHORIZED,
		    offer.has_plus
			? "the server asks for channel binding, which this connection "
			  "does not have"
			: "the server offers no SASL mechanism that is supported");
}

static enum login_verdict fail_scram(struct answer *a)
{
	const struct scram_client *c = &a->scram;

	a->state = ANSWER_OVER;
	switch (c->fault) {
	case SCRAM_FAULT_MEMORY:
		return fail_memory(a);
	case SCRAM_FAULT_REFUSED:
		return login_fail(&a->failure, SQLSTATE_NOT_AUTHORIZED,
				  "the server refuses in SCRAM: %s", c->server_says);
	case SCRAM_FAULT_WRONG:
	case SCRAM_FAULT_SALT:
	case SCRAM_FAULT_TOO_MUCH:
	case SCRAM_FAULT_BINDING:
		return login_fail(&a->failure, SQLSTATE_NOT_AUTHORIZED,
				  "SCRAM with the server failed: %s", c->problem);
	case SCRAM_FAULT_NONE:
	case SCRAM_FAULT_MALFORMED:
		break;
	}
	return login_fail(&a->failure, SQLSTATE_PROTOCOL_VIOLATION,
			  "malformed SCRAM message from the server: %s", c->problem);
}

static enum login_verdict send_sasl(struct answer *a, const struct scram_message *message,
				    struct buffer *out)
{
	struct writer w = writer_of(out);

	writer_begin(&w, 'p');
	writer_bytes(&w, scram_message_bytes(message));
	writer_end(&w);
	return writer_finish(&w) ? LOGIN_MORE : fail_memory(a);
}

static enum login_verdict feed_scram(struct answer *a, bool is_final,
				     struct slice message,
				     const struct answer_means *means, struct buffer *out)
{
	struct scram_proof proof = {.keys = means->keys, .salted = means->salted};
	struct scram_message reply = {0};

	if (is_final != (a->scram.state == SCRAM_CLIENT_FINAL))
		return fail_protocol(a, "the server's SASL messages are out of order");
	if (kind_of(means) == SECRET_PLAIN)
		proof.password = means->secret->text;
	switch (scram_client_feed(&a->scram, message, &proof, &reply)) {
	case SCRAM_MORE:
		return send_sasl(a, &reply, out);
	case SCRAM_DONE:
		a->state = ANSWER_PROVED;
		return LOGIN_MORE;
	case SCRAM_FAILED:
		break;
	}
	return fail_scram(a);
}

/* ---- requests ---- */

static enum login_verdict accept_ok(struct answer *a, const struct reader *r)
{
	if (!reader_done(r))
		return fail_protocol(a, "the server's AuthenticationOk is too long");
	if (a->state == ANSWER_SASL)
		return fail_protocol(
		    a, "the server ended SCRAM before it had proved itself");
	a->state = ANSWER_OVER;
	return LOGIN_DONE;
}

static enum login_verdict feed_first(struct answer *a, uint32_t code, struct reader *r,
				     const struct answer_means *means, struct buffer *out)
{
	const uint8_t *salt;

	switch (code) {
	case REQUEST_PASSWORD:
		return reader_done(r) ? answer_password(a, means, out)
				      : fail_protocol(a, "the server's request for a "
							 "password is too long");
	case REQUEST_MD5:
		salt = reader_bytes(r, MD5_SALT_LEN).data;
		return reader_done(r) ? answer_md5(a, salt, means, out)
				      : fail_protocol(a, "the server's md5 salt is "
							 "broken");
	case REQUEST_SASL:
		return answer_offer(a, r, means, out);
	case REQUEST_KERBEROS:
	case REQUEST_SCM:
	case REQUEST_GSS:
	case REQUEST_GSS_CONTINUE:
	case REQUEST_SSPI:
	default:
		a->state = ANSWER_OVER;
		return login_fail(
		    &a->failure, SQLSTATE_NOT_AUTHORIZED,
		    "the server asks for authentication method %u, which is not "
		    "supported",
		    (unsigned)code);
	}
}

enum login_verdict answer_feed(struct answer *a, struct slice body,
			       const struct answer_means *means, struct buffer *out)
{
	struct reader r = reader_of(body);
	uint32_t code = reader_u32(&r);

	if (!reader_ok(&r) || body.len > ANSWER_MAX_LEN)
		return fail_protocol(a, "the server's authentication request is broken");
	if (a->state == ANSWER_OVER)
		return fail_protocol(a, "the server goes on after the login");
	if (code == REQUEST_OK)
		return accept_ok(a, &r);
	if (a->state == ANSWER_START)
		return feed_first(a, code, &r, means, out);
	if (a->state == ANSWER_SASL &&
	    (code == REQUEST_SASL_CONTINUE || code == REQUEST_SASL_FINAL))
		return feed_scram(a, code == REQUEST_SASL_FINAL, r.rest, means, out);
	return fail_protocol(a, "the server's authentication requests are out of order");
}

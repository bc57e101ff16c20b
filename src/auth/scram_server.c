/*
 * The server's role of SCRAM: two messages in, two out.
 *
 * Nothing depends on the secret before the client has shown its proof: a password is
 * stretched only then, and a mock secret goes the same way up to the comparison.
 */
#include "auth/scram.h"

#include "base/check.h"

void scram_server_init(struct scram_server *s, const struct scram_expected *expected,
		       struct slice binding, bool is_plus, struct slice nonce)
{
	CHECK(binding.len <= SCRAM_BINDING_MAX && (!is_plus || binding.len > 0));
	CHECK(expected->verifier.salt.iterations > 0);
	*s = (struct scram_server){.expected = *expected, .is_plus = is_plus};
	s->binding_len = (uint8_t)binding.len;
	if (binding.len > 0)
		memcpy(s->binding, binding.data, binding.len);
	s->nonce = scram_nonce_make(nonce);
}

void scram_server_fini(struct scram_server *s)
{
	crypto_wipe(s, sizeof(*s));
	s->state = SCRAM_SERVER_OVER;
}

static enum scram_result fail(struct scram_server *s, enum scram_fault fault,
			      const char *problem)
{
	s->state = SCRAM_SERVER_OVER;
	s->fault = fault;
	s->problem = problem;
	return SCRAM_FAILED;
}

static enum scram_result malformed(struct scram_server *s, const char *problem)
{
	return fail(s, SCRAM_FAULT_MALFORMED, problem);
}

/* ---- client-first-message ---- */

/* What the client says of channel binding, against what it could have had: somebody
 * between us may have hidden the offer. */
static enum scram_result judge_flag(struct scram_server *s)
{
	if (s->is_plus && s->flag != 'p')
		return malformed(s, "SCRAM-SHA-256-PLUS without channel binding");
	if (!s->is_plus && s->flag == 'p')
		return malformed(s, "SCRAM-SHA-256 with channel binding");
	if (s->flag == 'y' && s->binding_len > 0)
		return fail(s, SCRAM_FAULT_BINDING,
			    "the client supports channel binding and thinks the server "
			    "does not, but it does");
	return SCRAM_MORE;
}

static enum scram_result read_header(struct scram_server *s, struct slice *rest)
{
	struct slice value;

	if (scram_take(rest, 'p', &value)) {
		if (!slice_is_text(value, "tls-server-end-point"))
			return malformed(s, "unsupported channel binding type");
		s->flag = 'p';
	} else if (rest->len >= 2 && (rest->data[0] == 'n' || rest->data[0] == 'y') &&
		   rest->data[1] == ',') {
		s->flag = rest->data[0];
		*rest = slice_after(*rest, 2);
	} else {
		return malformed(s, "unexpected channel binding flag");
	}
	if (rest->len > 0 && rest->data[0] == 'a')
		return malformed(s, "authorization identities are not supported");
	if (rest->len == 0 || rest->data[0] != ',')
		return malformed(s, "a comma is missing in the header");
	*rest = slice_after(*rest, 1);
	return judge_flag(s);
}

/* The rest of a message may hold extensions that need not be understood; attributes are
 * letters. */
static bool skip_extensions(struct slice *rest, char stop)
{
	while (rest->len > 0 && rest->data[0] != (uint8_t)stop) {
		uint8_t name = rest->data[0];
		struct slice value;

		if (!((name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z')) ||
		    !scram_take(rest, (char)name, &value))
			return false;
	}
	return true;
}

static bool write_server_first(struct scram_server *s, struct slice client_nonce)
{
	struct scram_message *m = &s->server_first;
	const struct scram_salt *salt = &s->expected.verifier.salt;
	char digits[12], *at = digits + sizeof(digits);

	for (uint32_t n = salt->iterations; n > 0; n /= 10)
		*--at = (char)('0' + n % 10);
	s->nonce_len = client_nonce.len + s->nonce.len;
	return scram_put_text(m, "r=") && scram_put(m, client_nonce) &&
	       scram_put(m, scram_nonce_bytes(&s->nonce)) && scram_put_text(m, ",s=") &&
	       scram_put_base64(m, scram_salt_bytes(salt)) && scram_put_text(m, ",i=") &&
	       scram_put(m, slice_of(at, (size_t)(digits + sizeof(digits) - at)));
}

static enum scram_result feed_first(struct scram_server *s, struct slice message,
				    struct scram_message *out)
{
	struct slice user, nonce, rest = message;

	if (read_header(s, &rest) == SCRAM_FAILED)
		return SCRAM_FAILED;
	if (!scram_put(&s->client_first_bare, rest))
		return malformed(s, "the message is too long");
	if (rest.len > 0 && rest.data[0] == 'm')
		return malformed(s, "a mandatory extension is not supported");
	if (!scram_take(&rest, 'n', &user))
		return malformed(s, "there is no user name");
	if (!scram_take(&rest, 'r', &nonce))
		return malformed(s, "there is no nonce");
	if (!scram_nonce_is_good(nonce))
		return malformed(s, "the nonce is too long or not printable");
	if (!skip_extensions(&rest, '\0'))
		return malformed(s, "there is something behind the nonce");
	if (!write_server_first(s, nonce))
		return malformed(s, "the message is too long");
	*out = s->server_first;
	s->state = SCRAM_SERVER_FINAL;
	return SCRAM_MORE;
}

/* ---- client-final-message ---- */

struct final {
	struct slice without_proof;
	uint8_t proof[SCRAM_KEY_LEN];
};

static bool is_our_nonce(const struct scram_server *s, struct slice nonce)
{
	return crypto_equal(nonce, slice_of(s->server_first.data + 2, s->nonce_len));
}

static bool is_our_binding(const struct scram_server *s, struct slice text)
{
	struct scram_message expected = {0};

	return scram_binding_text(s->flag, slice_of(s->binding, s->binding_len),
				  &expected) &&
	       crypto_equal(text, scram_message_bytes(&expected));
}

static enum scram_result read_final(struct scram_server *s, struct slice message,
				    struct final *out)
{
	struct slice binding, nonce, proof, rest = message;
	size_t len;

	if (!scram_take(&rest, 'c', &binding))
		return malformed(s, "there is no channel binding attribute");
	if (!is_our_binding(s, binding) && !s->is_plus)
		return malformed(s, "unexpected channel binding attribute");
	if (!is_our_binding(s, binding))
		return fail(s, SCRAM_FAULT_BINDING, "SCRAM channel binding check failed");
	if (!scram_take(&rest, 'r', &nonce))
		return malformed(s, "there is no nonce");
	if (!is_our_nonce(s, nonce))
		return malformed(s, "the nonce does not match");
	if (!skip_extensions(&rest, 'p'))
		return malformed(s, "there is an attribute that is none");
	/* Up to the comma before the proof. */
	out->without_proof = slice_first(message, message.len - rest.len);
	if (out->without_proof.data[out->without_proof.len - 1] == ',')
		out->without_proof.len--;
	if (!scram_take(&rest, 'p', &proof) || rest.len > 0)
		return malformed(s, "there is no proof at the end");
	if (!crypto_base64_decode(proof, out->proof, sizeof(out->proof), &len) ||
	    len != sizeof(out->proof))
		return malformed(s, "the proof is malformed");
	return SCRAM_MORE;
}

/* Makes the verifier of the password that is expected. */
static bool stretch(struct scram_expected *e)
{
	struct scram_salted salted;
	struct scram_keys keys = {0};
	bool is_ok = scram_salted_make(&e->password, &e->verifier.salt, &salted);

	if (is_ok)
		e->known = salted;
	is_ok = is_ok && scram_keys_of(&salted, &keys) &&
		scram_verifier_of(&keys, &e->verifier);
	crypto_wipe(&salted, sizeof(salted));
	crypto_wipe(&keys, sizeof(keys));
	return is_ok;
}

static bool use_known(struct scram_expected *e)
{
	struct scram_keys keys = {0};
	bool is_ok =
	    scram_keys_of(&e->known, &keys) && scram_verifier_of(&keys, &e->verifier);

	crypto_wipe(&keys, sizeof(keys));
	return is_ok;
}

/* Whether the proof shows the client's key; gives the key. */
static bool open_proof(const struct scram_server *s, const struct final *f,
		       uint8_t client_key[SCRAM_KEY_LEN], bool *out_is_right)
{
	const struct scram_verifier *v = &s->expected.verifier;
	struct slice key = slice_of(client_key, SCRAM_KEY_LEN);
	uint8_t stored[SCRAM_KEY_LEN];

	if (!scram_sign(v->stored_key, scram_message_bytes(&s->client_first_bare),
			scram_message_bytes(&s->server_first), f->without_proof,
			client_key))
		return false;
	for (size_t i = 0; i < SCRAM_KEY_LEN; i++)
		client_key[i] ^= f->proof[i];
	if (!crypto_sha256(&key, 1, stored))
		return false;
	*out_is_right = crypto_equal(slice_of(stored, sizeof(stored)),
				     slice_of(v->stored_key, sizeof(v->stored_key)));
	crypto_wipe(stored, sizeof(stored));
	return true;
}

static enum scram_result write_server_final(struct scram_server *s, const struct final *f,
					    struct scram_message *out)
{
	uint8_t signature[SCRAM_KEY_LEN];

	out->len = 0;
	if (!scram_sign(s->expected.verifier.server_key,
			scram_message_bytes(&s->client_first_bare),
			scram_message_bytes(&s->server_first), f->without_proof,
			signature))
		return fail(s, SCRAM_FAULT_MEMORY, "out of memory");
	scram_put_text(out, "v=");
	scram_put_base64(out, slice_of(signature, sizeof(signature)));
	s->state = SCRAM_SERVER_OVER;
	return SCRAM_DONE;
}

/* A failure costs a PBKDF2 whether or not the right one was known already: or else the
 * time would tell that this user exists and has been here. */
static enum scram_result fail_slowly(struct scram_server *s, bool was_known)
{
	if (was_known && !stretch(&s->expected))
		return fail(s, SCRAM_FAULT_MEMORY, "out of memory");
	return fail(s, SCRAM_FAULT_WRONG, "the proof is wrong");
}

static enum scram_result judge(struct scram_server *s, const struct final *f,
			       struct scram_message *out)
{
	struct scram_expected *e = &s->expected;
	uint8_t client_key[SCRAM_KEY_LEN];
	bool is_right = false;
	bool is_known = e->has_password &&
			scram_salted_fits(&e->known, &e->password, &e->verifier.salt);

	if (e->has_password && !(is_known ? use_known(e) : stretch(e)))
		return fail(s, SCRAM_FAULT_MEMORY, "out of memory");
	if (!open_proof(s, f, client_key, &is_right)) {
		crypto_wipe(client_key, sizeof(client_key));
		return fail(s, SCRAM_FAULT_MEMORY, "out of memory");
	}
	if (is_right && !e->is_mock && !e->has_password) {
		s->keys.salt = e->verifier.salt;
		memcpy(s->keys.client_key, client_key, sizeof(client_key));
		memcpy(s->keys.server_key, e->verifier.server_key,
		       sizeof(s->keys.server_key));
	}
	crypto_wipe(client_key, sizeof(client_key));
	if (!is_right || e->is_mock)
		return fail_slowly(s, is_known);
	return write_server_final(s, f, out);
}

static enum scram_result feed_final(struct scram_server *s, struct slice message,
				    struct scram_message *out)
{
	struct final f;

	if (read_final(s, message, &f) == SCRAM_FAILED)
		return SCRAM_FAILED;
	return judge(s, &f, out);
}

enum scram_result scram_server_feed(struct scram_server *s, struct slice message,
				    struct scram_message *out)
{
	if (message.len > SCRAM_MESSAGE_MAX)
		return malformed(s, "the message is too long");
	if (message.len > 0 && memchr(message.data, '\0', message.len))
		return malformed(s, "there is a NUL in the message");
	switch (s->state) {
	case SCRAM_SERVER_FIRST:
		return feed_first(s, message, out);
	case SCRAM_SERVER_FINAL:
		return feed_final(s, message, out);
	case SCRAM_SERVER_OVER:
		break;
	}
	return malformed(s, "there is a message too many");
}

/*
 * The client's role of SCRAM. The server is not trusted either: what it sends is bounded,
 * and the login is done only when it has shown that it knows the secret too.
 */
#include "auth/scram.h"

#include "base/check.h"
#include "base/text.h"

/* client-first-message-bare; libpq leaves the name empty too. */
static void write_bare(const struct scram_client *c, struct scram_message *out)
{
	scram_put_text(out, "n=,r=");
	scram_put(out, scram_nonce_bytes(&c->nonce));
}

void scram_client_init(struct scram_client *c, struct slice binding, bool is_plus,
		       struct slice nonce, struct scram_message *out)
{
	CHECK(binding.len <= SCRAM_BINDING_MAX && (!is_plus || binding.len > 0));
	*c = (struct scram_client){.binding_len = (uint8_t)binding.len};
	if (binding.len > 0)
		memcpy(c->binding, binding.data, binding.len);
	c->flag = 'n';
	if (binding.len > 0)
		c->flag = is_plus ? 'p' : 'y';
	c->nonce = scram_nonce_make(nonce);
	out->len = 0;
	scram_put(out, slice_of(&c->flag, 1));
	scram_put_text(out, c->flag == 'p' ? "=tls-server-end-point,," : ",,");
	write_bare(c, out);
}

void scram_client_fini(struct scram_client *c)
{
	crypto_wipe(c, sizeof(*c));
	c->state = SCRAM_CLIENT_OVER;
}

static enum scram_result fail(struct scram_client *c, enum scram_fault fault,
			      const char *problem)
{
	c->state = SCRAM_CLIENT_OVER;
	c->fault = fault;
	c->problem = problem;
	return SCRAM_FAILED;
}

static enum scram_result malformed(struct scram_client *c, const char *problem)
{
	return fail(c, SCRAM_FAULT_MALFORMED, problem);
}

/* ---- server-first-message ---- */

static bool begins_with_ours(const struct scram_client *c, struct slice nonce)
{
	return nonce.len > c->nonce.len &&
	       memcmp(nonce.data, c->nonce.data, c->nonce.len) == 0;
}

static enum scram_result read_first(struct scram_client *c, struct slice message,
				    struct slice *out_nonce, struct scram_salt *out_salt)
{
	struct slice nonce, salt, iterations;
	size_t len;

	if (!scram_take(&message, 'r', &nonce))
		return malformed(c, "there is no nonce");
	if (!scram_nonce_is_good(nonce))
		return malformed(c, "the nonce is too long or not printable");
	if (!begins_with_ours(c, nonce))
		return malformed(c, "the nonce does not continue ours");
	if (!scram_take(&message, 's', &salt))
		return malformed(c, "there is no salt");
	if (!crypto_base64_decode(salt, out_salt->bytes, sizeof(out_salt->bytes), &len) ||
	    len == 0)
		return malformed(c, "the salt is malformed or too long");
	out_salt->len = (uint8_t)len;
	if (!scram_take(&message, 'i', &iterations) ||
	    !scram_parse_iterations(iterations, &out_salt->iterations))
		return malformed(c, "there is no count of iterations");
	*out_nonce = nonce;
	return SCRAM_MORE;
}

static enum scram_result stretch(struct scram_client *c, const struct scram_salt *salt,
				 const struct scram_proof *proof, struct scram_keys *out)
{
	struct scram_password password;
	struct scram_salted salted;
	bool is_ok = scram_password_of(proof->password, &password);

	if (is_ok && proof->salted && scram_salted_fits(proof->salted, &password, salt)) {
		salted = *proof->salted;
	} else if (salt->iterations > SCRAM_ITERATIONS_MAX) {
		crypto_wipe(&password, sizeof(password));
		return fail(c, SCRAM_FAULT_TOO_MUCH, "it asks for too many iterations");
	} else {
		is_ok = is_ok && scram_salted_make(&password, salt, &salted);
	}
	is_ok = is_ok && scram_keys_of(&salted, out);
	if (is_ok && proof->salted)
		*proof->salted = salted;
	crypto_wipe(&password, sizeof(password));
	crypto_wipe(&salted, sizeof(salted));
	return is_ok ? SCRAM_MORE : fail(c, SCRAM_FAULT_MEMORY, "out of memory");
}

static enum scram_result find_keys(struct scram_client *c, const struct scram_salt *salt,
				   const struct scram_proof *proof,
				   struct scram_keys *out)
{
	if (!proof->keys)
		return stretch(c, salt, proof, out);
	if (!scram_salt_equal(&proof->keys->salt, salt))
		return fail(c, SCRAM_FAULT_SALT,
			    "its secret has another salt than the one we know");
	*out = *proof->keys;
	return SCRAM_MORE;
}

static bool put_proof(struct scram_client *c, const struct scram_keys *keys,
		      struct slice server_first, struct scram_message *out)
{
	struct scram_message bare = {0};
	struct scram_verifier v;
	uint8_t proof[SCRAM_KEY_LEN];

	write_bare(c, &bare);
	bool is_ok = scram_verifier_of(keys, &v) &&
		     scram_sign(v.stored_key, scram_message_bytes(&bare), server_first,
				scram_message_bytes(out), proof) &&
		     scram_sign(v.server_key, scram_message_bytes(&bare), server_first,
				scram_message_bytes(out), c->server_signature);
	crypto_wipe(&v, sizeof(v));
	if (!is_ok)
		return false;
	for (size_t i = 0; i < sizeof(proof); i++)
		proof[i] ^= keys->client_key[i];
	return scram_put_text(out, ",p=") &&
	       scram_put_base64(out, slice_of(proof, sizeof(proof)));
}

static enum scram_result feed_first(struct scram_client *c, struct slice message,
				    const struct scram_proof *proof,
				    struct scram_message *out)
{
	struct slice nonce = {0};
	struct scram_salt salt = {0};
	struct scram_keys keys = {0};
	struct scram_message binding;

	if (read_first(c, message, &nonce, &salt) == SCRAM_FAILED ||
	    find_keys(c, &salt, proof, &keys) == SCRAM_FAILED)
		return SCRAM_FAILED;
	out->len = 0;
	bool is_ok =
	    scram_binding_text(c->flag, slice_of(c->binding, c->binding_len), &binding) &&
	    scram_put_text(out, "c=") && scram_put(out, scram_message_bytes(&binding)) &&
	    scram_put_text(out, ",r=") && scram_put(out, nonce) &&
	    put_proof(c, &keys, message, out);
	crypto_wipe(&keys, sizeof(keys));
	if (!is_ok)
		return fail(c, SCRAM_FAULT_MEMORY, "out of memory");
	c->state = SCRAM_CLIENT_FINAL;
	return SCRAM_MORE;
}

/* ---- server-final-message ---- */

static enum scram_result feed_final(struct scram_client *c, struct slice message)
{
	struct slice value;
	uint8_t signature[SCRAM_KEY_LEN];
	size_t len;

	if (scram_take(&message, 'e', &value)) {
		text_escape(c->server_says, sizeof(c->server_says), value);
		return fail(c, SCRAM_FAULT_REFUSED, "it refuses");
	}
	if (!scram_take(&message, 'v', &value))
		return malformed(c, "there is no signature");
	if (!crypto_base64_decode(value, signature, sizeof(signature), &len) ||
	    len != sizeof(signature))
		return malformed(c, "the signature is malformed");
	if (!crypto_equal(slice_of(signature, sizeof(signature)),
			  slice_of(c->server_signature, sizeof(c->server_signature))))
		return fail(c, SCRAM_FAULT_WRONG,
			    "its signature is wrong: it does not know the secret");
	c->state = SCRAM_CLIENT_OVER;
	return SCRAM_DONE;
}

enum scram_result scram_client_feed(struct scram_client *c, struct slice message,
				    const struct scram_proof *proof,
				    struct scram_message *out)
{
	if (message.len > SCRAM_MESSAGE_MAX)
		return malformed(c, "the message is too long");
	if (message.len > 0 && memchr(message.data, '\0', message.len))
		return malformed(c, "there is a NUL in the message");
	switch (c->state) {
	case SCRAM_CLIENT_FIRST:
		return feed_first(c, message, proof, out);
	case SCRAM_CLIENT_FINAL:
		return feed_final(c, message);
	case SCRAM_CLIENT_OVER:
		break;
	}
	return malformed(c, "there is a message too many");
}

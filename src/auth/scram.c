/*
 * SCRAM's keys, the text of verifiers, and the grammar that both roles read and write.
 */
#include "auth/scram.h"

#include <stdio.h>

#include "auth/saslprep.h"
#include "base/check.h"
#include "base/random.h"
#include "base/text.h"

/* ---- grammar ---- */

bool scram_take(struct slice *rest, char name, struct slice *value)
{
	if (rest->len < 2 || rest->data[0] != (uint8_t)name || rest->data[1] != '=')
		return false;
	struct slice all = slice_after(*rest, 2);
	const uint8_t *comma = all.len ? memchr(all.data, ',', all.len) : NULL;
	size_t len = comma ? (size_t)(comma - all.data) : all.len;

	*value = slice_first(all, len);
	*rest = slice_after(all, comma ? len + 1 : len);
	return true;
}

bool scram_parse_iterations(struct slice text, uint32_t *out)
{
	uint64_t value = 0;

	if (text.len == 0 || text.len > 10)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (text.data[i] - '0');
	}
	if (value == 0 || value > INT32_MAX)
		return false;
	*out = (uint32_t)value;
	return true;
}

bool scram_nonce_is_good(struct slice nonce)
{
	if (nonce.len == 0 || nonce.len > SCRAM_NONCE_MAX)
		return false;
	for (size_t i = 0; i < nonce.len; i++)
		if (nonce.data[i] < 0x21 || nonce.data[i] > 0x7e)
			return false;
	return true;
}

bool scram_put(struct scram_message *m, struct slice bytes)
{
	if (bytes.len > sizeof(m->data) - m->len)
		return false;
	if (bytes.len > 0)
		memcpy(m->data + m->len, bytes.data, bytes.len);
	m->len = (uint16_t)(m->len + bytes.len);
	return true;
}

bool scram_put_text(struct scram_message *m, const char *text)
{
	return scram_put(m, slice_of_text(text));
}

bool scram_put_base64(struct scram_message *m, struct slice bytes)
{
	size_t len = crypto_base64_len(bytes.len);

	if (len > sizeof(m->data) - m->len)
		return false;
	crypto_base64_encode(bytes, m->data + m->len);
	m->len = (uint16_t)(m->len + len);
	return true;
}

struct scram_nonce scram_nonce_make(struct slice given)
{
	struct scram_nonce nonce = {.len = SCRAM_NONCE_LEN};
	uint8_t bytes[SCRAM_NONCE_LEN / 4 * 3];

	if (given.len > 0) {
		CHECK(given.len <= sizeof(nonce.data));
		nonce.len = (uint8_t)given.len;
		memcpy(nonce.data, given.data, given.len);
		return nonce;
	}
	random_bytes(bytes, sizeof(bytes));
	crypto_base64_encode(slice_of(bytes, sizeof(bytes)), nonce.data);
	return nonce;
}

bool scram_binding_text(uint8_t flag, struct slice binding, struct scram_message *out)
{
	struct scram_message header = {0};

	out->len = 0;
	return scram_put(&header, slice_of(&flag, 1)) &&
	       scram_put_text(&header, flag == 'p' ? "=tls-server-end-point,," : ",,") &&
	       (flag != 'p' || scram_put(&header, binding)) &&
	       scram_put_base64(out, scram_message_bytes(&header));
}

bool scram_sign(const uint8_t key[SCRAM_KEY_LEN], struct slice client_first_bare,
		struct slice server_first, struct slice client_final_without_proof,
		uint8_t out[SCRAM_KEY_LEN])
{
	struct slice comma = slice_of_text(",");
	struct slice parts[] = {client_first_bare, comma, server_first, comma,
				client_final_without_proof};

	return crypto_hmac_sha256(slice_of(key, SCRAM_KEY_LEN), parts, 5, out);
}

/* ---- passwords ---- */

bool scram_password_of(struct slice password, struct scram_password *out)
{
	char *prepared = NULL;
	bool is_ok = true;

	if (saslprep(password, &prepared) == SASLPREP_NO_MEMORY)
		return false;
	if (prepared)
		password = slice_of_text(prepared);
	*out = (struct scram_password){0};
	if (password.len > sizeof(out->key)) {
		is_ok = crypto_sha256(&password, 1, out->key);
		out->len = CRYPTO_SHA256_LEN;
	} else {
		if (password.len > 0)
			memcpy(out->key, password.data, password.len);
		out->len = (uint8_t)password.len;
	}
	saslprep_free(prepared);
	return is_ok;
}

bool scram_salt_equal(const struct scram_salt *a, const struct scram_salt *b)
{
	return a->iterations == b->iterations &&
	       slice_equal(scram_salt_bytes(a), scram_salt_bytes(b));
}

static bool fingerprint(const struct scram_password *p, const struct scram_salt *salt,
			uint8_t out[SCRAM_KEY_LEN])
{
	struct slice password = slice_of(p->key, p->len);

	return crypto_hmac_sha256(scram_salt_bytes(salt), &password, 1, out);
}

bool scram_salted_fits(const struct scram_salted *s, const struct scram_password *p,
		       const struct scram_salt *salt)
{
	uint8_t made_of[SCRAM_KEY_LEN];

	if (s->salt.iterations == 0 || !scram_salt_equal(&s->salt, salt))
		return false;
	bool fits = fingerprint(p, salt, made_of) &&
		    crypto_equal(slice_of(made_of, sizeof(made_of)),
				 slice_of(s->made_of, sizeof(s->made_of)));
	crypto_wipe(made_of, sizeof(made_of));
	return fits;
}

bool scram_salted_make(const struct scram_password *p, const struct scram_salt *salt,
		       struct scram_salted *out)
{
	struct scram_salted made = {.salt = *salt};
	bool is_ok =
	    fingerprint(p, salt, made.made_of) &&
	    crypto_pbkdf2_sha256(slice_of(p->key, p->len), scram_salt_bytes(salt),
				 salt->iterations, made.bytes);

	if (is_ok)
		*out = made;
	crypto_wipe(&made, sizeof(made));
	return is_ok;
}

bool scram_keys_of(const struct scram_salted *s, struct scram_keys *out)
{
	struct slice key = slice_of(s->bytes, sizeof(s->bytes));
	struct slice client = slice_of_text("Client Key");
	struct slice server = slice_of_text("Server Key");

	out->salt = s->salt;
	return crypto_hmac_sha256(key, &client, 1, out->client_key) &&
	       crypto_hmac_sha256(key, &server, 1, out->server_key);
}

bool scram_verifier_of(const struct scram_keys *keys, struct scram_verifier *out)
{
	struct slice key = slice_of(keys->client_key, sizeof(keys->client_key));

	out->salt = keys->salt;
	memcpy(out->server_key, keys->server_key, sizeof(out->server_key));
	return crypto_sha256(&key, 1, out->stored_key);
}

/* ---- verifiers as text ---- */

/* What comes before the mark, which is dropped; false when there is no mark. */
static bool take_until(struct slice *rest, char mark, struct slice *out)
{
	const uint8_t *at = rest->len ? memchr(rest->data, mark, rest->len) : NULL;

	if (!at)
		return false;
	*out = slice_first(*rest, (size_t)(at - rest->data));
	*rest = slice_after(*rest, out->len + 1);
	return true;
}

static bool parse_key(struct slice text, uint8_t out[SCRAM_KEY_LEN])
{
	size_t len;

	return crypto_base64_decode(text, out, SCRAM_KEY_LEN, &len) &&
	       len == SCRAM_KEY_LEN;
}

bool scram_verifier_parse(struct slice text, struct scram_verifier *out)
{
	struct scram_verifier v = {0};
	struct slice scheme, iterations, salt, stored;
	size_t salt_len;

	if (!take_until(&text, '$', &scheme) || !slice_is_text(scheme, SCRAM_SHA_256) ||
	    !take_until(&text, ':', &iterations) || !take_until(&text, '$', &salt) ||
	    !take_until(&text, ':', &stored))
		return false;
	if (!scram_parse_iterations(iterations, &v.salt.iterations) ||
	    !crypto_base64_decode(salt, v.salt.bytes, sizeof(v.salt.bytes), &salt_len) ||
	    salt_len == 0 || !parse_key(stored, v.stored_key) ||
	    !parse_key(text, v.server_key))
		return false;
	v.salt.len = (uint8_t)salt_len;
	*out = v;
	return true;
}

char *scram_verifier_print(const struct scram_verifier *v,
			   char out[SCRAM_VERIFIER_TEXT_MAX])
{
	struct scram_message m = {0};
	char head[48];

	snprintf(head, sizeof(head), SCRAM_SHA_256 "$%u:", (unsigned)v->salt.iterations);
	scram_put_text(&m, head);
	scram_put_base64(&m, scram_salt_bytes(&v->salt));
	scram_put_text(&m, "$");
	scram_put_base64(&m, slice_of(v->stored_key, sizeof(v->stored_key)));
	scram_put_text(&m, ":");
	scram_put_base64(&m, slice_of(v->server_key, sizeof(v->server_key)));
	text_copy(out, SCRAM_VERIFIER_TEXT_MAX, scram_message_bytes(&m));
	return out;
}

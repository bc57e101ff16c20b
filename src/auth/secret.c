/*
 * See the header. All comparisons are of digests, so that they take the same time
 * wherever a wrong password differs.
 */
#include "auth/secret.h"

#include "auth/login.h"
#include "auth/md5.h"
#include "base/random.h"

static bool begins_with(struct slice s, const char *text)
{
	size_t len = strlen(text);

	return s.len >= len && memcmp(s.data, text, len) == 0;
}

static bool is_md5(struct slice text)
{
	if (text.len != MD5_TEXT_LEN || !begins_with(text, "md5"))
		return false;
	for (size_t i = 3; i < text.len; i++) {
		uint8_t c = text.data[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
	}
	return true;
}

bool secret_parse(struct slice text, struct secret *out)
{
	struct scram_verifier verifier;

	*out = (struct secret){.kind = SECRET_NONE};
	if (text.len == 0)
		return true;
	if (text.len > LOGIN_PASSWORD_MAX || memchr(text.data, '\0', text.len))
		return false;
	if (begins_with(text, SCRAM_SHA_256 "$")) {
		if (!scram_verifier_parse(text, &verifier))
			return false;
		crypto_wipe(&verifier, sizeof(verifier));
		out->kind = SECRET_SCRAM;
	} else {
		out->kind = is_md5(text) ? SECRET_MD5 : SECRET_PLAIN;
	}
	out->text = text;
	return true;
}

uint32_t secret_iterations(const struct secret *secret)
{
	struct scram_verifier verifier;
	uint32_t iterations = 0;

	if (secret->kind == SECRET_SCRAM && scram_verifier_parse(secret->text, &verifier))
		iterations = verifier.salt.iterations;
	crypto_wipe(&verifier, sizeof(verifier));
	return iterations;
}

const char *secret_kind_name(enum secret_kind kind)
{
	static const char *const names[] = {
	    [SECRET_NONE] = "none",
	    [SECRET_PLAIN] = "plain",
	    [SECRET_MD5] = "md5",
	    [SECRET_SCRAM] = "scram-sha-256",
	};

	return names[kind];
}

bool secret_print_of(const struct secret *secret, struct secret_print *out)
{
	*out = (struct secret_print){.kind = secret->kind};
	switch (secret->kind) {
	case SECRET_NONE:
		return true;
	case SECRET_PLAIN:
		random_bytes(out->key, sizeof(out->key));
		return crypto_hmac_sha256(slice_of(out->key, sizeof(out->key)),
					  &secret->text, 1, out->sum);
	case SECRET_MD5:
		memcpy(out->sum, secret->text.data + 3, sizeof(out->sum));
		return true;
	case SECRET_SCRAM:
		if (!scram_verifier_parse(secret->text, &out->verifier))
			out->kind = SECRET_NONE;
		return true;
	}
	return false;
}

static enum secret_check check_scram(const struct secret_print *print,
				     struct slice password)
{
	const struct scram_verifier *v = &print->verifier;
	struct scram_password p;
	struct scram_salted salted;
	struct scram_keys keys;
	enum secret_check result = SECRET_UNKNOWN;

	if (v->salt.iterations > SCRAM_ITERATIONS_MAX)
		return SECRET_WRONG;
	if (scram_password_of(password, &p) && scram_salted_make(&p, &v->salt, &salted) &&
	    scram_keys_of(&salted, &keys))
		result = crypto_equal(slice_of(keys.server_key, sizeof(keys.server_key)),
				      slice_of(v->server_key, sizeof(v->server_key)))
			     ? SECRET_RIGHT
			     : SECRET_WRONG;
	crypto_wipe(&p, sizeof(p));
	crypto_wipe(&salted, sizeof(salted));
	crypto_wipe(&keys, sizeof(keys));
	return result;
}

static enum secret_check check_sum(const struct secret_print *print, bool is_made,
				   struct slice sum)
{
	if (!is_made)
		return SECRET_UNKNOWN;
	return crypto_equal(sum, slice_of(print->sum, sizeof(print->sum))) ? SECRET_RIGHT
									   : SECRET_WRONG;
}

static enum secret_check check_plain(const struct secret_print *print,
				     struct slice password)
{
	uint8_t sum[32];
	bool is_made = crypto_hmac_sha256(slice_of(print->key, sizeof(print->key)),
					  &password, 1, sum);

	return check_sum(print, is_made, slice_of(sum, sizeof(sum)));
}

static enum secret_check check_md5(const struct secret_print *print, struct slice user,
				   struct slice password)
{
	char text[MD5_TEXT_LEN];
	bool is_made = md5_secret(password, user, text);
	enum secret_check result = check_sum(print, is_made, slice_of(text + 3, 32));

	crypto_wipe(text, sizeof(text));
	return result;
}

enum secret_check secret_check(const struct secret_print *print, struct slice user,
			       struct slice password)
{
	enum secret_check result = SECRET_WRONG;

	switch (print->kind) {
	case SECRET_NONE:
		break;
	case SECRET_PLAIN:
		result = check_plain(print, password);
		break;
	case SECRET_MD5:
		result = check_md5(print, user, password);
		break;
	case SECRET_SCRAM:
		result = check_scram(print, password);
		break;
	}
	return print->is_mock && result == SECRET_RIGHT ? SECRET_WRONG : result;
}

/*
 * Which secret serves a pool best.
 */
#include "relay/credential.h"

#include <stdlib.h>

#include "auth/md5.h"
#include "auth/userlist.h"
#include "base/crypto.h"
#include "config/database.h"
#include "pool/pool.h"

static void wipe(struct slice *owned)
{
	/* Slices are for readers; these bytes are our own. */
	void *bytes = (void *)(uintptr_t)owned->data;

	if (bytes)
		crypto_wipe(bytes, owned->len);
	free(bytes);
	*owned = (struct slice){0};
}

static bool replace(struct slice *owned, struct slice with)
{
	if (with.len == 0 || slice_equal(*owned, with))
		return true;
	uint8_t *copy = malloc(with.len);
	wipe(owned);
	if (!copy)
		return false;
	memcpy(copy, with.data, with.len);
	*owned = slice_of(copy, with.len);
	return true;
}

void credential_fini(struct credential *c)
{
	wipe(&c->password);
	wipe(&c->secret);
	crypto_wipe(c, sizeof(*c));
}

/* Whether these are keys of that password. Without memory they are not. */
static bool are_keys_of(const struct scram_keys *keys, struct slice password)
{
	struct scram_password prepared;
	struct scram_salted salted = {0};
	struct scram_keys own = {0};
	/* Who has so many iterations would stop us for a second and more. */
	bool is_same = keys->salt.iterations <= SCRAM_ITERATIONS_MAX &&
		       scram_password_of(password, &prepared) &&
		       scram_salted_make(&prepared, &keys->salt, &salted) &&
		       scram_keys_of(&salted, &own) &&
		       crypto_equal(slice_of(own.client_key, sizeof(own.client_key)),
				    slice_of(keys->client_key, sizeof(keys->client_key)));

	crypto_wipe(&prepared, sizeof(prepared));
	crypto_wipe(&salted, sizeof(salted));
	crypto_wipe(&own, sizeof(own));
	return is_same;
}

static bool are_known(const struct credential *c, const struct scram_keys *keys)
{
	return c->has_keys &&
	       crypto_equal(slice_of(c->keys.client_key, sizeof(c->keys.client_key)),
			    slice_of(keys->client_key, sizeof(keys->client_key)));
}

/* A password that was given before these keys may be the one before a change. */
static void doubt_password(struct credential *c, const struct scram_keys *keys)
{
	if (c->password.len > 0 && !are_known(c, keys) && !are_keys_of(keys, c->password))
		wipe(&c->password);
}

static bool is_other(struct slice known, struct slice given)
{
	return given.len > 0 && !slice_equal(known, given);
}

bool credential_is_news(const struct credential *c, struct slice password,
			struct slice secret, const struct scram_keys *keys)
{
	return is_other(c->password, password) || is_other(c->secret, secret) ||
	       (keys && !are_known(c, keys)) ||
	       (keys && !scram_salt_equal(&c->keys.salt, &keys->salt));
}

bool credential_learn(struct credential *c, struct slice password, struct slice secret,
		      const struct scram_keys *keys)
{
	if (keys && password.len == 0)
		doubt_password(c, keys);
	bool is_kept = replace(&c->password, password);

	is_kept = replace(&c->secret, secret) && is_kept;
	if (keys) {
		c->keys = *keys;
		c->has_keys = true;
	}
	return is_kept;
}

/* A password in clear serves every method, whatever else there is. */
static bool take_password(struct slice text, struct secret *out)
{
	if (text.len == 0)
		return false;
	*out = (struct secret){SECRET_PLAIN, text};
	return true;
}

static bool is_password(const struct secret *secret)
{
	return secret->kind == SECRET_PLAIN;
}

/* It was right once, but is not what the user has now. (That of a verifier would cost
 * PBKDF2 to find out; there the keys of a later login tell.) */
static bool is_outdated(struct slice password, const struct secret *now,
			const char *user_name)
{
	char text[MD5_TEXT_LEN];

	if (now->kind != SECRET_MD5 ||
	    !md5_secret(password, slice_of_text(user_name), text))
		return false;
	bool is_same = crypto_equal(now->text, slice_of(text, sizeof(text)));
	crypto_wipe(text, sizeof(text));
	return !is_same;
}

static bool find_secret(const struct credential *c, const struct pool *pool,
			const struct userlist *users, struct secret *out)
{
	const struct database *d = pool->database;
	struct secret listed = {0};
	bool is_forced = d->user[0];

	if (is_forced && take_password(slice_of_text(d->password), out))
		return true;
	userlist_find(users, slice_of_text(pool->user_name), &listed);
	if (listed.kind == SECRET_NONE && !is_forced && c->secret.len > 0)
		secret_parse(c->secret, &listed);
	if (!is_password(&listed) && !is_forced &&
	    !is_outdated(c->password, &listed, pool->user_name) &&
	    take_password(c->password, out))
		return true;
	*out = listed;
	return listed.kind != SECRET_NONE;
}

void credential_means(struct credential *c, const struct pool *pool,
		      const struct userlist *users, struct secret *secret,
		      struct answer_means *out)
{
	bool is_found = find_secret(c, pool, users, secret);
	bool may_use_keys =
	    !pool->database->user[0] && c->has_keys && !(is_found && is_password(secret));

	*out = (struct answer_means){
	    .user = slice_of_text(pool->user_name),
	    .secret = is_found ? secret : NULL,
	    .keys = may_use_keys ? &c->keys : NULL,
	    .salted = &c->salted,
	};
}

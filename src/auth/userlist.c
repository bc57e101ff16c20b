/*
 * See the header. Entries are single blocks, so that each is wiped when it goes.
 */
#include "auth/userlist.h"

#include <stdlib.h>

#include "base/hash.h"

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(obj) ((void)(obj))
#include <uthash.h>

#include "auth/file.h"
#include "auth/login.h"
#include "config/errors.h"

struct user {
	UT_hash_handle hh;
	uint32_t secret_len;
	uint8_t name_len;
	uint8_t bytes[]; /* the name, then the secret */
};

struct userlist {
	struct hash_key key;
	struct user *users;
	size_t kinds[SECRET_SCRAM + 1];
	/* A vote among the verifiers: whoever has more than half of them wins. */
	uint32_t iterations;
	size_t lead;
};

struct parse {
	struct userlist *list;
	const char *file;
	struct config_errors *errors;
	unsigned line;
	bool is_out_of_memory;
};

static void complain(struct parse *p, const char *what)
{
	config_errors_add(p->errors, CONFIG_ERROR, p->file, p->line, "%s", what);
}

static struct user *find(const struct userlist *list, struct slice name)
{
	struct user *user;

	HASH_FIND_BYHASHVALUE(hh, list->users, name.data, name.len,
			      hash_short(&list->key, name), user);
	return user;
}

static struct slice secret_of(const struct user *user)
{
	return slice_of(user->bytes + user->name_len, user->secret_len);
}

static void drop(struct userlist *list, struct user *user)
{
	struct secret secret;

	HASH_DELETE(hh, list->users, user);
	secret_parse(secret_of(user), &secret);
	list->kinds[secret.kind]--;
	crypto_wipe(user, sizeof(*user) + user->name_len + user->secret_len);
	free(user);
}

static void vote(struct userlist *list, const struct secret *secret)
{
	struct scram_verifier verifier;

	if (secret->kind != SECRET_SCRAM ||
	    !scram_verifier_parse(secret->text, &verifier))
		return;
	if (list->lead == 0)
		list->iterations = verifier.salt.iterations;
	if (list->iterations == verifier.salt.iterations)
		list->lead++;
	else
		list->lead--;
	crypto_wipe(&verifier, sizeof(verifier));
}

static bool add(struct userlist *list, struct slice name, const struct secret *secret)
{
	struct user *user = malloc(sizeof(*user) + name.len + secret->text.len);

	if (!user)
		return false;
	user->name_len = (uint8_t)name.len;
	user->secret_len = (uint32_t)secret->text.len;
	memcpy(user->bytes, name.data, name.len);
	if (secret->text.len > 0)
		memcpy(user->bytes + name.len, secret->text.data, secret->text.len);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, list->users, user->bytes, name.len,
				    hash_short(&list->key, name), user);
	if (!user->hh.tbl) {
		crypto_wipe(user->bytes, name.len + secret->text.len);
		free(user);
		return false;
	}
	list->kinds[secret->kind]++;
	vote(list, secret);
	return true;
}

/* ---- lines ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static void skip_blanks(struct slice *rest)
{
	while (rest->len > 0 && is_blank(rest->data[0]))
		*rest = slice_after(*rest, 1);
}

/* Takes a quoted text, with its doubled quotes made one in *at, which moves on. */
static bool take_quoted(struct slice *rest, uint8_t **at, struct slice *out)
{
	size_t from = 1, len = 0;

	if (rest->len == 0 || rest->data[0] != '"')
		return false;
	for (; from < rest->len; from++) {
		bool is_quote = rest->data[from] == '"';

		if (is_quote && (from + 1 == rest->len || rest->data[from + 1] != '"'))
			break;
		from += is_quote;
		(*at)[len++] = rest->data[from];
	}
	if (from >= rest->len)
		return false;
	*out = slice_of(*at, len);
	*at += len;
	*rest = slice_after(*rest, from + 1);
	return true;
}

static void take_user(struct parse *p, struct slice name, struct slice text)
{
	struct secret secret;

	if (name.len == 0) {
		complain(p, "the user name is empty");
	} else if (name.len > LOGIN_USER_MAX) {
		complain(p, "the user name is longer than 127 bytes");
	} else if (text.len > LOGIN_PASSWORD_MAX) {
		complain(p, "the password is longer than 65530 bytes");
	} else if (memchr(name.data, '\0', name.len) ||
		   (text.len > 0 && memchr(text.data, '\0', text.len))) {
		complain(p, "there is a NUL in the line");
	} else if (!secret_parse(text, &secret)) {
		complain(p,
			 "the secret begins with SCRAM-SHA-256$ and is no SCRAM secret");
	} else {
		struct user *before = find(p->list, name);
		if (before) {
			config_errors_add(
			    p->errors, CONFIG_WARNING, p->file, p->line,
			    "user \"%.*s\" was there before: this line counts",
			    (int)name.len, (const char *)name.data);
			drop(p->list, before);
		}
		if (!add(p->list, name, &secret))
			p->is_out_of_memory = true;
	}
}

/* scratch has room for the line. */
static void take_line(struct parse *p, struct slice line, uint8_t *scratch)
{
	struct slice name, secret;

	skip_blanks(&line);
	if (line.len == 0 || line.data[0] == ';')
		return;
	if (!take_quoted(&line, &scratch, &name)) {
		complain(p, "expected \"user\" \"secret\": no user name in quotes");
		return;
	}
	skip_blanks(&line);
	if (!take_quoted(&line, &scratch, &secret)) {
		complain(p, "expected \"user\" \"secret\": no secret in quotes");
		return;
	}
	take_user(p, name, secret);
}

static void take_lines(struct parse *p, struct slice text, uint8_t *scratch)
{
	while (text.len > 0 && !p->is_out_of_memory) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;

		p->line++;
		take_line(p, slice_first(text, len), scratch);
		text = slice_after(text, end ? len + 1 : len);
	}
}

static size_t longest_line(struct slice text)
{
	size_t longest = 0;

	while (text.len > 0) {
		const uint8_t *end = memchr(text.data, '\n', text.len);
		size_t len = end ? (size_t)(end - text.data) : text.len;

		if (len > longest)
			longest = len;
		text = slice_after(text, end ? len + 1 : len);
	}
	return longest;
}

/* ---- lists ---- */

static struct slice name_of(const struct user *user)
{
	return slice_of(user->bytes, user->name_len);
}

static int compare(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.data, b.data, len) : 0;

	return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_name(const struct user *a, const struct user *b)
{
	return compare(name_of(a), name_of(b));
}

struct userlist *userlist_parse(struct slice text, const char *file,
				struct config_errors *errors)
{
	struct parse p = {.file = file, .errors = errors};
	size_t cap = longest_line(text) + 1, before = errors->errors;
	uint8_t *scratch = malloc(cap);

	p.list = calloc(1, sizeof(*p.list));
	p.is_out_of_memory = !scratch || !p.list;
	if (!p.is_out_of_memory) {
		p.list->key = hash_key_make();
		take_lines(&p, text, scratch);
		HASH_SRT(hh, p.list->users, by_name);
	}
	if (scratch)
		crypto_wipe(scratch, cap);
	free(scratch);
	if (p.is_out_of_memory) {
		p.line = 0;
		complain(&p, "out of memory");
	}
	if (p.is_out_of_memory || errors->errors > before) {
		userlist_free(p.list);
		return NULL;
	}
	return p.list;
}

struct userlist *userlist_load(const char *path, struct config_errors *errors)
{
	struct file_text text;

	if (!file_load(path, errors, &text))
		return NULL;
	struct userlist *list = userlist_parse(file_bytes(&text), path, errors);
	file_forget(&text);
	return list;
}

void userlist_free(struct userlist *list)
{
	if (!list)
		return;
	while (list->users)
		drop(list, list->users);
	free(list);
}

size_t userlist_count(const struct userlist *list)
{
	return HASH_COUNT(list->users);
}

bool userlist_find(const struct userlist *list, struct slice user, struct secret *out)
{
	const struct user *found = list ? find(list, user) : NULL;

	if (!found)
		return false;
	return secret_parse(secret_of(found), out);
}

bool userlist_next(const struct userlist *list, struct slice after, struct slice *out)
{
	const struct user *user = list ? list->users : NULL;
	const struct user *same = user && after.len > 0 ? find(list, after) : NULL;

	if (same)
		user = same->hh.next;
	while (!same && user && compare(name_of(user), after) <= 0)
		user = user->hh.next;
	if (!user)
		return false;
	*out = name_of(user);
	return true;
}

enum secret_kind userlist_usual_kind(const struct userlist *list)
{
	enum secret_kind usual = SECRET_NONE;
	static const enum secret_kind kinds[] = {SECRET_SCRAM, SECRET_MD5, SECRET_PLAIN};
	size_t most = 0;

	for (size_t i = 0; list && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (list->kinds[kinds[i]] > most) {
			most = list->kinds[kinds[i]];
			usual = kinds[i];
		}
	return usual;
}

uint32_t userlist_usual_iterations(const struct userlist *list)
{
	return list ? list->iterations : 0;
}

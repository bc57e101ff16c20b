/*
 * With what a pool proves to servers who it is: which of several secrets counts, and that
 * none stays in memory when it is not needed any more.
 */
#include "relay/credential.h"

#include <malloc.h>

#include "auth/userlist.h"
#include "config/database.h"
#include "config/errors.h"
#include "pool/pool.h"
#include "unit/base/kit.h"

#define MD5 "md5d8e5469de403ab7006df63ac8ca23819"
#define SCRAM                                                                            \
	"SCRAM-SHA-256$4096:u1YWGrvVFOta7q0Jrgcp+A==$"                                   \
	"Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI=:"                                  \
	"Z0c7juVYnhSrvHdBToQ5vW1pL1I+rK6XhsGGROA6P2c="
#define OWN_MD5 "md500a1882bd413f43ed805cbe58acbd3a1" /* of "own" and "anna" */
#define OTHER_MD5 "md500000000000000000000000000000000"

/* ---- memory that is given back ---- */

static const char *traitor; /* what must not be in it; NULL: anything may */
static unsigned given_back, betrayed;
static bool memory_is_short;

void __real_free(void *at);
void *__real_malloc(size_t len);
void __wrap_free(void *at);
void *__wrap_malloc(size_t len);

void __wrap_free(void *at)
{
	if (at && traitor) {
		given_back++;
		betrayed +=
		    memmem(at, malloc_usable_size(at), traitor, strlen(traitor)) != NULL;
	}
	__real_free(at);
}

void *__wrap_malloc(size_t len)
{
	return memory_is_short ? NULL : __real_malloc(len);
}

static void watch_for(const char *text)
{
	traitor = text;
	given_back = betrayed = 0;
}

/* So many areas were given back, and none of them tells. */
static void assert_kept_secret(unsigned count)
{
	traitor = NULL;
	assert_int_equal(given_back, count);
	assert_int_equal(betrayed, 0);
}

/* ---- a pool ---- */

struct stage {
	struct database database;
	struct pool pool;
	struct userlist *users;
	struct credential credential;
	struct secret secret;
	struct answer_means means;
};

static void stage_begin(struct stage *s, const char *forced, const char *password,
			const char *list)
{
	struct config_errors errors = {0};

	memset(s, 0, sizeof(*s));
	s->database.user = forced;
	s->database.password = password;
	s->pool.database = &s->database;
	s->pool.user_name = forced[0] ? forced : "anna";
	if (list)
		s->users = userlist_parse(slice_of_text(list), "f", &errors);
	assert_int_equal(errors.count, 0);
	config_errors_fini(&errors);
}

static void stage_end(struct stage *s)
{
	static const struct credential nothing;

	userlist_free(s->users);
	credential_fini(&s->credential);
	assert_memory_equal(&s->credential, &nothing, sizeof(nothing));
	credential_fini(&s->credential);
}

static void learn(struct stage *s, const char *password, const char *secret,
		  const struct scram_keys *keys)
{
	/* In memory of their own, which is gone afterwards. */
	uint8_t *a = exact_copy(slice_of_text(password));
	uint8_t *b = exact_copy(slice_of_text(secret));

	assert_true(credential_learn(&s->credential, slice_of(a, strlen(password)),
				     slice_of(b, strlen(secret)), keys));
	free(a);
	free(b);
}

static void ask(struct stage *s)
{
	credential_means(&s->credential, &s->pool, s->users, &s->secret, &s->means);
}

static void assert_uses(struct stage *s, enum secret_kind kind, const char *text)
{
	ask(s);
	if (kind == SECRET_NONE) {
		assert_null(s->means.secret);
		return;
	}
	assert_ptr_equal(s->means.secret, &s->secret);
	assert_int_equal(s->secret.kind, kind);
	assert_slice_is(s->secret.text, text);
}

static struct scram_keys keys_of(const char *text)
{
	struct scram_salt salt = {.iterations = 7, .len = 4, .bytes = "salt"};
	struct scram_password password;
	struct scram_salted salted;
	struct scram_keys keys;

	assert_true(scram_password_of(slice_of_text(text), &password));
	assert_true(scram_salted_make(&password, &salt, &salted));
	assert_true(scram_keys_of(&salted, &keys));
	return keys;
}

/* ---- which one counts ---- */

struct rank {
	const char *forced, *password, *list, *own, *found;
	enum secret_kind kind;
	const char *text;
	bool uses_keys; /* if there are any */
};

static void what_serves_best_comes_first(void **state)
{
	static const char plain[] = "\"anna\" \"listed\"\n",
			  md5[] = "\"anna\" \"" MD5 "\"\n",
			  own_md5[] = "\"anna\" \"" OWN_MD5 "\"\n",
			  scram[] = "\"anna\" \"" SCRAM "\"\n",
			  empty[] = "\"anna\" \"\"\n", other[] = "\"otto\" \"otto's\"\n";
	static const struct rank ranks[] = {
	    /* the user's own pool */
	    {"", "", plain, "own", OTHER_MD5, SECRET_PLAIN, "listed", false},
	    {"", "", own_md5, "own", OTHER_MD5, SECRET_PLAIN, "own", false},
	    /* what was right before is not any more */
	    {"", "", md5, "own", OTHER_MD5, SECRET_MD5, MD5, true},
	    {"", "", other, "own", OTHER_MD5, SECRET_MD5, OTHER_MD5, true},
	    {"", "", scram, "own", OTHER_MD5, SECRET_PLAIN, "own", false},
	    {"", "", md5, "", OTHER_MD5, SECRET_MD5, MD5, true},
	    {"", "", scram, "", OTHER_MD5, SECRET_SCRAM, SCRAM, true},
	    {"", "", other, "own", OWN_MD5, SECRET_PLAIN, "own", false},
	    {"", "", NULL, "", OTHER_MD5, SECRET_MD5, OTHER_MD5, true},
	    {"", "", NULL, "", SCRAM, SECRET_SCRAM, SCRAM, true},
	    {"", "", NULL, "", "found", SECRET_PLAIN, "found", false},
	    {"", "", empty, "", OTHER_MD5, SECRET_MD5, OTHER_MD5, true},
	    {"", "", other, "", "", SECRET_NONE, NULL, true},
	    {"", "", NULL, "", "", SECRET_NONE, NULL, true},
	    /* a database's password without a user of its own is for nobody */
	    {"", "database's", NULL, "", "", SECRET_NONE, NULL, true},
	    {"", "database's", plain, "", "", SECRET_PLAIN, "listed", false},
	    /* a forced user's */
	    {"anna", "database's", plain, "", "", SECRET_PLAIN, "database's", false},
	    {"anna", "", plain, "", "", SECRET_PLAIN, "listed", false},
	    {"anna", "", md5, "", "", SECRET_MD5, MD5, false},
	    {"anna", "", scram, "", "", SECRET_SCRAM, SCRAM, false},
	    {"anna", "", other, "", "", SECRET_NONE, NULL, false},
	    /* who stands for it may have shown something, and it does not count */
	    {"anna", "", NULL, "own", "found", SECRET_NONE, NULL, false},
	    {"anna", "", md5, "own", "found", SECRET_MD5, MD5, false},
	    {"anna", "database's", md5, "own", "", SECRET_PLAIN, "database's", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ranks); i++) {
		const struct rank *r = &ranks[i];
		struct scram_keys keys = keys_of(r->own);
		struct stage s;

		stage_begin(&s, r->forced, r->password, r->list);
		learn(&s, r->own, r->found, NULL);
		assert_uses(&s, r->kind, r->text);
		assert_slice_is(s.means.user, "anna");
		assert_null(s.means.keys);
		learn(&s, "", "", &keys);
		assert_uses(&s, r->kind, r->text);
		assert_ptr_equal(s.means.keys, r->uses_keys ? &s.credential.keys : NULL);
		stage_end(&s);
	}
}

static void what_a_server_salted_is_kept_by_the_pool(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, "", "", NULL);
	ask(&s);
	assert_ptr_equal(s.means.salted, &s.credential.salted);
	stage_end(&s);
}

static void another_list_counts_at_once(void **state)
{
	struct config_errors errors = {0};
	struct stage s;

	(void)state;
	stage_begin(&s, "", "", "\"anna\" \"old\"\n");
	assert_uses(&s, SECRET_PLAIN, "old");
	userlist_free(s.users);
	s.users = userlist_parse(slice_of_text("\"anna\" \"new\"\n"), "f", &errors);
	assert_uses(&s, SECRET_PLAIN, "new");
	userlist_free(s.users);
	s.users = NULL;
	assert_uses(&s, SECRET_NONE, NULL);
	stage_end(&s);
}

/* ---- learning ---- */

static void the_latest_counts_and_nothing_new_changes_nothing(void **state)
{
	struct scram_keys first = {.salt.iterations = 1}, second = {.salt.iterations = 2};
	struct stage s;

	(void)state;
	stage_begin(&s, "", "", NULL);
	learn(&s, "one", "", NULL);
	learn(&s, "", "", NULL);
	assert_uses(&s, SECRET_PLAIN, "one");
	learn(&s, "two, longer", "", NULL);
	assert_uses(&s, SECRET_PLAIN, "two, longer");
	const uint8_t *at = s.credential.password.data;
	learn(&s, "two, longer", "", NULL);
	assert_ptr_equal(s.credential.password.data, at);
	learn(&s, "", "", &first);
	assert_int_equal(s.credential.keys.salt.iterations, 1);
	learn(&s, "", "", &second);
	assert_int_equal(s.credential.keys.salt.iterations, 2);
	stage_end(&s);

	stage_begin(&s, "", "", NULL);
	learn(&s, "", MD5, NULL);
	learn(&s, "", OTHER_MD5, NULL);
	assert_uses(&s, SECRET_MD5, OTHER_MD5);
	stage_end(&s);
}

static void a_password_from_before_a_change_does_not_count(void **state)
{
	struct scram_keys same = keys_of("before"), other = keys_of("after");
	struct stage s;

	(void)state;
	stage_begin(&s, "", "", "\"anna\" \"" SCRAM "\"\n");
	learn(&s, "before", "", NULL);
	learn(&s, "", "", &same);
	assert_uses(&s, SECRET_PLAIN, "before");
	learn(&s, "", "", &other);
	assert_uses(&s, SECRET_SCRAM, SCRAM);
	assert_ptr_equal(s.means.keys, &s.credential.keys);
	learn(&s, "after", "", NULL);
	assert_uses(&s, SECRET_PLAIN, "after");
	learn(&s, "", "", &other);
	assert_uses(&s, SECRET_PLAIN, "after");
	stage_end(&s);
}

static void a_password_may_hold_any_byte(void **state)
{
	struct stage s;
	uint8_t password[] = {'a', 0xff, '\n', 0xc3, '"'};

	(void)state;
	stage_begin(&s, "", "", NULL);
	credential_learn(&s.credential, slice_of(password, sizeof(password)),
			 (struct slice){0}, NULL);
	ask(&s);
	assert_int_equal(s.secret.text.len, sizeof(password));
	assert_memory_equal(s.secret.text.data, password, sizeof(password));
	stage_end(&s);
}

static void without_memory_the_old_one_is_not_kept_for_the_new(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, "", "", NULL);
	learn(&s, "one", "", NULL);
	memory_is_short = true;
	assert_false(credential_learn(&s.credential, slice_of_text("another"),
				      (struct slice){0}, NULL));
	memory_is_short = false;
	assert_uses(&s, SECRET_NONE, NULL);
	learn(&s, "another", "", NULL);
	assert_uses(&s, SECRET_PLAIN, "another");
	stage_end(&s);
}

/* ---- nothing stays ---- */

static void what_is_replaced_is_wiped(void **state)
{
	struct stage s;

	(void)state;
	stage_begin(&s, "", "", NULL);
	credential_learn(&s.credential, slice_of_text("an old, tired password"),
			 slice_of_text(MD5), NULL);
	watch_for("tired password");
	credential_learn(&s.credential, slice_of_text("fresh"), (struct slice){0}, NULL);
	assert_kept_secret(1);
	watch_for("d8e5469de403");
	credential_learn(&s.credential, (struct slice){0}, slice_of_text(OTHER_MD5),
			 NULL);
	assert_kept_secret(1);
	stage_end(&s);
}

static void what_is_given_up_is_wiped(void **state)
{
	struct scram_keys keys = {.salt.iterations = 4096};
	struct stage s;

	(void)state;
	memset(keys.client_key, 0xaa, sizeof(keys.client_key));
	stage_begin(&s, "", "", NULL);
	credential_learn(&s.credential, slice_of_text("the very secret password"),
			 slice_of_text("the very secret password"), &keys);
	memset(s.credential.salted.bytes, 0xbb, sizeof(s.credential.salted.bytes));
	watch_for("secret password");
	credential_fini(&s.credential);
	assert_kept_secret(2);
	stage_end(&s); /* which looks at keys and salt */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_serves_best_comes_first),
	    cmocka_unit_test(what_a_server_salted_is_kept_by_the_pool),
	    cmocka_unit_test(another_list_counts_at_once),
	    cmocka_unit_test(the_latest_counts_and_nothing_new_changes_nothing),
	    cmocka_unit_test(a_password_from_before_a_change_does_not_count),
	    cmocka_unit_test(a_password_may_hold_any_byte),
	    cmocka_unit_test(without_memory_the_old_one_is_not_kept_for_the_new),
	    cmocka_unit_test(what_is_replaced_is_wiped),
	    cmocka_unit_test(what_is_given_up_is_wiped),
	};

	return cmocka_run_group_tests_name("credentials", tests, NULL, NULL);
}

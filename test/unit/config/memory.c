/*
 * Memory that runs short at each request in turn: a load then fails with an error, and
 * leaves nothing behind. The linker turns the room's requests to the functions here.
 */
#include "fixture.h"

#include <malloc.h>

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *old, size_t len);
int __real_vasprintf(char **out, const char *format, va_list args);

void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *old, size_t len);
char *__wrap_strdup(const char *text);
int __wrap_vasprintf(char **out, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* What vasprintf() is called with _FORTIFY_SOURCE. */
int __wrap___vasprintf_chk(char **out, int flag, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

void __real_free(void *memory);
void __wrap_free(void *memory);

/* Requests until the one that fails; negative: none does. */
static int until_failure = -1;

static bool fails(void)
{
	return until_failure >= 0 && until_failure-- == 0;
}

/* What must not be in memory that is given back; NULL: nobody looks. */
static const char *secret;
static unsigned secrets_freed, frees_seen;

void __wrap_free(void *memory)
{
	if (secret && memory) {
		frees_seen++;
		secrets_freed += memmem(memory, malloc_usable_size(memory), secret,
					strlen(secret)) != NULL;
	}
	__real_free(memory);
}

void *__wrap_malloc(size_t len)
{
	void *memory = fails() ? NULL : __real_malloc(len);

	/* What somebody else left there is not ours to wipe. */
	if (secret && memory)
		memset(memory, 'x', malloc_usable_size(memory));
	return memory;
}

void *__wrap_calloc(size_t count, size_t len)
{
	void *memory = fails() ? NULL : __real_calloc(count, len);

	if (secret && memory)
		memset(memory, 0, malloc_usable_size(memory));
	return memory;
}

void *__wrap_realloc(void *old, size_t len)
{
	if (fails())
		return NULL;
	if (!secret)
		return __real_realloc(old, len);
	/* So that what was there is seen, and the rest is clean. */
	void *memory = __wrap_malloc(len);
	if (memory && old) {
		size_t old_len = malloc_usable_size(old);
		memcpy(memory, old, old_len < len ? old_len : len);
		__wrap_free(old);
	}
	return memory;
}

char *__wrap_strdup(const char *text)
{
	size_t len = strlen(text) + 1;
	char *copy = __wrap_malloc(len);

	return copy ? memcpy(copy, text, len) : NULL;
}

int __wrap_vasprintf(char **out, const char *format, va_list args)
{
	return fails() ? -1 : __real_vasprintf(out, format, args);
}

int __wrap___vasprintf_chk(char **out, int flag, const char *format, va_list args)
{
	(void)flag;
	return __wrap_vasprintf(out, format, args);
}

static void put_config(void)
{
	FILE *out = fopen("a.ini", "w");

	assert_non_null(out);
	fprintf(out, HEAD "admin_users = joe\n%%include b.ini\n[databases]\n");
	/* Enough for maps and arrays to grow. */
	for (int i = 0; i < 400; i++)
		fprintf(out, "db%d = host=h connect_query='select 1'\n", i);
	fprintf(out, "* = host=h\n[users]\n");
	for (int i = 0; i < 400; i++)
		fprintf(out, "u%d = pool_size=1\n", i);
	assert_int_equal(fclose(out), 0);
	put("b.ini", "stats_users = jim\n");
}

static void a_load_without_memory_fails_and_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	int failures = 0;

	put_config();
	for (int at = 0;; at++) {
		until_failure = at;
		const struct config *c = config_load("a.ini", &f->errors);
		bool failed = until_failure < 0;
		until_failure = -1;
		assert_int_equal(c == NULL, f->errors.errors > 0);
		if (!failed) {
			assert_non_null(c);
			config_unref(c);
			break;
		}
		/* What fails is a request that a load cannot do without. */
		assert_null(c);
		failures++;
		config_errors_fini(&f->errors);
	}
	assert_true(failures > 100);
}

static void expect_no_change(struct fixture *f, const char *setting, const char *value)
{
	put_config();
	const struct config *c = config_load("a.ini", &f->errors);
	assert_non_null(c);
	for (int at = 0;; at++) {
		until_failure = at;
		const struct config *next =
		    config_with_setting(c, setting, value, &f->errors);
		bool failed = until_failure < 0;
		until_failure = -1;
		config_unref(next);
		assert_int_equal(next == NULL, failed);
		if (!failed)
			break;
		assert_int_equal(f->errors.errors, 1);
		config_errors_fini(&f->errors);
	}
	config_unref(c);
}

static void a_change_without_memory_fails_and_leaves_nothing(void **state)
{
	expect_no_change(*state, "max_queue", "7");
}

/* The databases are copied for it. */
static void
a_change_for_all_databases_without_memory_fails_and_leaves_nothing(void **state)
{
	expect_no_change(*state, "server_tls_protocols", "all");
}

static void a_reload_without_memory_fails_and_leaves_nothing(void **state)
{
	struct fixture *f = *state;

	put_config();
	const struct config *c = config_load("a.ini", &f->errors);
	assert_non_null(c);
	put("c.ini", HEAD "unix_socket_dir = /run\n[databases]\na =\n");
	for (int at = 0;; at++) {
		until_failure = at;
		const struct config *next = config_reload(c, "c.ini", &f->errors);
		bool failed = until_failure < 0;
		until_failure = -1;
		config_unref(next);
		if (!failed)
			break;
		/* A warning may be lost, the reload succeeds then. */
		assert_int_equal(next == NULL, f->errors.errors > 0);
		config_errors_fini(&f->errors);
	}
	config_unref(c);
}

static void errors_without_memory_are_still_counted(void **state)
{
	struct fixture *f = *state;

	for (int at = 0; at < 3; at++) {
		until_failure = at;
		config_errors_add(&f->errors, CONFIG_ERROR, "a", 1, "x");
		until_failure = -1;
	}
	assert_int_equal(f->errors.errors, 3);
	assert_int_equal(f->errors.count, 0);
	assert_int_equal(config_errors_dropped(&f->errors), 3);
}

static void memory_that_is_given_back_holds_no_password(void **state)
{
	struct fixture *f = *state;

	put("a.ini", HEAD "auth_ldap_options = ldapbindpasswd=geheim\n%include b.ini\n");
	put("b.ini", "[databases]\na = user=u password=geheim\n"
		     "b = user=u password='geheim''s' tls_sslmode=require host=h\n");
	secret = "geheim";
	secrets_freed = frees_seen = 0;
	const struct config *c = config_load("a.ini", &f->errors);
	assert_non_null(c);
	const struct config *next =
	    config_with_setting(c, "server_tls_ciphers", "x", &f->errors);
	assert_non_null(next);
	assert_string_equal(config_database_at(next, 0)->password, "geheim");
	config_unref(c);
	config_unref(next);
	put("a.ini", HEAD "[databases]\na = user=u password=my geheim\n"
			  "b = password=geheim host=a,b\n");
	assert_null(config_load("a.ini", &f->errors));
	config_errors_fini(&f->errors);
	secret = NULL;
	assert_int_equal(secrets_freed, 0);
	assert_true(frees_seen > 10);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    TEST(a_load_without_memory_fails_and_leaves_nothing),
	    TEST(a_change_without_memory_fails_and_leaves_nothing),
	    TEST(a_change_for_all_databases_without_memory_fails_and_leaves_nothing),
	    TEST(a_reload_without_memory_fails_and_leaves_nothing),
	    TEST(errors_without_memory_are_still_counted),
	    TEST(memory_that_is_given_back_holds_no_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

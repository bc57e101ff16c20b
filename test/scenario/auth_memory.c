/*
 * Logins while memory runs short: the n-th request of the pooler fails, for every n of
 * logins on both sides by each method. Whoever it hits is told so or is cut off; nobody
 * comes in who should not, and the next login is as if nothing had been.
 */
#include <errno.h>

#include "scenario/world.h"

#define PASSWORD "wonderland"

/* ---- memory that runs short ---- */

static size_t until_failure; /* 0: none fails */
static bool has_failed;

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *at, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *at, size_t len);

static bool fails_now(void)
{
	if (until_failure == 0 || !world_pooler_is_at_work() || --until_failure > 0)
		return false;
	has_failed = true;
	return true;
}

void *__wrap_malloc(size_t len)
{
	return fails_now() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t len)
{
	return fails_now() ? NULL : __real_calloc(count, len);
}

void *__wrap_realloc(void *at, size_t len)
{
	return fails_now() ? NULL : __real_realloc(at, len);
}

/* ---- logins ---- */

struct plan {
	const char *lines;
	const char *right, *wrong; /* passwords */
	struct examination examination;
};

/* Bytes come and go in small pieces, so that buffers are needed on the way. */
static struct actor *come(struct world *w, const char *password)
{
	struct actor *a = prover_connect(w, "user=anna;database=app", password);

	a->peer.read_most = 9;
	a->peer.write_most = 7;
	return a;
}

static bool is_told_so(struct actor *a)
{
	const char *words = heard(a);

	return words[0] == '\0' || strcmp(words, "E[FATAL 53200]") == 0;
}

/* Whether so many requests were made. */
static bool fails_at(const struct plan *plan, size_t n)
{
	struct world w;

	world_begin(&w, plan->lines);
	w.examination = plan->examination;
	w.answers = true;
	until_failure = n;
	has_failed = false;
	struct actor *right = come(&w, plan->right), *wrong = come(&w, plan->wrong);
	world_settle(&w);
	until_failure = 0;
	bool is_hit = has_failed;
	/* A server that could not be opened is tried again. */
	world_pass(&w, 20 * USEC_PER_SEC);
	const char *words = heard(wrong);
	assert_null(strstr(words, " Z["));
	assert_true(is_gone(wrong));
	if (!is_gone(right)) {
		ASSERT_HEARS(right, GREETING);
		say(right, "Q[one]");
		ASSERT_HEARS(right, "T D[one] C[SELECT 1] Z[I]");
		say(right, "X");
	} else {
		assert_true(is_hit && is_told_so(right));
	}
	struct actor *late = prover_client(&w, "user=anna;database=app", plan->right);
	world_pass(&w, 20 * USEC_PER_SEC);
	ASSERT_HEARS(late, GREETING);
	say(late, "X");
	assert_int_equal(w.dispatcher.client_slab.used, 0);
	assert_int_equal(w.dispatcher.logins.gate.count, 0);
	world_end(&w);
	return is_hit;
}

static void fail_each(const struct plan *plan)
{
	size_t n = 1;

	while (fails_at(plan, n))
		n++;
	print_message("# %zu requests for memory\n", n - 1);
	assert_true(n > 10);
}

static const char *lines_of(const char *type, const char *secret)
{
	static char lines[600];
	char list[500];

	snprintf(list, sizeof(list), "\"anna\" \"%s\"\n", secret);
	snprintf(lines, sizeof(lines),
		 "auth_type = %s\nauth_file = %s\npool_mode = transaction\n", type,
		 proving_file("users", list));
	return lines;
}

static void memory_may_fail_in_scram_on_both_sides(void **state)
{
	char verifier[PROVING_TEXT_LEN];

	(void)state;
	proving_verifier(PASSWORD, 'a', verifier);
	fail_each(&(struct plan){.lines = lines_of("scram-sha-256", verifier),
				 .right = PASSWORD,
				 .wrong = "looking glass",
				 .examination = {EXCHANGE_SCRAM, verifier}});
}

/* With a password in the list, whose salted form is kept. */
static void memory_may_fail_in_scram_of_passwords(void **state)
{
	char verifier[PROVING_TEXT_LEN];

	(void)state;
	proving_verifier(PASSWORD, 'a', verifier);
	fail_each(&(struct plan){.lines = lines_of("scram-sha-256", PASSWORD),
				 .right = PASSWORD,
				 .wrong = "looking glass",
				 .examination = {EXCHANGE_SCRAM, verifier}});
}

static void memory_may_fail_in_md5_on_both_sides(void **state)
{
	(void)state;
	fail_each(&(struct plan){.lines = lines_of("md5", PASSWORD),
				 .right = PASSWORD,
				 .wrong = "looking glass",
				 .examination = {EXCHANGE_MD5, PASSWORD}});
}

/* A password that is longer than what is read at once. */
static void memory_may_fail_with_passwords_in_clear(void **state)
{
	char verifier[PROVING_TEXT_LEN], password[301];

	(void)state;
	memset(password, 'w', 300);
	password[300] = '\0';
	proving_verifier(password, 'a', verifier);
	fail_each(&(struct plan){.lines = lines_of("plain", verifier),
				 .right = password,
				 .wrong = "looking glass",
				 .examination = {EXCHANGE_PLAIN, password}});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_may_fail_in_scram_on_both_sides),
	    cmocka_unit_test(memory_may_fail_in_scram_of_passwords),
	    cmocka_unit_test(memory_may_fail_in_md5_on_both_sides),
	    cmocka_unit_test(memory_may_fail_with_passwords_in_clear),
	};

	return cmocka_run_group_tests_name("logins without memory", tests, NULL, NULL);
}

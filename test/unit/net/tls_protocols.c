/* Versions of TLS as text. */
#include "net/tls_protocols.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum {
	V10 = TLS1_VERSION,
	V11 = TLS1_1_VERSION,
	V12 = TLS1_2_VERSION,
	V13 = TLS1_3_VERSION
};

static void lists_name_the_lowest_and_the_highest(void **state)
{
	static const struct {
		const char *text;
		int lowest, highest;
	} rows[] = {
	    {NULL, V12, V13},
	    {"", V12, V13},
	    {"secure", V12, V13},
	    {"SECURE", V12, V13},
	    {"all", V10, V13},
	    {"tlsv1.2", V12, V12},
	    {"TLSv1.3", V13, V13},
	    {"tlsv1.2,tlsv1.3", V12, V13},
	    {" tlsv1.3 , tlsv1.2 ", V12, V13},
	    {"tlsv1.0:tlsv1.1", V10, V11},
	    {"tlsv1", V10, V13},
	    {"all,!tlsv1.3", V10, V12},
	    {"all !tlsv1.0 !tlsv1.1", V12, V13},
	    {"secure,!tlsv1.2", V13, V13},
	};
	struct tls_protocols p;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(tls_protocols_parse(rows[i].text, &p));
		assert_int_equal(p.lowest, rows[i].lowest);
		assert_int_equal(p.highest, rows[i].highest);
	}
}

static void holes_are_named(void **state)
{
	struct tls_protocols p;

	(void)state;
	assert_true(tls_protocols_parse("tlsv1.1,tlsv1.3", &p));
	assert_int_equal(p.lowest, V11);
	assert_int_equal(p.highest, V13);
	assert_int_equal(p.without, SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_2);
}

static void nonsense_is_refused(void **state)
{
	static const char *const texts[] = {"ssl3", "tlsv1.4",   "secure,what",
					    "!all", "all,!all",  "tlsv1.2;tlsv1.3",
					    ",",    "tlsv1.2,!", "secure!tlsv1.2"};
	struct tls_protocols p = {.lowest = 7};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_false(tls_protocols_parse(texts[i], &p));
		assert_int_equal(p.lowest, 7);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lists_name_the_lowest_and_the_highest),
	    cmocka_unit_test(holes_are_named),
	    cmocka_unit_test(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Options of a setting's text and of a rule, as pairs.
 */
#include "auth/ldap_options.h"

#include "auth/hba.h"
#include "unit/base/kit.h"

static void a_text_becomes_pairs(void **state)
{
	static const struct {
		const char *text;
		const char *pairs[9];
	} cases[] = {
	    {"ldapserver=h ldapprefix=uid=", {"ldapserver", "h", "ldapprefix", "uid="}},
	    {"  ldapserver=\"a b\"  \"ldapsuffix=, dc=x\" ldapport=3",
	     {"ldapserver", "a b", "ldapsuffix", ", dc=x", "ldapport", "3"}},
	    {"ldapserver=h ldapbasedn=b ldapbindpasswd=\"a \"\"#,\"",
	     {"ldapserver", "h", "ldapbasedn", "b", "ldapbindpasswd", "a \"#,"}},
	    {"ldapurl=\"ldap://h/dc=x?uid?sub\"", {"ldapurl", "ldap://h/dc=x?uid?sub"}},
	    {"ldapserver=h ldapprefix=", {"ldapserver", "h", "ldapprefix", ""}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ldap_options o;
		char why[200] = "";
		size_t n = 0;

		if (!ldap_options_parse(cases[i].text, &o, why, sizeof(why)))
			fail_msg("case %zu: %s", i, why);
		for (; cases[i].pairs[n]; n++) {
			assert_non_null(o.pairs[n]);
			assert_string_equal(o.pairs[n], cases[i].pairs[n]);
		}
		assert_null(o.pairs[n]);
		ldap_options_fini(&o);
		ldap_options_fini(&o);
	}
}

static void a_text_that_is_none_is_refused(void **state)
{
	static const char form[] =
	    "an option is not in name=value format (a value with blanks, commas or # "
	    "must be in quotes)";
	static const struct {
		const char *text, *why;
	} cases[] = {
	    {"", "ldapbasedn, ldapprefix or ldapsuffix is missing"},
	    {"# nothing", "ldapbasedn, ldapprefix or ldapsuffix is missing"},
	    {"ldapserver=h ldapbasedn=b hush", form},
	    {"ldapserver=h ldapbasedn=dc=x,hush", form},
	    {"ldapserver=h ldapbasedn=\"b", "a quote is not closed"},
	    {"ldapserver=h ldapbasedn=b\nldapport=1", "the options must be on one line"},
	    {"ldapserver=h ldapbasedn=b hush=x", "unrecognized LDAP option \"hush\""},
	    {"=x", "unrecognized LDAP option \"\""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ldap_options o;
		char why[200] = "";

		if (ldap_options_parse(cases[i].text, &o, why, sizeof(why)))
			fail_msg("case %zu is not refused", i);
		assert_string_equal(why, cases[i].why);
	}
}

static void a_rule_lends_its_options(void **state)
{
	struct hba_option second = {.name = "ldapprefix", .value = "uid="};
	struct hba_option first = {.next = &second, .name = "ldapserver", .value = "h"};
	struct ldap_options o;
	char why[200] = "";

	(void)state;
	assert_true(ldap_options_of_rule(&first, &o));
	assert_true(ldap_options_check(o.pairs, why, sizeof(why)));
	assert_ptr_equal(o.pairs[0], first.name);
	assert_ptr_equal(o.pairs[1], first.value);
	assert_ptr_equal(o.pairs[2], second.name);
	assert_ptr_equal(o.pairs[3], second.value);
	assert_null(o.pairs[4]);
	ldap_options_fini(&o);
	assert_true(ldap_options_of_rule(NULL, &o));
	assert_null(o.pairs[0]);
	ldap_options_fini(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_text_becomes_pairs),
	    cmocka_unit_test(a_text_that_is_none_is_refused),
	    cmocka_unit_test(a_rule_lends_its_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Names of users in names and filters of the directory: no user writes syntax.
 */
#include "auth/ldap_names.h"

#include "auth/ldap_plan.h"
#include "base/buffer.h"
#include "unit/base/kit.h"

static void no_name_breaks_out_of_a_dn(void **state)
{
	static const struct {
		const char *prefix, *suffix, *user;
		const char *name; /* NULL: refused */
	} cases[] = {
	    {"uid=", ",dc=x", "joe", "uid=joe,dc=x"},
	    {"uid=", ",dc=x", "joe,ou=admins", "uid=joe\\2cou\\3dadmins,dc=x"},
	    {"uid=", ",dc=x", "a+b=\"<>;\\c", "uid=a\\2bb\\3d\\22\\3c\\3e\\3b\\5cc,dc=x"},
	    {"uid=", "", " a b ", "uid=\\20a b\\20"},
	    {"uid=", "", " ", "uid=\\20"},
	    {"uid=", "", "#a#", "uid=\\23a#"},
	    {"uid=", "", "a\nb\x7f", "uid=a\\0ab\\7f"},
	    {"uid=", "", "j\xc3\xbcrg", "uid=j\xc3\xbcrg"},
	    {"uid=", "", "*()/", "uid=*()/"},
	    {"CORP\\", "", "joe", "CORP\\joe"},
	    {"", "@corp.example", "joe", "joe@corp.example"},
	    {"", "@corp.example", "j b", "j b@corp.example"},
	    {"", "@corp.example", "cn=joe", NULL},
	    {"", ",dc=x", "cn=joe", NULL},
	    {"CORP\\", "", "a\\b", NULL},
	    {"CORP\\", "", "a,b", NULL},
	    {"CORP\\", "", "a\tb", NULL},
	    {"", "", "a+b", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ldap_plan plan = {.prefix = cases[i].prefix,
					 .suffix = cases[i].suffix};
		struct buffer out = {0};
		enum ldap_name name = ldap_name_to_bind(&plan, cases[i].user, &out);

		assert_int_equal(name, cases[i].name ? LDAP_NAME_OK : LDAP_NAME_REFUSED);
		if (cases[i].name)
			assert_string_equal((const char *)out.data, cases[i].name);
		buffer_fini(&out);
	}
}

static void no_name_breaks_out_of_a_filter(void **state)
{
	static const struct {
		const char *attribute, *filter, *user;
		const char *text; /* NULL: refused */
	} cases[] = {
	    {"uid", NULL, "joe", "(uid=joe)"},
	    {"mail", NULL, "j b@c,d=+", "(mail=j b@c,d=+)"},
	    {"uid", NULL, "j\xc3\xbcrg", "(uid=j\\c3\\bcrg)"},
	    {"uid", "(|(uid=$username)(mail=$username@x))", "joe",
	     "(|(uid=joe)(mail=joe@x))"},
	    {"uid", "(uid=$username)", "$username", "(uid=$username)"},
	    {"uid", "(&(a=b)(uid=$username*))", "\xff", "(&(a=b)(uid=\\ff*))"},
	    {"uid", NULL, "*", NULL},
	    {"uid", NULL, "j*", NULL},
	    {"uid", NULL, "joe)(uid=*", NULL},
	    {"uid", NULL, "joe)", NULL},
	    {"uid", NULL, "(joe", NULL},
	    {"uid", NULL, "a\\2a", NULL},
	    {"uid", NULL, "a/b", NULL},
	    {"uid", NULL, "a\nb", NULL},
	    {"uid", "(uid=$username)", "*", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ldap_plan plan = {.attribute = cases[i].attribute,
					 .filter = cases[i].filter};
		struct buffer out = {0};
		enum ldap_name name = ldap_name_to_find(&plan, cases[i].user, &out);

		assert_int_equal(name, cases[i].text ? LDAP_NAME_OK : LDAP_NAME_REFUSED);
		if (cases[i].text)
			assert_string_equal((const char *)out.data, cases[i].text);
		buffer_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_name_breaks_out_of_a_dn),
	    cmocka_unit_test(no_name_breaks_out_of_a_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

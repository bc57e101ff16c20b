/*
 * What the options of an ldap rule mean, and which are refused.
 */
#include "auth/ldap_plan.h"

#include <ldap.h>

#include "base/buffer.h"
#include "unit/base/kit.h"

enum { PAIRS = 12 };

static void contradictions_are_refused_with_a_reason(void **state)
{
	static const struct {
		const char *pairs[PAIRS];
		const char *why;
	} cases[] = {
	    {{NULL}, "ldapbasedn, ldapprefix or ldapsuffix is missing"},
	    {{"ldapserver", "h"}, "ldapbasedn, ldapprefix or ldapsuffix is missing"},
	    {{"ldapprefix", "uid="}, "ldapserver (or ldapurl with a host) is missing"},
	    {{"ldapbasedn", "", "ldapserver", " "},
	     "ldapserver (or ldapurl with a host) is missing"},
	    {{"ldapserver", "h", "ldapwhat", "x"},
	     "unrecognized LDAP option \"ldapwhat\""},
	    {{"ldapserver", "h", "ldapbindpasswd", "my", "hush", "x"},
	     "unrecognized LDAP option behind ldapbindpasswd"},
	    {{"ldapserver", "h", "ldapserver", "h"}, "ldapserver is given twice"},
	    {{"ldapserver", "h", "ldapprefix", "", "ldapbasedn", "b"},
	     "ldapbasedn cannot be used together with ldapprefix or ldapsuffix"},
	    {{"ldapserver", "h", "ldapsuffix", "", "ldapbindpasswd", "b"},
	     "ldapbindpasswd cannot be used together with ldapprefix or ldapsuffix"},
	    {{"ldapurl", "ldap://h/b", "ldapsuffix", "x"},
	     "ldapurl cannot be used together with ldapprefix or ldapsuffix"},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldapsearchattribute", "a",
	      "ldapsearchfilter", "(a=$username)"},
	     "ldapsearchattribute cannot be used together with ldapsearchfilter"},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldapsearchfilter", "(a=b)"},
	     "ldapsearchfilter (or the filter in ldapurl) does not contain $username"},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldapsearchattribute", "a)(b"},
	     "invalid ldapsearchattribute"},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldapscheme", "http"},
	     "ldapscheme must be ldap or ldaps"},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldaptls", "yes"},
	     "ldaptls must be 0 or 1"},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldaptls", "1", "ldapscheme",
	      "ldaps"},
	     "ldaptls=1 (StartTLS) is not for ldaps, which is TLS from the start"},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldapport", "0"}, "invalid ldapport"},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldapport", "65536"},
	     "invalid ldapport"},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldapport", "ldap"},
	     "invalid ldapport"},
	    {{"ldapserver", "g h:389", "ldapbasedn", "b"},
	     "\"h:389\" in ldapserver is no host name (the port is ldapport)"},
	    {{"ldapserver", "ldap://h", "ldapbasedn", "b"},
	     "\"ldap://h\" in ldapserver is no host name"},
	    {{"ldapserver", "a b c d e f g h i j k l m n o p q", "ldapbasedn", "b"},
	     "more than 16 servers in ldapserver"},
	    {{"ldapurl", "http://h/b"}, "ldapurl is no LDAP URL"},
	    {{"ldapurl", "ldapi:///b"}, "ldapurl must begin with ldap:// or ldaps://"},
	    {{"ldapurl", "ldap://h/b?a?what"}, "ldapurl is no LDAP URL"},
	    {{"ldapurl", "ldap://h/b???\?!x=y"},
	     "extensions in ldapurl are not supported"},
	    {{"ldapurl", "ldap://h/"}, "ldapbasedn, ldapprefix or ldapsuffix is missing"},
	    {{"ldapurl", "ldap://h/b", "ldapserver", "h"},
	     "ldapurl and ldapserver say the same twice"},
	    {{"ldapurl", "ldap://h/b", "ldapport", "1"},
	     "ldapurl and ldapport say the same twice"},
	    {{"ldapurl", "ldap://h/b", "ldapbasedn", "b"},
	     "ldapurl and ldapbasedn say the same twice"},
	    {{"ldapurl", "ldap://h/b?a", "ldapsearchfilter", "(x=$username)"},
	     "ldapsearchattribute cannot be used together with ldapsearchfilter"},
	    {{"ldapurl", "ldaps://h/b", "ldaptls", "1"},
	     "ldaptls=1 (StartTLS) is not for ldaps, which is TLS from the start"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ldap_plan plan;
		char why[200] = "";

		if (ldap_plan_read(cases[i].pairs, &plan, why, sizeof(why)))
			fail_msg("case %zu is not refused", i);
		assert_string_equal(why, cases[i].why);
	}
}

/* ---- URIs ---- */

static void servers_become_uris(void **state)
{
	static const struct {
		const char *pairs[PAIRS];
		const char *uris; /* with blanks between */
	} cases[] = {
	    {{"ldapserver", "h", "ldapprefix", ""}, "ldap://h:389 "},
	    {{"ldapserver", " a.b  c ", "ldapbasedn", "x", "ldapport", "3"},
	     "ldap://a.b:3 ldap://c:3 "},
	    {{"ldapserver", "h", "ldapscheme", "ldaps", "ldapsuffix", ""},
	     "ldaps://h:636 "},
	    {{"ldapserver", "::1 [::2] 10.0.0.1", "ldapprefix", ""},
	     "ldap://[::1]:389 ldap://[::2]:389 ldap://10.0.0.1:389 "},
	    {{"ldapurl", "ldap://h/b"}, "ldap://h:389 "},
	    {{"ldapurl", "ldaps://h/b"}, "ldaps://h:636 "},
	    {{"ldapurl", "ldap://h:3/b"}, "ldap://h:3 "},
	    {{"ldapurl", "ldap://[::1]:3/b"}, "ldap://[::1]:3 "},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ldap_plan plan;
		struct buffer out = {0};
		char why[200] = "", shown[200] = "";

		if (!ldap_plan_read(cases[i].pairs, &plan, why, sizeof(why)))
			fail_msg("case %zu: %s", i, why);
		assert_true(ldap_plan_print_uris(&plan, plan.servers, &out));
		struct slice uris = buffer_bytes(&out);
		for (size_t n = 0; n < uris.len; n++)
			shown[n] = (char)(uris.data[n] ? uris.data[n] : ' ');
		assert_string_equal(shown, cases[i].uris);
		buffer_fini(&out);
		ldap_plan_fini(&plan);
		ldap_plan_fini(&plan);
	}
}

/* The DNS names servers with their ports. */
static void without_a_server_the_dns_is_to_be_asked(void **state)
{
	static const char *const given[][PAIRS] = {
	    {"ldapbasedn", "dc=example,dc=net"},
	    {"ldapurl", "ldap:///dc=example,dc=net"},
	};
	static const char expected[] = "ldap://a:3\0ldap://b:4\0ldap://c:389";

	(void)state;
	for (size_t i = 0; i < COUNT_OF(given); i++) {
		struct ldap_plan plan;
		struct buffer out = {0};
		char why[200] = "";

		assert_true(ldap_plan_read(given[i], &plan, why, sizeof(why)));
		assert_null(plan.servers);
		assert_string_equal(plan.base_dn, "dc=example,dc=net");
		assert_true(ldap_plan_print_uris(&plan, "a:3 b:4 c", &out));
		assert_true(slice_equal(buffer_bytes(&out),
					slice_of(expected, sizeof(expected))));
		buffer_fini(&out);
		ldap_plan_fini(&plan);
	}
}

/* ---- ways ---- */

static void a_prefix_or_suffix_means_a_simple_bind(void **state)
{
	static const char *const pairs[] = {
	    "ldapserver", "h", "ldapprefix", "uid=", "ldaptls", "1", NULL};
	struct ldap_plan plan;
	char why[200] = "";

	(void)state;
	assert_true(ldap_plan_read(pairs, &plan, why, sizeof(why)));
	assert_false(plan.is_search);
	assert_true(plan.has_starttls);
	assert_string_equal(plan.prefix, "uid=");
	assert_string_equal(plan.suffix, "");
	ldap_plan_fini(&plan);
}

static void a_base_means_search_and_bind(void **state)
{
	static const struct {
		const char *pairs[PAIRS];
		const char *base, *attribute, *filter, *bind_dn, *bind_password;
		int scope;
	} cases[] = {
	    {{"ldapserver", "h", "ldapbasedn", "b"},
	     "b",
	     "uid",
	     NULL,
	     "",
	     "",
	     LDAP_SCOPE_SUBTREE},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldapsearchattribute", "mail",
	      "ldapbinddn", "d", "ldapbindpasswd", "p"},
	     "b",
	     "mail",
	     NULL,
	     "d",
	     "p",
	     LDAP_SCOPE_SUBTREE},
	    {{"ldapserver", "h", "ldapbasedn", "b", "ldapsearchfilter", "(x=$username)"},
	     "b",
	     "uid",
	     "(x=$username)",
	     "",
	     "",
	     LDAP_SCOPE_SUBTREE},
	    {{"ldapurl", "ldap://h/b"}, "b", "uid", NULL, "", "", LDAP_SCOPE_BASE},
	    {{"ldapurl", "ldap://h/b?cn?one", "ldapbinddn", "d"},
	     "b",
	     "cn",
	     NULL,
	     "d",
	     "",
	     LDAP_SCOPE_ONELEVEL},
	    {{"ldapurl", "ldap://h/dc=a%20b??sub?(x=$username)"},
	     "dc=a b",
	     "uid",
	     "(x=$username)",
	     "",
	     "",
	     LDAP_SCOPE_SUBTREE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ldap_plan plan;
		char why[200] = "";

		if (!ldap_plan_read(cases[i].pairs, &plan, why, sizeof(why)))
			fail_msg("case %zu: %s", i, why);
		assert_true(plan.is_search);
		assert_string_equal(plan.base_dn, cases[i].base);
		assert_string_equal(plan.attribute, cases[i].attribute);
		assert_string_equal(plan.filter ? plan.filter : "none",
				    cases[i].filter ? cases[i].filter : "none");
		assert_string_equal(plan.bind_dn, cases[i].bind_dn);
		assert_string_equal(plan.bind_password, cases[i].bind_password);
		assert_int_equal(plan.scope, cases[i].scope);
		ldap_plan_fini(&plan);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(contradictions_are_refused_with_a_reason),
	    cmocka_unit_test(servers_become_uris),
	    cmocka_unit_test(without_a_server_the_dns_is_to_be_asked),
	    cmocka_unit_test(a_prefix_or_suffix_means_a_simple_bind),
	    cmocka_unit_test(a_base_means_search_and_bind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

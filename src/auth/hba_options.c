/*
 * What stands behind a rule's method.
 */
#include <stdlib.h>

#include "auth/hba_internal.h"
#include "auth/ldap_options.h"
#include "auth/tokens.h"

static void take_clientcert(struct hba_parse *p, struct hba_rule *rule, const char *value)
{
	if (rule->type != HBA_HOSTSSL)
		hba_complain(p, "clientcert is only for hostssl rules");
	else if (strcmp(value, "verify-full") == 0)
		rule->clientcert = HBA_CLIENTCERT_FULL;
	else if (strcmp(value, "verify-ca") == 0 && rule->method == HBA_CERT)
		hba_complain(p, "clientcert of cert rules can only be verify-full");
	else if (strcmp(value, "verify-ca") == 0)
		rule->clientcert = HBA_CLIENTCERT_CA;
	else
		hba_complain(p, "invalid value for clientcert: \"%s\"", value);
}

static void take_clientname(struct hba_parse *p, struct hba_rule *rule, const char *value)
{
	if (rule->type != HBA_HOSTSSL)
		hba_complain(p, "clientname is only for hostssl rules");
	else if (strcmp(value, "DN") == 0)
		rule->is_by_dn = true;
	else if (strcmp(value, "CN") == 0)
		rule->is_by_dn = false;
	else
		hba_complain(p, "invalid value for clientname: \"%s\"", value);
}

static void keep_option(struct hba_parse *p, struct hba_rule *rule, const char *name,
			const char *value)
{
	struct hba_option **end = &rule->options, *option = hba_take(p, sizeof(*option));

	while (*end)
		end = &(*end)->next;
	if (!option)
		return;
	*option = (struct hba_option){.name = name, .value = value};
	*end = option;
}

static void take_pam_option(struct hba_parse *p, struct hba_rule *rule, const char *name,
			    const char *value)
{
	for (const struct hba_option *o = rule->options; o; o = o->next)
		if (strcmp(o->name, name) == 0)
			hba_complain(p, "%s is given twice", name);
	if (strcmp(name, "pamservice") == 0 && !value[0])
		hba_complain(p, "pamservice is empty");
	else if (strcmp(name, "pam_use_hostname") == 0 && strcmp(value, "0") != 0 &&
		 strcmp(value, "1") != 0)
		hba_complain(p, "pam_use_hostname must be 0 or 1");
	else if (strcmp(name, "pam_use_hostname") == 0 && value[0] == '1')
		hba_complain(p, "pam_use_hostname=1 is not supported: PAM is told the "
				"address");
	else if (strcmp(name, "pamservice") == 0 || strcmp(name, "pam_use_hostname") == 0)
		keep_option(p, rule, name, value);
	else
		hba_complain(p, "unrecognized authentication option name: \"%s\"", name);
}

/* They are judged together, when all are there. */
static void check_ldap_options(struct hba_parse *p, const struct hba_rule *rule)
{
	struct ldap_options options = {0};
	char why[256];

	if (!ldap_options_of_rule(rule->options, &options))
		p->is_out_of_memory = p->is_bad = true;
	else if (!ldap_options_check(options.pairs, why, sizeof(why)))
		hba_complain(p, "%s", why);
	ldap_options_fini(&options);
}

static void take_option(struct hba_parse *p, struct hba_rule *rule, const char *name,
			const char *value)
{
	bool has_map = rule->method == HBA_CERT || rule->method == HBA_PEER;

	if (strcmp(name, "map") == 0 && has_map)
		rule->map = value;
	else if (strcmp(name, "map") == 0)
		hba_complain(p, "map is only for cert and peer");
	else if (strcmp(name, "clientcert") == 0)
		take_clientcert(p, rule, value);
	else if (strcmp(name, "clientname") == 0)
		take_clientname(p, rule, value);
	else if (rule->method == HBA_LDAP)
		keep_option(p, rule, name, value);
	else if (rule->method == HBA_PAM)
		take_pam_option(p, rule, name, value);
	else
		hba_complain(p, "unrecognized authentication option name: \"%s\"", name);
}

static void take_token(struct hba_parse *p, struct hba_rule *rule, const struct token *t)
{
	const char *equals = strchr(t->text, '='), *name;

	if (!equals) {
		/* Of ldap it may be a piece of a password. */
		hba_complain(p, "authentication option not in name=value format%s%s",
			     rule->method == HBA_LDAP ? "" : ": ",
			     rule->method == HBA_LDAP ? "" : t->text);
		return;
	}
	name = arena_text(&p->hba->arena, slice_of(t->text, (size_t)(equals - t->text)));
	if (name)
		take_option(p, rule, name, equals + 1);
	else
		p->is_out_of_memory = p->is_bad = true;
}

void hba_take_options(struct hba_parse *p, struct hba_rule *rule,
		      const struct field *field)
{
	for (; field; field = field->next)
		for (const struct token *t = field->tokens; t; t = t->next)
			take_token(p, rule, t);
	if (rule->method == HBA_LDAP && !p->is_bad)
		check_ldap_options(p, rule);
}

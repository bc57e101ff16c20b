/*
 * Rules as they were understood, in words that parse to the same.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/hba.h"
#include "base/buffer.h"

const char *hba_type_name(enum hba_type type)
{
	static const char *const names[] = {
	    [HBA_LOCAL] = "local",
	    [HBA_HOST] = "host",
	    [HBA_HOSTSSL] = "hostssl",
	    [HBA_HOSTNOSSL] = "hostnossl",
	    [HBA_HOSTNOGSSENC] = "hostnogssenc",
	};

	return names[type];
}

const char *hba_method_name(enum hba_method method)
{
	static const char *const names[] = {
	    [HBA_TRUST] = "trust",
	    [HBA_REJECT] = "reject",
	    [HBA_MD5] = "md5",
	    [HBA_PASSWORD] = "password",
	    [HBA_SCRAM] = "scram-sha-256",
	    [HBA_CERT] = "cert",
	    [HBA_PEER] = "peer",
	    [HBA_LDAP] = "ldap",
	    [HBA_PAM] = "pam",
	};

	return names[method];
}

static bool put(struct buffer *out, const char *text)
{
	return buffer_append(out, slice_of_text(text));
}

static bool put_quoted(struct buffer *out, const char *text)
{
	if (!put(out, "\""))
		return false;
	for (; *text; text++)
		if (!buffer_append(out, slice_of(text, 1)) ||
		    (*text == '"' && !put(out, "\"")))
			return false;
	return put(out, "\"");
}

static bool print_names(const struct hba_name *names, struct buffer *out)
{
	for (const struct hba_name *n = names; n; n = n->next) {
		if (n != names && !put(out, ","))
			return false;
		if (!(n->kind == HBA_NAME ? put_quoted(out, n->text) : put(out, n->text)))
			return false;
	}
	return true;
}

static bool print_network(const struct hba_network *network, struct buffer *out)
{
	char text[INET6_ADDRSTRLEN];
	int family = network->address.family == 6 ? AF_INET6 : AF_INET;

	/* Address and mask, since a mask need not be a number of bits. */
	inet_ntop(family, network->address.bytes, text, sizeof(text));
	if (!put(out, text) || !put(out, " "))
		return false;
	inet_ntop(family, network->mask, text, sizeof(text));
	return put(out, text);
}

static bool print_address(const struct hba_rule *rule, struct buffer *out)
{
	if (rule->type == HBA_LOCAL)
		return true;
	switch (rule->address_kind) {
	case HBA_ANYWHERE:
		return put(out, "all");
	case HBA_NETWORK:
		return print_network(&rule->network, out);
	case HBA_HOST_NAME:
		return put(out, rule->host_name);
	case HBA_SAMEHOST:
		return put(out, "samehost");
	case HBA_SAMENET:
		return put(out, "samenet");
	}
	return false;
}

/* Whether it is one token as it stands. */
static bool is_plain(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_.-=:/*";

	return text[strspn(text, plain)] == '\0';
}

/* With a blank before all but the first; in quotes as a whole, where it must be. */
static bool put_option(struct buffer *out, size_t start, const char *name,
		       const char *value)
{
	char *text = NULL;

	if (buffer_len(out) > start && !put(out, " "))
		return false;
	if (asprintf(&text, "%s=%s", name, value) < 0)
		return false;
	bool is_ok = is_plain(text) ? put(out, text) : put_quoted(out, text);
	free(text);
	return is_ok;
}

static bool print_options(const struct hba_rule *rule, struct buffer *out)
{
	size_t start = buffer_len(out);
	bool is_full = rule->clientcert == HBA_CLIENTCERT_FULL;

	if (rule->map && !put_option(out, start, "map", rule->map))
		return false;
	if (rule->clientcert != HBA_CLIENTCERT_NONE &&
	    !put_option(out, start, "clientcert", is_full ? "verify-full" : "verify-ca"))
		return false;
	if (rule->is_by_dn && !put_option(out, start, "clientname", "DN"))
		return false;
	for (const struct hba_option *o = rule->options; o; o = o->next) {
		/* The console must not tell what opens the directory. */
		bool is_secret = strcmp(o->name, "ldapbindpasswd") == 0;
		if (!put_option(out, start, o->name, is_secret ? "****" : o->value))
			return false;
	}
	return true;
}

bool hba_print(const struct hba_rule *rule, enum hba_column column, struct buffer *out)
{
	switch (column) {
	case HBA_COLUMN_TYPE:
		return put(out, hba_type_name(rule->type));
	case HBA_COLUMN_DATABASE:
		return print_names(rule->databases, out);
	case HBA_COLUMN_USER:
		return print_names(rule->users, out);
	case HBA_COLUMN_ADDRESS:
		return print_address(rule, out);
	case HBA_COLUMN_METHOD:
		return put(out, hba_method_name(rule->method));
	case HBA_COLUMN_OPTIONS:
		return print_options(rule, out);
	case HBA_COLUMN_COUNT:
		break;
	}
	return false;
}

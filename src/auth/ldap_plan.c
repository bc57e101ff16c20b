/*
 * See the header. Stricter than PostgreSQL, which lets the last of two contradictory
 * options win.
 */
#include "auth/ldap_plan.h"

#include <ldap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/text.h"

struct complaint {
	char *why;
	size_t cap;
};

static bool complain(const struct complaint *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Always false, so that callers can end with it. */
static bool complain(const struct complaint *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->why, c->cap, format, args);
	va_end(args);
	return false;
}

/* ---- the options as they stand there ---- */

enum option {
	SERVER,
	PORT,
	SCHEME,
	TLS,
	PREFIX,
	SUFFIX,
	BASE_DN,
	BIND_DN,
	BIND_PASSWORD,
	ATTRIBUTE,
	FILTER,
	URL,
	OPTION_COUNT
};

static const char *const option_names[OPTION_COUNT] = {
    [SERVER] = "ldapserver",
    [PORT] = "ldapport",
    [SCHEME] = "ldapscheme",
    [TLS] = "ldaptls",
    [PREFIX] = "ldapprefix",
    [SUFFIX] = "ldapsuffix",
    [BASE_DN] = "ldapbasedn",
    [BIND_DN] = "ldapbinddn",
    [BIND_PASSWORD] = "ldapbindpasswd",
    [ATTRIBUTE] = "ldapsearchattribute",
    [FILTER] = "ldapsearchfilter",
    [URL] = "ldapurl",
};

static bool find_option(const char *name, enum option *out)
{
	for (int i = 0; i < OPTION_COUNT; i++)
		if (strcmp(name, option_names[i]) == 0) {
			*out = (enum option)i;
			return true;
		}
	return false;
}

static bool sort_pairs(const char *const *pairs, const char *given[OPTION_COUNT],
		       const struct complaint *c)
{
	char shown[64];
	enum option option;

	for (; pairs && pairs[0]; pairs += 2) {
		/* What stands behind a password may be the rest of it. */
		if (!find_option(pairs[0], &option) && given[BIND_PASSWORD])
			return complain(c, "unrecognized LDAP option behind "
					   "ldapbindpasswd");
		if (!find_option(pairs[0], &option))
			return complain(
			    c, "unrecognized LDAP option \"%s\"",
			    text_escape(shown, sizeof(shown), slice_of_text(pairs[0])));
		if (given[option])
			return complain(c, "%s is given twice", pairs[0]);
		given[option] = pairs[1];
	}
	return true;
}

/* ---- the URL ---- */

static bool merge(const char *given[OPTION_COUNT], enum option option, const char *value,
		  const struct complaint *c)
{
	if (!value || !value[0])
		return true;
	if (given[option])
		return complain(c, "ldapurl and %s say the same twice",
				option_names[option]);
	given[option] = value;
	return true;
}

/* What is in the URL takes the place of the options for it. */
static bool take_url(const char *given[OPTION_COUNT], struct ldap_plan *plan,
		     const struct complaint *c)
{
	LDAPURLDesc *url = NULL;

	if (!given[URL])
		return true;
	if (ldap_url_parse(given[URL], &url) != LDAP_URL_SUCCESS)
		return complain(c, "ldapurl is no LDAP URL");
	plan->url = url;
	if (strcmp(url->lud_scheme, "ldap") != 0 && strcmp(url->lud_scheme, "ldaps") != 0)
		return complain(c, "ldapurl must begin with ldap:// or ldaps://");
	if (url->lud_exts)
		return complain(c, "extensions in ldapurl are not supported");
	if (given[PORT])
		return complain(c, "ldapurl and ldapport say the same twice");
	plan->port = url->lud_port;
	plan->scope = url->lud_scope;
	return merge(given, SCHEME, url->lud_scheme, c) &&
	       merge(given, SERVER, url->lud_host, c) &&
	       merge(given, BASE_DN, url->lud_dn, c) &&
	       merge(given, ATTRIBUTE, url->lud_attrs ? url->lud_attrs[0] : NULL, c) &&
	       merge(given, FILTER, url->lud_filter, c);
}

/* ---- the servers ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The next name of the list, and how long it is; 0 at the end. */
static const char *next_server(const char *list, size_t *len)
{
	while (is_blank(*list))
		list++;
	for (*len = 0; list[*len] && !is_blank(list[*len]);)
		(*len)++;
	return list;
}

static bool is_address(const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);

	return colon && memchr(colon + 1, ':', len - (size_t)(colon + 1 - text));
}

static bool check_server(const char *server, size_t len, const struct complaint *c)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:";
	bool has_brackets = len > 2 && server[0] == '[' && server[len - 1] == ']';
	char shown[100];

	text_escape(shown, sizeof(shown), slice_of(server, len));
	if (has_brackets) {
		server++;
		len -= 2;
	}
	for (size_t i = 0; i < len; i++)
		if (!strchr(letters, server[i]))
			return complain(c, "\"%s\" in ldapserver is no host name", shown);
	if (memchr(server, ':', len) && !is_address(server, len))
		return complain(
		    c, "\"%s\" in ldapserver is no host name (the port is ldapport)",
		    shown);
	return true;
}

static bool check_servers(const struct ldap_plan *plan, const struct complaint *c)
{
	size_t len, count = 0;

	if (!plan->servers && plan->base_dn && plan->base_dn[0])
		return true;
	for (const char *at = plan->servers; at && (at = next_server(at, &len), len > 0);
	     at += len) {
		if (!check_server(at, len, c))
			return false;
		count++;
	}
	if (count > LDAP_PLAN_SERVERS_MAX)
		return complain(c, "more than %d servers in ldapserver",
				LDAP_PLAN_SERVERS_MAX);
	return count > 0 || complain(c, "ldapserver (or ldapurl with a host) is missing");
}

/* Names that the DNS gave bring their ports. */
static bool has_port(const struct ldap_plan *plan, const char *server, size_t len)
{
	return !plan->servers && memchr(server, ':', len);
}

bool ldap_plan_print_uris(const struct ldap_plan *plan, const char *servers,
			  struct buffer *out)
{
	size_t len;

	for (; servers = next_server(servers, &len), len > 0; servers += len) {
		bool is_bare = is_address(servers, len) && servers[0] != '[';
		char *uri = NULL;
		int uri_len;

		if (has_port(plan, servers, len))
			uri_len =
			    asprintf(&uri, "%s://%.*s", plan->scheme, (int)len, servers);
		else
			uri_len = asprintf(&uri, "%s://%s%.*s%s:%d", plan->scheme,
					   is_bare ? "[" : "", (int)len, servers,
					   is_bare ? "]" : "", plan->port);
		if (uri_len < 0)
			return false;
		bool is_ok = buffer_append(out, slice_of(uri, (size_t)uri_len + 1));
		free(uri);
		if (!is_ok)
			return false;
	}
	return true;
}

static bool take_transport(const char *const given[OPTION_COUNT], struct ldap_plan *plan,
			   const struct complaint *c)
{
	int64_t port;
	bool is_tls;

	plan->scheme = given[SCHEME] ? given[SCHEME] : "ldap";
	is_tls = strcmp(plan->scheme, "ldaps") == 0;
	if (!is_tls && strcmp(plan->scheme, "ldap") != 0)
		return complain(c, "ldapscheme must be ldap or ldaps");
	if (given[TLS] && strcmp(given[TLS], "0") != 0 && strcmp(given[TLS], "1") != 0)
		return complain(c, "ldaptls must be 0 or 1");
	plan->has_starttls = given[TLS] && given[TLS][0] == '1';
	if (plan->has_starttls && is_tls)
		return complain(c, "ldaptls=1 (StartTLS) is not for ldaps, which is TLS "
				   "from the start");
	if (given[PORT]) {
		if (!text_parse_int(given[PORT], &port) || port < 1 || port > 65535)
			return complain(c, "invalid ldapport");
		plan->port = (int)port;
	}
	if (plan->port == 0)
		plan->port = is_tls ? LDAPS_PORT : LDAP_PORT;
	plan->servers = given[SERVER] && given[SERVER][0] ? given[SERVER] : NULL;
	return true;
}

/* ---- how names are found ---- */

/* Of what belongs to the search, what is given; NULL when nothing is. */
static const char *first_of_search(const char *const given[OPTION_COUNT])
{
	static const enum option options[] = {URL,           BASE_DN,   BIND_DN,
					      BIND_PASSWORD, ATTRIBUTE, FILTER};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (given[options[i]])
			return option_names[options[i]];
	return NULL;
}

static bool take_way(const char *const given[OPTION_COUNT], struct ldap_plan *plan,
		     const struct complaint *c)
{
	const char *search = first_of_search(given);
	bool is_simple = given[PREFIX] || given[SUFFIX];

	if (is_simple && search)
		return complain(c,
				"%s cannot be used together with ldapprefix or "
				"ldapsuffix",
				search);
	if (!is_simple && !given[BASE_DN])
		return complain(c, "ldapbasedn, ldapprefix or ldapsuffix is missing");
	if (given[ATTRIBUTE] && given[FILTER])
		return complain(c, "ldapsearchattribute cannot be used together with "
				   "ldapsearchfilter");
	if (given[FILTER] && !strstr(given[FILTER], "$username"))
		return complain(c, "ldapsearchfilter (or the filter in ldapurl) does "
				   "not contain $username");
	plan->is_search = !is_simple;
	plan->prefix = given[PREFIX] ? given[PREFIX] : "";
	plan->suffix = given[SUFFIX] ? given[SUFFIX] : "";
	plan->base_dn = given[BASE_DN];
	plan->bind_dn = given[BIND_DN] ? given[BIND_DN] : "";
	plan->bind_password = given[BIND_PASSWORD] ? given[BIND_PASSWORD] : "";
	plan->attribute =
	    given[ATTRIBUTE] && given[ATTRIBUTE][0] ? given[ATTRIBUTE] : "uid";
	plan->filter = given[FILTER];
	return true;
}

/* An attribute is written into a filter. */
static bool check_attribute(const struct ldap_plan *plan, const struct complaint *c)
{
	for (const char *a = plan->attribute; *a; a++)
		if (!((*a >= 'a' && *a <= 'z') || (*a >= 'A' && *a <= 'Z') ||
		      (*a >= '0' && *a <= '9') || strchr("-;._", *a)))
			return complain(c, "invalid ldapsearchattribute");
	return true;
}

bool ldap_plan_read(const char *const *pairs, struct ldap_plan *out, char *why,
		    size_t why_cap)
{
	const struct complaint c = {.why = why, .cap = why_cap};
	const char *given[OPTION_COUNT] = {0};
	struct ldap_plan plan = {.scope = LDAP_SCOPE_SUBTREE};

	if (sort_pairs(pairs, given, &c) && take_url(given, &plan, &c) &&
	    take_transport(given, &plan, &c) && take_way(given, &plan, &c) &&
	    check_servers(&plan, &c) && check_attribute(&plan, &c)) {
		*out = plan;
		return true;
	}
	ldap_plan_fini(&plan);
	return false;
}

void ldap_plan_fini(struct ldap_plan *plan)
{
	if (plan->url)
		ldap_free_urldesc(plan->url);
	plan->url = NULL;
}

/*
 * See the header.
 */
#include "auth/ldap_names.h"

#include <stdio.h>

#include "auth/ldap_plan.h"
#include "base/buffer.h"

static bool put(struct buffer *out, const char *text)
{
	return buffer_append(out, slice_of_text(text));
}

static bool put_hex(struct buffer *out, char c)
{
	char hex[4];

	snprintf(hex, sizeof(hex), "\\%02x", (unsigned char)c);
	return put(out, hex);
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* ---- distinguished names: RFC 4514, section 2.4 ---- */

static const char dn_special[] = ",+\"\\<>;=";

static bool put_in_dn(struct buffer *out, const char *value)
{
	for (const char *v = value; *v; v++) {
		bool is_edge = v == value || v[1] == '\0';
		bool is_escaped = is_control(*v) || strchr(dn_special, *v) ||
				  (*v == ' ' && is_edge) || (*v == '#' && v == value);

		if (!(is_escaped ? put_hex(out, *v) : buffer_append(out, slice_of(v, 1))))
			return false;
	}
	return true;
}

static bool has_any(const char *text, const char *letters)
{
	for (; *text; text++)
		if (is_control(*text) || strchr(letters, *text))
			return true;
	return false;
}

enum ldap_name ldap_name_to_bind(const struct ldap_plan *plan, const char *user,
				 struct buffer *out)
{
	bool is_dn = strchr(plan->prefix, '=') != NULL;

	if (!is_dn && has_any(user, dn_special))
		return LDAP_NAME_REFUSED;
	if (put(out, plan->prefix) && (is_dn ? put_in_dn(out, user) : put(out, user)) &&
	    put(out, plan->suffix) && buffer_append(out, slice_of("", 1)))
		return LDAP_NAME_OK;
	return LDAP_NAME_NO_MEMORY;
}

/* ---- filters: RFC 4515, section 3 ---- */

static const char filter_special[] = "*()\\/";

static bool put_in_filter(struct buffer *out, const char *value)
{
	for (const char *v = value; *v; v++) {
		bool is_escaped =
		    is_control(*v) || (*v & 0x80) || strchr(filter_special, *v);

		if (!(is_escaped ? put_hex(out, *v) : buffer_append(out, slice_of(v, 1))))
			return false;
	}
	return true;
}

static bool put_filter(struct buffer *out, const char *filter, const char *user)
{
	static const char mark[] = "$username";
	const char *at;

	for (; (at = strstr(filter, mark)); filter = at + sizeof(mark) - 1)
		if (!buffer_append(out, slice_of(filter, (size_t)(at - filter))) ||
		    !put_in_filter(out, user))
			return false;
	return put(out, filter);
}

static bool put_attribute(struct buffer *out, const char *attribute, const char *user)
{
	return put(out, "(") && put(out, attribute) && put(out, "=") &&
	       put_in_filter(out, user) && put(out, ")");
}

enum ldap_name ldap_name_to_find(const struct ldap_plan *plan, const char *user,
				 struct buffer *out)
{
	bool is_ok;

	if (has_any(user, filter_special))
		return LDAP_NAME_REFUSED;
	is_ok = plan->filter ? put_filter(out, plan->filter, user)
			     : put_attribute(out, plan->attribute, user);
	return is_ok && buffer_append(out, slice_of("", 1)) ? LDAP_NAME_OK
							    : LDAP_NAME_NO_MEMORY;
}

/*
 * Who could log in at all, and which settings of logins nothing makes use of.
 */
#include "config/review.h"

#include <string.h>

/* Methods that compare a secret of ours with what the client has. */
static bool needs_secrets(enum auth_type type)
{
	return type == AUTH_TYPE_PLAIN || type == AUTH_TYPE_MD5 ||
	       type == AUTH_TYPE_SCRAM;
}

/* Methods that ask somebody else. */
static bool asks_others(enum auth_type type)
{
	return type == AUTH_TYPE_PAM || type == AUTH_TYPE_LDAP;
}

static size_t count_own_lookups(const struct config *config)
{
	const struct database *fallback = config_fallback(config);
	size_t count = fallback && fallback->auth_user[0] != '\0';

	for (size_t i = 0; i < config_database_count(config); i++)
		count += config_database_at(config, i)->auth_user[0] != '\0';
	return count;
}

/* ---- what each method needs ---- */

/* Every database must say which user its clients are to be, or nobody can. */
static void review_any(struct review *r)
{
	const struct database *fallback = config_fallback(r->config), *example = NULL;
	size_t count = 0;

	for (size_t i = 0; i < config_database_count(r->config); i++) {
		const struct database *d = config_database_at(r->config, i);

		if (d->user[0] == '\0' && count++ == 0)
			example = d;
	}
	if (fallback && fallback->user[0] == '\0' && count++ == 0)
		example = fallback;
	if (count > 0)
		review_note(
		    r, CONFIG_WARNING, "auth_type",
		    "auth_type any needs user= in each database; %zu have none, the "
		    "first is \"%s\"",
		    count, example->name);
}

static void review_secrets(struct review *r)
{
	const struct settings *s = r->settings;

	if (s->auth_file[0] == '\0' && s->auth_user[0] == '\0' &&
	    count_own_lookups(r->config) == 0)
		review_note(r, CONFIG_WARNING, "auth_type",
			    "nobody can log in: auth_type is %s, but there is neither "
			    "auth_file nor auth_user",
			    auth_type_name(s->auth_type));
}

static void review_cert(struct review *r)
{
	const struct settings *s = r->settings;

	if (s->client_tls_sslmode == TLS_MODE_DISABLE)
		review_note(r, CONFIG_ERROR, "auth_type",
			    "auth_type cert needs TLS with clients, but "
			    "client_tls_sslmode is disable");
	else if (s->client_tls_ca_file[0] == '\0' &&
		 s->client_tls_sslmode < TLS_MODE_VERIFY_CA)
		review_note(r, CONFIG_ERROR, "auth_type",
			    "auth_type cert needs client_tls_ca_file, which the "
			    "certificates of clients must lead to");
}

static void review_method(struct review *r)
{
	const struct settings *s = r->settings;

	if (needs_secrets(s->auth_type))
		review_secrets(r);
	if (s->auth_type == AUTH_TYPE_ANY)
		review_any(r);
	if (s->auth_type == AUTH_TYPE_CERT)
		review_cert(r);
	if (s->auth_type == AUTH_TYPE_PEER && s->unix_socket_dir[0] == '\0')
		review_note(r, CONFIG_ERROR, "auth_type",
			    "auth_type peer needs a Unix socket, but unix_socket_dir is "
			    "empty");
	if (s->auth_type == AUTH_TYPE_HBA && s->auth_hba_file[0] == '\0')
		review_note(r, CONFIG_ERROR, "auth_type",
			    "auth_type hba needs auth_hba_file");
	if (s->auth_type == AUTH_TYPE_LDAP && s->auth_ldap_options[0] == '\0' &&
	    !review_may_be_refused(r, "auth_ldap_options"))
		review_note(r, CONFIG_ERROR, "auth_type",
			    "auth_type ldap needs auth_ldap_options");
}

/* ---- what is set and not used ---- */

static void review_use(struct review *r, const char *setting, enum auth_type user)
{
	if (r->settings->auth_type != user && review_is_set(r, setting))
		review_note(r, CONFIG_WARNING, setting,
			    "%s is not used: auth_type is %s, not %s", setting,
			    auth_type_name(r->settings->auth_type), auth_type_name(user));
}

static void review_files(struct review *r)
{
	const struct settings *s = r->settings;

	review_use(r, "auth_hba_file", AUTH_TYPE_HBA);
	review_use(r, "auth_ident_file", AUTH_TYPE_HBA);
	review_use(r, "auth_ldap_options", AUTH_TYPE_LDAP);
	/* Rules may ask for PAM too. */
	if (s->auth_type != AUTH_TYPE_HBA)
		review_use(r, "auth_pam_service", AUTH_TYPE_PAM);
}

/* ---- look-ups ---- */

/* The server is sent one parameter, so it must be there. */
static bool has_parameter(const char *query)
{
	for (const char *at = query; (at = strstr(at, "$1")) != NULL; at += 2) {
		if (!(at[2] >= '0' && at[2] <= '9'))
			return true;
	}
	return false;
}

/* Whether there is such an entry, or could be if it had been right. */
static bool may_have_database(const struct review *r, const char *name)
{
	return r->had_errors || config_fallback(r->config) ||
	       config_database(r->config, slice_of_text(name));
}

static void review_unused_lookups(struct review *r)
{
	static const char *const settings[] = {"auth_query", "auth_dbname",
					       "auth_cache_ttl"};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (review_is_set(r, settings[i]))
			review_note(r, CONFIG_WARNING, settings[i],
				    "%s is not used: there is no auth_user", settings[i]);
	}
}

static void review_auth_dbname(struct review *r)
{
	const char *name = r->settings->auth_dbname;

	if (name[0] == '\0')
		return;
	if (database_is_console(name))
		review_note(r, CONFIG_ERROR, "auth_dbname",
			    "auth_dbname is the console, which cannot look up users");
	else if (!may_have_database(r, name))
		review_note(r, CONFIG_ERROR, "auth_dbname",
			    "auth_dbname names no entry of [databases]");
}

static void review_lookups(struct review *r)
{
	const struct settings *s = r->settings;

	review_auth_dbname(r);
	if (s->auth_user[0] == '\0') {
		if (count_own_lookups(r->config) == 0)
			review_unused_lookups(r);
		return;
	}
	if (asks_others(s->auth_type))
		review_note(
		    r, CONFIG_WARNING, "auth_user",
		    "auth_user is not used: with auth_type %s nobody is looked up",
		    auth_type_name(s->auth_type));
	if (!has_parameter(s->auth_query))
		review_note(r, CONFIG_ERROR, "auth_query",
			    "auth_query does not ask for the user: there is no $1 in it");
}

static void note_unused(struct review *r, const struct database_entry *e, const char *key,
			const char *why)
{
	review_note_database(r, CONFIG_WARNING, e, "%s is not used: %s", key, why);
}

static void review_unused(struct review *r, const struct database_entry *e)
{
	const struct database *d = &e->database;
	bool has_lookups = d->auth_user[0] != '\0' || r->settings->auth_user[0] != '\0';

	if (d->password[0] != '\0' && d->user[0] == '\0')
		note_unused(r, e, "password", "it is that of user=, which is not given");
	if (d->auth_user[0] != '\0' && r->settings->auth_type == AUTH_TYPE_PAM)
		note_unused(r, e, "auth_user", "with auth_type pam nobody is looked up");
	if (d->auth_user[0] != '\0' && r->settings->auth_type == AUTH_TYPE_LDAP)
		note_unused(r, e, "auth_user", "with auth_type ldap nobody is looked up");
	if (!has_lookups && d->auth_query[0] != '\0')
		note_unused(r, e, "auth_query", "there is no auth_user");
	if (!has_lookups && d->auth_dbname[0] != '\0')
		note_unused(r, e, "auth_dbname", "there is no auth_user");
}

static void review_entry(struct review *r, const struct database_entry *e)
{
	const struct database *d = &e->database;
	const struct settings *s = r->settings;

	review_unused(r, e);
	if (d->auth_query[0] != '\0' && !has_parameter(d->auth_query))
		review_note_database(r, CONFIG_ERROR, e,
				     "auth_query does not ask for the user: there is no "
				     "$1 in it");
	/* With auth_user in [pooler], this was said there. */
	if (d->auth_user[0] != '\0' && d->auth_query[0] == '\0' &&
	    s->auth_user[0] == '\0' && !has_parameter(s->auth_query))
		review_note_database(r, CONFIG_ERROR, e,
				     "auth_user needs an auth_query with $1 in it");
	if (d->auth_dbname[0] != '\0' && !may_have_database(r, d->auth_dbname))
		review_note_database(r, CONFIG_ERROR, e,
				     "auth_dbname names no entry of [databases]");
}

void review_logins(struct review *r)
{
	review_method(r);
	review_files(r);
	review_lookups(r);
	review_each_database(r, review_entry);
}

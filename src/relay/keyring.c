/*
 * Loading what the configuration's files hold.
 */
#include "relay/keyring.h"

#include <stdlib.h>

#include "auth/hba.h"
#include "auth/ident.h"
#include "auth/ldap_options.h"
#include "auth/userlist.h"
#include "config/config.h"
#include "relay/encryption.h"

enum { PROBLEM_LEN = 256 };

struct keyring *keyring_ref(struct keyring *k)
{
	k->holders++;
	return k;
}

void keyring_unref(struct keyring *k)
{
	if (!k || --k->holders > 0)
		return;
	userlist_free(k->users);
	hba_free(k->hba);
	ident_free(k->ident);
	encryption_free(k->encryption);
	free(k);
}

/* There is no file of it, but it must be good all the same. */
static void check_ldap(const struct settings *s, struct config_errors *errors)
{
	struct ldap_options options = {0};
	char why[PROBLEM_LEN];

	if (s->auth_type != AUTH_TYPE_LDAP)
		return;
	if (ldap_options_parse(s->auth_ldap_options, &options, why, sizeof(why)))
		ldap_options_fini(&options);
	else
		config_errors_add(errors, CONFIG_ERROR, "", 0, "auth_ldap_options: %s",
				  why);
}

struct keyring *keyring_load(const struct config *config, struct config_errors *errors)
{
	const struct settings *s = &config->settings;
	struct keyring *k = calloc(1, sizeof(*k));
	size_t before = errors->errors;

	if (!k) {
		config_errors_add(errors, CONFIG_ERROR, "", 0, "out of memory");
		return NULL;
	}
	k->holders = 1;
	if (s->auth_file[0])
		k->users = userlist_load(s->auth_file, errors);
	/* Other methods look at no rules; then a file of them may even be missing. */
	if (s->auth_type == AUTH_TYPE_HBA && s->auth_hba_file[0])
		k->hba = hba_load(s->auth_hba_file, errors);
	if (s->auth_type == AUTH_TYPE_HBA && s->auth_ident_file[0])
		k->ident = ident_load(s->auth_ident_file, errors);
	check_ldap(s, errors);
	k->encryption = encryption_load(config, errors);
	if (errors->errors == before)
		return k;
	keyring_unref(k);
	return NULL;
}

bool keyring_reload_users(struct keyring *k, const struct config *config,
			  struct config_errors *errors)
{
	struct userlist *users = userlist_load(config->settings.auth_file, errors);

	if (!users)
		return false;
	userlist_free(k->users);
	k->users = users;
	return true;
}

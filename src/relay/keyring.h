/*
 * What the files that a configuration names hold: users' secrets, rules, maps,
 * certificates. Loaded whole and checked, or not at all; put in force together with the
 * configuration, or (auth_file alone) when the file has changed.
 */
#ifndef POOLER_RELAY_KEYRING_H
#define POOLER_RELAY_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct config_errors;
struct encryption;
struct hba;
struct ident;
struct userlist;

struct keyring {
	size_t holders;
	struct userlist *users;        /* NULL: no auth_file */
	struct hba *hba;               /* NULL: auth_type is not hba */
	struct ident *ident;           /* NULL: none, or auth_type is not hba */
	struct encryption *encryption; /* never NULL */
};

/* NULL, and in errors all that is wrong with any of the files. The caller owns one
 * reference. */
struct keyring *keyring_load(const struct config *config, struct config_errors *errors);

struct keyring *keyring_ref(struct keyring *k);
/* The last one wipes and frees; NULL is fine. */
void keyring_unref(struct keyring *k);

/* Reads auth_file again. False, and the old list stays, when it is not good. */
bool keyring_reload_users(struct keyring *k, const struct config *config,
			  struct config_errors *errors);

#endif

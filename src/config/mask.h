/*
 * Texts with a secret in them, as they may be shown.
 */
#ifndef POOLER_CONFIG_MASK_H
#define POOLER_CONFIG_MASK_H

#include <stddef.h>

/* Options as in auth_ldap_options, with SECRET_SHOWN for each password. cap is at least
 * 1; what does not fit is cut off. */
void mask_ldap_options(const char *text, char *out, size_t cap);

#endif

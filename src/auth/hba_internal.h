/*
 * What the files of the rules share and nobody else needs.
 */
#ifndef POOLER_AUTH_HBA_INTERNAL_H
#define POOLER_AUTH_HBA_INTERNAL_H

#include "auth/hba.h"
#include "config/arena.h"

struct hba {
	struct arena arena; /* all of the rules */
	struct hba_rule *rules;
};

struct config_errors;
struct field;

/* ---- parsing ---- */

struct hba_parse {
	struct hba *hba;
	struct config_errors *errors;
	const char *file;
	unsigned line;
	bool is_bad; /* this rule */
	bool is_out_of_memory;
};

/* The rule is bad, and this is why. */
void hba_complain(struct hba_parse *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Zeroed, from the rules' arena; when memory is short NULL, and that is noted. */
void *hba_take(struct hba_parse *p, size_t len);

/* All that follows the method. */
void hba_take_options(struct hba_parse *p, struct hba_rule *rule,
		      const struct field *field);

#endif

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

#endif

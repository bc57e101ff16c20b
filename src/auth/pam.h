/*
 * Asking PAM whether a password is right. Blocks, for as long as its modules do: for the
 * threads of auth/worker only.
 */
#ifndef POOLER_AUTH_PAM_H
#define POOLER_AUTH_PAM_H

#include "auth/worker.h"

struct pam_question {
	const char *service;
	const char *user, *password;
	const char *remote_host; /* may be NULL */
};

/* The account must be valid, too: an expired password is WORK_WRONG. */
void pam_judge(const struct pam_question *question, struct work_answer *out);

#endif

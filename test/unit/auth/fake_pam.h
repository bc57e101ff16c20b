/*
 * A PAM in place of the system's: the service's name says what it does ("right", "wrong",
 * "expired", "broken", "no-start", "talks", "holds": waits until the test lets it go).
 */
#ifndef POOLER_TEST_UNIT_AUTH_FAKE_PAM_H
#define POOLER_TEST_UNIT_AUTH_FAKE_PAM_H

#include <stdbool.h>
#include <stddef.h>

void fake_pam_begin(void);
void fake_pam_end(void);

/* Waits until so many have come to a stop in "holds", in all. */
void fake_pam_wait_for(unsigned count);
/* Lets so many of them go. */
void fake_pam_let_go(unsigned count);

unsigned fake_pam_asked(void); /* transactions that were started */

/* Of the latest transaction. */
bool fake_pam_signals_were_blocked(void);
const char *fake_pam_remote_host(void); /* "" when none was set */
const char *fake_pam_replies(void);     /* of "talks", with blanks between */

#endif

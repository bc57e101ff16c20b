/*
 * What signals do: HUP reloads, TERM and INT end gently (twice: at once), QUIT ends at
 * once, USR1 pauses, USR2 resumes.
 */
#ifndef POOLER_APP_SIGNALS_H
#define POOLER_APP_SIGNALS_H

struct pooler;

void signals_start(struct pooler *p);
void signals_stop(struct pooler *p);

#endif

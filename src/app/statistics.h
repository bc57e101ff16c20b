/*
 * The line of statistics in the log, and the sign of life for systemd.
 */
#ifndef POOLER_APP_STATISTICS_H
#define POOLER_APP_STATISTICS_H

struct pooler;

int statistics_start(struct pooler *p); /* 0 or -ENOMEM */
/* stats_period may have changed. */
void statistics_restart(struct pooler *p);
void statistics_stop(struct pooler *p);

#endif

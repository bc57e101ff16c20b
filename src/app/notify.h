/*
 * Telling systemd how we are (sd_notify(3)); without systemd all of this does nothing.
 */
#ifndef POOLER_APP_NOTIFY_H
#define POOLER_APP_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
void notify_status(const char *line);
void notify_alive(void);

/* How often notify_alive() is expected; 0 = never. */
uint64_t notify_interval_us(void);

#endif

/*
 * Putting another configuration in force while running: all of it or nothing.
 */
#ifndef POOLER_APP_RELOAD_H
#define POOLER_APP_RELOAD_H

#include <stdbool.h>
#include <stddef.h>

struct config;
struct options;
struct pooler;

/* Reads the file again. False, with why in problem, all errors in the log and nothing
 * changed, when it cannot be used. */
bool reload_file(struct pooler *p, char *problem, size_t cap);

/* The same with one setting changed. */
bool reload_with_setting(struct pooler *p, const char *key, const char *value,
			 char *problem, size_t cap);

/* Reads auth_file again, which has changed; what is wrong with it goes to the log, and
 * the users that were read before stay. */
void reload_users(struct pooler *p);

/* Watches the auth_file of the configuration in force. */
void reload_watch(struct pooler *p);

/* Points the log to where the settings and the command line say. 0 or -errno. */
int reload_log(const struct options *options, const struct config *config, bool is_ready);

#endif

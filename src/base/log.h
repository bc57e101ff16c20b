/*
 * The log: lines as PgBouncer writes them, so that pgBadger and people read them.
 *
 *   2026-01-31 12:00:00.123 UTC [pid] LEVEL prefix message
 *
 * The sinks (standard error, a file, syslog) are the only writable file-level data of
 * the program. A sink that fails never stops anything: a full disk, or a pipe that nobody
 * reads, loses lines and no clients. Lower floors do not log; relay/ and app/ log once,
 * where a decision is made.
 */
#ifndef POOLER_BASE_LOG_H
#define POOLER_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_FATAL,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_LOG,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_NOISE
};

struct log_settings {
	const char *file; /* appended to; NULL or "" for none */
	bool to_stderr;
	bool to_syslog;
	const char *syslog_ident;
	const char *syslog_facility;
	int verbose; /* 0: up to LOG, 1: DEBUG, 2: NOISE */
};

/* Applies the settings (strings are copied) and opens the file anew, so that a rotated
 * one is let go. 0, or -errno of the file that could not be opened; the old file stays
 * then. */
int log_apply(const struct log_settings *settings);

/* Closes what is open; the log goes to standard error again. */
void log_reset(void);

bool log_wants(enum log_level level);

/* Whether `name` is a facility of syslog(3) that log_apply accepts. */
bool log_facility_is_known(const char *name);

/* prefix may be NULL. A line feed in the message starts a line indented by a tab. */
void log_write(enum log_level level, const char *prefix, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void log_write_v(enum log_level level, const char *prefix, const char *format,
		 va_list args) __attribute__((format(printf, 3, 0)));

#define log_fatal(...) log_write(LOG_LEVEL_FATAL, NULL, __VA_ARGS__)
#define log_error(...) log_write(LOG_LEVEL_ERROR, NULL, __VA_ARGS__)
#define log_warning(...) log_write(LOG_LEVEL_WARNING, NULL, __VA_ARGS__)
#define log_info(...) log_write(LOG_LEVEL_LOG, NULL, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, NULL, __VA_ARGS__)

/* At most one line of a kind per period: who logs what peers can cause without end keeps
 * one of these. */
struct log_limit {
	uint64_t next_us;
	unsigned skipped;
};

/* Whether a line may be written now; when it may, *out_skipped says how many were not
 * since the last one. */
bool log_limit_may(struct log_limit *limit, uint64_t now_us, unsigned *out_skipped);

#endif

/*
 * What is wrong, or merely odd, in a configuration: a list with places, so that all of it
 * can be told in one go. Zero is a valid empty list.
 */
#ifndef POOLER_CONFIG_ERRORS_H
#define POOLER_CONFIG_ERRORS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum config_severity {
	CONFIG_WARNING, /* works, but perhaps not as meant */
	CONFIG_ERROR    /* the configuration cannot be used */
};

/* More than this many are counted, not kept. */
enum { CONFIG_ERRORS_KEPT = 1000 };

struct config_error {
	enum config_severity severity;
	char *file;    /* "" where no file is to blame */
	unsigned line; /* 0 where no line is */
	char *text;    /* one sentence, perhaps with a hint */
};

struct config_errors {
	struct config_error *items;
	size_t count;
	size_t errors;   /* of CONFIG_ERROR, kept or not */
	size_t warnings; /* of CONFIG_WARNING, kept or not */
};

void config_errors_fini(struct config_errors *e);

/* How many were only counted, for lack of room or memory. */
size_t config_errors_dropped(const struct config_errors *e);

/* "file:line: text", without the parts that are not there; returns out. */
char *config_error_print(const struct config_error *error, char *out, size_t cap);

void config_errors_add(struct config_errors *e, enum config_severity severity,
		       const char *file, unsigned line, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void config_errors_add_v(struct config_errors *e, enum config_severity severity,
			 const char *file, unsigned line, const char *format,
			 va_list args) __attribute__((format(printf, 5, 0)));

#endif

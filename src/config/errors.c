/*
 * The list doubles as it grows, up to CONFIG_ERRORS_KEPT. What cannot be kept is still
 * counted: a configuration with an error must not pass because memory was short.
 */
#include "config/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(struct config_errors *e)
{
	/* The capacity is the power of two at or above the count. */
	if (e->count != 0 && (e->count & (e->count - 1)) != 0)
		return true;
	size_t cap = e->count == 0 ? 1 : 2 * e->count;
	struct config_error *items = realloc(e->items, cap * sizeof(*items));
	if (!items)
		return false;
	e->items = items;
	return true;
}

void config_errors_fini(struct config_errors *e)
{
	for (size_t i = 0; i < e->count; i++) {
		free(e->items[i].file);
		free(e->items[i].text);
	}
	free(e->items);
	*e = (struct config_errors){0};
}

size_t config_errors_dropped(const struct config_errors *e)
{
	return e->errors + e->warnings - e->count;
}

char *config_error_print(const struct config_error *error, char *out, size_t cap)
{
	const char *mark = error->severity == CONFIG_WARNING ? "warning: " : "";

	if (error->file[0] == '\0')
		snprintf(out, cap, "%s%s", mark, error->text);
	else if (error->line == 0)
		snprintf(out, cap, "%s: %s%s", error->file, mark, error->text);
	else
		snprintf(out, cap, "%s:%u: %s%s", error->file, error->line, mark,
			 error->text);
	return out;
}

static bool keep(struct config_errors *e, struct config_error error)
{
	if (!error.file || !error.text || e->count >= CONFIG_ERRORS_KEPT || !make_room(e))
		return false;
	e->items[e->count++] = error;
	return true;
}

void config_errors_add_v(struct config_errors *e, enum config_severity severity,
			 const char *file, unsigned line, const char *format,
			 va_list args)
{
	char *text = NULL;

	if (severity == CONFIG_ERROR)
		e->errors++;
	else
		e->warnings++;
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	struct config_error error = {
	    .severity = severity, .file = strdup(file), .line = line, .text = text};
	if (keep(e, error))
		return;
	free(error.file);
	free(error.text);
}

void config_errors_add(struct config_errors *e, enum config_severity severity,
		       const char *file, unsigned line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	config_errors_add_v(e, severity, file, line, format, args);
	va_end(args);
}

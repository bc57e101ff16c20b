/*
 * A configuration file as a sequence of sections and entries, each with its place.
 *
 * inih takes lines apart; what it cannot do is done around it: where a line stands,
 * %include, quoted names and names with ':', and refusing what it would take in silence
 * (NUL bytes, directories, lines that are too long).
 */
#ifndef POOLER_CONFIG_INI_H
#define POOLER_CONFIG_INI_H

#include "config/errors.h"

enum {
	INI_LINE_MAX = 65535,      /* bytes of a line without its end */
	INI_BYTES_MAX = 256 << 20, /* bytes of all files together */
	INI_FILES_MAX = 20000,     /* read in all, each as often as it is included */
	INI_INCLUDE_DEPTH_MAX = 10 /* files open at once, the first among them */
};

struct ini_place {
	const char *file; /* valid until ini_read() returns; the same pointer for all
			     lines of one reading of a file */
	unsigned line;
};

struct ini_ops {
	/* A section begins; also one without entries. */
	void (*on_section)(void *owner, struct ini_place place, const char *section);
	/* name is unquoted; value has no blanks at its ends. */
	void (*on_entry)(void *owner, struct ini_place place, const char *section,
			 const char *name, const char *value);
};

/* Sets inih's process-wide switches; call it once, before the first ini_read(). */
void ini_setup(void);

/* Reads the file and those it includes; what is wrong goes to errors, and reading goes on
 * where it can. 0, or -ENOMEM. */
int ini_read(const char *path, const struct ini_ops *ops, void *owner,
	     struct config_errors *errors);

#endif

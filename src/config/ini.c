/*
 * One run of inih over the file and everything it includes: our reader hands inih one
 * line at a time, from whichever file is open at the moment, so that it always knows
 * where the line stands that inih calls back about. Included files therefore begin in the
 * section of the %include and may begin others.
 *
 * The reader keeps from inih what inih would misread: sections (it cuts their names and
 * does not tell of empty ones), directives, and names that are quoted or hold a ':'. Of
 * such an entry inih sees only what begins at the '='.
 */
#include "config/ini.h"

#include <ini.h>

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/slice.h"
#include "config/arena.h"
#include "config/hint.h"

/* A line, its end and a NUL fit. */
enum { INIH_LINE_CAP = INI_LINE_MAX + 8 };

struct source {
	const char *path;
	char *data;
	size_t len, at;
	unsigned line;
	dev_t device;
	ino_t inode;
};

struct reading {
	const struct ini_ops *ops;
	void *owner;
	struct config_errors *errors;
	struct arena names; /* paths and sections */
	struct source stack[INI_INCLUDE_DEPTH_MAX];
	size_t depth;
	size_t total; /* bytes read so far */
	unsigned files;
	const char *section;
	bool section_lost; /* its header was bad: what follows belongs nowhere */
	bool own_name;     /* name holds the name of the line that inih has */
	bool answer_due;   /* inih has a line and must call back */
	bool over;         /* nothing more is read */
	bool no_memory;
	char name[INI_LINE_MAX + 1];
};

void ini_setup(void)
{
	ini_use_stack = false;
	ini_allow_realloc = true;
	ini_max_line = INIH_LINE_CAP;
	ini_initial_alloc = INIH_LINE_CAP;
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_allow_no_value = false;
	ini_stop_on_first_error = false;
}

static struct source *top(struct reading *r)
{
	return &r->stack[r->depth - 1];
}

static struct ini_place place_of(struct reading *r)
{
	return (struct ini_place){.file = top(r)->path, .line = top(r)->line};
}

__attribute__((format(printf, 2, 3))) static void complain(struct reading *r,
							   const char *format, ...)
{
	struct ini_place place = place_of(r);
	va_list args;

	va_start(args, format);
	config_errors_add_v(r->errors, CONFIG_ERROR, place.file, place.line, format,
			    args);
	va_end(args);
}

static struct slice trim(struct slice s)
{
	while (s.len > 0 && isspace(s.data[0]))
		s = slice_after(s, 1);
	while (s.len > 0 && isspace(s.data[s.len - 1]))
		s.len--;
	return s;
}

static const char *keep(struct reading *r, struct slice text)
{
	const char *copy = arena_text(&r->names, text);

	if (!copy)
		r->no_memory = true;
	return copy;
}

/* ---- files ---- */

/* Reads all of fd, of which `size` bytes are expected. 0 or -errno. */
static int read_all(int fd, size_t size, struct source *s)
{
	s->data = malloc(size + 1);
	if (!s->data)
		return -ENOMEM;
	while (s->len < size) {
		ssize_t n = read(fd, s->data + s->len, size - s->len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		s->len += (size_t)n;
	}
	return 0;
}

/* What is wrong with the file, or NULL. */
static const char *judge_file(const struct reading *r, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return "it is a directory";
	if (!S_ISREG(st->st_mode))
		return "it is not a regular file";
	if ((uint64_t)st->st_size > INI_BYTES_MAX - r->total)
		return "it is too large";
	for (size_t i = 0; i < r->depth; i++) {
		if (r->stack[i].device == st->st_dev && r->stack[i].inode == st->st_ino)
			return "it includes itself";
	}
	return NULL;
}

/* Fills s from the open file; NULL, or what went wrong. */
static const char *load(struct reading *r, int fd, struct source *s)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct stat st;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	const char *fault = judge_file(r, &st);
	if (fault)
		return fault;
	int rc = read_all(fd, (size_t)st.st_size, s);
	if (rc == -ENOMEM)
		r->no_memory = true;
	if (rc != 0)
		return strerror(-rc);
	s->device = st.st_dev;
	s->inode = st.st_ino;
	if (s->len >= 3 && memcmp(s->data, byte_order_mark, 3) == 0)
		s->at = 3;
	return NULL;
}

/* Puts the file on the stack; NULL, or what went wrong. */
static const char *open_source(struct reading *r, const char *path)
{
	struct source s = {.path = path};

	/* A pipe without a writer must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return strerror(errno);
	const char *fault = load(r, fd, &s);
	close(fd);
	if (fault) {
		free(s.data);
		return fault;
	}
	r->total += s.len;
	r->files++;
	r->stack[r->depth++] = s;
	return NULL;
}

static void close_source(struct reading *r)
{
	/* There may be passwords in it. */
	crypto_wipe(top(r)->data, top(r)->len);
	free(top(r)->data);
	r->depth--;
}

/* ---- directives and sections ---- */

/* The path as written, or below the directory of the file that includes it. */
static const char *resolve(struct reading *r, struct slice path)
{
	const char *from = top(r)->path, *slash = strrchr(from, '/');

	if (path.data[0] == '/' || !slash)
		return keep(r, path);
	size_t dir_len = (size_t)(slash + 1 - from);
	char *out = arena_take(&r->names, dir_len + path.len + 1);
	if (!out) {
		r->no_memory = true;
		return NULL;
	}
	memcpy(out, from, dir_len);
	memcpy(out + dir_len, path.data, path.len);
	return out;
}

static void include(struct reading *r, struct slice path)
{
	if (path.len == 0) {
		complain(r, "%%include names no file");
		return;
	}
	if (r->depth == INI_INCLUDE_DEPTH_MAX) {
		complain(r, "%%include is nested deeper than %d files",
			 INI_INCLUDE_DEPTH_MAX);
		return;
	}
	/* A few files that include each other often enough would be read for ever. */
	if (r->files == INI_FILES_MAX) {
		complain(r, "more than %d files are included: reading ends here",
			 INI_FILES_MAX);
		r->over = true;
		return;
	}
	const char *full = resolve(r, path);
	if (!full)
		return;
	const char *fault = open_source(r, full);
	if (fault)
		complain(r, "cannot include %s: %s", full, fault);
}

static void on_directive(struct reading *r, struct slice line)
{
	static const char word[] = "%include";
	size_t len = sizeof(word) - 1;
	char shown[HINT_SHOWN_MAX];

	if (line.len >= len && memcmp(line.data, word, len) == 0 &&
	    (line.len == len || isspace(line.data[len]))) {
		include(r, trim(slice_after(line, len)));
		return;
	}
	const char *text = keep(r, line);
	if (text)
		complain(r, "unknown directive %s; %%include is the only one",
			 hint_show(text, shown));
}

static void on_section(struct reading *r, struct slice line)
{
	const uint8_t *end = memchr(line.data, ']', line.len);

	r->section_lost = true;
	if (!end) {
		complain(r, "the section's name has no closing ']'");
		return;
	}
	if (end != line.data + line.len - 1) {
		complain(r, "something stands behind the section's ']'");
		return;
	}
	const char *section = keep(r, trim(slice_of(line.data + 1, line.len - 2)));
	if (!section)
		return;
	r->section = section;
	r->section_lost = false;
	r->ops->on_section(r->owner, place_of(r), section);
}

/* ---- entries ---- */

/* Unquotes the name at the front of the line into r->name. Gives what follows it; false
 * when there is no closing quote. */
static bool take_quoted(struct reading *r, struct slice line, struct slice *out_rest)
{
	uint8_t quote = line.data[0];
	size_t len = 0;

	for (size_t i = 1; i < line.len; i++) {
		if (line.data[i] == quote) {
			if (i + 1 == line.len || line.data[i + 1] != quote) {
				r->name[len] = '\0';
				*out_rest = trim(slice_after(line, i + 1));
				return true;
			}
			i++;
		}
		r->name[len++] = (char)line.data[i];
	}
	return false;
}

/* What inih shall see of a line that begins with a quoted name; empty when it is bad. */
static struct slice judge_quoted(struct reading *r, struct slice line)
{
	struct slice rest, none = {0};

	if (!take_quoted(r, line, &rest)) {
		complain(r, "the quoted name has no end");
		return none;
	}
	if (rest.len == 0 || rest.data[0] != '=') {
		complain(r, "the quoted name is not followed by '='");
		return none;
	}
	if (r->name[0] == '\0') {
		complain(r, "the name is empty");
		return none;
	}
	r->own_name = true;
	return rest;
}

/* The same for a name without quotes. */
static struct slice judge_plain(struct reading *r, struct slice line)
{
	const uint8_t *sign = memchr(line.data, '=', line.len);
	struct slice none = {0};

	if (!sign) {
		complain(r, "this is no \"name = value\": there is no '='");
		return none;
	}
	struct slice name = trim(slice_of(line.data, (size_t)(sign - line.data)));
	if (name.len == 0) {
		complain(r, "there is no name before the '='");
		return none;
	}
	for (size_t i = 0; i < name.len; i++) {
		if (!isspace(name.data[i]) && !strchr("'\"", name.data[i]))
			continue;
		complain(r, "a name with blanks or quotes in it must be quoted "
			    "(or is a '=' missing before this one?)");
		return none;
	}
	if (!memchr(name.data, ':', name.len))
		return line;
	memcpy(r->name, name.data, name.len);
	r->name[name.len] = '\0';
	r->own_name = true;
	return slice_of(sign, line.len - (size_t)(sign - line.data));
}

static struct slice judge_entry(struct reading *r, struct slice line)
{
	r->own_name = false;
	if (r->section_lost)
		return (struct slice){0};
	if (line.data[0] == '\'' || line.data[0] == '"')
		return judge_quoted(r, line);
	return judge_plain(r, line);
}

/* ---- lines ---- */

/* Takes the next line of the file on top; it is without its end and the blanks around. */
static struct slice next_line(struct reading *r)
{
	struct source *s = top(r);
	const char *start = s->data + s->at;
	const char *end = memchr(start, '\n', s->len - s->at);
	size_t len = end ? (size_t)(end - start) : s->len - s->at;

	s->at += len + (end ? 1 : 0);
	s->line++;
	if (memchr(start, '\0', len)) {
		complain(r, "the line has a NUL byte");
		len = 0;
	}
	struct slice line = trim(slice_of(start, len));
	if (line.len <= INI_LINE_MAX)
		return line;
	complain(r, "the line is longer than %d bytes", INI_LINE_MAX);
	return slice_first(line, 0);
}

/* Does with the line what inih cannot; what is left for inih may be nothing. */
static struct slice judge_line(struct reading *r, struct slice line)
{
	struct slice none = {0};

	if (line.len == 0)
		return none;
	switch (line.data[0]) {
	case ';':
	case '#':
		return none;
	case '%':
		on_directive(r, line);
		return none;
	case '[':
		on_section(r, line);
		return none;
	default:
		return judge_entry(r, line);
	}
}

/* inih's reader: the next line that is an entry. */
static char *read_entry(char *out, int cap, void *stream)
{
	struct reading *r = stream;

	/* What inih did not understand it does not tell until the end. */
	if (r->answer_due)
		complain(r, "this is no \"name = value\"");
	r->answer_due = false;
	while (r->depth > 0 && !r->over && !r->no_memory) {
		if (top(r)->at >= top(r)->len) {
			close_source(r);
			continue;
		}
		struct slice line = judge_line(r, next_line(r));
		if (line.len == 0)
			continue;
		/* inih asks for whole lines, never for the rest of one. */
		CHECK(line.len + 2 <= (size_t)cap);
		memcpy(out, line.data, line.len);
		memcpy(out + line.len, "\n", 2);
		r->answer_due = true;
		return out;
	}
	/* inih frees what it has of the last lines. */
	crypto_wipe(out, (size_t)cap);
	return NULL;
}

static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;

	(void)section; /* always the empty one: inih sees no headers */
	r->answer_due = false;
	r->ops->on_entry(r->owner, place_of(r), r->section, r->own_name ? r->name : name,
			 value);
	return 1;
}

int ini_read(const char *path, const struct ini_ops *ops, void *owner,
	     struct config_errors *errors)
{
	/* ini_setup() was called. */
	CHECK(ini_max_line == INIH_LINE_CAP && !ini_allow_multiline);
	struct reading *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->ops = ops;
	r->owner = owner;
	r->errors = errors;
	r->section = "";
	const char *fault = open_source(r, path);
	if (fault)
		config_errors_add(errors, CONFIG_ERROR, path, 0, "cannot be read: %s",
				  fault);
	/* Of its results only -2, no memory, says what we do not know yet. */
	if (ini_parse_stream(read_entry, r, on_pair, r) == -2)
		r->no_memory = true;
	int rc = r->no_memory ? -ENOMEM : 0;
	while (r->depth > 0)
		close_source(r);
	arena_fini(&r->names);
	free(r);
	return rc;
}

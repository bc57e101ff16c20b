/*
 * The file of secrets (auth_file): lines of "user" "secret", what follows is ignored. A
 * quote within is doubled; lines that begin with ';' are comments.
 *
 * A list never changes: a file that has changed is a new list, and one with a broken line
 * is none. Each user takes the memory of name and secret and some 90 bytes.
 */
#ifndef POOLER_AUTH_USERLIST_H
#define POOLER_AUTH_USERLIST_H

#include "auth/secret.h"

struct userlist;
struct config_errors;

/* NULL, and in errors all that is wrong, by line. A name that occurs twice is a warning;
 * the later line counts. */
struct userlist *userlist_load(const char *path, struct config_errors *errors);
struct userlist *userlist_parse(struct slice text, const char *file,
				struct config_errors *errors);

/* Wipes and frees; NULL is fine. */
void userlist_free(struct userlist *list);

size_t userlist_count(const struct userlist *list);

/* *out borrows from the list; false when there is no such user. list may be NULL. */
bool userlist_find(const struct userlist *list, struct slice user, struct secret *out);

/* The user whose name comes next after this one (an empty one: the first), in the order
 * of their bytes; at once, if there is a user of that name. False at the end. list may be
 * NULL. */
bool userlist_next(const struct userlist *list, struct slice after, struct slice *out);

/* What most users have: unknown users are to look like them. SECRET_NONE in an empty
 * list; list may be NULL. */
enum secret_kind userlist_usual_kind(const struct userlist *list);
/* The iterations of most verifiers; 0 when there is none. list may be NULL. */
uint32_t userlist_usual_iterations(const struct userlist *list);

#endif

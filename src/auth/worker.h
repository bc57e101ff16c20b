/*
 * What blocks in a login (PAM, LDAP, the system's user names), on a few threads of its
 * own.
 *
 * The line in front of them is bounded: when it is full, the login is refused, nobody
 * waits for room. Results are collected by the loop's thread: it watches workers_fd()
 * for reading and then calls workers_collect(). Threads are started when the first job
 * comes, and take no signals. A job copies what it is given, and wipes it. All functions
 * are for the loop's thread alone.
 */
#ifndef POOLER_AUTH_WORKER_H
#define POOLER_AUTH_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/slice.h"

struct workers;
struct work; /* one job under way */

enum work_kind {
	WORK_PAM,      /* is this the user's password? */
	WORK_LDAP,     /* the same */
	WORK_USER_NAME /* what is this user id called? */
};

enum work_verdict {
	WORK_RIGHT, /* the password is right; the name was found */
	WORK_WRONG, /* it is not; there is no such name */
	WORK_BROKEN /* could not be found out: the text says why */
};

/* A name or a password with a NUL in it, and what is empty, is never right. */
struct work_order {
	enum work_kind kind;
	struct slice user, password;
	const char *service; /* PAM */
	const char
	    *remote_host; /* PAM: the client's address, for PAM_RHOST; may be NULL */
	/* LDAP: names and values as in pg_hba.conf, one after the other ("ldapserver",
	 * "localhost", ...), NULL at the end; checked by ldap_options_check() before. */
	const char *const *options;
	uid_t uid; /* USER_NAME */
};

enum { WORK_TEXT_LEN = 512 };

/* What the work itself (auth/pam, auth/ldap, auth/system_user) comes to. */
struct work_answer {
	enum work_verdict verdict;
	char text[WORK_TEXT_LEN];
};

/* Called by workers_collect(). text: of WORK_RIGHT the system's name (USER_NAME), else
 * the reason or "", for the log only; it may hold what the user or the directory said,
 * but never a secret; borrowed. The work is gone when this is called. It must not destroy
 * the workers. */
typedef void (*work_done_fn)(void *context, enum work_verdict verdict, const char *text);

/* NULL when descriptors or memory are short. */
struct workers *workers_create(unsigned threads, unsigned line_max);
/* Waits for the jobs at work (LDAP's are bounded by their own time limits), drops the
 * rest; no callback comes. What PAM has not let go of after WORKERS_PATIENCE_S is left
 * behind, and frees itself when it comes back. */
enum { WORKERS_PATIENCE_S = 10 };
void workers_destroy(struct workers *workers);

/* Takes effect for the next jobs; threads too many end when they have nothing to do. */
void workers_resize(struct workers *workers, unsigned threads, unsigned line_max);

/* Readable when there is something to collect. */
int workers_fd(const struct workers *workers);
void workers_collect(struct workers *workers);

/* NULL when all threads are at work and the line is full (or memory is short, or the
 * first thread cannot be started): refuse the login with 53300. */
struct work *workers_submit(struct workers *workers, const struct work_order *order,
			    work_done_fn on_done, void *context);

/* Nobody waits for it any more: on_done will not be called. It leaves the line if it has
 * not begun. */
void workers_abandon(struct workers *workers, struct work *work);

size_t workers_waiting(const struct workers *workers);
size_t workers_busy(const struct workers *workers);

#endif

/*
 * What the system calls a user id. Blocks: for the threads of auth/worker only.
 */
#ifndef POOLER_AUTH_SYSTEM_USER_H
#define POOLER_AUTH_SYSTEM_USER_H

#include "auth/worker.h"

/* WORK_WRONG: it has no such user. */
void system_user_find(uid_t uid, struct work_answer *out);

#endif

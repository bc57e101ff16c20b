/*
 * getpwuid_r() asks whatever nsswitch.conf names, which may be a server far away.
 */
#include "auth/system_user.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

enum { SPACE_FIRST = 1024, SPACE_MAX = 1024 * 1024 };

/* 0 and the name, or an errno; found is NULL when there is none. */
static int look_up(uid_t uid, size_t space_len, struct work_answer *out)
{
	struct passwd entry, *found = NULL;
	char *space = malloc(space_len);

	if (!space)
		return ENOMEM;
	int rc = getpwuid_r(uid, &entry, space, space_len, &found);
	if (found && strlen(found->pw_name) < sizeof(out->text)) {
		text_copy(out->text, sizeof(out->text), slice_of_text(found->pw_name));
		out->verdict = WORK_RIGHT;
	}
	free(space);
	return rc;
}

/* Name services do not agree on how to say that there is none: getpwuid(3). */
static bool means_none(int error)
{
	return error == 0 || error == ENOENT || error == ESRCH || error == EBADF ||
	       error == EPERM;
}

void system_user_find(uid_t uid, struct work_answer *out)
{
	size_t space_len = SPACE_FIRST;
	int rc;

	*out = (struct work_answer){.verdict = WORK_WRONG};
	while ((rc = look_up(uid, space_len, out)) == ERANGE && space_len < SPACE_MAX)
		space_len *= 2;
	if (out->verdict == WORK_RIGHT || means_none(rc))
		return;
	out->verdict = WORK_BROKEN;
	snprintf(out->text, sizeof(out->text),
		 "the name of user id %lu cannot be found out: %s", (unsigned long)uid,
		 strerrordesc_np(rc) ? strerrordesc_np(rc) : "unknown error");
}

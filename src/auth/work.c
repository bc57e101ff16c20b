/*
 * See the header.
 */
#include "auth/work.h"

#include <stdlib.h>

#include "auth/ldap.h"
#include "auth/pam.h"
#include "auth/system_user.h"
#include "base/crypto.h"

static size_t text_len(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static size_t count_options(const char *const *options)
{
	size_t count = 0;

	while (options && options[count])
		count++;
	return count;
}

static size_t len_of(const struct work_order *order)
{
	size_t len = order->user.len + order->password.len + 2;

	len += text_len(order->service) + text_len(order->remote_host);
	for (const char *const *o = order->options; o && *o; o++)
		len += text_len(*o);
	return len;
}

/* Copies behind what is there already, and ends it in NUL. */
static const char *put(char **at, struct slice text)
{
	char *copy = *at;

	if (text.len > 0)
		memcpy(copy, text.data, text.len);
	copy[text.len] = '\0';
	*at += text.len + 1;
	return copy;
}

static const char *put_text(char **at, const char *text)
{
	return text ? put(at, slice_of_text(text)) : NULL;
}

static void copy_order(struct work *work, const struct work_order *order)
{
	char *at = work->bytes;

	work->user = put(&at, order->user);
	work->password = put(&at, order->password);
	work->service = put_text(&at, order->service);
	work->remote_host = put_text(&at, order->remote_host);
	for (size_t i = 0; order->options && order->options[i]; i++)
		work->options[i] = put_text(&at, order->options[i]);
}

/* An empty password would be an anonymous bind, which servers let pass. */
static bool is_usable(struct slice text)
{
	return text.len > 0 && !memchr(text.data, '\0', text.len);
}

struct work *work_create(const struct work_order *order)
{
	size_t len = len_of(order);
	struct work *work = calloc(1, sizeof(*work) + len);

	if (!work)
		return NULL;
	work->options = calloc(count_options(order->options) + 1, sizeof(*work->options));
	if (!work->options) {
		free(work);
		return NULL;
	}
	work->bytes_len = len;
	work->kind = order->kind;
	work->uid = order->uid;
	work->is_hopeless = order->kind != WORK_USER_NAME &&
			    (!is_usable(order->user) || !is_usable(order->password));
	copy_order(work, order);
	return work;
}

void work_destroy(struct work *work)
{
	if (!work)
		return;
	crypto_wipe(work->bytes, work->bytes_len);
	free(work->options);
	free(work);
}

static void ask_pam(struct work *work)
{
	struct pam_question question = {.service = work->service,
					.user = work->user,
					.password = work->password,
					.remote_host = work->remote_host};

	pam_judge(&question, &work->answer);
}

static void ask_ldap(struct work *work)
{
	struct ldap_question question = {
	    .options = work->options, .user = work->user, .password = work->password};

	ldap_judge(&question, &work->answer);
}

void work_do(struct work *work)
{
	if (work->is_hopeless) {
		work->answer.verdict = WORK_WRONG;
		return;
	}
	switch (work->kind) {
	case WORK_PAM:
		ask_pam(work);
		return;
	case WORK_LDAP:
		ask_ldap(work);
		return;
	case WORK_USER_NAME:
		system_user_find(work->uid, &work->answer);
		return;
	}
}

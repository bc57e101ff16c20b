/*
 * One transaction per question: authenticate, then ask about the account. There is nobody
 * to talk to, so each question of a module for something hidden is answered with the
 * password, each for something shown with the user's name.
 */
#include "auth/pam.h"

#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crypto.h"

static void forget_replies(struct pam_response *replies, int count)
{
	for (int i = 0; i < count; i++)
		if (replies[i].resp) {
			crypto_wipe(replies[i].resp, strlen(replies[i].resp));
			free(replies[i].resp);
		}
	free(replies);
}

/* False when memory is short or PAM wants what nobody can give. */
static bool reply_to(const struct pam_message *message, const struct pam_question *q,
		     struct pam_response *reply)
{
	switch (message->msg_style) {
	case PAM_PROMPT_ECHO_OFF:
		reply->resp = strdup(q->password);
		return reply->resp != NULL;
	case PAM_PROMPT_ECHO_ON:
		reply->resp = strdup(q->user);
		return reply->resp != NULL;
	case PAM_ERROR_MSG:
	case PAM_TEXT_INFO:
		return true;
	}
	return false;
}

/* PAM frees the replies. */
static int converse(int count, const struct pam_message **messages,
		    struct pam_response **out, void *context)
{
	if (count <= 0 || count > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	struct pam_response *replies = calloc((size_t)count, sizeof(*replies));
	if (!replies)
		return PAM_BUF_ERR;
	for (int i = 0; i < count; i++)
		if (!reply_to(messages[i], context, &replies[i])) {
			forget_replies(replies, count);
			return PAM_CONV_ERR;
		}
	*out = replies;
	return PAM_SUCCESS;
}

/* Instead of sleeping after a failure, for seconds, on one of a few threads: the brake on
 * guessing holds up the one who fails, not those behind. */
static void do_not_sleep(int status, unsigned delay_us, void *context)
{
	(void)status;
	(void)delay_us;
	(void)context;
}

/* Everything else says that something is amiss with the modules, not with the user. */
static enum work_verdict verdict_of(int rc)
{
	switch (rc) {
	case PAM_SUCCESS:
		return WORK_RIGHT;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_MAXTRIES:
	case PAM_PERM_DENIED:
	case PAM_CRED_INSUFFICIENT:
	case PAM_ACCT_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_CRED_EXPIRED:
		return WORK_WRONG;
	}
	return WORK_BROKEN;
}

static void tell(struct work_answer *out, pam_handle_t *handle, const char *what, int rc)
{
	out->verdict = verdict_of(rc);
	out->text[0] = '\0';
	if (out->verdict != WORK_RIGHT)
		snprintf(out->text, sizeof(out->text), "%s: %s", what,
			 pam_strerror(handle, rc));
}

static void ask(pam_handle_t *handle, const struct pam_question *question,
		struct work_answer *out)
{
	int rc = pam_set_item(handle, PAM_FAIL_DELAY, (const void *)do_not_sleep);

	if (rc == PAM_SUCCESS && question->remote_host)
		rc = pam_set_item(handle, PAM_RHOST, question->remote_host);
	if (rc == PAM_SUCCESS)
		rc = pam_authenticate(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	tell(out, handle, "PAM does not authenticate", rc);
	if (rc == PAM_SUCCESS) {
		rc = pam_acct_mgmt(handle, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
		tell(out, handle, "PAM does not accept the account", rc);
	}
	pam_end(handle, rc);
}

void pam_judge(const struct pam_question *question, struct work_answer *out)
{
	/* The library hands the pointer through; converse() only reads what it leads to.
	 */
	struct pam_question copy = *question;
	struct pam_conv conversation = {.conv = converse, .appdata_ptr = &copy};
	pam_handle_t *handle = NULL;
	int rc = pam_start(question->service, question->user, &conversation, &handle);

	if (rc == PAM_SUCCESS) {
		ask(handle, question, out);
		return;
	}
	out->verdict = WORK_BROKEN;
	snprintf(out->text, sizeof(out->text), "PAM cannot be started: %s",
		 pam_strerror(handle, rc));
}

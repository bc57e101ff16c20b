/*
 * One connection per question and server. All requests are sent without waiting for the
 * answer and then waited for with a bound, since not all of libldap's waiting calls have
 * one; ldap_deadline.c bounds what it does in between.
 */
#include "auth/ldap.h"

#include <ldap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/ldap_deadline.h"
#include "auth/ldap_names.h"
#include "auth/ldap_plan.h"
#include "base/buffer.h"
#include "base/crypto.h"
#include "base/text.h"

struct inquiry {
	const struct ldap_question *question;
	const struct ldap_plan *plan;
	struct work_answer *out;
	const char *uri;
	LDAP *ld;
	struct ldap_deadline deadline;
};

enum progress {
	PROGRESS_ON,      /* go on with the next step */
	PROGRESS_DONE,    /* the answer is there */
	PROGRESS_NO_HELP, /* this server cannot answer: the text says why */
};

/* ---- what to say ---- */

static enum progress say(struct inquiry *i, enum work_verdict verdict, const char *format,
			 ...) __attribute__((format(printf, 3, 4)));

static enum progress say(struct inquiry *i, enum work_verdict verdict, const char *format,
			 ...)
{
	va_list args;

	i->out->verdict = verdict;
	va_start(args, format);
	vsnprintf(i->out->text, sizeof(i->out->text), format, args);
	va_end(args);
	return PROGRESS_DONE;
}

/* Whether another server may know better. */
static bool is_of_server(int rc)
{
	return rc == LDAP_SERVER_DOWN || rc == LDAP_CONNECT_ERROR || rc == LDAP_TIMEOUT ||
	       rc == LDAP_UNAVAILABLE || rc == LDAP_BUSY;
}

/* With what the library or the server has to say about it. */
static enum progress say_failed(struct inquiry *i, const char *what, int rc)
{
	char *more = NULL, shown[200] = "";

	if (i->ld)
		ldap_get_option(i->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &more);
	if (more)
		text_escape(shown, sizeof(shown), slice_of_text(more));
	say(i, WORK_BROKEN, "%s at %s: %s%s%s", what, i->uri, ldap_err2string(rc),
	    shown[0] ? ": " : "", shown);
	ldap_memfree(more);
	return is_of_server(rc) ? PROGRESS_NO_HELP : PROGRESS_DONE;
}

/* ---- steps ---- */

static int result_code(LDAP *ld)
{
	int rc = LDAP_OTHER;

	ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &rc);
	return rc;
}

/* Waits for all of the answer, which is to be freed if there is one. */
static int wait_for(struct inquiry *i, int message, LDAPMessage **out)
{
	struct timeval limit = {.tv_sec = LDAP_STEP_S};
	LDAPMessage *answer = NULL;
	int rc = LDAP_SUCCESS;

	ldap_deadline_set(&i->deadline, LDAP_STEP_S);
	int kind = ldap_result(i->ld, message, LDAP_MSG_ALL, &limit, &answer);
	if (kind == 0)
		return LDAP_TIMEOUT;
	if (kind < 0)
		return result_code(i->ld);
	int parsed = ldap_parse_result(i->ld, answer, &rc, NULL, NULL, NULL, NULL, 0);
	*out = answer;
	return parsed == LDAP_SUCCESS ? rc : parsed;
}

static int set_options(LDAP *ld)
{
	const struct timeval limit = {.tv_sec = LDAP_STEP_S};
	const int version = LDAP_VERSION3, seconds = LDAP_STEP_S, most = 2;

	if (ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version) != LDAP_SUCCESS ||
	    ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &limit) != LDAP_SUCCESS ||
	    ldap_set_option(ld, LDAP_OPT_TIMEOUT, &limit) != LDAP_SUCCESS ||
	    ldap_set_option(ld, LDAP_OPT_TIMELIMIT, &seconds) != LDAP_SUCCESS ||
	    ldap_set_option(ld, LDAP_OPT_SIZELIMIT, &most) != LDAP_SUCCESS ||
	    /* Another server would be asked without a name. */
	    ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) != LDAP_SUCCESS)
		return LDAP_LOCAL_ERROR;
	return LDAP_SUCCESS;
}

static enum progress open_session(struct inquiry *i)
{
	int rc = ldap_initialize(&i->ld, i->uri);

	if (rc == LDAP_SUCCESS)
		rc = set_options(i->ld);
	if (rc == LDAP_SUCCESS && !ldap_deadline_init(&i->deadline, i->ld))
		rc = LDAP_NO_MEMORY;
	return rc == LDAP_SUCCESS ? PROGRESS_ON
				  : say_failed(i, "LDAP cannot be set up", rc);
}

static enum progress start_tls(struct inquiry *i)
{
	LDAPMessage *answer = NULL;
	int message;

	if (!i->plan->has_starttls)
		return PROGRESS_ON;
	ldap_deadline_set(&i->deadline, LDAP_STEP_S);
	int rc = ldap_start_tls(i->ld, NULL, NULL, &message);
	if (rc == LDAP_SUCCESS)
		rc = wait_for(i, message, &answer);
	ldap_msgfree(answer);
	ldap_deadline_set(&i->deadline, LDAP_STEP_S);
	if (rc == LDAP_SUCCESS)
		rc = ldap_install_tls(i->ld);
	return rc == LDAP_SUCCESS ? PROGRESS_ON : say_failed(i, "LDAP StartTLS", rc);
}

/* Without a password it would be an unauthenticated bind, which is no proof. */
static int bind_as(struct inquiry *i, const char *dn, const char *password)
{
	struct berval credentials;
	LDAPMessage *answer = NULL;
	int message;
	char *copy = strdup(password);

	if (!copy)
		return LDAP_NO_MEMORY;
	credentials.bv_val = copy;
	credentials.bv_len = strlen(copy);
	ldap_deadline_set(&i->deadline, LDAP_STEP_S);
	int rc = ldap_sasl_bind(i->ld, dn, LDAP_SASL_SIMPLE, &credentials, NULL, NULL,
				&message);
	if (rc == LDAP_SUCCESS)
		rc = wait_for(i, message, &answer);
	crypto_wipe(copy, credentials.bv_len);
	free(copy);
	ldap_msgfree(answer);
	return rc;
}

/* What a server says about a user who may not come in, as opposed to one that does not
 * know. */
static bool means_wrong(int rc)
{
	return rc == LDAP_INVALID_CREDENTIALS || rc == LDAP_NO_SUCH_OBJECT ||
	       rc == LDAP_INAPPROPRIATE_AUTH || rc == LDAP_INVALID_DN_SYNTAX ||
	       rc == LDAP_INSUFFICIENT_ACCESS || rc == LDAP_UNWILLING_TO_PERFORM ||
	       rc == LDAP_CONSTRAINT_VIOLATION;
}

static enum progress prove(struct inquiry *i, const char *dn)
{
	if (!dn[0] || !i->question->password[0])
		return say(i, WORK_WRONG, "LDAP bind without a name or a password");
	int rc = bind_as(i, dn, i->question->password);
	if (rc == LDAP_SUCCESS)
		return say(i, WORK_RIGHT, "%s", "");
	enum progress progress = say_failed(i, "LDAP bind", rc);
	if (means_wrong(rc))
		i->out->verdict = WORK_WRONG;
	return progress;
}

/* ---- simple bind ---- */

static enum progress say_refused(struct inquiry *i, enum ldap_name name)
{
	if (name == LDAP_NAME_REFUSED)
		return say(i, WORK_WRONG,
			   "invalid character in user name for LDAP authentication");
	return say(i, WORK_BROKEN, "out of memory");
}

static enum progress prove_simply(struct inquiry *i)
{
	struct buffer dn = {0};
	enum ldap_name name = ldap_name_to_bind(i->plan, i->question->user, &dn);
	enum progress progress = PROGRESS_DONE;

	if (name == LDAP_NAME_OK)
		progress = prove(i, (const char *)buffer_bytes(&dn).data);
	else
		say_refused(i, name);
	buffer_fini(&dn);
	return progress;
}

/* ---- search and bind ---- */

static int search(struct inquiry *i, const char *filter, LDAPMessage **out)
{
	char none[] = LDAP_NO_ATTRS, *attributes[] = {none, NULL};
	struct timeval limit = {.tv_sec = LDAP_STEP_S};
	int message;

	/* Two are as good as many. */
	ldap_deadline_set(&i->deadline, LDAP_STEP_S);
	int rc = ldap_search_ext(i->ld, i->plan->base_dn, i->plan->scope, filter,
				 attributes, 0, NULL, NULL, &limit, 2, &message);
	return rc == LDAP_SUCCESS ? wait_for(i, message, out) : rc;
}

static enum progress prove_found(struct inquiry *i, LDAPMessage *answer)
{
	int count = ldap_count_entries(i->ld, answer);

	if (count != 1)
		return say(i, WORK_WRONG,
			   count == 0 ? "LDAP user does not exist"
				      : "LDAP user is not unique: more than one entry "
					"fits");
	char *dn = ldap_get_dn(i->ld, ldap_first_entry(i->ld, answer));
	if (!dn)
		return say_failed(i, "LDAP search", result_code(i->ld));
	enum progress progress = prove(i, dn);
	ldap_memfree(dn);
	return progress;
}

static enum progress find_and_prove(struct inquiry *i, const char *filter)
{
	LDAPMessage *answer = NULL;
	int rc = bind_as(i, i->plan->bind_dn, i->plan->bind_password);

	if (rc != LDAP_SUCCESS)
		return say_failed(i, "LDAP bind as ldapbinddn", rc);
	rc = search(i, filter, &answer);
	enum progress progress =
	    rc == LDAP_SUCCESS || (rc == LDAP_SIZELIMIT_EXCEEDED && answer)
		? prove_found(i, answer)
		: say_failed(i, "LDAP search", rc);
	ldap_msgfree(answer);
	return progress;
}

static enum progress prove_by_search(struct inquiry *i)
{
	struct buffer filter = {0};
	enum ldap_name name = ldap_name_to_find(i->plan, i->question->user, &filter);
	enum progress progress = PROGRESS_DONE;

	if (name == LDAP_NAME_OK)
		progress = find_and_prove(i, (const char *)buffer_bytes(&filter).data);
	else
		say_refused(i, name);
	buffer_fini(&filter);
	return progress;
}

/* ---- servers ---- */

static enum progress ask_server(struct inquiry *i)
{
	i->ld = NULL;
	i->deadline.timer_fd = -1;
	enum progress progress = open_session(i);
	if (progress == PROGRESS_ON)
		progress = start_tls(i);
	if (progress == PROGRESS_ON)
		progress = i->plan->is_search ? prove_by_search(i) : prove_simply(i);
	if (i->ld)
		ldap_unbind_ext_s(i->ld, NULL, NULL);
	i->ld = NULL;
	ldap_deadline_fini(&i->deadline);
	return progress;
}

static void ask_servers(struct inquiry *i, const char *servers)
{
	struct buffer uris = {0};

	if (!ldap_plan_print_uris(i->plan, servers, &uris)) {
		say(i, WORK_BROKEN, "out of memory");
		buffer_fini(&uris);
		return;
	}
	say(i, WORK_BROKEN, "there are no LDAP servers");
	for (int n = 0; buffer_len(&uris) > 0 && n < LDAP_PLAN_SERVERS_MAX; n++) {
		i->uri = (const char *)buffer_bytes(&uris).data;
		if (ask_server(i) == PROGRESS_DONE)
			break;
		buffer_consume(&uris, strlen(i->uri) + 1);
	}
	buffer_fini(&uris);
}

/* The domain of the base tells which servers the DNS has for it. */
static void ask_servers_of_domain(struct inquiry *i)
{
	char *domain = NULL, *servers = NULL;

	if (ldap_dn2domain(i->plan->base_dn, &domain) != 0 || !domain)
		say(i, WORK_BROKEN,
		    "ldapserver is missing, and ldapbasedn tells no domain");
	else if (ldap_domain2hostlist(domain, &servers) != LDAP_SUCCESS)
		say(i, WORK_BROKEN, "the DNS has no LDAP servers for the domain \"%s\"",
		    domain);
	else
		ask_servers(i, servers);
	ldap_memfree(servers);
	ldap_memfree(domain);
}

/* Where there are no certificates this fails, and each connection will say so. */
void ldap_prepare(void)
{
	const int is_server = 0;

	ldap_set_option(NULL, LDAP_OPT_X_TLS_NEWCTX, &is_server);
}

void ldap_judge(const struct ldap_question *question, struct work_answer *out)
{
	struct ldap_plan plan;
	struct inquiry inquiry = {.question = question, .plan = &plan, .out = out};

	*out = (struct work_answer){.verdict = WORK_BROKEN};
	if (!ldap_plan_read(question->options, &plan, out->text, sizeof(out->text)))
		return;
	if (plan.servers)
		ask_servers(&inquiry, plan.servers);
	else
		ask_servers_of_domain(&inquiry);
	ldap_plan_fini(&plan);
}

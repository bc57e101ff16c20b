/*
 * See the header. Many threads come here; what they leave is under one lock.
 */
#include "unit/auth/fake_pam.h"

#include <pthread.h>
#include <security/pam_appl.h>
#include <semaphore.h>
#include <signal.h>

#include "unit/base/kit.h"

struct pam_handle {
	char service[20], user[200];
	const struct pam_conv *conversation;
	void (*delay)(int, unsigned, void *); /* NULL: sleep */
};

static struct {
	pthread_mutex_t lock;
	sem_t has_come, may_go;
	unsigned asked;
	bool is_deaf;
	char remote_host[100], replies[300];
} fake = {.lock = PTHREAD_MUTEX_INITIALIZER};

void fake_pam_begin(void)
{
	sem_init(&fake.has_come, 0, 0);
	sem_init(&fake.may_go, 0, 0);
	pthread_mutex_lock(&fake.lock);
	fake.asked = 0;
	fake.is_deaf = false;
	fake.remote_host[0] = fake.replies[0] = '\0';
	pthread_mutex_unlock(&fake.lock);
}

void fake_pam_end(void)
{
	sem_destroy(&fake.has_come);
	sem_destroy(&fake.may_go);
}

void fake_pam_wait_for(unsigned count)
{
	while (count-- > 0)
		sem_wait(&fake.has_come);
}

void fake_pam_let_go(unsigned count)
{
	while (count-- > 0)
		sem_post(&fake.may_go);
}

unsigned fake_pam_asked(void)
{
	pthread_mutex_lock(&fake.lock);
	unsigned asked = fake.asked;
	pthread_mutex_unlock(&fake.lock);
	return asked;
}

bool fake_pam_signals_were_blocked(void)
{
	return fake.is_deaf;
}

const char *fake_pam_remote_host(void)
{
	return fake.remote_host;
}

const char *fake_pam_replies(void)
{
	return fake.replies;
}

/* ---- what the program calls ---- */

int pam_start(const char *service, const char *user, const struct pam_conv *conversation,
	      pam_handle_t **out)
{
	if (strcmp(service, "no-start") == 0)
		return PAM_BUF_ERR;
	*out = calloc(1, sizeof(**out));
	assert_non_null(*out);
	snprintf((*out)->service, sizeof((*out)->service), "%s", service);
	snprintf((*out)->user, sizeof((*out)->user), "%s", user);
	(*out)->conversation = conversation;
	sigset_t blocked;
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	pthread_mutex_lock(&fake.lock);
	fake.asked++;
	fake.is_deaf = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGHUP) &&
		       sigismember(&blocked, SIGUSR2) && sigismember(&blocked, SIGALRM);
	fake.remote_host[0] = '\0';
	pthread_mutex_unlock(&fake.lock);
	return PAM_SUCCESS;
}

int pam_set_item(pam_handle_t *handle, int item, const void *value)
{
	if (item == PAM_FAIL_DELAY) {
		assert_non_null(value);
		memcpy(&handle->delay, &value, sizeof(handle->delay));
		return PAM_SUCCESS;
	}
	assert_int_equal(item, PAM_RHOST);
	pthread_mutex_lock(&fake.lock);
	snprintf(fake.remote_host, sizeof(fake.remote_host), "%s", (const char *)value);
	pthread_mutex_unlock(&fake.lock);
	return PAM_SUCCESS;
}

/* As the library does: the replies are ours, and are wiped. */
static int ask(const pam_handle_t *handle, const struct pam_message *messages, int count,
	       char *said, size_t cap)
{
	const struct pam_message *pointers[10];
	struct pam_response *replies = NULL;
	size_t len = 0;

	for (int i = 0; i < count && i < 10; i++)
		pointers[i] = &messages[i];
	int rc = handle->conversation->conv(count, pointers, &replies,
					    handle->conversation->appdata_ptr);
	if (rc != PAM_SUCCESS)
		return rc;
	for (int i = 0; i < count; i++) {
		const char *text = replies[i].resp ? replies[i].resp : "-";

		len += (size_t)snprintf(said + len, cap - len, "%s ", text);
		assert_int_equal(replies[i].resp_retcode, 0);
		if (replies[i].resp)
			explicit_bzero(replies[i].resp, strlen(replies[i].resp));
		free(replies[i].resp);
	}
	free(replies);
	return PAM_SUCCESS;
}

static int talk(const pam_handle_t *handle)
{
	static const struct pam_message all[] = {
	    {PAM_TEXT_INFO, "welcome"},  {PAM_PROMPT_ECHO_ON, "who?"},
	    {PAM_PROMPT_ECHO_OFF, "?"},  {PAM_ERROR_MSG, "careful"},
	    {PAM_PROMPT_ECHO_OFF, "??"},
	};
	static const struct pam_message binary[] = {{PAM_PROMPT_ECHO_OFF, "?"},
						    {PAM_BINARY_PROMPT, "?"}};
	char said[300];

	assert_int_equal(ask(handle, binary, 2, said, sizeof(said)), PAM_CONV_ERR);
	assert_int_equal(ask(handle, all, 0, said, sizeof(said)), PAM_CONV_ERR);
	int rc = ask(handle, all, 5, said, sizeof(said));
	pthread_mutex_lock(&fake.lock);
	memcpy(fake.replies, said, sizeof(said));
	pthread_mutex_unlock(&fake.lock);
	return rc;
}

int pam_authenticate(pam_handle_t *handle, int flags)
{
	static const struct pam_message prompt = {PAM_PROMPT_ECHO_OFF, "Password: "};
	char said[300];

	assert_true(flags & PAM_DISALLOW_NULL_AUTHTOK);
	if (strcmp(handle->service, "broken") == 0)
		return PAM_MODULE_UNKNOWN;
	if (strcmp(handle->service, "talks") == 0)
		return talk(handle);
	if (strcmp(handle->service, "holds") == 0) {
		sem_post(&fake.has_come);
		sem_wait(&fake.may_go);
	}
	int rc = ask(handle, &prompt, 1, said, sizeof(said));
	if (rc != PAM_SUCCESS)
		return rc;
	bool is_right = strcmp(said, "swordfish ") == 0;
	explicit_bzero(said, sizeof(said));
	if (is_right)
		return PAM_SUCCESS;
	/* As the library does; the test would take that long. */
	assert_non_null(handle->delay);
	handle->delay(PAM_AUTH_ERR, 100000000, NULL);
	return PAM_AUTH_ERR;
}

int pam_acct_mgmt(pam_handle_t *handle, int flags)
{
	(void)flags;
	return strcmp(handle->service, "expired") == 0 ? PAM_NEW_AUTHTOK_REQD
						       : PAM_SUCCESS;
}

int pam_end(pam_handle_t *handle, int status)
{
	(void)status;
	free(handle);
	return PAM_SUCCESS;
}

const char *pam_strerror(pam_handle_t *handle, int error)
{
	(void)handle;
	switch (error) {
	case PAM_MODULE_UNKNOWN:
		return "Module is unknown";
	case PAM_NEW_AUTHTOK_REQD:
		return "Too old";
	}
	return "Something";
}

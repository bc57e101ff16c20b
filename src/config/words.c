/*
 * Tables, and the few ways to look into them.
 */
#include "config/words.h"

#include "base/text.h"

static const struct word pool_modes[] = {
    {"session", POOL_MODE_SESSION},
    {"transaction", POOL_MODE_TRANSACTION},
    {"statement", POOL_MODE_STATEMENT},
    {NULL, 0},
};

static const struct word state_policies[] = {
    {"pin", STATE_PIN},
    {"error", STATE_ERROR},
    {"allow", STATE_ALLOW},
    {NULL, 0},
};

static const struct word auth_types[] = {
    {"any", AUTH_TYPE_ANY},
    {"trust", AUTH_TYPE_TRUST},
    {"plain", AUTH_TYPE_PLAIN},
    {"md5", AUTH_TYPE_MD5},
    {"scram-sha-256", AUTH_TYPE_SCRAM},
    {"cert", AUTH_TYPE_CERT},
    {"peer", AUTH_TYPE_PEER},
    {"hba", AUTH_TYPE_HBA},
    {"pam", AUTH_TYPE_PAM},
    {"ldap", AUTH_TYPE_LDAP},
    {NULL, 0},
};

static const struct word tls_modes[] = {
    {"disable", TLS_MODE_DISABLE},
    {"allow", TLS_MODE_ALLOW},
    {"prefer", TLS_MODE_PREFER},
    {"require", TLS_MODE_REQUIRE},
    {"verify-ca", TLS_MODE_VERIFY_CA},
    {"verify-full", TLS_MODE_VERIFY_FULL},
    {NULL, 0},
};

static const struct word sslnegotiations[] = {
    {"postgres", SSLNEGOTIATION_POSTGRES},
    {"direct", SSLNEGOTIATION_DIRECT},
    {NULL, 0},
};

static const struct word priorities[] = {
    {"critical", PRIORITY_CRITICAL},
    {"high", PRIORITY_HIGH},
    {"normal", PRIORITY_NORMAL},
    {"low", PRIORITY_LOW},
    {NULL, 0},
};

static const struct word trials[] = {
    {"off", TRIAL_OFF},
    {"log", TRIAL_LOG},
    {"on", TRIAL_ON},
    {NULL, 0},
};

static const struct word queue_policies[] = {
    {"fifo", QUEUE_FIFO},
    {"log", QUEUE_LOG},
    {"codel", QUEUE_CODEL},
    {NULL, 0},
};

static const struct word reject_actions[] = {
    {"error", REJECT_ERROR},
    {"close", REJECT_CLOSE},
    {NULL, 0},
};

const struct word *words_of(enum setting_kind kind)
{
	switch (kind) {
	case SETTING_POOL_MODE:
		return pool_modes;
	case SETTING_STATE_POLICY:
		return state_policies;
	case SETTING_AUTH_TYPE:
		return auth_types;
	case SETTING_TLS_MODE:
		return tls_modes;
	case SETTING_SSLNEGOTIATION:
		return sslnegotiations;
	case SETTING_PRIORITY:
		return priorities;
	case SETTING_TRIAL:
		return trials;
	case SETTING_QUEUE_POLICY:
		return queue_policies;
	case SETTING_REJECT_ACTION:
		return reject_actions;
	case SETTING_TEXT:
	case SETTING_FACILITY:
	case SETTING_DHEPARAMS:
	case SETTING_LDAP_OPTIONS:
	case SETTING_PRIORITY_RESERVE:
	case SETTING_APPLICATIONS:
	case SETTING_BOOL:
	case SETTING_INT:
	case SETTING_MODE:
	case SETTING_SECONDS:
	case SETTING_MILLISECONDS:
	case SETTING_SIZE:
		return NULL;
	}
	return NULL;
}

bool words_find(const struct word *words, const char *text, int *out)
{
	for (; words->name; words++) {
		if (!text_equal_nocase(words->name, text))
			continue;
		*out = words->value;
		return true;
	}
	return false;
}

const char *words_name(const struct word *words, int value)
{
	while (words->name && words->value != value)
		words++;
	return words->name;
}

const char *pool_mode_name(enum pool_mode mode)
{
	return words_name(pool_modes, (int)mode);
}

const char *auth_type_name(enum auth_type type)
{
	return words_name(auth_types, (int)type);
}

const char *tls_mode_name(enum tls_mode mode)
{
	return words_name(tls_modes, (int)mode);
}

const char *priority_name(enum priority priority)
{
	return words_name(priorities, (int)priority);
}

bool priority_parse(const char *text, enum priority *out)
{
	int value;

	if (!words_find(priorities, text, &value))
		return false;
	*out = (enum priority)value;
	return true;
}

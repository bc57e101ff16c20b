/*
 * The settings of the [pooler] section: a struct with one field per row of settings.def,
 * and what can be done with a row by its number.
 *
 * Strings are never NULL: what is not set is "". Durations are in microseconds, whatever
 * unit they were written in. Who owns the strings is up to whoever owns the struct.
 */
#ifndef POOLER_CONFIG_SETTINGS_H
#define POOLER_CONFIG_SETTINGS_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

enum pool_mode { POOL_MODE_SESSION, POOL_MODE_TRANSACTION, POOL_MODE_STATEMENT };

/* What is done about state of a session that stays in its server. */
enum state_policy { STATE_PIN, STATE_ERROR, STATE_ALLOW };

enum auth_type {
	AUTH_TYPE_TRUST,
	AUTH_TYPE_ANY,
	AUTH_TYPE_PLAIN,
	AUTH_TYPE_MD5,
	AUTH_TYPE_SCRAM,
	AUTH_TYPE_CERT,
	AUTH_TYPE_PEER,
	AUTH_TYPE_HBA,
	AUTH_TYPE_PAM,
	AUTH_TYPE_LDAP
};

/* In order: each asks for no less than the one before. */
enum tls_mode {
	TLS_MODE_DISABLE,
	TLS_MODE_ALLOW,
	TLS_MODE_PREFER,
	TLS_MODE_REQUIRE,
	TLS_MODE_VERIFY_CA,
	TLS_MODE_VERIFY_FULL
};

enum sslnegotiation { SSLNEGOTIATION_POSTGRES, SSLNEGOTIATION_DIRECT };

/* How much a client's work matters: the most comes first. */
enum priority { PRIORITY_CRITICAL, PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW };
enum { PRIORITY_CLASSES = PRIORITY_LOW + 1 };

/* What is kept for each class. */
struct priority_reserve {
	uint8_t percent[PRIORITY_CLASSES]; /* of a pool's servers; 100 at most in all */
};

/* Something that can be tried before it is trusted: LOG says what ON would do. */
enum trial { TRIAL_OFF, TRIAL_LOG, TRIAL_ON };

/* Who of a line is served and who is rejected on the way; LOG is FIFO, and says whom
 * CODEL would reject. */
enum queue_policy { QUEUE_FIFO, QUEUE_LOG, QUEUE_CODEL };

/* What happens to a client whose work is rejected. */
enum reject_action { REJECT_ERROR, REJECT_CLOSE };

/* What a value can be, and the C type of its field. */
enum setting_kind {
	SETTING_TEXT,
	SETTING_FACILITY,
	SETTING_DHEPARAMS,
	SETTING_LDAP_OPTIONS, /* printed without the password in it */
	SETTING_BOOL,
	SETTING_INT,
	SETTING_MODE,
	SETTING_SECONDS,
	SETTING_MILLISECONDS,
	SETTING_SIZE,
	SETTING_POOL_MODE,
	SETTING_STATE_POLICY,
	SETTING_AUTH_TYPE,
	SETTING_TLS_MODE,
	SETTING_SSLNEGOTIATION,
	SETTING_PRIORITY,
	SETTING_TRIAL,
	SETTING_QUEUE_POLICY,
	SETTING_REJECT_ACTION,
	SETTING_PRIORITY_RESERVE, /* a list; see priorities.h */
	SETTING_APPLICATIONS      /* text; see priorities.h */
};

#define SETTING_TYPE_TEXT const char *
#define SETTING_TYPE_FACILITY const char *
#define SETTING_TYPE_DHEPARAMS const char *
#define SETTING_TYPE_LDAP_OPTIONS const char *
#define SETTING_TYPE_BOOL bool
#define SETTING_TYPE_INT int
#define SETTING_TYPE_MODE int
#define SETTING_TYPE_SECONDS uint64_t
#define SETTING_TYPE_MILLISECONDS uint64_t
#define SETTING_TYPE_SIZE uint64_t
#define SETTING_TYPE_POOL_MODE enum pool_mode
#define SETTING_TYPE_STATE_POLICY enum state_policy
#define SETTING_TYPE_AUTH_TYPE enum auth_type
#define SETTING_TYPE_TLS_MODE enum tls_mode
#define SETTING_TYPE_SSLNEGOTIATION enum sslnegotiation
#define SETTING_TYPE_PRIORITY enum priority
#define SETTING_TYPE_TRIAL enum trial
#define SETTING_TYPE_QUEUE_POLICY enum queue_policy
#define SETTING_TYPE_REJECT_ACTION enum reject_action
#define SETTING_TYPE_PRIORITY_RESERVE struct priority_reserve
#define SETTING_TYPE_APPLICATIONS const char *

struct settings {
#define SETTING(name, kind, ...) SETTING_TYPE_##kind name;
#include "config/settings.def"
#undef SETTING
};

struct settings_info {
	const char *name;
	const char *default_text; /* as settings_print() prints it; NULL: has none */
	bool changeable;          /* by RELOAD and SET; otherwise only at start */
	const char *sentence;
};

enum {
	SETTING_NONE = -1,
	SETTING_VALUE_MAX = 4096,
	/* What stands in the place of a secret may be longer than that is. */
	SETTING_PRINTED_MAX = 2 * SETTING_VALUE_MAX,
	/* sun_path holds 108 bytes; "/.s.PGSQL.65535" and a NUL are added to a directory.
	 */
	SOCKET_DIR_MAX = 108 - 16,
};

/* What is printed in the place of a secret. As a value it is refused, so that a printed
 * configuration cannot be used with this for a password. */
#define SECRET_SHOWN "********"
#define SECRET_SHOWN_WHY                                                                 \
	SECRET_SHOWN " stands for a password that was not printed: write the password "  \
		     "itself"

size_t settings_count(void);
struct settings_info settings_info(size_t i);

/* The row of that name (in any case), or SETTING_NONE. */
int settings_find(const char *name);

/* All fields as their defaults say; the strings are constants. What has no default and
 * is no string becomes 0. */
void settings_init(struct settings *s);

/* Reads the value into field i; strings go into the arena. 0; -EINVAL with the reason in
 * why when the value is bad, -ENOMEM; the field is untouched then. */
int settings_set(struct settings *s, size_t i, const char *value, struct arena *strings,
		 char *why, size_t why_cap);

/* The value of field i as it can be written in the file, but with SECRET_SHOWN in the
 * place of a secret; returns out. Values are at most SETTING_PRINTED_MAX bytes. */
char *settings_print(const struct settings *s, size_t i, char *out, size_t cap);

/* Whether field i is the same in both. */
bool settings_same(const struct settings *a, const struct settings *b, size_t i);

/* to->field i = from->field i; a string goes into the arena. 0 or -ENOMEM. */
int settings_copy(struct settings *to, const struct settings *from, size_t i,
		  struct arena *strings);

/* The words of the enums, as they are written in the file. */
const char *pool_mode_name(enum pool_mode mode);
const char *auth_type_name(enum auth_type type);
const char *tls_mode_name(enum tls_mode mode);
const char *priority_name(enum priority priority);
bool priority_parse(const char *text, enum priority *out);

#endif

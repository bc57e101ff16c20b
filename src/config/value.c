/*
 * One function per kind to read, one switch to print. Everything a person can get wrong
 * is answered by a sentence that says what would be right.
 */
#include "config/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "config/hint.h"
#include "config/mask.h"
#include "config/priorities.h"
#include "config/words.h"

__attribute__((format(printf, 3, 4))) static bool refuse(char *why, size_t cap,
							 const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, cap, format, args);
	va_end(args);
	return false;
}

/* "x" is none of a, b, c; did you mean "b"? */
static bool refuse_word(const struct word *words, const char *text, char *why, size_t cap)
{
	struct nearest nearest = nearest_to(text);
	char shown[HINT_SHOWN_MAX];
	size_t len = (size_t)snprintf(why, cap, "%s is none of", hint_show(text, shown));

	for (; words->name && len < cap; words++) {
		nearest_offer(&nearest, words->name);
		len += (size_t)snprintf(why + len, cap - len, " %s%s", words->name,
					words[1].name ? "," : "");
	}
	if (len < cap && nearest_name(&nearest))
		snprintf(why + len, cap - len, "; did you mean \"%s\"?",
			 nearest_name(&nearest));
	return false;
}

static bool parse_int(const struct value_rule *rule, const char *text, int *out,
		      char *why, size_t cap)
{
	char shown[HINT_SHOWN_MAX];
	int64_t value;

	if (!text_parse_int(text, &value))
		return refuse(why, cap, "%s is not a whole number",
			      hint_show(text, shown));
	if (value < rule->least || value > rule->most)
		return refuse(why, cap,
			      "%s is out of range: %" PRId64 " to %" PRId64
			      " are possible",
			      hint_show(text, shown), rule->least, rule->most);
	*out = (int)value;
	return true;
}

/* 700 would be the number 700, which nobody means: permissions begin with a 0. */
static bool parse_mode(const struct value_rule *rule, const char *text, int *out,
		       char *why, size_t cap)
{
	char shown[HINT_SHOWN_MAX];
	int64_t value;

	if (text[0] != '0' || !text_parse_int(text, &value) || value < rule->least ||
	    value > rule->most)
		return refuse(why, cap,
			      "%s is not a mode: write it in octal, from 0 to 0%" PRIo64,
			      hint_show(text, shown), (uint64_t)rule->most);
	*out = (int)value;
	return true;
}

static bool parse_duration(const struct value_rule *rule, uint64_t unit_us,
			   const char *text, uint64_t *out, char *why, size_t cap)
{
	char shown[HINT_SHOWN_MAX];
	const char *unit = unit_us == USEC_PER_SEC ? "s" : "ms";
	uint64_t value;

	if (!text_parse_duration(text, unit_us, &value))
		return refuse(why, cap,
			      "%s is not a duration, such as 30, 1.5s or 5min (without a "
			      "unit: %s)",
			      hint_show(text, shown), unit);
	if (value < (uint64_t)rule->least * unit_us ||
	    value > (uint64_t)rule->most * unit_us)
		return refuse(
		    why, cap,
		    "%s is out of range: %" PRId64 "%s to %" PRId64 "%s are possible",
		    hint_show(text, shown), rule->least, unit, rule->most, unit);
	*out = value;
	return true;
}

static bool parse_size(const struct value_rule *rule, const char *text, uint64_t *out,
		       char *why, size_t cap)
{
	char shown[HINT_SHOWN_MAX];
	uint64_t value;

	if (!text_parse_size(text, &value))
		return refuse(why, cap, "%s is not a size, such as 4096, 64kB or 1MB",
			      hint_show(text, shown));
	if (value < (uint64_t)rule->least || value > (uint64_t)rule->most)
		return refuse(why, cap,
			      "%s is out of range: %" PRId64 " to %" PRId64
			      " bytes are possible",
			      hint_show(text, shown), rule->least, rule->most);
	*out = value;
	return true;
}

static bool parse_bool(const char *text, bool *out, char *why, size_t cap)
{
	char shown[HINT_SHOWN_MAX];

	if (text_parse_bool(text, out))
		return true;
	return refuse(why, cap,
		      "%s is neither on nor off (or 1, 0, yes, no, true, false)",
		      hint_show(text, shown));
}

/* What could not be written in a file and read again is no value. */
static bool parse_text(const char *text, const char **out, char *why, size_t cap)
{
	if (strlen(text) > SETTING_VALUE_MAX)
		return refuse(why, cap, "the value is longer than %d bytes",
			      SETTING_VALUE_MAX);
	for (const char *at = text; *at; at++) {
		if (((unsigned char)*at < ' ' && *at != '\t') || *at == 127)
			return refuse(why, cap, "the value has a control character");
	}
	*out = text;
	return true;
}

static bool parse_facility(const char *text, const char **out, char *why, size_t cap)
{
	char shown[HINT_SHOWN_MAX];

	if (!log_facility_is_known(text))
		return refuse(why, cap,
			      "%s is no syslog facility: auth, authpriv, daemon, user or "
			      "local0 to local7",
			      hint_show(text, shown));
	*out = text;
	return true;
}

/* Reads the words auto and none into texts that stay. */
static bool parse_dheparams(const char *text, const char **out, char *why, size_t cap)
{
	static const struct word words[] = {{"auto", 0}, {"none", 1}, {NULL, 0}};
	int value;

	if (words_find(words, text, &value)) {
		*out = words[value].name;
		return true;
	}
	if (text_equal_nocase(text, "legacy"))
		return refuse(
		    why, cap,
		    "\"legacy\" is not supported: its groups have 1024 bits, which "
		    "can be broken; auto takes groups that fit the key");
	return refuse_word(words, text, why, cap);
}

static bool parse_ldap_options(const char *text, const char **out, char *why, size_t cap)
{
	if (strstr(text, SECRET_SHOWN))
		return refuse(why, cap, "%s", SECRET_SHOWN_WHY);
	return parse_text(text, out, why, cap);
}

/* Every enum of the kinds that are words is as long as an int. */
static bool parse_word(enum setting_kind kind, const char *text, void *field, char *why,
		       size_t cap)
{
	int value;

	if (!words_find(words_of(kind), text, &value))
		return refuse_word(words_of(kind), text, why, cap);
	memcpy(field, &value, sizeof(value));
	return true;
}

static int word_in(const void *field)
{
	int value;

	memcpy(&value, field, sizeof(value));
	return value;
}

static bool parse_applications(const char *text, const char **out, char *why, size_t cap)
{
	if (!priorities_check(text, why, cap))
		return false;
	*out = text;
	return true;
}

bool value_parse(const struct value_rule *rule, const char *text, void *field, char *why,
		 size_t why_cap)
{
	switch (rule->kind) {
	case SETTING_TEXT:
		return parse_text(text, field, why, why_cap);
	case SETTING_FACILITY:
		return parse_facility(text, field, why, why_cap);
	case SETTING_DHEPARAMS:
		return parse_dheparams(text, field, why, why_cap);
	case SETTING_LDAP_OPTIONS:
		return parse_ldap_options(text, field, why, why_cap);
	case SETTING_BOOL:
		return parse_bool(text, field, why, why_cap);
	case SETTING_INT:
		return parse_int(rule, text, field, why, why_cap);
	case SETTING_MODE:
		return parse_mode(rule, text, field, why, why_cap);
	case SETTING_SECONDS:
		return parse_duration(rule, USEC_PER_SEC, text, field, why, why_cap);
	case SETTING_MILLISECONDS:
		return parse_duration(rule, USEC_PER_MSEC, text, field, why, why_cap);
	case SETTING_SIZE:
		return parse_size(rule, text, field, why, why_cap);
	case SETTING_PRIORITY_RESERVE:
		return priority_reserve_parse(text, field, why, why_cap);
	case SETTING_APPLICATIONS:
		return parse_applications(text, field, why, why_cap);
	case SETTING_POOL_MODE:
	case SETTING_STATE_POLICY:
	case SETTING_AUTH_TYPE:
	case SETTING_TLS_MODE:
	case SETTING_SSLNEGOTIATION:
	case SETTING_PRIORITY:
	case SETTING_TRIAL:
	case SETTING_QUEUE_POLICY:
	case SETTING_REJECT_ACTION:
		return parse_word(rule->kind, text, field, why, why_cap);
	}
	return false;
}

/* Milliseconds with as many digits after the point as microseconds need. */
static void print_milliseconds(char *out, size_t cap, uint64_t us)
{
	text_print_seconds(out, cap, us * 1000);
}

static void print_int(enum setting_kind kind, int number, char *out, size_t cap)
{
	snprintf(out, cap, kind == SETTING_MODE ? "0%03o" : "%d", number);
}

char *value_print(enum setting_kind kind, const void *field, char *out, size_t cap)
{
	switch (kind) {
	case SETTING_TEXT:
	case SETTING_FACILITY:
	case SETTING_DHEPARAMS:
	case SETTING_APPLICATIONS:
		snprintf(out, cap, "%s", *(const char *const *)field);
		break;
	case SETTING_PRIORITY_RESERVE:
		priority_reserve_print(field, out, cap);
		break;
	case SETTING_LDAP_OPTIONS:
		mask_ldap_options(*(const char *const *)field, out, cap);
		break;
	case SETTING_BOOL:
		snprintf(out, cap, "%d", *(const bool *)field);
		break;
	case SETTING_INT:
	case SETTING_MODE:
		print_int(kind, *(const int *)field, out, cap);
		break;
	case SETTING_SECONDS:
		text_print_seconds(out, cap, *(const uint64_t *)field);
		break;
	case SETTING_MILLISECONDS:
		print_milliseconds(out, cap, *(const uint64_t *)field);
		break;
	case SETTING_SIZE:
		snprintf(out, cap, "%" PRIu64, *(const uint64_t *)field);
		break;
	case SETTING_POOL_MODE:
	case SETTING_STATE_POLICY:
	case SETTING_AUTH_TYPE:
	case SETTING_TLS_MODE:
	case SETTING_SSLNEGOTIATION:
	case SETTING_PRIORITY:
	case SETTING_TRIAL:
	case SETTING_QUEUE_POLICY:
	case SETTING_REJECT_ACTION:
		snprintf(out, cap, "%s", words_name(words_of(kind), word_in(field)));
		break;
	}
	return out;
}

bool value_same(enum setting_kind kind, const void *a, const void *b)
{
	switch (kind) {
	case SETTING_TEXT:
	case SETTING_FACILITY:
	case SETTING_DHEPARAMS:
	case SETTING_LDAP_OPTIONS:
	case SETTING_APPLICATIONS:
		return strcmp(*(const char *const *)a, *(const char *const *)b) == 0;
	case SETTING_PRIORITY_RESERVE:
		return priority_reserve_same(a, b);
	case SETTING_BOOL:
		return *(const bool *)a == *(const bool *)b;
	case SETTING_INT:
	case SETTING_MODE:
		return *(const int *)a == *(const int *)b;
	case SETTING_SECONDS:
	case SETTING_MILLISECONDS:
	case SETTING_SIZE:
		return *(const uint64_t *)a == *(const uint64_t *)b;
	case SETTING_POOL_MODE:
	case SETTING_STATE_POLICY:
	case SETTING_AUTH_TYPE:
	case SETTING_TLS_MODE:
	case SETTING_SSLNEGOTIATION:
	case SETTING_PRIORITY:
	case SETTING_TRIAL:
	case SETTING_QUEUE_POLICY:
	case SETTING_REJECT_ACTION:
		return word_in(a) == word_in(b);
	}
	return false;
}

bool value_is_text(enum setting_kind kind)
{
	return kind == SETTING_TEXT || kind == SETTING_FACILITY ||
	       kind == SETTING_DHEPARAMS || kind == SETTING_LDAP_OPTIONS ||
	       kind == SETTING_APPLICATIONS;
}

/*
 * libidn does the tables; what it is given is valid UTF-8, since it has been careless
 * about that before. Unassigned code points are prohibited, as PostgreSQL does in
 * "stored strings", and an empty result counts as prohibited.
 */
#include "auth/saslprep.h"

#include <stdlib.h>
#include <stringprep.h>

#include "base/crypto.h"

static bool is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] >= 0x80)
			return false;
	return true;
}

/* The length of the sequence that this byte begins, 0 if it begins none. */
static size_t sequence_len(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

static bool is_second_byte(uint8_t first, uint8_t second)
{
	switch (first) {
	case 0xe0:
		return second >= 0xa0 && second <= 0xbf;
	case 0xed: /* surrogates */
		return second >= 0x80 && second <= 0x9f;
	case 0xf0:
		return second >= 0x90 && second <= 0xbf;
	case 0xf4:
		return second >= 0x80 && second <= 0x8f;
	default:
		return second >= 0x80 && second <= 0xbf;
	}
}

static bool is_utf8(struct slice s)
{
	while (s.len > 0) {
		size_t len = sequence_len(s.data[0]);

		if (len == 0 || len > s.len)
			return false;
		if (len > 1 && !is_second_byte(s.data[0], s.data[1]))
			return false;
		for (size_t i = 2; i < len; i++)
			if ((s.data[i] & 0xc0) != 0x80)
				return false;
		s = slice_after(s, len);
	}
	return true;
}

static bool is_for_libidn(struct slice s)
{
	return !is_ascii(s) && s.len <= SASLPREP_MAX && is_utf8(s) &&
	       memchr(s.data, '\0', s.len) == NULL;
}

enum saslprep_result saslprep(struct slice password, char **out)
{
	char text[SASLPREP_MAX + 1], *prepared = NULL;

	if (!is_for_libidn(password))
		return SASLPREP_AS_IS;
	memcpy(text, password.data, password.len);
	text[password.len] = '\0';
	int rc =
	    stringprep_profile(text, &prepared, "SASLprep", STRINGPREP_NO_UNASSIGNED);
	crypto_wipe(text, sizeof(text));
	if (rc == STRINGPREP_MALLOC_ERROR)
		return SASLPREP_NO_MEMORY;
	if (rc != STRINGPREP_OK)
		return SASLPREP_AS_IS;
	if (prepared[0] == '\0') {
		saslprep_free(prepared);
		return SASLPREP_AS_IS;
	}
	*out = prepared;
	return SASLPREP_CHANGED;
}

void saslprep_free(char *prepared)
{
	if (!prepared)
		return;
	crypto_wipe(prepared, strlen(prepared));
	free(prepared);
}

/*
 * Versions of TLS: a bit for each while the list is read.
 */
#include "net/tls_protocols.h"

#include <openssl/ssl.h>
#include <string.h>
#include <strings.h>

enum { V10 = 1, V11 = 2, V12 = 4, V13 = 8, SECURE = V12 | V13, ALL = V10 | V11 | SECURE };

static const struct {
	const char *name;
	unsigned bits;
} names[] = {
    {"tlsv1.0", V10},    {"tlsv1.1", V11}, {"tlsv1.2", V12},
    {"tlsv1.3", V13},    {"tlsv1", ALL},   {"secure", SECURE},
    {"default", SECURE}, {"all", ALL},     {"legacy", ALL},
};

static const struct {
	int version;
	uint64_t without;
} versions[] = {
    {TLS1_VERSION, SSL_OP_NO_TLSv1},
    {TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
    {TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
    {TLS1_3_VERSION, SSL_OP_NO_TLSv1_3},
};

static unsigned find_name(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i].name) == len &&
		    strncasecmp(names[i].name, name, len) == 0)
			return names[i].bits;
	return 0;
}

/* 0 when a name is unknown. */
static unsigned parse_bits(const char *text)
{
	static const char separators[] = ",: \t";
	unsigned bits = 0;

	for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
		bool is_taken_away = *text == '!';

		text += is_taken_away;
		size_t len = strcspn(text, separators);
		unsigned named = find_name(text, len);
		if (named == 0)
			return 0;
		bits = is_taken_away ? bits & ~named : bits | named;
		text += len;
	}
	return bits;
}

bool tls_protocols_parse(const char *text, struct tls_protocols *out)
{
	unsigned bits = text && text[0] ? parse_bits(text) : SECURE;
	struct tls_protocols found = {0};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (!(bits & 1U << i)) {
			found.without |= versions[i].without;
			continue;
		}
		if (!found.lowest)
			found.lowest = versions[i].version;
		found.highest = versions[i].version;
	}
	if (bits == 0)
		return false;
	*out = found;
	return true;
}

/*
 * Every method of a client's login by every kind of secret that the list may hold.
 */
#ifndef POOLER_TEST_SCENARIO_METHODS_H
#define POOLER_TEST_SCENARIO_METHODS_H

#include "scenario/world.h"

#define ANNA "user=anna;database=app"
#define PASSWORD "wonderland"

/* auth_type, and a list of anna with this secret. */
static inline const char *lines_of(const char *type, const char *secret)
{
	static char lines[600];
	char list[400];

	snprintf(list, sizeof(list), "\"anna\" \"%s\"\n", secret);
	snprintf(lines, sizeof(lines), "auth_type = %s\nauth_file = %s\n", type,
		 proving_file("users", list));
	return lines;
}

enum stored { PLAIN, MD5, SCRAM, NOTHING };

static inline const char *secret_of(enum stored stored, char out[PROVING_TEXT_LEN])
{
	switch (stored) {
	case PLAIN:
		return PASSWORD;
	case MD5:
		return proving_md5(PASSWORD, "anna", out);
	case SCRAM:
		return proving_verifier(PASSWORD, 'a', out);
	case NOTHING:
		break;
	}
	return "";
}

static const struct {
	const char *type;
	enum stored stored;
	bool comes_in; /* with the right password */
} methods[] = {
    {"plain", PLAIN, true},         {"plain", MD5, true},
    {"plain", SCRAM, true},         {"plain", NOTHING, false},
    {"md5", PLAIN, true},           {"md5", MD5, true},
    {"md5", SCRAM, true},           {"md5", NOTHING, false},
    {"scram-sha-256", PLAIN, true}, {"scram-sha-256", MD5, false},
    {"scram-sha-256", SCRAM, true}, {"scram-sha-256", NOTHING, false},
};

enum { METHODS = sizeof(methods) / sizeof(methods[0]) };

static inline void world_of_method(struct world *w, size_t i)
{
	char secret[PROVING_TEXT_LEN];

	world_begin(w, lines_of(methods[i].type, secret_of(methods[i].stored, secret)));
}

#endif

/*
 * TLS: what a mode cannot do without, and files that nothing reads.
 *
 * What is in the files is for those to judge who open them.
 */
#include "config/review.h"

#include <stdio.h>

#include "config/value.h"

/* ---- with clients ---- */

static void review_client_files(struct review *r)
{
	const struct settings *s = r->settings;

	if (s->client_tls_key_file[0] == '\0')
		review_note(r, CONFIG_ERROR, "client_tls_sslmode",
			    "client_tls_sslmode %s needs client_tls_key_file",
			    tls_mode_name(s->client_tls_sslmode));
	if (s->client_tls_cert_file[0] == '\0')
		review_note(r, CONFIG_ERROR, "client_tls_sslmode",
			    "client_tls_sslmode %s needs client_tls_cert_file",
			    tls_mode_name(s->client_tls_sslmode));
	if (s->client_tls_ca_file[0] != '\0')
		return;
	if (s->client_tls_sslmode >= TLS_MODE_VERIFY_CA)
		review_note(r, CONFIG_ERROR, "client_tls_sslmode",
			    "client_tls_sslmode %s needs client_tls_ca_file",
			    tls_mode_name(s->client_tls_sslmode));
	else if (s->client_tls_crl_file[0] != '\0')
		review_note(r, CONFIG_WARNING, "client_tls_crl_file",
			    "client_tls_crl_file is not used: without "
			    "client_tls_ca_file no certificate is asked for");
}

static void review_unused_client_files(struct review *r)
{
	static const char *const settings[] = {
	    "client_tls_key_file", "client_tls_cert_file", "client_tls_ca_file",
	    "client_tls_crl_file"};

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		if (review_is_set(r, settings[i]))
			review_note(r, CONFIG_WARNING, settings[i],
				    "%s is not used: client_tls_sslmode is disable",
				    settings[i]);
	}
}

static void review_clients(struct review *r)
{
	const struct settings *s = r->settings;

	if (s->client_tls_sslmode == TLS_MODE_DISABLE) {
		review_unused_client_files(r);
		return;
	}
	review_client_files(r);
	if (s->client_tls_sslmode >= TLS_MODE_REQUIRE && s->listen_addr[0] == '\0')
		review_note(r, CONFIG_WARNING, "client_tls_sslmode",
			    "client_tls_sslmode is not used: listen_addr is empty, and "
			    "there is no TLS over Unix sockets");
}

/* ---- with servers ---- */

/* What is wrong, or not used, of settings that belong together. */
enum fault {
	FAULT_NO_CA,
	FAULT_NO_KEY,
	FAULT_NO_CERT,
	FAULT_DIRECT,
	FAULT_CA_IDLE,
	FAULT_CRL_IDLE,
	FAULT_COUNT
};

/* The key that needs another, and that one. */
static const struct {
	enum server_tls_key at, with;
	enum config_severity severity;
} faults[FAULT_COUNT] = {
    [FAULT_NO_CA] = {SERVER_TLS_mode, SERVER_TLS_ca_file, CONFIG_ERROR},
    [FAULT_NO_KEY] = {SERVER_TLS_cert_file, SERVER_TLS_key_file, CONFIG_ERROR},
    [FAULT_NO_CERT] = {SERVER_TLS_key_file, SERVER_TLS_cert_file, CONFIG_WARNING},
    [FAULT_DIRECT] = {SERVER_TLS_negotiation, SERVER_TLS_mode, CONFIG_ERROR},
    [FAULT_CA_IDLE] = {SERVER_TLS_ca_file, SERVER_TLS_mode, CONFIG_WARNING},
    [FAULT_CRL_IDLE] = {SERVER_TLS_crl_file, SERVER_TLS_mode, CONFIG_WARNING},
};

static bool has_fault(const struct server_tls *tls, enum fault fault)
{
	bool has_key = tls->key_file[0] != '\0', has_cert = tls->cert_file[0] != '\0';

	switch (fault) {
	case FAULT_NO_CA:
		return tls->mode >= TLS_MODE_VERIFY_CA && tls->ca_file[0] == '\0';
	case FAULT_NO_KEY:
		return has_cert && !has_key;
	case FAULT_NO_CERT:
		return has_key && !has_cert;
	case FAULT_DIRECT:
		/* A server that must be asked for TLS first would be lost. */
		return tls->negotiation == SSLNEGOTIATION_DIRECT &&
		       tls->mode < TLS_MODE_REQUIRE;
	case FAULT_CA_IDLE:
		return tls->ca_file[0] != '\0' && tls->mode < TLS_MODE_VERIFY_CA;
	case FAULT_CRL_IDLE:
		return tls->crl_file[0] != '\0' && tls->mode < TLS_MODE_VERIFY_CA;
	case FAULT_COUNT:
		break;
	}
	return false;
}

/* prefix is what stands before the keys' names where they are settings. */
static void describe(enum fault fault, const char *prefix, const struct server_tls *tls,
		     char *out, size_t cap)
{
	const char *mode = tls_mode_name(tls->mode);

	switch (fault) {
	case FAULT_NO_CA:
		snprintf(out, cap, "%stls_sslmode %s needs %stls_ca_file", prefix, mode,
			 prefix);
		return;
	case FAULT_NO_KEY:
		snprintf(out, cap, "%stls_cert_file needs %stls_key_file", prefix,
			 prefix);
		return;
	case FAULT_NO_CERT:
		snprintf(out, cap,
			 "%stls_key_file is not used: there is no %stls_cert_file",
			 prefix, prefix);
		return;
	case FAULT_DIRECT:
		snprintf(out, cap,
			 "%stls_sslnegotiation direct needs %stls_sslmode require or "
			 "more, not %s",
			 prefix, prefix, mode);
		return;
	case FAULT_CA_IDLE:
	case FAULT_CRL_IDLE:
		snprintf(out, cap, "%s%s verifies nothing: %stls_sslmode is %s", prefix,
			 server_tls_key_name(faults[fault].at), prefix, mode);
		return;
	case FAULT_COUNT:
		return;
	}
}

static bool is_own(const struct database *d, enum server_tls_key key)
{
	return (d->tls_own >> key & 1) != 0;
}

/* Whether the entry is to blame: it takes both to contradict, but what is not used is so
 * wherever it was said. */
static bool is_of_entry(const struct database *d, enum fault fault)
{
	return is_own(d, faults[fault].at) ||
	       (faults[fault].severity == CONFIG_ERROR && is_own(d, faults[fault].with));
}

/* Of databases that say nothing of this: how many have the fault of [pooler] alone, and
 * how many have it not. */
struct tally {
	size_t inherit, escape;
};

static void count_one(struct tally *t, const struct database *d, enum fault fault)
{
	if (is_own(d, faults[fault].at))
		return;
	if (has_fault(&d->tls, fault))
		t->inherit += !is_of_entry(d, fault);
	else
		t->escape++;
}

/* Whether what [pooler] says of this is wrong for anybody; or, if it is merely not used,
 * for all. */
static bool is_in_effect(const struct config *config, enum fault fault)
{
	const struct database *fallback = config_fallback(config);
	size_t count = config_database_count(config);
	struct tally tally = {0};

	for (size_t i = 0; i < count; i++)
		count_one(&tally, config_database_at(config, i), fault);
	if (fallback)
		count_one(&tally, fallback, fault);
	if (faults[fault].severity == CONFIG_WARNING)
		return tally.escape == 0;
	return tally.inherit > 0 || (count == 0 && !fallback);
}

static void review_servers(struct review *r)
{
	char text[VALUE_WHY_MAX], setting[64];
	struct server_tls tls;

	server_tls_of(r->settings, &tls);
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		if (!has_fault(&tls, (enum fault)i) ||
		    !is_in_effect(r->config, (enum fault)i))
			continue;
		describe((enum fault)i, "server_", &tls, text, sizeof(text));
		snprintf(setting, sizeof(setting), "server_%s",
			 server_tls_key_name(faults[i].at));
		review_note(r, faults[i].severity, setting, "%s", text);
	}
}

static bool is_local(const struct database *d)
{
	return d->host[0] == '\0' || d->host[0] == '/' || d->host[0] == '@';
}

static void review_entry(struct review *r, const struct database_entry *e)
{
	const struct database *d = &e->database;
	char text[VALUE_WHY_MAX];

	if (d->tls_own != 0 && is_local(d))
		review_note_database(r, CONFIG_WARNING, e,
				     "what it says of TLS is not used: its server is "
				     "reached through a Unix socket");
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		if (!is_of_entry(d, (enum fault)i) || !has_fault(&d->tls, (enum fault)i))
			continue;
		describe((enum fault)i, "", &d->tls, text, sizeof(text));
		review_note_database(r, faults[i].severity, e, "%s", text);
	}
}

void review_tls(struct review *r)
{
	review_clients(r);
	review_servers(r);
	review_each_database(r, review_entry);
}

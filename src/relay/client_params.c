/*
 * Reading the parameters of a startup packet.
 */
#include "relay/client_params.h"

#include <stdio.h>

#include "base/text.h"
#include "config/config.h"
#include "relay/allowance.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/standing.h"

enum { TEXT_LEN = 256 };

static const struct settings *settings_of(const struct login *l)
{
	return &l->client->dispatcher->config->settings;
}

static bool is_own_parameter(struct slice name)
{
	return slice_is_text(name, "user") || slice_is_text(name, "database") ||
	       slice_is_text(name, "replication") || slice_is_text(name, "options") ||
	       /* which PostgreSQL ignores here, too */
	       slice_is_text(name, "session_authorization") ||
	       (name.len >= 5 && memcmp(name.data, "_pq_.", 5) == 0);
}

static bool is_ignored(const struct login *l, struct slice name)
{
	return config_list_has(settings_of(l)->ignore_startup_parameters, name);
}

/* Whether the pooler's own parameters say something that it understands. */
static bool is_acceptable(struct client *c, struct slice name, struct slice value)
{
	char why[STANDING_WHY_LEN];
	struct notice notice;

	if (standing_accepts(name, value, why, &notice))
		return true;
	client_close_saying(c, CLOSE_BAD_PARAMETER, notice.message, NULL, notice.hint);
	return false;
}

static bool add_parameter(const struct login *l, struct slice name, struct slice value)
{
	struct client *c = l->client;
	struct params_store *store = &c->dispatcher->params;

	if (is_ignored(l, name))
		return true;
	if (!params_is_settable(name)) {
		client_close_naming(c, CLOSE_BAD_PARAMETER,
				    "unsupported startup parameter", name,
				    "It cannot be changed on the server; see "
				    "ignore_startup_parameters.");
		return false;
	}
	if (!is_acceptable(c, name, value))
		return false;
	struct params *more = params_with(store, c->params, name, value);
	if (!more) {
		client_close(c, CLOSE_OUT_OF_MEMORY);
		return false;
	}
	params_unref(store, c->params);
	c->params = more;
	return true;
}

static bool add_options(const struct login *l, struct slice options)
{
	struct buffer scratch = {0};
	struct slice name, value;
	bool is_lenient = is_ignored(l, slice_of_text("options"));

	for (;;) {
		enum startup_option option =
		    startup_next_option(&options, &scratch, &name, &value);
		bool is_fine = option != STARTUP_OPTION_BAD;

		if (option == STARTUP_OPTION_SET)
			is_fine = add_parameter(l, name, value);
		else if (!is_fine && !is_lenient)
			client_close_naming(
			    l->client, CLOSE_BAD_PARAMETER,
			    "unsupported options startup parameter", value,
			    "Only '-c config=val' and '--config=val' are allowed.");
		if (option == STARTUP_OPTION_SET && is_fine)
			continue;
		buffer_fini(&scratch);
		return is_fine || (is_lenient && l->client->closing == CLOSE_NOT);
	}
}

static bool add_host_to_name(const struct login *l)
{
	struct client *c = l->client;
	struct slice name = slice_of_text("application_name"), old = slice_of_text("app");
	char address[ADDRESS_TEXT_LEN], value[TEXT_LEN], shown[64];

	if (!settings_of(l)->application_name_add_host)
		return true;
	params_find(c->params, name, &old);
	text_copy(shown, sizeof(shown), old);
	snprintf(value, sizeof(value), "%s - %s", shown,
		 address_print_with_port(&c->peer, address));
	return add_parameter(l, name, slice_of_text(value));
}

static bool has_room(struct client *c)
{
	if (!allowance_is_passed(c))
		return true;
	client_close_saying(c, CLOSE_PARAMETERS_FULL, NULL, NULL,
			    "Ask for less in the startup packet, or raise "
			    "max_client_parameter_memory or max_parameter_memory.");
	return false;
}

bool client_params_read(const struct login *l)
{
	struct slice params = l->startup.params, name, value;

	/* As PostgreSQL does: what is named by itself counts for more. */
	if (startup_find_param(params, "options", &value) && !add_options(l, value))
		return false;
	while (startup_next_param(&params, &name, &value))
		if (!is_own_parameter(name) && !add_parameter(l, name, value))
			return false;
	return add_host_to_name(l) && has_room(l->client);
}

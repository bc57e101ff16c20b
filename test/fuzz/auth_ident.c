/*
 * Fuzzes the maps of names: the first line is a system name and the user who it wants to
 * be, the rest is the file.
 */
#include "auth/ident.h"

#include "base/check.h"
#include "config/errors.h"
#include "fuzz/fuzz.h"

/* What is before the byte, and *rest what is behind it. */
static struct slice take_until(struct slice *rest, char byte)
{
	const uint8_t *end = rest->len ? memchr(rest->data, byte, rest->len) : NULL;
	size_t len = end ? (size_t)(end - rest->data) : rest->len;
	struct slice before = slice_first(*rest, len);

	*rest = slice_after(*rest, end ? len + 1 : len);
	return before;
}

static void ask(const struct ident *ident, struct slice name, struct slice user)
{
	bool is_same = slice_equal(name, user) && name.len > 0 &&
		       name.len <= IDENT_NAME_MAX && !memchr(name.data, '\0', name.len);

	CHECK(ident_may_be(ident, NULL, name, user) == is_same);
	bool may = ident_may_be(ident, "m", name, user);
	/* Asking twice changes nothing, and nobody has no map. */
	CHECK(ident_may_be(ident, "m", name, user) == may);
	CHECK(!ident_may_be(NULL, "m", name, user));
	CHECK(!ident_may_be(ident, "no such map\n", name, user));
}

enum { REPETITIONS_MAX = 3 };

static size_t repetitions_in(struct slice bytes)
{
	size_t count = 0;

	for (size_t i = 0; i < bytes.len; i++)
		count += bytes.data[i] != '\0' && strchr("*+?{", bytes.data[i]) != NULL;
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice rest = slice_of(data, len);
	struct config_errors errors = {0};

	/* What glibc makes of expressions is not the question here. */
	if (len > 2000 || repetitions_in(rest) > REPETITIONS_MAX)
		return 0;
	struct slice first = take_until(&rest, '\n');
	struct slice name = take_until(&first, ' ');
	struct ident *ident = ident_parse(rest, "f", &errors);
	CHECK((ident == NULL) == (errors.errors > 0));
	if (ident)
		ask(ident, name, first);
	ident_free(ident);
	config_errors_fini(&errors);
	return 0;
}

#define INPUT(text) run(slice_of(text, sizeof(text) - 1))

void fuzz_corpus(fuzz_run_fn run)
{
	INPUT("abc b\nm abc b\n");
	INPUT("abc b\nm /^(.*)c$ \\1\n");
	INPUT("joe@example.com joe\nm /^(.*)@example\\.com$ \\1\nm \"a b\" all\n");
	INPUT("x y\nm x all # comment\n");
	INPUT("root postgres\nm root \\\n postgres\n");
	INPUT("a b\nm /( b\n");
	INPUT("a b\nm a\n");
	INPUT("a b\nm \"/a b");
	INPUT("aa a\nm /(a)(a)|b x\\1y\\1\n");
	INPUT("a b\nm /(a*)++ b\n");
}

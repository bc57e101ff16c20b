/*
 * Fuzzes the rules and the maps: what is printed of rules parses to rules that print the
 * same.
 */
#include "auth/hba.h"

#include "auth/ident.h"
#include "base/buffer.h"
#include "base/check.h"
#include "config/errors.h"
#include "fuzz/fuzz.h"

static void print(const struct hba *hba, struct buffer *out)
{
	for (const struct hba_rule *r = hba_first(hba); r; r = r->next) {
		for (int c = 0; c < HBA_COLUMN_COUNT; c++) {
			CHECK(hba_print(r, (enum hba_column)c, out));
			CHECK(buffer_append(out, slice_of_text(" ")));
		}
		CHECK(buffer_append(out, slice_of_text("\n")));
	}
}

static void use(const struct hba *hba)
{
	struct config_errors errors = {0};
	struct buffer first = {0}, second = {0};
	const struct hba_rule *rule;
	struct hba_connection c = {.database = slice_of_text("d"),
				   .user = slice_of_text("u"),
				   .address = {.family = 4, .bytes = {10, 1, 2, 3}}};

	hba_match(hba, &c, &rule);
	c.is_local = true;
	hba_match(hba, &c, &rule);
	print(hba, &first);
	struct hba *again = hba_parse(buffer_bytes(&first), "f", &errors);
	CHECK(again);
	print(again, &second);
	CHECK(slice_equal(buffer_bytes(&first), buffer_bytes(&second)));
	hba_free(again);
	buffer_fini(&first);
	buffer_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = slice_of(data, len);
	struct config_errors errors = {0};

	/* No files, and no expressions that glibc takes forever over. */
	if (len > 0 && (memchr(data, '@', len) || memchr(data, '{', len)))
		return 0;
	struct hba *hba = hba_parse(text, "f", &errors);
	CHECK((hba == NULL) == (errors.errors > 0));
	if (hba)
		use(hba);
	hba_free(hba);
	size_t before = errors.errors;
	struct ident *ident = ident_parse(text, "f", &errors);
	CHECK((ident == NULL) == (errors.errors > before));
	ident_may_be(ident, "m", slice_of_text("abc"), slice_of_text("b"));
	ident_free(ident);
	config_errors_fini(&errors);
	return 0;
}

#define INPUT(text) run(slice_of(text, sizeof(text) - 1))

void fuzz_corpus(fuzz_run_fn run)
{
	INPUT("local all all peer map=m\n");
	INPUT("host d,\"e f\" u 10.0.0.0/8 md5 # comment\n");
	INPUT("hostssl all \"+a\"\"b\" ::1/128 cert clientname=DN map=\"x y\"\n");
	INPUT("host sameuser \\\n all 10.0.0.0 255.0.0.0 \\\n scram-sha-256");
	INPUT("hostnossl replication all .example.com reject\n");
	INPUT("host all all samenet ldap ldapserver=a ldapport=1 ldapbasedn=b");
	INPUT("host all all all ldap \"ldapurl=ldap://h:3/dc=x?uid?sub\" ldaptls=1");
	INPUT("host all all all ldap ldapserver=a ldapprefix=uid= ldapsuffix=\",b\"");
	INPUT("host all all samehost pam \"pamservice=a b\"");
	INPUT("host all all 1.2.3.4/99 md5\nlocal all +x md5\n");
	INPUT("m abc b\nm /^(.*)c$ \\1\nm x all\n");
	INPUT("m \"/a b");
}

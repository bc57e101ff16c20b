/*
 * See the header.
 */
#include "auth/md5.h"

#include "base/crypto.h"

static bool print_sum(struct slice first, struct slice second, char out[MD5_TEXT_LEN])
{
	static const char digits[] = "0123456789abcdef";
	struct slice parts[] = {first, second};
	uint8_t sum[CRYPTO_MD5_LEN];

	if (!crypto_md5(parts, 2, sum))
		return false;
	memcpy(out, "md5", 3);
	for (size_t i = 0; i < sizeof(sum); i++) {
		out[3 + 2 * i] = digits[sum[i] >> 4];
		out[4 + 2 * i] = digits[sum[i] & 15];
	}
	crypto_wipe(sum, sizeof(sum));
	return true;
}

bool md5_secret(struct slice password, struct slice user, char out[MD5_TEXT_LEN])
{
	return print_sum(password, user, out);
}

bool md5_answer(const char secret[MD5_TEXT_LEN], const uint8_t salt[MD5_SALT_LEN],
		char out[MD5_TEXT_LEN])
{
	return print_sum(slice_of(secret + 3, MD5_TEXT_LEN - 3),
			 slice_of(salt, MD5_SALT_LEN), out);
}

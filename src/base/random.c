/*
 * Random numbers from getrandom(2). A read of up to 256 bytes is never cut short once the
 * kernel's pool is ready, and waiting for that happens only at the boot of a machine.
 */
#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"

void random_bytes(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);
		if (got < 0 && errno == EINTR)
			continue;
		CHECK(got > 0);
		at += got;
		len -= (size_t)got;
	}
}

uint64_t random_u64(void)
{
	uint64_t value;

	random_bytes(&value, sizeof(value));
	return value;
}

uint64_t random_jitter(uint64_t around_us, unsigned percent)
{
	uint64_t spread = around_us / 100 * percent;

	if (spread == 0)
		return around_us;
	return around_us - spread + random_u64() % (2 * spread + 1);
}

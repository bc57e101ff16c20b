/*
 * A deadline that stops the loop.
 */
#include "harness/real_loop.h"

#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

struct watchdog {
	struct deadline due;
	struct loop *loop;
	bool has_rung;
};

static void ring(struct deadline *due, uint64_t now_us)
{
	struct watchdog *dog =
	    (struct watchdog *)(void *)((char *)due - offsetof(struct watchdog, due));

	(void)now_us;
	dog->has_rung = true;
	loop_stop(dog->loop);
}

bool real_loop_run(struct loop *loop, uint64_t most_ms)
{
	struct watchdog dog = {.loop = loop, .due.on_due = ring};

	CHECK(loop_reserve_deadline(loop));
	loop_arm(loop, &dog.due, clock_monotonic_now() + most_ms * USEC_PER_MSEC);
	loop_run(loop);
	loop_release_deadline(loop, &dog.due);
	return !dog.has_rung;
}

bool real_endpoint(int fd, struct endpoint *out)
{
	*out = (struct endpoint){.len = sizeof(out->storage)};
	return getsockname(fd, (struct sockaddr *)&out->storage, &out->len) == 0;
}

int real_listen(const char *ip, struct endpoint *out_at)
{
	struct endpoint at;

	if (!endpoint_from_ip(ip, 0, &at))
		return -1;
	int fd = socket(at.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&at.storage, at.len) == 0 &&
	    listen(fd, 64) == 0 && real_endpoint(fd, out_at))
		return fd;
	close(fd);
	return -1;
}

int real_connect(const struct endpoint *to)
{
	int fd = socket(to->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&to->storage, to->len) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

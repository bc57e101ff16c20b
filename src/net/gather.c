/*
 * Keeping turns apart, but not from what is urgent.
 */
#include "net/gather.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"

/* How long turns stay apart after the last that asked for it. */
#define GATHER_FOR_US (10 * USEC_PER_MSEC)

/* By edges: what was there before and is left where it is does not end a moment again,
 * and what libev has had read meanwhile is no event at all. */
enum { URGENT = EPOLLIN | EPOLLRDHUP | EPOLLET };

int gather_init(struct gather *gather)
{
	*gather = (struct gather){.fd = epoll_create1(EPOLL_CLOEXEC)};
	return gather->fd < 0 ? -errno : 0;
}

void gather_fini(struct gather *gather)
{
	if (gather->fd >= 0)
		close(gather->fd);
	gather->fd = -1;
}

void gather_urgent(struct gather *gather, int fd)
{
	struct epoll_event event = {.events = URGENT};

	(void)epoll_ctl(gather->fd, EPOLL_CTL_ADD, fd, &event);
}

void gather_urgent_once(struct gather *gather, int fd)
{
	struct epoll_event event = {.events = URGENT | EPOLLONESHOT};

	if (!gather_is_on(gather))
		return;
	if (epoll_ctl(gather->fd, EPOLL_CTL_MOD, fd, &event) != 0 && errno == ENOENT)
		(void)epoll_ctl(gather->fd, EPOLL_CTL_ADD, fd, &event);
}

void gather_begin(struct gather *gather, uint64_t now_us)
{
	gather->until_us = now_us + GATHER_FOR_US;
}

bool gather_wait(struct gather *gather, uint64_t now_us)
{
	struct epoll_event event;

	if (now_us >= gather->until_us) {
		gather->until_us = 0;
		return false;
	}
	/* One is enough: all that is ready is found by the loop's own wait. */
	return epoll_wait(gather->fd, &event, 1, GATHER_MS) > 0;
}

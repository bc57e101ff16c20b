/*
 * Telling systemd how we are.
 */
#include "app/notify.h"

#include <inttypes.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"

void notify_ready(void)
{
	sd_notify(0, "READY=1");
}

void notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, clock_monotonic_now());
}

void notify_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void notify_status(const char *line)
{
	sd_notifyf(0, "STATUS=%s", line);
}

void notify_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}

uint64_t notify_interval_us(void)
{
	uint64_t limit_us;

	/* Half of what systemd waits for, as its manual advises. */
	return sd_watchdog_enabled(0, &limit_us) > 0 ? limit_us / 2 : 0;
}

/*
 * A layer between libldap (and its TLS) and the socket that waits by itself, for the
 * socket and for a timer.
 */
#include "auth/ldap_deadline.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* ---- the layer ---- */

/* Whether the socket is ready; with an errno when it will not be in time. */
static bool wait_for(const Sockbuf_IO_Desc *layer, short events)
{
	const struct ldap_deadline *d = layer->sbiod_pvt;
	struct pollfd fds[2] = {{.events = events},
				{.fd = d->timer_fd, .events = POLLIN}};
	int rc;

	if (ber_sockbuf_ctrl(layer->sbiod_sb, LBER_SB_OPT_GET_FD, &fds[0].fd) != 1)
		fds[0].fd = -1;
	do
		rc = poll(fds, 2, -1);
	while (rc < 0 && errno == EINTR);
	if (rc > 0 && fds[0].revents)
		return true;
	errno = ETIMEDOUT;
	return false;
}

static int on_setup(Sockbuf_IO_Desc *layer, void *context)
{
	layer->sbiod_pvt = context;
	return 0;
}

static int on_remove(Sockbuf_IO_Desc *layer)
{
	layer->sbiod_pvt = NULL;
	return 0;
}

static int on_control(Sockbuf_IO_Desc *layer, int option, void *value)
{
	return LBER_SBIOD_CTRL_NEXT(layer, option, value);
}

static ber_slen_t on_read(Sockbuf_IO_Desc *layer, void *out, ber_len_t cap)
{
	return wait_for(layer, POLLIN) ? LBER_SBIOD_READ_NEXT(layer, out, cap) : -1;
}

static ber_slen_t on_write(Sockbuf_IO_Desc *layer, void *bytes, ber_len_t len)
{
	return wait_for(layer, POLLOUT) ? LBER_SBIOD_WRITE_NEXT(layer, bytes, len) : -1;
}

static int on_close(Sockbuf_IO_Desc *layer)
{
	(void)layer;
	return 0;
}

/* ---- connections ---- */

/* TLS comes above, the socket itself beneath. */
static int on_connected(LDAP *ld, Sockbuf *socket, LDAPURLDesc *server,
			struct sockaddr *address, struct ldap_conncb *callbacks)
{
	struct ldap_deadline *d = callbacks->lc_arg;

	(void)ld;
	(void)server;
	(void)address;
	return ber_sockbuf_add_io(socket, &d->io, LBER_SBIOD_LEVEL_TRANSPORT, d);
}

static void on_disconnect(LDAP *ld, Sockbuf *socket, struct ldap_conncb *callbacks)
{
	(void)ld;
	(void)socket;
	(void)callbacks;
}

bool ldap_deadline_init(struct ldap_deadline *d, LDAP *ld)
{
	*d = (struct ldap_deadline){
	    .callbacks = {.lc_add = on_connected, .lc_del = on_disconnect, .lc_arg = d},
	    .io = {.sbi_setup = on_setup,
		   .sbi_remove = on_remove,
		   .sbi_ctrl = on_control,
		   .sbi_read = on_read,
		   .sbi_write = on_write,
		   .sbi_close = on_close},
	    .timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
	};
	return d->timer_fd >= 0 &&
	       ldap_set_option(ld, LDAP_OPT_CONNECT_CB, &d->callbacks) == LDAP_SUCCESS;
}

void ldap_deadline_fini(struct ldap_deadline *d)
{
	if (d->timer_fd >= 0)
		close(d->timer_fd);
	d->timer_fd = -1;
}

void ldap_deadline_set(const struct ldap_deadline *d, unsigned seconds)
{
	struct itimerspec once = {.it_value = {.tv_sec = seconds}};

	timerfd_settime(d->timer_fd, 0, &once, NULL);
}

/*
 * PEM files. OpenSSL's reasons are words for programmers, so sentences are made here.
 */
#include "net/tls_pem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"

/* The world's revocation lists are long, but not longer. */
enum { FILE_MOST = 256 * 1024 * 1024 };

void tls_problem_say(struct tls_problem to, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(to.text, to.cap, format, args);
	va_end(args);
}

static void say(const struct tls_file *file, struct tls_problem to, const char *what)
{
	tls_problem_say(to, "%s \"%s\" %s", file->kind, file->name, what);
}

/* ---- files ---- */

bool tls_file_is_set(const struct tls_file *file)
{
	return file->name && file->name[0];
}

void tls_file_fini(struct tls_file *file)
{
	if (file->bytes.data)
		crypto_wipe(file->bytes.data, file->bytes.cap);
	buffer_fini(&file->bytes);
}

/* 0 or an errno. Room is reserved once, so that no copy of a key is left behind. */
static int read_all(int fd, struct buffer *out)
{
	struct stat st;
	ssize_t got = 1;

	if (fstat(fd, &st) != 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	if (st.st_size > FILE_MOST)
		return EFBIG;
	for (off_t left = st.st_size; left > 0 && got > 0; left -= got) {
		uint8_t *into = buffer_reserve(out, (size_t)left);

		if (!into)
			return ENOMEM;
		got = read(fd, into, (size_t)left);
		if (got < 0)
			return errno;
		buffer_commit(out, (size_t)got);
	}
	return 0;
}

bool tls_file_read(struct tls_file *file, struct tls_problem problem)
{
	if (!tls_file_is_set(file))
		return true;
	/* A pipe must not hold us up. */
	int fd = open(file->name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int err = fd < 0 ? errno : read_all(fd, &file->bytes);

	if (fd >= 0)
		close(fd);
	if (err == 0)
		return true;
	tls_problem_say(problem, "cannot read %s \"%s\": %s", file->kind, file->name,
			strerror(err));
	return false;
}

/* ---- PEM ---- */

static BIO *open_pem(const struct tls_file *file)
{
	static const char nothing[1] = "";
	size_t len = buffer_len(&file->bytes);

	ERR_clear_error();
	return BIO_new_mem_buf(
	    len > 0 ? (const void *)buffer_bytes(&file->bytes).data : nothing, (int)len);
}

/* After the last object: whether the file simply ended. */
static bool was_end(void)
{
	unsigned long e = ERR_peek_last_error();
	bool is_end =
	    ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	return is_end;
}

/* OpenSSL would ask on the terminal. */
static int refuse_password(char *out, int cap, int is_writing, void *was_asked)
{
	(void)out, (void)cap, (void)is_writing;
	*(bool *)was_asked = true;
	return -1;
}

/* OpenSSL's decoders do not tell a broken key from none. */
static bool has_key(const struct tls_file *file)
{
	static const char mark[] = "PRIVATE KEY-----";
	struct slice bytes = buffer_bytes(&file->bytes);

	return bytes.len > 0 &&
	       memmem(bytes.data, bytes.len, mark, sizeof(mark) - 1) != NULL;
}

EVP_PKEY *tls_pem_key(const struct tls_file *file, struct tls_problem problem)
{
	bool was_asked = false;
	BIO *pem = open_pem(file);
	EVP_PKEY *key =
	    pem ? PEM_read_bio_PrivateKey(pem, NULL, refuse_password, &was_asked) : NULL;

	BIO_free(pem);
	if (key)
		return key;
	if (was_asked)
		say(file, problem,
		    "is encrypted; remove its passphrase, there is nobody to ask for it");
	else
		say(file, problem, has_key(file) ? "is broken" : "holds no private key");
	ERR_clear_error();
	return NULL;
}

static bool push_certificate(STACK_OF(X509) * all, X509 *one)
{
	if (sk_X509_push(all, one) > 0)
		return true;
	X509_free(one);
	return false;
}

STACK_OF(X509) *
    tls_pem_certificates(const struct tls_file *file, struct tls_problem problem)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	BIO *pem = open_pem(file);
	X509 *one;

	while (all && pem && (one = PEM_read_bio_X509(pem, NULL, NULL, NULL)))
		if (!push_certificate(all, one))
			break;
	bool is_whole = was_end();
	BIO_free(pem);
	if (is_whole && sk_X509_num(all) > 0)
		return all;
	say(file, problem, is_whole ? "holds no certificate" : "is broken");
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

static bool push_crl(STACK_OF(X509_CRL) * all, X509_CRL *one)
{
	if (sk_X509_CRL_push(all, one) > 0)
		return true;
	X509_CRL_free(one);
	return false;
}

STACK_OF(X509_CRL) * tls_pem_crls(const struct tls_file *file, struct tls_problem problem)
{
	STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
	BIO *pem = open_pem(file);
	X509_CRL *one;

	while (all && pem && (one = PEM_read_bio_X509_CRL(pem, NULL, NULL, NULL)))
		if (!push_crl(all, one))
			break;
	bool is_whole = was_end();
	BIO_free(pem);
	if (is_whole && sk_X509_CRL_num(all) > 0)
		return all;
	say(file, problem, is_whole ? "holds no revocation list" : "is broken");
	sk_X509_CRL_pop_free(all, X509_CRL_free);
	return NULL;
}

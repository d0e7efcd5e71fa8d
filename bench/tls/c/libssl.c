/*
 * TLS-SRP by libssl, client and server in one process and one thread, through memory. It tells in a line of JSON what that costs.
 *
 *   libssl handshake BITS COUNT PASSWORD
 *   libssl record MEBIBYTES
 *
 * A handshake has connections of its own and ends with a byte each way over the finished connection; contexts and the verifier are
 * made once, beforehand. A wrong password gives exit code 3. Records are of 16 KiB, each way, and what arrives is compared.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/srp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { RECORD = 16384, PIPE = 4 * RECORD };

static char user[] = "alice@home.example", password[] = "48151623";

/* The group and the one user that the server knows. */
static const SRP_gN *group;
static BIGNUM *salt, *verifier;
static char *guess;

static SSL_CTX *client_ctx, *server_ctx;
static int alert_sent; /* by the server */

typedef struct {
    SSL *client, *server;
    BIO *to_server, *to_client;
} pair;

static void die(const char *why) {
    fprintf(stderr, "libssl: %s\n", why);
    ERR_print_errors_fp(stderr);
    exit(1);
}

/* cpu_ns is the time that the processors have worked for this process. */
static long long cpu_ns(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return ((used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;
}

/* --- set-up ------------------------------------------------------------------------------------------------------ */

static int username_cb(SSL *ssl, int *alert, void *arg) {
    (void)arg;
    const char *name = SSL_get_srp_username(ssl);
    *alert = SSL_AD_UNKNOWN_PSK_IDENTITY;
    if (name == NULL || strcmp(name, user) != 0)
        return SSL3_AL_FATAL;
    if (SSL_set_srp_server_param(ssl, group->N, group->g, salt, verifier, NULL) != 1)
        die("cannot use the verifier");
    return SSL_ERROR_NONE;
}

static char *password_cb(SSL *ssl, void *arg) {
    (void)ssl, (void)arg;
    return OPENSSL_strdup(guess);
}

static void info_cb(const SSL *ssl, int where, int ret) {
    (void)ssl;
    if ((where & SSL_CB_WRITE_ALERT) == SSL_CB_WRITE_ALERT)
        alert_sent = ret & 0xff;
}

static SSL_CTX *new_context(const SSL_METHOD *method, const char *suite) {
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) || !SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION) ||
        !SSL_CTX_set_cipher_list(ctx, suite))
        die("cannot make a context");
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    return ctx;
}

static void set_up(const char *bits, const char *suite) {
    unsigned char bytes[16];
    group = SRP_get_default_gN(bits);
    if (group == NULL || RAND_bytes(bytes, sizeof bytes) != 1)
        die("no such group");
    bytes[0] |= 0x80;
    salt = BN_bin2bn(bytes, sizeof bytes, NULL);
    if (!SRP_create_verifier_BN(user, password, &salt, &verifier, group->N, group->g))
        die("cannot make the verifier");
    client_ctx = new_context(TLS_client_method(), suite);
    server_ctx = new_context(TLS_server_method(), suite);
    SSL_CTX_set_srp_username(client_ctx, user);
    SSL_CTX_set_srp_client_pwd_callback(client_ctx, password_cb);
    SSL_CTX_set_srp_username_callback(server_ctx, username_cb);
    SSL_CTX_set_info_callback(server_ctx, info_cb);
}

/* --- connections ------------------------------------------------------------------------------------------------- */

static int step(SSL *ssl) {
    int done = SSL_do_handshake(ssl);
    if (done != 1 && SSL_get_error(ssl, done) != SSL_ERROR_WANT_READ) {
        if (alert_sent == SSL_AD_BAD_RECORD_MAC) {
            fprintf(stderr, "libssl: wrong password: the server sent alert %d\n", alert_sent);
            exit(3);
        }
        die("a handshake failed");
    }
    return done == 1;
}

static pair connect_pair(void) {
    pair p = {.client = SSL_new(client_ctx), .server = SSL_new(server_ctx)};
    if (p.client == NULL || p.server == NULL || !BIO_new_bio_pair(&p.to_server, PIPE, &p.to_client, PIPE))
        die("cannot make a connection");
    SSL_set_bio(p.client, p.to_server, p.to_server);
    SSL_set_bio(p.server, p.to_client, p.to_client);
    SSL_set_connect_state(p.client);
    SSL_set_accept_state(p.server);
    for (int client = 0, server = 0; !client || !server;) {
        client = client || step(p.client);
        server = server || step(p.server);
    }
    if (BN_cmp(SSL_get_srp_N(p.client), group->N) != 0 || SSL_get_extms_support(p.client) != 1)
        die("not the handshake that was asked for");
    return p;
}

static void free_pair(pair p) {
    SSL_free(p.client);
    SSL_free(p.server);
}

/* move sends bytes and compares what arrives. */
static void move(SSL *from, SSL *to, const unsigned char *bytes, size_t size) {
    static unsigned char got[RECORD];
    size_t n, at = 0;
    if (SSL_write_ex(from, bytes, size, &n) != 1 || n != size)
        die("cannot write");
    for (; at < size; at += n)
        if (SSL_read_ex(to, got + at, size - at, &n) != 1)
            die("cannot read");
    if (memcmp(got, bytes, size) != 0)
        die("other bytes came than were sent");
}

/* --- what is measured -------------------------------------------------------------------------------------------- */

static void handshakes(int count) {
    unsigned long long to_server = 0, to_client = 0, sealed = 0;
    char suite[64] = "";
    long long start = 0;
    for (int i = -1; i < count; i++) { /* the first does not count */
        if (i == 0)
            start = cpu_ns();
        pair p = connect_pair();
        to_server = BIO_number_written(p.to_server);
        to_client = BIO_number_written(p.to_client);
        move(p.client, p.server, (const unsigned char *)"c", 1);
        move(p.server, p.client, (const unsigned char *)"s", 1);
        sealed = BIO_number_written(p.to_server) - to_server;
        snprintf(suite, sizeof suite, "%s", SSL_get_cipher_name(p.client));
        free_pair(p);
    }
    printf("{\"library\":\"%s\",\"suite\":\"%s\",\"bits\":%d,\"handshakes\":%d,\"cpu_ns\":%lld,\"to_server\":%llu,\"to_client\":%llu,"
           "\"sealed\":%llu}\n",
           OpenSSL_version(OPENSSL_VERSION_STRING), suite, BN_num_bits(group->N), count, cpu_ns() - start, to_server, to_client, sealed);
}

static void records(int mebibytes) {
    static unsigned char bytes[RECORD];
    int count = mebibytes * ((1 << 20) / RECORD / 2);
    pair p = connect_pair();
    RAND_bytes(bytes, sizeof bytes);
    unsigned long long before = BIO_number_written(p.to_server);
    move(p.client, p.server, bytes, sizeof bytes);
    unsigned long long sealed = BIO_number_written(p.to_server) - before;
    move(p.server, p.client, bytes, sizeof bytes);
    long long start = cpu_ns();
    for (int i = 0; i < count; i++) {
        move(p.client, p.server, bytes, sizeof bytes);
        move(p.server, p.client, bytes, sizeof bytes);
    }
    printf("{\"library\":\"%s\",\"suite\":\"%s\",\"bytes\":%lld,\"records\":%d,\"cpu_ns\":%lld,\"sealed\":%llu}\n",
           OpenSSL_version(OPENSSL_VERSION_STRING), SSL_get_cipher_name(p.client), 2LL * count * RECORD, 2 * count, cpu_ns() - start,
           sealed);
    free_pair(p);
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "handshake") == 0) {
        guess = argv[4];
        set_up(argv[2], "SRP-AES-256-CBC-SHA");
        handshakes(atoi(argv[3]));
    } else if (argc == 3 && strcmp(argv[1], "record") == 0) {
        guess = password;
        set_up("2048", "SRP-AES-128-CBC-SHA");
        records(atoi(argv[2]));
    } else {
        die("usage: libssl handshake BITS COUNT PASSWORD | record MEBIBYTES");
    }
    return 0;
}

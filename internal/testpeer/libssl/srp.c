/*
 * A TLS-SRP peer on libssl, for tests. OpenSSL's own command line cannot do SRP in 3.0; libssl can.
 *
 *   srp server|client [options]
 *
 * It does --count handshakes one after another, each on a TCP connection of its own, then exits 0. A server prints
 * {"port":N} first; both print one JSON line for each handshake (see report). Exit 2 is wrong usage or a failed
 * set-up; a failed handshake is no error of this program, the line tells it.
 *
 * On each connection and for each of --sizes, the client sends that many bytes and the server sends them back; then
 * the client sends close_notify, and the server answers with its own.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/srp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_SIZES = 8 };

/* What the command line asks for. */
static struct {
    int server;
    int port; /* 0 as server: the kernel's choice */
    long count;
    const char *user, *password;
    const char *group;  /* RFC 5054 group by its bits, e.g. "3072" */
    const char *n, *g;  /* or a group of the test's own, in hexadecimal */
    const char *suites; /* OpenSSL's cipher string */
    const char *cert, *key;
    int max_version;
    int no_ems, no_etm;
    size_t sizes[MAX_SIZES];
    int nsizes;
} opt = {.count = 1, .group = "3072", .suites = "SRP-AES-256-CBC-SHA", .max_version = TLS1_2_VERSION};

/* The group and, for a server, the one user that it knows. */
static BIGNUM *N, *g, *salt, *verifier;

/* What is seen of the handshake that is under way. */
static struct {
    int alert_sent, alert_received; /* 0: none (close_notify is not counted) */
    char *a, *b, *salt;             /* A, B and the salt as they stand on the wire, in hexadecimal */
} seen;

static void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    ERR_print_errors_fp(stderr);
    exit(2);
}

/* --- what the peer does ----------------------------------------------------------------------------------------- */

/* username_cb finds the user's verifier; an unknown user gets unknown_psk_identity, RFC 5054 section 2.5.1.3. */
static int username_cb(SSL *ssl, int *alert, void *arg) {
    (void)arg;
    const char *user = SSL_get_srp_username(ssl);
    *alert = SSL_AD_UNKNOWN_PSK_IDENTITY;
    if (user == NULL || strcmp(user, opt.user) != 0)
        return SSL3_AL_FATAL;
    if (SSL_set_srp_server_param(ssl, N, g, salt, verifier, NULL) != 1) {
        *alert = SSL_AD_INTERNAL_ERROR;
        return SSL3_AL_FATAL;
    }
    return SSL_ERROR_NONE;
}

static char *password_cb(SSL *ssl, void *arg) {
    (void)ssl, (void)arg;
    return OPENSSL_strdup(opt.password);
}

/* verify_group_cb replaces libssl's check for the groups of RFC 5054 when a test brings a group of its own. */
static int verify_group_cb(SSL *ssl, void *arg) {
    (void)arg;
    return BN_cmp(SSL_get_srp_N(ssl), N) == 0 && BN_cmp(SSL_get_srp_g(ssl), g) == 0;
}

static void info_cb(const SSL *ssl, int where, int ret) {
    (void)ssl;
    int code = ret & 0xff;
    if ((where & SSL_CB_ALERT) == 0 || code == SSL_AD_CLOSE_NOTIFY)
        return;
    if (where & SSL_CB_READ)
        seen.alert_received = code;
    else
        seen.alert_sent = code;
}

/* vector returns, in hexadecimal, the opaque<prefix> at *at and moves *at behind it. */
static char *vector(const unsigned char *buf, size_t len, size_t *at, size_t prefix) {
    size_t n = 0;
    if (*at + prefix > len)
        return NULL;
    for (size_t i = 0; i < prefix; i++)
        n = n << 8 | buf[(*at)++];
    if (*at + n > len)
        return NULL;
    char *hex = OPENSSL_malloc(2 * n + 1);
    for (size_t i = 0; i < n; i++)
        sprintf(hex + 2 * i, "%02x", buf[*at + i]);
    hex[2 * n] = 0;
    *at += n;
    return hex;
}

/* msg_cb keeps A of ClientKeyExchange, salt and B of ServerKeyExchange (N<2> g<2> salt<1> B<2>). */
static void msg_cb(int write_p, int version, int type, const void *data, size_t len, SSL *ssl, void *arg) {
    (void)write_p, (void)version, (void)ssl, (void)arg;
    const unsigned char *buf = data;
    size_t at = 4;
    if (type != SSL3_RT_HANDSHAKE || len < 5)
        return;
    if (buf[0] == SSL3_MT_CLIENT_KEY_EXCHANGE && seen.a == NULL)
        seen.a = vector(buf, len, &at, 2);
    if (buf[0] == SSL3_MT_SERVER_KEY_EXCHANGE && seen.b == NULL) {
        OPENSSL_free(vector(buf, len, &at, 2));
        OPENSSL_free(vector(buf, len, &at, 2));
        seen.salt = vector(buf, len, &at, 1);
        seen.b = vector(buf, len, &at, 2);
    }
}

/* --- set-up ------------------------------------------------------------------------------------------------------ */

static void choose_group(void) {
    if (opt.n != NULL) {
        if (opt.g == NULL || !BN_hex2bn(&N, opt.n) || !BN_hex2bn(&g, opt.g))
            die("--N and --g want a hexadecimal number each");
        return;
    }
    SRP_gN *known = SRP_get_default_gN(opt.group);
    if (known == NULL)
        die("no such group: %s", opt.group);
    N = BN_dup(known->N);
    g = BN_dup(known->g);
}

/* make_verifier draws the salt itself: libssl strips leading zeros of a salt, so the first byte must not be one. */
static void make_verifier(void) {
    unsigned char bytes[16];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        die("no randomness");
    bytes[0] |= 0x80;
    salt = BN_bin2bn(bytes, sizeof bytes, NULL);
    if (!SRP_create_verifier_BN(opt.user, opt.password, &salt, &verifier, N, g))
        die("cannot make the verifier");
}

static SSL_CTX *new_context(void) {
    SSL_CTX *ctx = SSL_CTX_new(opt.server ? TLS_server_method() : TLS_client_method());
    if (ctx == NULL || !SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ||
        !SSL_CTX_set_max_proto_version(ctx, opt.max_version))
        die("cannot make a context");
    if (opt.n != NULL)
        SSL_CTX_set_security_level(ctx, 0);
    if (!SSL_CTX_set_cipher_list(ctx, opt.suites))
        die("bad cipher list: %s", opt.suites);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(ctx, SSL_MODE_AUTO_RETRY);
    if (opt.no_ems)
        SSL_CTX_set_options(ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    if (opt.no_etm)
        SSL_CTX_set_options(ctx, SSL_OP_NO_ENCRYPT_THEN_MAC);
    SSL_CTX_set_info_callback(ctx, info_cb);
    SSL_CTX_set_msg_callback(ctx, msg_cb);
    return ctx;
}

static void set_up_server(SSL_CTX *ctx) {
    make_verifier();
    SSL_CTX_set_srp_username_callback(ctx, username_cb);
    if (opt.cert == NULL)
        return;
    if (SSL_CTX_use_certificate_chain_file(ctx, opt.cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, opt.key, SSL_FILETYPE_PEM) != 1)
        die("cannot use the certificate %s", opt.cert);
}

static void set_up_client(SSL_CTX *ctx) {
    SSL_CTX_set_srp_username(ctx, (char *)opt.user);
    SSL_CTX_set_srp_client_pwd_callback(ctx, password_cb);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    if (opt.n != NULL) {
        SSL_CTX_set_srp_strength(ctx, BN_num_bits(N));
        SSL_CTX_set_srp_verify_param_callback(ctx, verify_group_cb);
    }
}

/* --- one connection ---------------------------------------------------------------------------------------------- */

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return addr;
}

static int listen_on_loopback(void) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in addr = loopback(opt.port);
    socklen_t len = sizeof addr;
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&addr, &len) != 0)
        die("cannot listen");
    printf("{\"port\":%d}\n", ntohs(addr.sin_port));
    fflush(stdout);
    return fd;
}

static int open_connection(int listener) {
    int one = 1, fd;
    if (opt.server) {
        fd = accept(listener, NULL, NULL);
        if (fd < 0)
            die("cannot accept");
    } else {
        struct sockaddr_in addr = loopback(opt.port);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0)
            die("cannot connect to port %d", opt.port);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static int read_full(SSL *ssl, unsigned char *buf, size_t size) {
    size_t at = 0, n;
    while (at < size) {
        if (SSL_read_ex(ssl, buf + at, size - at, &n) != 1)
            return 0;
        at += n;
    }
    return 1;
}

static int write_full(SSL *ssl, const unsigned char *buf, size_t size) {
    size_t n;
    return size == 0 || (SSL_write_ex(ssl, buf, size, &n) == 1 && n == size);
}

/* echo_one is the server's part for one size. */
static int echo_one(SSL *ssl, size_t size) {
    unsigned char *buf = OPENSSL_malloc(size);
    int ok = read_full(ssl, buf, size) && write_full(ssl, buf, size);
    OPENSSL_free(buf);
    return ok;
}

/* send_one is the client's: what comes back must be what went out. */
static int send_one(SSL *ssl, size_t size) {
    unsigned char *out = OPENSSL_malloc(size), *in = OPENSSL_malloc(size);
    RAND_bytes(out, (int)size);
    int ok = write_full(ssl, out, size) && read_full(ssl, in, size) && memcmp(in, out, size) == 0;
    OPENSSL_free(out);
    OPENSSL_free(in);
    return ok;
}

/* exchange moves the data of all sizes and takes the connection down, close_notify both ways. */
static const char *exchange(SSL *ssl) {
    unsigned char byte;
    size_t n;
    for (int i = 0; i < opt.nsizes; i++) {
        int ok = opt.server ? echo_one(ssl, opt.sizes[i]) : send_one(ssl, opt.sizes[i]);
        if (!ok)
            return "data";
    }
    if (!opt.server && SSL_shutdown(ssl) < 0)
        return "sending close_notify";
    if (SSL_read_ex(ssl, &byte, 1, &n) == 1)
        return "data after the last size";
    if (SSL_get_error(ssl, 0) != SSL_ERROR_ZERO_RETURN)
        return "end without close_notify";
    if (opt.server && SSL_shutdown(ssl) < 0)
        return "sending close_notify";
    return NULL;
}

/* report prints the JSON line of one handshake. failed names the step, NULL is success. */
static void report(SSL *ssl, const char *failed) {
    char reason[256] = "";
    unsigned long err = ERR_peek_last_error();
    if (err != 0 && ERR_reason_error_string(err) != NULL)
        snprintf(reason, sizeof reason, "%s", ERR_reason_error_string(err));
    printf("{\"ok\":%s,\"failed\":\"%s\",\"reason\":\"%s\",\"version\":\"%s\",\"suite\":\"%s\",\"ems\":%s,"
           "\"alert_sent\":%d,\"alert_received\":%d,\"A\":\"%s\",\"B\":\"%s\",\"salt\":\"%s\"}\n",
           failed ? "false" : "true", failed ? failed : "", reason, SSL_get_version(ssl),
           SSL_get_cipher_name(ssl), SSL_get_extms_support(ssl) == 1 ? "true" : "false", seen.alert_sent,
           seen.alert_received, seen.a ? seen.a : "", seen.b ? seen.b : "",
           seen.salt ? seen.salt : "");
    fflush(stdout);
}

static void one_handshake(SSL_CTX *ctx, int listener) {
    int fd = open_connection(listener);
    SSL *ssl = SSL_new(ctx);
    const char *failed = NULL;
    ERR_clear_error();
    if (ssl == NULL || SSL_set_fd(ssl, fd) != 1)
        die("cannot make a connection");
    if ((opt.server ? SSL_accept(ssl) : SSL_connect(ssl)) != 1)
        failed = "handshake";
    else
        failed = exchange(ssl);
    report(ssl, failed);
    SSL_free(ssl);
    close(fd);
    OPENSSL_free(seen.a);
    OPENSSL_free(seen.b);
    OPENSSL_free(seen.salt);
    memset(&seen, 0, sizeof seen);
}

/* --- command line ------------------------------------------------------------------------------------------------ */

static void parse_sizes(char *list) {
    for (char *word = strtok(list, ","); word != NULL; word = strtok(NULL, ",")) {
        if (opt.nsizes == MAX_SIZES)
            die("more than %d sizes", MAX_SIZES);
        opt.sizes[opt.nsizes++] = strtoul(word, NULL, 10);
    }
}

static void parse_options(int argc, char **argv) {
    static const struct option options[] = {
        {"port", 1, 0, 'p'},   {"count", 1, 0, 'c'},  {"user", 1, 0, 'u'}, {"password", 1, 0, 'w'},
        {"group", 1, 0, 'G'},  {"N", 1, 0, 'N'},      {"g", 1, 0, 'g'},    {"suites", 1, 0, 's'},
        {"cert", 1, 0, 'C'},   {"key", 1, 0, 'K'},    {"tls13", 0, 0, '3'}, {"no-ems", 0, 0, 'E'},
        {"no-etm", 0, 0, 'M'}, {"sizes", 1, 0, 'z'},  {0, 0, 0, 0}};
    if (argc < 2 || (strcmp(argv[1], "server") != 0 && strcmp(argv[1], "client") != 0))
        die("usage: srp server|client [options]");
    opt.server = strcmp(argv[1], "server") == 0;
    for (int c; (c = getopt_long(argc - 1, argv + 1, "", options, NULL)) != -1;)
        switch (c) {
        case 'p': opt.port = atoi(optarg); break;
        case 'c': opt.count = atol(optarg); break;
        case 'u': opt.user = optarg; break;
        case 'w': opt.password = optarg; break;
        case 'G': opt.group = optarg; break;
        case 'N': opt.n = optarg; break;
        case 'g': opt.g = optarg; break;
        case 's': opt.suites = optarg; break;
        case 'C': opt.cert = optarg; break;
        case 'K': opt.key = optarg; break;
        case '3': opt.max_version = TLS1_3_VERSION; break;
        case 'E': opt.no_ems = 1; break;
        case 'M': opt.no_etm = 1; break;
        case 'z': parse_sizes(optarg); break;
        default: exit(2);
        }
    if (opt.user == NULL || opt.password == NULL || (!opt.server && opt.port == 0))
        die("wants --user and --password, and --port as client");
}

int main(int argc, char **argv) {
    parse_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    choose_group();
    SSL_CTX *ctx = new_context();
    if (opt.server)
        set_up_server(ctx);
    else
        set_up_client(ctx);
    int listener = opt.server ? listen_on_loopback() : -1;
    for (long i = 0; i < opt.count; i++)
        one_handshake(ctx, listener);
    return 0;
}

/*
 * Handshakes of TLS-SRP by GnuTLS, client and server in one process and one thread, through memory. It tells in a line of JSON what
 * they cost.
 *
 *   gnutls handshake BITS COUNT PASSWORD
 *
 * Each handshake has connections of its own and ends with a byte each way over the finished connection; credentials, priorities and
 * the verifier are made once, beforehand. A wrong password gives exit code 3.
 */
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char user[] = "alice@home.example", password[] = "48151623";

/* The group and the one user that the server knows. */
static gnutls_datum_t prime, generator, salt, verifier;

static gnutls_srp_client_credentials_t client_credentials;
static gnutls_srp_server_credentials_t server_credentials;
static gnutls_priority_t priorities;

/* One direction of a connection. */
typedef struct {
    unsigned char bytes[65536];
    size_t read, written;
} stream;

typedef struct {
    stream *in, *out;
    gnutls_session_t session;
} end;

static stream to_server, to_client;

static void die(const char *why, int code) {
    fprintf(stderr, "gnutls: %s: %s\n", why, gnutls_strerror(code));
    exit(1);
}

static int must(const char *what, int code) {
    if (code < 0)
        die(what, code);
    return code;
}

/* cpu_ns is the time that the processors have worked for this process. */
static long long cpu_ns(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return ((used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000LL + used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;
}

/* --- set-up ------------------------------------------------------------------------------------------------------ */

static gnutls_datum_t copy(gnutls_datum_t from) {
    gnutls_datum_t to = {gnutls_malloc(from.size), from.size};
    memcpy(to.data, from.data, from.size);
    return to;
}

static int credentials_cb(gnutls_session_t session, const char *name, gnutls_datum_t *s, gnutls_datum_t *v, gnutls_datum_t *g,
                          gnutls_datum_t *n) {
    (void)session;
    if (strcmp(name, user) != 0)
        return -1;
    *s = copy(salt), *v = copy(verifier), *g = copy(generator), *n = copy(prime);
    return 0;
}

static void set_up(int bits, const char *guess) {
    static unsigned char bytes[16];
    if (bits != 2048 && bits != 3072)
        die("what group?", GNUTLS_E_INVALID_REQUEST);
    prime = bits == 2048 ? gnutls_srp_2048_group_prime : gnutls_srp_3072_group_prime;
    generator = bits == 2048 ? gnutls_srp_2048_group_generator : gnutls_srp_3072_group_generator;
    must("salt", gnutls_rnd(GNUTLS_RND_NONCE, bytes, sizeof bytes));
    bytes[0] |= 0x80;
    salt = (gnutls_datum_t){bytes, sizeof bytes};
    must("verifier", gnutls_srp_verifier(user, password, &salt, &generator, &prime, &verifier));
    must("credentials", gnutls_srp_allocate_client_credentials(&client_credentials));
    must("credentials", gnutls_srp_set_client_credentials(client_credentials, user, guess));
    must("credentials", gnutls_srp_allocate_server_credentials(&server_credentials));
    gnutls_srp_set_server_credentials_function(server_credentials, credentials_cb);
    must("priorities", gnutls_priority_init(&priorities,
                                            "NORMAL:-KX-ALL:+SRP:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-CBC:-MAC-ALL:+SHA1", NULL));
}

/* --- connections ------------------------------------------------------------------------------------------------- */

static ssize_t push(gnutls_transport_ptr_t ptr, const void *bytes, size_t size) {
    stream *out = ((end *)ptr)->out;
    if (out->written + size > sizeof out->bytes)
        die("too much is on its way", GNUTLS_E_MEMORY_ERROR);
    memcpy(out->bytes + out->written, bytes, size);
    out->written += size;
    return (ssize_t)size;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *bytes, size_t size) {
    end *e = ptr;
    size_t there = e->in->written - e->in->read;
    if (there == 0) {
        gnutls_transport_set_errno(e->session, EAGAIN);
        return -1;
    }
    if (size > there)
        size = there;
    memcpy(bytes, e->in->bytes + e->in->read, size);
    e->in->read += size;
    return (ssize_t)size;
}

static int pull_timeout(gnutls_transport_ptr_t ptr, unsigned int ms) {
    (void)ms;
    end *e = ptr;
    return e->in->written > e->in->read;
}

static void open_end(end *e, int flags, stream *in, stream *out, void *credentials) {
    e->in = in, e->out = out;
    must("session", gnutls_init(&e->session, flags | GNUTLS_NONBLOCK));
    must("priorities", gnutls_priority_set(e->session, priorities));
    must("credentials", gnutls_credentials_set(e->session, GNUTLS_CRD_SRP, credentials));
    gnutls_transport_set_ptr(e->session, e);
    gnutls_transport_set_push_function(e->session, push);
    gnutls_transport_set_pull_function(e->session, pull);
    gnutls_transport_set_pull_timeout_function(e->session, pull_timeout);
}

static int step(end *e) {
    int code = gnutls_handshake(e->session);
    if (code == GNUTLS_E_DECRYPTION_FAILED) {
        fprintf(stderr, "gnutls: wrong password: %s\n", gnutls_strerror(code));
        exit(3);
    }
    if (code < 0 && code != GNUTLS_E_AGAIN)
        die("a handshake failed", code);
    return code == 0;
}

/* check holds what was negotiated against what was asked for. */
static void check(gnutls_session_t s) {
    if (gnutls_protocol_get_version(s) != GNUTLS_TLS1_2 || gnutls_kx_get(s) != GNUTLS_KX_SRP ||
        gnutls_cipher_get(s) != GNUTLS_CIPHER_AES_256_CBC || gnutls_mac_get(s) != GNUTLS_MAC_SHA1 ||
        !gnutls_session_ext_master_secret_status(s) || !gnutls_session_etm_status(s))
        die("not the handshake that was asked for", GNUTLS_E_INTERNAL_ERROR);
}

static void move(end *from, end *to, char byte) {
    char got = 0;
    if (must("write", (int)gnutls_record_send(from->session, &byte, 1)) != 1 ||
        must("read", (int)gnutls_record_recv(to->session, &got, 1)) != 1 || got != byte)
        die("another byte came than was sent", GNUTLS_E_INTERNAL_ERROR);
}

/* --- what is measured -------------------------------------------------------------------------------------------- */

/* handshake does one; the streams then tell how many bytes it took. It returns what one byte is on the wire. */
static size_t handshake(size_t *there, size_t *back) {
    end client, server;
    to_server.read = to_server.written = to_client.read = to_client.written = 0;
    open_end(&client, GNUTLS_CLIENT, &to_client, &to_server, client_credentials);
    open_end(&server, GNUTLS_SERVER, &to_server, &to_client, server_credentials);
    for (int c = 0, s = 0; !c || !s;) {
        c = c || step(&client);
        s = s || step(&server);
    }
    check(client.session);
    check(server.session);
    *there = to_server.written, *back = to_client.written;
    move(&client, &server, 'c');
    move(&server, &client, 's');
    gnutls_deinit(client.session);
    gnutls_deinit(server.session);
    return to_server.written - *there;
}

int main(int argc, char **argv) {
    if (argc != 5 || strcmp(argv[1], "handshake") != 0) {
        fprintf(stderr, "usage: gnutls handshake BITS COUNT PASSWORD\n");
        return 1;
    }
    int bits = atoi(argv[2]), count = atoi(argv[3]);
    size_t there, back, sealed = 0;
    set_up(bits, argv[4]);
    handshake(&there, &back); /* does not count */
    long long start = cpu_ns();
    for (int i = 0; i < count; i++)
        sealed = handshake(&there, &back);
    printf("{\"library\":\"%s\",\"suite\":\"SRP-AES-256-CBC-SHA\",\"bits\":%d,\"handshakes\":%d,\"cpu_ns\":%lld,\"to_server\":%zu,"
           "\"to_client\":%zu,\"sealed\":%zu}\n",
           gnutls_check_version(NULL), bits, count, cpu_ns() - start, there, back, sealed);
    return 0;
}

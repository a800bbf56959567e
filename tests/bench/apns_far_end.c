/* The far end of the push bench: TLS, HTTP/2, and 200 to every request.

     apns_far_end CERTIFICATE KEY AUTHORITY PORT STREAMS LATENCY      on 127.0.0.1

   A connection is served by its own process. It asks for a client certificate of AUTHORITY and
   takes clients without one too (h2load has none). Each request is answered by `:status 200` and
   its apns-id, which is looked for and not decoded (where it is not found, because it is in the
   table, one is made up), LATENCY milliseconds after it came: what is to be measured is the client.
   STREAMS are allowed, at most 4,096; a window that does not close. */

#define _GNU_SOURCE

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING };
enum { END_STREAM = 1, ACK = 1, ROOM = 1 << 20, MOST = 4096 };

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
static unsigned char hello[] = {
    0, 0, 6, SETTINGS, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0,    /* streams, written by main */
    0, 0, 4, 8, 0, 0, 0, 0, 0, 0x3f, 0xff, 0, 0,           /* the connection's window */
};
static const unsigned char ANSWER[] = "\x88\0\7apns-id"; /* and a text */
static double latency; /* seconds */
static const char HUFFMAN[] = /* eabeae54-14a8-11e5-b60b- in Huffman code, as far as whole bytes go */
    "\x28\xe3\x28\xca\xdb\x4b\x05\xa1\xbc\xb0\x42\x56\xd6\x8d\xc0\x46";

static unsigned char in[ROOM], out[4 * ROOM];
static size_t filled, written;

static void put(const void *bytes, size_t size) {
    memcpy(out + written, bytes, size);
    written += size;
}

static void put_head(uint32_t size, int kind, int flags, uint32_t stream) {
    unsigned char head[9] = {size >> 16, size >> 8, size, kind, flags,
                             stream >> 24, stream >> 16, stream >> 8, stream};
    put(head, sizeof head);
}

/* The apns-ids of the requests under way, as texts of HPACK: a length, and as many bytes. */
static unsigned char ids[MOST][128];

/* The apns-id as it is written there: a UUID with its length before it, or the one that all
   clients of the bench use in Huffman code; NULL: it is in the table. */
static const unsigned char *find_id(const unsigned char *block, size_t size) {
    for (size_t at = 0; at + 37 <= size; at++)
        if (block[at] == 36 && block[at + 9] == '-' && block[at + 14] == '-' &&
            block[at + 19] == '-' && block[at + 24] == '-')
            return block + at;
    const unsigned char *found = memmem(block, size, HUFFMAN, sizeof HUFFMAN - 1);
    return found > block && found + (found[-1] & 0x7f) <= block + size ? found - 1 : NULL;
}

/* HEADERS: the apns-id, or one of ours. */
static void begin(uint32_t stream, const unsigned char *block, size_t size) {
    static uint64_t number;
    unsigned char *id = ids[stream / 2 % MOST];
    const unsigned char *found = find_id(block, size);
    if (found)
        memcpy(id, found, 1 + (found[0] & 0x7f));
    else
        snprintf((char *)id, 38, "\x24" "eabeae54-14a8-11e5-b60b-%012llx", (unsigned long long)number++);
}

static void answer(uint32_t stream) {
    const unsigned char *id = ids[stream / 2 % MOST];
    size_t size = 1 + (id[0] & 0x7f);
    put_head(sizeof ANSWER - 1 + size, HEADERS, 5, stream);
    put(ANSWER, sizeof ANSWER - 1);
    put(id, size);
}

/* Requests that have ended, oldest first, and when each is to be answered. */
static struct { double due; uint32_t stream; } later[MOST];
static unsigned first, last;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

/* Answer what is due; milliseconds until there is more, -1: nothing waits. */
static int answer_due(void) {
    if (first == last) return -1;
    double time = now();
    for (; first != last && later[first % MOST].due <= time; first++)
        answer(later[first % MOST].stream);
    return first == last ? -1 : (int)((later[first % MOST].due - time) * 1e3) + 1;
}

static void ended(uint32_t stream, double time) {
    if (latency == 0) {
        answer(stream);
        return;
    }
    later[last % MOST].due = time + latency;
    later[last++ % MOST].stream = stream;
}

/* What is whole of the input; the rest is moved to its start. */
static void take(void) {
    size_t at = 0;
    uint32_t bodies = 0;
    double time = latency == 0 ? 0 : now();
    while (filled - at >= 9) {
        const unsigned char *head = in + at;
        size_t size = head[0] << 16 | head[1] << 8 | head[2];
        uint32_t stream = (head[5] & 0x7f) << 24 | head[6] << 16 | head[7] << 8 | head[8];
        int kind = head[3], flags = head[4];
        if (filled - at < 9 + size) break;
        if (kind == HEADERS) begin(stream, head + 9, size);
        if ((kind == DATA || kind == HEADERS) && flags & END_STREAM) ended(stream, time);
        if (kind == DATA) bodies += size;
        if (kind == SETTINGS && !(flags & ACK)) put_head(0, SETTINGS, ACK, 0);
        if (kind == PING && !(flags & ACK)) {
            put_head(8, PING, ACK, 0);
            put(head + 9, 8);
        }
        at += 9 + size;
    }
    if (bodies) {
        unsigned char increment[4] = {bodies >> 24, bodies >> 16, bodies >> 8, bodies};
        put_head(4, 8, 0, 0);
        put(increment, 4);
    }
    memmove(in, in + at, filled - at);
    filled -= at;
}

static void serve(SSL *tls) {
    if (SSL_accept(tls) != 1) return;
    put(hello, sizeof hello);
    for (int greeted = 0;;) {
        int wait = answer_due();
        if (written && !SSL_has_pending(tls)) {
            if (SSL_write(tls, out, written) <= 0) return;
            written = 0;
        }
        struct pollfd waited = {.fd = SSL_get_fd(tls), .events = POLLIN};
        if (wait >= 0 && !SSL_has_pending(tls) && poll(&waited, 1, wait) == 0) continue;
        int got = SSL_read(tls, in + filled, ROOM - filled);
        if (got <= 0) return;
        filled += got;
        if (!greeted && filled >= 24) {
            if (memcmp(in, PREFACE, 24)) return;
            filled -= 24;
            memmove(in, in + 24, filled);
            greeted = 1;
        }
        if (greeted) take();
    }
}

static int choose(SSL *tls, const unsigned char **chosen, unsigned char *size,
                  const unsigned char *offered, unsigned int offered_size, void *unused) {
    (void)tls, (void)unused;
    static const unsigned char h2[] = "\2h2";
    return SSL_select_next_proto((unsigned char **)chosen, size, h2, 3, offered, offered_size) ==
                   OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int main(int count, char **arguments) {
    if (count != 7) return 2;
    int streams = atoi(arguments[5]);
    if (streams < 1 || streams > MOST) return 2;
    hello[13] = streams >> 8;
    hello[14] = streams;
    latency = atof(arguments[6]) / 1e3;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    if (SSL_CTX_use_certificate_chain_file(context, arguments[1]) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, arguments[2], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_load_verify_locations(context, arguments[3], NULL) != 1) {
        ERR_print_errors_fp(stderr);
        return 1;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_session_id_context(context, (const unsigned char *)"push", 4);
    SSL_CTX_set_alpn_select_cb(context, choose, NULL);
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(atoi(arguments[4])),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) {
        perror("listen");
        return 1;
    }
    for (;;) {
        int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        if (fork() == 0) {
            close(listener);
            setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            SSL *tls = SSL_new(context);
            SSL_set_fd(tls, client);
            serve(tls);
            _exit(0);
        }
        close(client);
    }
}

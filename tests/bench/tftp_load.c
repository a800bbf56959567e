/* TFTP load: N clients read one file at once, again and again, until each has read it `downloads`
 * times.
 *
 *   tftp_load HOST PORT FILE BLKSIZE WINDOWSIZE CLIENTS DOWNLOADS
 *
 * Prints one JSON line: bytes of file data received, seconds from the first request to the last
 * block, and how often a client had to repeat itself because nothing came for TIMEOUT_MS.
 * Exit status 1: a server refused, sent a block out of place, or a file came out at another size.
 *
 * A client acknowledges the last block of each window (RFC 7440), or the last block in order when
 * one is missing. WINDOWSIZE 1 is not asked for at all: that is lock-step RFC 1350.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 500, BATCH = 32, MAX_CLIENTS = 1024, MAX_BLOCK = 65464 };
enum { RRQ = 1, DATA = 3, ACK = 4, ERROR = 5, OACK = 6 };

struct client {
    int fd;
    int connected;     /* the server's TID is known */
    uint64_t expected; /* the block that comes next, not wrapped */
    uint64_t acked;    /* the last block we have acknowledged */
    uint64_t bytes;
    double heard_at;
    int left; /* downloads still to do, this one included */
};

static struct sockaddr_in server;
static char request[600];
static size_t request_length;
static unsigned block_size, window_size;
static uint64_t total, repeats, file_size;
static int epoll_fd, running;
static struct client clients[MAX_CLIENTS];
static unsigned char *buffers;
static struct iovec vectors[BATCH];
static struct mmsghdr messages[BATCH];
static struct sockaddr_in sources[BATCH];

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static void fail(const char *what) {
    fprintf(stderr, "tftp_load: %s\n", what);
    exit(1);
}

static void begin(struct client *c) {
    struct sockaddr_in any = {.sin_family = AF_INET};
    int room = 4 << 20;
    c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) fail("socket");
    setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(c->fd, (struct sockaddr *)&any, sizeof any)) fail("bind");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event)) fail("epoll_ctl");
    c->connected = 0;
    c->expected = 1;
    c->acked = 0;
    c->bytes = 0;
    c->heard_at = seconds();
    if (sendto(c->fd, request, request_length, 0, (struct sockaddr *)&server, sizeof server) < 0)
        fail("sendto");
}

static void acknowledge(struct client *c) {
    uint64_t block = c->expected - 1;
    unsigned char ack[4] = {0, ACK, block >> 8 & 255, block & 255};
    c->acked = block;
    if (send(c->fd, ack, sizeof ack, 0) < 0 && errno != ECONNREFUSED) fail("send");
}

static void repeat(struct client *c, double now) {
    repeats++;
    c->heard_at = now;
    if (c->connected)
        acknowledge(c);
    else
        sendto(c->fd, request, request_length, 0, (struct sockaddr *)&server, sizeof server);
}

static void finish(struct client *c) {
    if (!file_size) file_size = c->bytes;
    if (c->bytes != file_size) fail("two reads of the file differ in size");
    total += c->bytes;
    close(c->fd);
    c->fd = -1;
    if (--c->left)
        begin(c);
    else
        running--;
}

/* One datagram; 1 when the file is whole. */
static int receive(struct client *c, const unsigned char *data, unsigned length) {
    if (length < 4) fail("short datagram");
    switch (data[1]) {
    case OACK:
        if (c->expected == 1) acknowledge(c);
        return 0;
    case DATA: {
        uint16_t ahead = (uint16_t)((data[2] << 8 | data[3]) - (uint16_t)c->expected);
        if (ahead) { /* old, or one before it was lost */
            if (ahead < 0x8000 && c->acked != c->expected - 1) acknowledge(c);
            return 0;
        }
        c->expected++;
        c->bytes += length - 4;
        if (length - 4 < block_size) {
            acknowledge(c);
            return 1;
        }
        if (c->expected - 1 - c->acked >= window_size) acknowledge(c);
        return 0;
    }
    case ERROR:
        fprintf(stderr, "tftp_load: server said: %.*s\n", (int)length - 4, data + 4);
        exit(1);
    default:
        fail("unknown opcode");
    }
    return 0;
}

static void drain(struct client *c, double now) {
    c->heard_at = now;
    for (;;) {
        for (int i = 0; i < BATCH; i++) messages[i].msg_hdr.msg_namelen = sizeof sources[i];
        int wanted = window_size > 1 ? BATCH : 1;
        int n = recvmmsg(c->fd, messages, wanted, 0, NULL);
        if (n < 0 && errno == ECONNREFUSED) continue;
        if (n < 0) return;
        if (!c->connected) {
            if (connect(c->fd, (struct sockaddr *)&sources[0], sizeof sources[0])) fail("connect");
            c->connected = 1;
        }
        for (int i = 0; i < n; i++)
            if (receive(c, buffers + (size_t)i * (MAX_BLOCK + 4), messages[i].msg_len)) {
                finish(c);
                return;
            }
        if (n < wanted || wanted == 1) return; /* level-triggered: more calls us again */
    }
}

static size_t put(size_t at, const char *text) {
    size_t length = strlen(text) + 1;
    if (at + length > sizeof request) fail("file name too long");
    memcpy(request + at, text, length);
    return at + length;
}

static void compose(const char *file) {
    char number[16];
    request[1] = RRQ;
    request_length = put(put(2, file), "octet");
    snprintf(number, sizeof number, "%u", block_size);
    request_length = put(put(request_length, "blksize"), number);
    if (window_size > 1) {
        snprintf(number, sizeof number, "%u", window_size);
        request_length = put(put(request_length, "windowsize"), number);
    }
}

int main(int argc, char **argv) {
    if (argc != 8) fail("usage: tftp_load HOST PORT FILE BLKSIZE WINDOWSIZE CLIENTS DOWNLOADS");
    server.sin_family = AF_INET;
    server.sin_port = htons(atoi(argv[2]));
    if (!inet_aton(argv[1], &server.sin_addr)) fail("HOST is not an IPv4 address");
    block_size = atoi(argv[4]);
    window_size = atoi(argv[5]);
    int count = atoi(argv[6]), downloads = atoi(argv[7]);
    if (count < 1 || count > MAX_CLIENTS || downloads < 1) fail("CLIENTS or DOWNLOADS");
    if (block_size < 8 || block_size > MAX_BLOCK || window_size < 1) fail("BLKSIZE or WINDOWSIZE");
    compose(argv[3]);
    buffers = malloc((size_t)BATCH * (MAX_BLOCK + 4));
    if (!buffers) fail("malloc");
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){buffers + (size_t)i * (MAX_BLOCK + 4), MAX_BLOCK + 4};
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
        messages[i].msg_hdr.msg_name = &sources[i];
    }
    epoll_fd = epoll_create1(0);
    double start = seconds();
    running = count;
    for (int i = 0; i < count; i++) {
        clients[i].left = downloads;
        begin(&clients[i]);
    }
    struct epoll_event events[64];
    double swept = start;
    while (running) {
        int n = epoll_wait(epoll_fd, events, 64, TIMEOUT_MS / 2);
        double now = seconds();
        for (int i = 0; i < n; i++) drain(events[i].data.ptr, now);
        if (now - swept < TIMEOUT_MS / 2000.0) continue;
        swept = now;
        for (int i = 0; i < count; i++)
            if (clients[i].fd >= 0 && clients[i].left && now - clients[i].heard_at > TIMEOUT_MS / 1e3)
                repeat(&clients[i], now);
        if (now - start > 120) fail("gave up after 120 s");
    }
    printf("{\"bytes\": %llu, \"seconds\": %.6f, \"repeats\": %llu}\n", (unsigned long long)total,
           seconds() - start, (unsigned long long)repeats);
    return 0;
}

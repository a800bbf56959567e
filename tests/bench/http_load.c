/* HTTP load for the bench: N keep-alive connections, one epoll loop, one thread.
 *
 *   http_load ADDRESS PORT PATH CONNECTIONS RANGE FILE_SIZE SECONDS
 *
 * RANGE 0 asks for the whole file again and again; otherwise each request asks for RANGE bytes at a
 * pseudo-random multiple of RANGE below FILE_SIZE, as a machine does that reads a disk image. Every
 * response must be a 200 or 206 with the right Content-Length, and its body is copied out of the
 * kernel as a real client would. Prints "requests bytes seconds" for the requests that were
 * completed within SECONDS (a whole file cut off by the end counts by its bytes).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define HEADER_ROOM 4096
#define READ_SIZE (256 * 1024)

struct connection {
    int fd;
    size_t header_length;         /* bytes of header gathered so far; body when in_body */
    int in_body;
    uint64_t remaining;           /* body bytes still to come */
    char header[HEADER_ROOM + 1];
};

static const char *path;
static uint64_t range, file_size, slots, requests, bytes;
static uint64_t seed = 0x9e3779b97f4a7c15u;
static struct connection connections[MAX_CONNECTIONS];
static char buffer[READ_SIZE];

static void die(const char *what)
{
    fprintf(stderr, "http_load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
    exit(1);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void ask(struct connection *c)
{
    char request[1024];
    int n;
    if (range) {
        uint64_t first = next_random() % slots * range;
        n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: bench\r\nUser-Agent: http_load\r\n"
                     "Range: bytes=%llu-%llu\r\nAccept: */*\r\n\r\n",
                     path, (unsigned long long)first, (unsigned long long)(first + range - 1));
    } else {
        n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: bench\r\nUser-Agent: http_load\r\nAccept: */*\r\n\r\n",
                     path);
    }
    c->in_body = 0;
    c->header_length = 0;
    if (send(c->fd, request, n, MSG_NOSIGNAL) != n)
        die("send");
}

/* The header is complete in c->header: check it and learn the length of the body. */
static void begin_body(struct connection *c)
{
    char *length = strcasestr(c->header, "\r\nContent-Length:");
    errno = 0;
    if (strncmp(c->header, range ? "HTTP/1.1 206" : "HTTP/1.1 200", 12) || !length)
        die(c->header);
    c->remaining = strtoull(length + 17, NULL, 10);
    if (c->remaining != (range ? range : file_size))
        die(c->header);
    c->in_body = 1;
}

static void take(struct connection *c, const char *data, size_t n)
{
    while (n) {
        if (!c->in_body) {
            size_t before = c->header_length, take = HEADER_ROOM - before;
            if (take > n)
                take = n;
            memcpy(c->header + before, data, take);
            c->header[before + take] = 0;
            char *end = strstr(c->header, "\r\n\r\n");
            c->header_length += take;
            if (!end) {
                if (c->header_length >= HEADER_ROOM)
                    die("header too long");
                return;
            }
            size_t used = end + 4 - c->header - before;
            end[4] = 0;
            begin_body(c);
            data += used;
            n -= used;
        }
        uint64_t part = c->remaining < n ? c->remaining : n;
        c->remaining -= part;
        bytes += part;
        data += part;
        n -= part;
        if (!c->remaining) {
            requests++;
            ask(c);
            if (n) {
                errno = 0;
                die("bytes after the body");
            }
        }
    }
}

static void open_connection(struct connection *c, const char *address, int port, int epoll)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    int one = 1;
    inet_pton(AF_INET, address, &to.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to))
        die("connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event))
        die("epoll_ctl");
}

int main(int argc, char **argv)
{
    if (argc != 8) {
        fprintf(stderr, "usage: http_load ADDRESS PORT PATH CONNECTIONS RANGE FILE_SIZE SECONDS\n");
        return 2;
    }
    int count = atoi(argv[4]), epoll = epoll_create1(0);
    double seconds = atof(argv[7]), start, end;
    struct epoll_event events[64];
    path = argv[3];
    range = strtoull(argv[5], NULL, 10);
    file_size = strtoull(argv[6], NULL, 10);
    slots = range ? file_size / range : 1;
    if (count < 1 || count > MAX_CONNECTIONS || !slots)
        die("bad arguments");
    for (int i = 0; i < count; i++)
        open_connection(&connections[i], argv[1], atoi(argv[2]), epoll);
    start = now();
    for (int i = 0; i < count; i++)
        ask(&connections[i]);
    while ((end = now()) - start < seconds) {
        int ready = epoll_wait(epoll, events, 64, 100);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            ssize_t n = recv(c->fd, buffer, sizeof buffer, 0);
            if (n <= 0)
                die("recv: connection closed by the server");
            take(c, buffer, n);
        }
    }
    printf("%llu %llu %.6f\n", (unsigned long long)requests, (unsigned long long)bytes, end - start);
    return 0;
}

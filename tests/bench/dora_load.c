/* Load for a DHCP server: many clients behind one relay, each of them seen once.
 *
 *   dora_load SERVER RELAY MODE CLIENT SECONDS WINDOW RATE SEED
 *
 * The program is the relay: it owns the address RELAY, listens there on port 67 and puts RELAY into
 * giaddr, so that every server answers by plain unicast, whatever it thinks of link layers. Each
 * client has a MAC of its own.
 *
 *   MODE offer    DISCOVER, OFFER
 *   MODE dora     DISCOVER, OFFER, REQUEST, ACK
 *   CLIENT host   sends a client identifier, a host name and its largest message, as systems do
 *   CLIENT bare   sends none of them, as firmware and perfdhcp do
 *
 * RATE 0 is a closed loop: WINDOW exchanges under way, the next begins when one ends. RATE above 0
 * is an open loop: that many exchanges begin in a second, whatever became of the others; the time
 * an exchange took then counts from the moment it was due, so a server that stalls cannot hide it.
 *
 * Every reply is checked: op, cookie, transaction id under way, hardware address, message type; an
 * ACK must give the address of the OFFER, and no two clients may have the same. A fault ends the
 * program with status 1. A NAK (the offered address went to somebody else) or a reply that does not
 * come within PATIENCE only makes the exchange count as lost.
 *
 * Prints: ended, seconds, lost, NAKs, then microseconds: ACK after its REQUEST p50, p99, p999,
 * whole exchange p50, p99, p999, where a lost one counts as PATIENCE.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define CLIENTS (1u << 22) /* exchanges in one run at most */
#define PATIENCE 2.0
#define OPTIONS 240
#define DISCOVER 1
#define OFFER 2
#define REQUEST 3
#define ACK 5
#define NAK 6

enum phase { FRESH, DISCOVERING, REQUESTING, ENDED };

struct client {
    double due, requested;
    uint32_t offered;
    uint8_t phase;
};

static struct client *clients;
static uint32_t *took, *took_ack; /* microseconds, of each exchange that ended or was lost */
static unsigned char *leased;     /* one bit for every IPv4 address */
static unsigned char out[BATCH][576], in[BATCH][1500];
static struct mmsghdr tx[BATCH], rx[BATCH];
static struct iovec txv[BATCH], rxv[BATCH];
static int sock, queued;
static uint32_t relay, seed, begun, ended, lost, refused, under_way, oldest, samples;
static int with_request, is_host;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fail(const char *what, uint32_t xid) {
    fprintf(stderr, "client %u: %s\n", xid, what);
    exit(1);
}

static void flush(void) {
    int done = 0;
    while (done < queued) {
        int sent = sendmmsg(sock, tx + done, (unsigned)(queued - done), 0);
        if (sent < 0 && errno != ECONNREFUSED) { perror("sendmmsg"); exit(1); }
        done += sent > 0 ? sent : 1;
    }
    queued = 0;
}

static unsigned char *option(unsigned char *at, uint8_t code, const void *data, uint8_t length) {
    *at++ = code;
    *at++ = length;
    memcpy(at, data, length);
    return at + length;
}

static void mac_of(uint32_t xid, unsigned char *mac) {
    uint32_t low = htonl(xid);
    mac[0] = 2; /* locally administered */
    mac[1] = (unsigned char)seed;
    memcpy(mac + 2, &low, 4);
}

static void send_message(uint32_t xid, uint8_t type, const unsigned char *server_identifier) {
    unsigned char *data = out[queued], *at = data + OPTIONS, identifier[7] = {1};
    char name[16];
    uint32_t wire = htonl(xid);
    memset(data, 0, sizeof out[0]);
    memcpy(data, (unsigned char[]){1, 1, 6, 1}, 4); /* one hop: us */
    memcpy(data + 4, &wire, 4);
    memcpy(data + 24, &relay, 4);
    mac_of(xid, data + 28);
    memcpy(identifier + 1, data + 28, 6);
    memcpy(data + 236, (unsigned char[]){99, 130, 83, 99}, 4);
    at = option(at, 53, &type, 1);
    if (is_host) at = option(at, 61, identifier, sizeof identifier);
    if (type == REQUEST) {
        at = option(at, 50, &clients[xid].offered, 4);
        at = option(at, 54, server_identifier, 4);
    }
    if (is_host) {
        snprintf(name, sizeof name, "client-%07x", xid);
        at = option(at, 12, name, (uint8_t)strlen(name));
        at = option(at, 57, (unsigned char[]){0x05, 0xdc}, 2);
    }
    at = option(at, 55, (unsigned char[]){1, 28, 3, 121, 15, 6, 12, 42}, 8);
    *at++ = 255;
    size_t length = (size_t)(at - data) < 300 ? 300 : (size_t)(at - data);
    txv[queued].iov_len = length;
    if (++queued == BATCH) flush();
}

static void begin(double due) {
    if (begun == CLIENTS) fail("too many clients in one run", begun);
    clients[begun] = (struct client){.due = due, .phase = DISCOVERING};
    send_message(begun++, DISCOVER, NULL);
    under_way++;
}

static void end(uint32_t xid, double at) {
    struct client *client = &clients[xid];
    took[samples] = (uint32_t)((at - client->due) * 1e6);
    took_ack[samples++] = (uint32_t)((at - client->requested) * 1e6);
    ended++;
    under_way--;
    client->phase = ENDED;
}

static const unsigned char *find(const unsigned char *data, size_t size, uint8_t code, uint8_t length) {
    for (size_t at = OPTIONS; at + 1 < size && data[at] != 255;) {
        if (data[at] == 0) { at++; continue; }
        if (at + 2 + data[at + 1] > size) return NULL;
        if (data[at] == code) return data[at + 1] == length ? data + at + 2 : NULL;
        at += 2u + data[at + 1];
    }
    return NULL;
}

static void received(const unsigned char *data, size_t size, double at) {
    uint32_t wire, address;
    unsigned char mac[6];
    if (size < OPTIONS || data[0] != 2) fail("not a reply", 0);
    memcpy(&wire, data + 4, 4);
    memcpy(&address, data + 16, 4);
    uint32_t xid = ntohl(wire);
    if (xid >= begun) return; /* of an earlier run */
    struct client *client = &clients[xid];
    mac_of(xid, mac);
    if (memcmp(data + 28, mac, 6) != 0) return; /* likewise */
    const unsigned char *type = find(data, size, 53, 1), *server = find(data, size, 54, 4);
    if (type == NULL || server == NULL) fail("no message type or server identifier", xid);
    if (find(data, size, 1, 4) == NULL) fail("no subnet mask, although asked for", xid);
    if (client->phase == DISCOVERING && *type == OFFER) {
        if (address == 0 || find(data, size, 51, 4) == NULL) fail("an empty offer", xid);
        client->offered = address;
        client->requested = at;
        if (with_request) {
            client->phase = REQUESTING;
            send_message(xid, REQUEST, server);
        } else {
            end(xid, at);
        }
    } else if (client->phase == REQUESTING && *type == ACK) {
        if (address != client->offered) fail("the ACK has another address than the OFFER", xid);
        uint32_t host = ntohl(address);
        if (leased[host >> 3] & (1 << (host & 7))) fail("two clients have one address", xid);
        leased[host >> 3] |= (unsigned char)(1 << (host & 7));
        end(xid, at);
    } else if (client->phase == REQUESTING && *type == NAK) {
        refused++;
        under_way--;
        client->phase = ENDED;
    } else if (client->phase != ENDED) {
        fail("a reply of the wrong type", xid);
    }
}

static void give_up(double at) {
    for (; oldest < begun; oldest++) {
        struct client *client = &clients[oldest];
        if (client->phase == ENDED) continue;
        if (at - client->due < PATIENCE) return;
        client->phase = ENDED;
        took[samples] = took_ack[samples] = (uint32_t)(PATIENCE * 1e6);
        samples++;
        lost++;
        under_way--;
    }
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void print_percentiles(uint32_t *values) {
    qsort(values, samples, sizeof *values, by_value);
    double points[] = {0.5, 0.99, 0.999};
    for (int i = 0; i < 3; i++) printf(" %u", samples ? values[(uint32_t)(points[i] * (samples - 1))] : 0);
}

int main(int argc, char **argv) {
    if (argc != 9) {
        fprintf(stderr, "usage: dora_load SERVER RELAY offer|dora host|bare SECONDS WINDOW RATE SEED\n");
        return 2;
    }
    struct sockaddr_in local = {.sin_family = AF_INET, .sin_port = htons(67)}, server = local;
    if (!inet_aton(argv[1], &server.sin_addr) || !inet_aton(argv[2], &local.sin_addr)) return 2;
    relay = local.sin_addr.s_addr;
    with_request = strcmp(argv[3], "dora") == 0;
    is_host = strcmp(argv[4], "host") == 0;
    double seconds = atof(argv[5]), rate = atof(argv[7]);
    uint32_t window = (uint32_t)atoi(argv[6]);
    seed = (uint32_t)atoi(argv[8]);
    clients = calloc(CLIENTS, sizeof *clients); /* the kernel gives pages only when touched */
    took = calloc(CLIENTS, sizeof *took);
    took_ack = calloc(CLIENTS, sizeof *took_ack);
    leased = calloc(1u << 29, 1);
    int size = 4 << 20;
    sock = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(sock, (struct sockaddr *)&local, sizeof local) != 0) { perror("bind"); return 1; }
    prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0);
    for (int i = 0; i < BATCH; i++) {
        txv[i].iov_base = out[i];
        rxv[i] = (struct iovec){in[i], sizeof in[i]};
        tx[i].msg_hdr = (struct msghdr){&server, sizeof server, &txv[i], 1, NULL, 0, 0};
        rx[i].msg_hdr = (struct msghdr){NULL, 0, &rxv[i], 1, NULL, 0, 0};
    }

    double start = now(), at = start, stop = start + seconds, checked = start;
    while (at < stop) {
        struct timespec wait = {0, 20000000};
        if (rate > 0) {
            while (start + begun / rate <= at) begin(start + begun / rate);
            double due = start + begun / rate - at;
            if (due < 0.02) wait.tv_nsec = (long)(due * 1e9) + 1;
        } else {
            while (under_way < window) begin(at);
        }
        flush();
        struct pollfd readable = {sock, POLLIN, 0};
        ppoll(&readable, 1, &wait, NULL);
        int n = recvmmsg(sock, rx, BATCH, MSG_DONTWAIT, NULL);
        at = now();
        for (int i = 0; i < n; i++) received(in[i], rx[i].msg_len, at);
        if (at - checked > 0.05) { give_up(at); checked = at; }
    }
    printf("%u %.6f %u %u", ended, now() - start, lost, refused);
    print_percentiles(took_ack);
    print_percentiles(took);
    printf("\n");
    return 0;
}

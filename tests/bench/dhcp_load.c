/* Load for a DHCP or BSDP server: keeps WINDOW requests outstanding, counts the answers.
 *
 *   dhcp_load SERVER PORT LOCAL LOCALPORT SECONDS WINDOW MACHINES < request
 *
 * The request on standard input is one UDP payload. Each copy gets its own transaction id and, of
 * MACHINES in turn, its own last two hardware address bytes. An answer counts when its transaction
 * id is outstanding. Prints "replies SECONDS" at the end.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 32
#define SLOTS 65536

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static unsigned char request[1500], out[BATCH][1500], in[BATCH][9216];
static unsigned char outstanding[SLOTS];

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: dhcp_load SERVER PORT LOCAL LOCALPORT SECONDS WINDOW MACHINES\n");
        return 2;
    }
    double seconds = atof(argv[5]);
    int window = atoi(argv[6]), machines = atoi(argv[7]);
    ssize_t length = 0, got;
    while ((got = read(0, request + length, sizeof request - (size_t)length)) > 0) length += got;
    if (length < 240) return 2;

    struct sockaddr_in local = {.sin_family = AF_INET}, server = {.sin_family = AF_INET};
    local.sin_port = htons((uint16_t)atoi(argv[4]));
    server.sin_port = htons((uint16_t)atoi(argv[2]));
    if (!inet_aton(argv[3], &local.sin_addr) || !inet_aton(argv[1], &server.sin_addr)) return 2;
    int sock = socket(AF_INET, SOCK_DGRAM, 0), size = 4 << 20;
    setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(sock, (struct sockaddr *)&local, sizeof local) != 0) { perror("bind"); return 1; }

    struct mmsghdr tx[BATCH], rx[BATCH];
    struct iovec txv[BATCH], rxv[BATCH];
    memset(tx, 0, sizeof tx);
    memset(rx, 0, sizeof rx);
    for (int i = 0; i < BATCH; i++) {
        memcpy(out[i], request, (size_t)length);
        txv[i] = (struct iovec){out[i], (size_t)length};
        rxv[i] = (struct iovec){in[i], sizeof in[i]};
        tx[i].msg_hdr = (struct msghdr){&server, sizeof server, &txv[i], 1, NULL, 0, 0};
        rx[i].msg_hdr = (struct msghdr){NULL, 0, &rxv[i], 1, NULL, 0, 0};
    }

    uint32_t xid = 1;
    unsigned long replies = 0, lost = 0;
    int open = 0;
    double start = now(), end = start + seconds, last = start;
    while (now() < end) {
        while (open < window) {
            int batch = window - open < BATCH ? window - open : BATCH;
            for (int i = 0; i < batch; i++, xid++) {
                uint32_t wire = htonl(xid);
                memcpy(out[i] + 4, &wire, 4);
                uint16_t machine = htons((uint16_t)(xid % (uint32_t)machines));
                memcpy(out[i] + 32, &machine, 2);
                outstanding[xid % SLOTS] = 1;
            }
            int sent = sendmmsg(sock, tx, (unsigned)batch, 0);
            if (sent < 0) { perror("sendmmsg"); return 1; }
            xid -= (uint32_t)(batch - sent);
            open += sent;
        }
        struct pollfd wait = {sock, POLLIN, 0};
        if (poll(&wait, 1, 20) <= 0) {
            if (now() - last > 0.1) { lost += (unsigned long)open; open = 0; last = now(); }
            continue;
        }
        int n = recvmmsg(sock, rx, BATCH, MSG_DONTWAIT, NULL);
        for (int i = 0; i < n; i++) {
            uint32_t wire;
            memcpy(&wire, in[i] + 4, 4);
            uint32_t id = ntohl(wire);
            if (rx[i].msg_len >= 240 && in[i][0] == 2 && outstanding[id % SLOTS]) {
                outstanding[id % SLOTS] = 0;
                replies++;
                if (open > 0) open--;
            }
        }
        if (n > 0) last = now();
    }
    printf("%lu %.6f %lu\n", replies, now() - start, lost);
    return 0;
}

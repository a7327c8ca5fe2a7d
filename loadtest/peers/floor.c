/*
 * This file owns the floor: the least that one process can pay when it writes every delivery by itself.
 *
 * An epoll loop, one write(2) for each recipient, no checks. It understands just enough of WebSocket, Engine.IO and
 * Socket.IO for the load test's riders, believes every token, and computes no Sec-WebSocket-Accept. It is a ruler,
 * not a server. Environment: PORT.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS 65536
#define MAX_ROOMS 4096
#define INPUT_BYTES 65536
#define ROOM_NAME_BYTES 64

struct room {
    char name[ROOM_NAME_BYTES];
    int *members;
    int count, capacity;
};

struct connection {
    int open, upgraded;
    size_t held;    /* bytes of an incomplete frame or request */
    char *input;
    size_t waiting; /* bytes that the socket did not take */
    char *output;
};

static struct room rooms[MAX_ROOMS];
static int room_count;
static struct connection connections[MAX_CONNECTIONS];
static int poller;

static void close_connection(int fd) {
    struct connection *peer = &connections[fd];
    for (int r = 0; r < room_count; r++)
        for (int m = 0; m < rooms[r].count; m++)
            if (rooms[r].members[m] == fd) rooms[r].members[m--] = rooms[r].members[--rooms[r].count];
    free(peer->input);
    free(peer->output);
    memset(peer, 0, sizeof *peer);
    close(fd);
}

static void watch(int fd, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.fd = fd};
    epoll_ctl(poller, how, fd, &event);
}

/* What the socket does not take is kept, so that nothing is lost; a floor that loses would be too low. */
static void send_bytes(int fd, const char *bytes, size_t length) {
    struct connection *peer = &connections[fd];
    ssize_t written = 0;
    if (peer->waiting == 0) {
        written = write(fd, bytes, length);
        if (written < 0) written = 0;
        if ((size_t)written == length) return;
        watch(fd, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    size_t rest = length - (size_t)written;
    peer->output = realloc(peer->output, peer->waiting + rest);
    memcpy(peer->output + peer->waiting, bytes + written, rest);
    peer->waiting += rest;
}

static void flush(int fd) {
    struct connection *peer = &connections[fd];
    ssize_t written = write(fd, peer->output, peer->waiting);
    if (written < 0) return;
    peer->waiting -= (size_t)written;
    memmove(peer->output, peer->output + written, peer->waiting);
    if (peer->waiting == 0) watch(fd, EPOLLIN, EPOLL_CTL_MOD);
}

static size_t frame_head(char *head, size_t length) {
    head[0] = (char)0x81;
    if (length < 126) {
        head[1] = (char)length;
        return 2;
    }
    head[1] = 126;
    head[2] = (char)(length >> 8);
    head[3] = (char)length;
    return 4;
}

static void send_text(int fd, const char *text) {
    char frame[256];
    size_t length = strlen(text), head = frame_head(frame, length);
    memcpy(frame + head, text, length);
    send_bytes(fd, frame, head + length);
}

static struct room *room_in(const char *text, const char *end) {
    static const char key[] = "\"roomId\":\"";
    const char *name = memmem(text, (size_t)(end - text), key, sizeof key - 1);
    if (!name) return NULL;
    name += sizeof key - 1;
    const char *quote = memchr(name, '"', (size_t)(end - name));
    size_t length = quote ? (size_t)(quote - name) : ROOM_NAME_BYTES;
    if (length >= ROOM_NAME_BYTES) return NULL;
    for (int r = 0; r < room_count; r++)
        if (strncmp(rooms[r].name, name, length) == 0 && rooms[r].name[length] == 0) return &rooms[r];
    if (room_count == MAX_ROOMS) return NULL;
    memcpy(rooms[room_count].name, name, length);
    return &rooms[room_count++];
}

static void join(int fd, struct room *room) {
    if (room->count == room->capacity) {
        room->capacity = room->capacity ? room->capacity * 2 : 16;
        room->members = realloc(room->members, sizeof(int) * (size_t)room->capacity);
    }
    room->members[room->count++] = fd;
}

/* arguments: from the object of ["bike-update",{...}] to the closing bracket */
static void fan_out(int author, struct room *room, const char *arguments, size_t length) {
    static const char name[] = "42[\"bike-updated\",";
    static char frame[INPUT_BYTES + 64];
    size_t head = frame_head(frame, sizeof name - 1 + length);
    memcpy(frame + head, name, sizeof name - 1);
    memcpy(frame + head + sizeof name - 1, arguments, length);
    for (int m = 0; m < room->count; m++)
        if (room->members[m] != author) send_bytes(room->members[m], frame, head + sizeof name - 1 + length);
}

static void take_packet(int fd, char *text, size_t length) {
    char *end = text + length, answer[64];
    if (length >= 2 && memcmp(text, "40", 2) == 0) send_text(fd, "40{\"sid\":\"floor\"}");
    if (length < 3 || memcmp(text, "42", 2) != 0) return;
    char *bracket;
    long number = strtol(text + 2, &bracket, 10);
    struct room *room = room_in(bracket, end);
    char *comma = memchr(bracket, ',', (size_t)(end - bracket));
    if (!room || !comma) return;
    if (memcmp(bracket, "[\"join-room\"", 12) == 0) join(fd, room);
    else fan_out(fd, room, comma + 1, (size_t)(end - comma - 1));
    snprintf(answer, sizeof answer, "43%ld[{\"data\":{}}]", number);
    send_text(fd, answer);
}

/* The bytes that were used of `data`; 0 while the frame is incomplete. */
static size_t take_frame(int fd, char *data, size_t available) {
    size_t length = available > 1 ? (unsigned char)data[1] & 0x7f : 0, head = 6;
    if (length == 126 && available > 3) {
        length = ((size_t)(unsigned char)data[2] << 8) | (unsigned char)data[3];
        head = 8;
    }
    if (available < head || available < head + length) return 0;
    char *mask = data + head - 4, *text = data + head;
    for (size_t i = 0; i < length; i++) text[i] ^= mask[i & 3];
    if ((data[0] & 0x0f) == 1) take_packet(fd, text, length);
    return head + length;
}

static size_t take_upgrade(int fd, char *data, size_t available) {
    char *end = memmem(data, available, "\r\n\r\n", 4);
    if (!end) return 0;
    static const char answer[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    send_bytes(fd, answer, sizeof answer - 1);
    send_text(fd, "0{\"sid\":\"floor\",\"upgrades\":[],\"pingInterval\":25000,\"pingTimeout\":20000}");
    connections[fd].upgraded = 1;
    return (size_t)(end - data) + 4;
}

static void take_input(int fd) {
    static char data[INPUT_BYTES * 2];
    struct connection *peer = &connections[fd];
    size_t available = peer->held;
    if (available) memcpy(data, peer->input, available);
    ssize_t count = read(fd, data + available, sizeof data - available);
    if (count <= 0) {
        if (count == 0 || errno != EAGAIN) close_connection(fd);
        return;
    }
    available += (size_t)count;
    size_t position = 0, used;
    while (position < available && (used = peer->upgraded ? take_frame(fd, data + position, available - position)
                                                          : take_upgrade(fd, data + position, available - position)))
        position += used;
    peer->held = available - position;
    if (peer->held) {
        peer->input = realloc(peer->input, peer->held);
        memcpy(peer->input, data + position, peer->held);
    } else {
        free(peer->input);
        peer->input = NULL;
    }
}

static void accept_all(int listener) {
    int fd, yes = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_CONNECTIONS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        connections[fd].open = 1;
        watch(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

int main(void) {
    const char *port = getenv("PORT");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port ? port : "0"))};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) {
        perror("floor");
        return 1;
    }
    poller = epoll_create1(0);
    watch(listener, EPOLLIN, EPOLL_CTL_ADD);
    struct epoll_event events[256];
    for (;;) {
        int count = epoll_wait(poller, events, 256, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) accept_all(listener);
            else {
                if (events[i].events & EPOLLOUT && connections[fd].waiting) flush(fd);
                if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && connections[fd].open) take_input(fd);
            }
        }
    }
}

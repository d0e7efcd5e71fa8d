/*
 * Preloaded into a peer that would listen on every address of the machine and has no option against it: whatever it
 * binds is bound to loopback.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

typedef int (*bind_func)(int, const struct sockaddr *, socklen_t);

int bind(int fd, const struct sockaddr *addr, socklen_t len) {
    bind_func real = (bind_func)dlsym(RTLD_NEXT, "bind");
    if (addr->sa_family == AF_INET) {
        struct sockaddr_in local = *(const struct sockaddr_in *)addr;
        local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return real(fd, (const struct sockaddr *)&local, sizeof local);
    }
    if (addr->sa_family == AF_INET6) {
        struct sockaddr_in6 local = *(const struct sockaddr_in6 *)addr;
        local.sin6_addr = in6addr_loopback;
        return real(fd, (const struct sockaddr *)&local, sizeof local);
    }
    return real(fd, addr, len);
}

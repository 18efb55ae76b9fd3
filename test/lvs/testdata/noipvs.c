// Lets Keepalived check servers where the kernel has no IPVS: what it would tell IPVS succeeds and goes nowhere. Loaded before
// the C library (LD_PRELOAD).

#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <sys/socket.h>

#define IPVS_FIRST 1152 // IP_VS_BASE_CTL of linux/ip_vs.h
#define IPVS_LAST 1300

static int ipvs(int level, int name)
{
	return level == 0 && name >= IPVS_FIRST && name <= IPVS_LAST;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int (*next)(int, int, int, void *, socklen_t *) = dlsym(RTLD_NEXT, "getsockopt");

	if (!ipvs(level, name))
		return next(fd, level, name, value, len);
	if (value && len)
		memset(value, 0, *len);
	return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	int (*next)(int, int, int, const void *, socklen_t) = dlsym(RTLD_NEXT, "setsockopt");

	return ipvs(level, name) ? 0 : next(fd, level, name, value, len);
}

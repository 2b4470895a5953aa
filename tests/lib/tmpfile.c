// SPDX-License-Identifier: GPL-2.0
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sh.h"
#include "tmpfile.h"

int file_mem(size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	must(fd >= 0, "memfd: %s", strerror(errno));
	must(!ftruncate(fd, size), "%zu bytes: %s", size, strerror(errno));
	return fd;
}

int disk_ram(unsigned int nr)
{
	char path[32];
	int fd;

	if (!in_guest()) {
		snprintf(path, sizeof(path), DISK_NULL_PREFIX "ram%u", nr);
		return disk_null(path, &(struct null_disk){ 0 }, O_RDWR | O_DIRECT);
	}
	snprintf(path, sizeof(path), "/dev/ram%u", nr);
	/* exclusive: not one that somebody has mounted */
	fd = open(path, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
	need(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

int disk_loop(int file, int flags)
{
	struct loop_config config = {
		.fd = file,
		.block_size = 512,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR,
	};
	int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	char path[32];
	int fd = -1;

	need(ctl >= 0, "/dev/loop-control: %s", strerror(errno));
	/* another may take the free one first */
	for (int try = 0; try < 10 && fd < 0; try++) {
		snprintf(path, sizeof(path), "/dev/loop%d", ioctl(ctl, LOOP_CTL_GET_FREE));
		fd = open(path, O_RDWR | O_CLOEXEC | flags);
		must(fd >= 0, "%s: %s", path, strerror(errno));
		if (ioctl(fd, LOOP_CONFIGURE, &config)) {
			must(errno == EBUSY, "%s: %s", path, strerror(errno));
			close(fd);
			fd = -1;
		}
	}
	must(fd >= 0, "no loop device");
	close(ctl);
	return fd;
}

#define NULLB "/sys/kernel/config/nullb"

/* Returns 0 or -errno. */
static int attr_write(const char *name, const char *attr, const char *value)
{
	char path[512];
	ssize_t ret;
	int fd;

	snprintf(path, sizeof(path), NULLB "/%s/%s", name, attr);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

static void attr_set(const char *name, const char *attr, unsigned int value)
{
	char text[16];
	int ret;

	snprintf(text, sizeof(text), "%u", value);
	ret = attr_write(name, attr, text);
	must(!ret, "null_blk %s: %s=%u: %s", name, attr, value, res_str(ret));
}

void disk_null_remove(const char *name)
{
	char path[512];

	attr_write(name, "power", "0");
	snprintf(path, sizeof(path), NULLB "/%s", name);
	rmdir(path);
}

void disk_for_ours(const char *path, void (*fn)(const char *name))
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		if (!strncmp(e->d_name, DISK_NULL_PREFIX, strlen(DISK_NULL_PREFIX)))
			fn(e->d_name);
	}
	if (dir)
		closedir(dir);
}

/* What @attr of the disk says, as text of @size bytes at most. */
static void disk_attr_text(const char *path, const char *attr, char *text, size_t size)
{
	char name[128];
	ssize_t len;
	int fd;

	snprintf(name, sizeof(name), "/sys/block/%s/%s", strrchr(path, '/') + 1, attr);
	fd = file_open(name, O_RDONLY);
	len = read(fd, text, size - 1);
	must(len > 0, "%s: %s", name, strerror(errno));
	text[len] = '\0';
	close(fd);
}

u64 disk_attr(const char *path, const char *attr)
{
	char text[32];

	disk_attr_text(path, attr, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

u64 disk_stat(const char *path, enum disk_stat nr)
{
	char text[512], *at = text;
	u64 value = 0;

	disk_attr_text(path, "stat", text, sizeof(text));
	for (unsigned int i = 0; i <= nr; i++) {
		char *end;

		value = strtoull(at, &end, 10);
		must(end != at, "stat of %s has %u numbers: %s", path, i, text);
		at = end;
	}
	return value;
}

void disk_null_sweep(void)
{
	disk_for_ours(NULLB, disk_null_remove);
}

const char *disk_null_path(const char *name)
{
	static char dev[32];
	char path[512], index[16] = "";
	int fd;

	snprintf(dev, sizeof(dev), "/dev/%s", name);
	if (!access(dev, F_OK))
		return dev;
	/* older drivers name it by number */
	snprintf(path, sizeof(path), NULLB "/%s/index", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	must(fd >= 0 && read(fd, index, sizeof(index) - 1) > 0, "%s", path);
	close(fd);
	snprintf(dev, sizeof(dev), "/dev/nullb%u", atoi(index));
	return dev;
}

int disk_null(const char *name, const struct null_disk *opt, int flags)
{
	char path[512];
	int fd, ret;

	disk_null_remove(name);
	snprintf(path, sizeof(path), NULLB "/%s", name);
	need(!mkdir(path, 0755), "%s: %s", path, strerror(errno));
	attr_set(name, "memory_backed", 1);
	attr_set(name, "size", opt->mb ?: 16);
	attr_set(name, "blocksize", opt->block ?: 512);
	if (opt->cache_mb)
		attr_set(name, "cache_size", opt->cache_mb);
	if (opt->max_sectors)
		attr_set(name, "max_sectors", opt->max_sectors);
	if (opt->depth)
		attr_set(name, "hw_queue_depth", opt->depth);
	if (opt->poll_queues)
		attr_set(name, "poll_queues", opt->poll_queues);
	if (opt->discard)
		attr_set(name, "discard", 1);
	if (opt->virt_boundary)
		attr_set(name, "virt_boundary", 1);
	if (opt->delay_us) {
		attr_set(name, "irqmode", 2);
		attr_set(name, "completion_nsec", opt->delay_us * 1000);
	}
	if (opt->badblocks) {
		ret = attr_write(name, "badblocks", opt->badblocks);
		must(!ret, "null_blk %s: badblocks %s: %s", name, opt->badblocks, res_str(ret));
	}
	attr_set(name, "power", 1);
	if (flags < 0)
		return -1;
	fd = open(disk_null_path(name), flags | O_CLOEXEC);
	must(fd >= 0, "%s: %s", disk_null_path(name), strerror(errno));
	return fd;
}

int file_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	must(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

void file_read(int fd, void *buf, size_t len, u64 pos)
{
	ssize_t ret = pread(fd, buf, len, pos);

	must(ret == (ssize_t)len, "reading %zu bytes at %llu: %zd (%s)", len,
	     (unsigned long long)pos, ret, ret < 0 ? strerror(errno) : "short");
}

void file_write(int fd, const void *buf, size_t len, u64 pos)
{
	ssize_t ret = pwrite(fd, buf, len, pos);

	must(ret == (ssize_t)len, "writing %zu bytes at %llu: %zd (%s)", len,
	     (unsigned long long)pos, ret, ret < 0 ? strerror(errno) : "short");
}

/* Aligned for any disk. */
static _Alignas(4096) u8 block[4096];

void file_write_block(int fd, u64 pos, u8 byte)
{
	memset(block, byte, sizeof(block));
	file_write(fd, block, sizeof(block), pos);
}

void file_block_is(int fd, u64 pos, u8 byte, const char *what)
{
	file_read(fd, block, sizeof(block), pos);
	for (unsigned int i = 0; i < sizeof(block); i++)
		must(block[i] == byte, "%s: byte %u is %#x, not %#x", what, i, block[i], byte);
}

const char *file_host_directory(void)
{
	const char *dir = getenv("RESULTS");

	/* statfs() tells of the host's file system */
	return dir && !sh("grep -q ' %s 9p ' /proc/mounts", dir) ? dir : NULL;
}

void *page_alloc(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED, "%zu bytes: %s", size, strerror(errno));
	return p;
}

void *huge_page_alloc(void)
{
	size_t size = 2 << 20;
	u8 *p = page_alloc(2 * size);

	p = (u8 *)(((uintptr_t)p + size - 1) & ~(size - 1));
	madvise(p, size, MADV_HUGEPAGE);
	memset(p, 1, size);
	return p;
}

/* In a fresh guest nobody has done it yet. */
static void loopback_up(int sock)
{
	struct ifreq ifr = { .ifr_name = "lo" };

	must(!ioctl(sock, SIOCGIFFLAGS, &ifr), "lo: %s", strerror(errno));
	if (ifr.ifr_flags & IFF_UP)
		return;
	ifr.ifr_flags |= IFF_UP;
	must(!ioctl(sock, SIOCSIFFLAGS, &ifr), "lo up: %s", strerror(errno));
}

void tcp_pair(struct tcp_pair *pair, int sndbuf, int rcvbuf)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(listener >= 0, "socket: %s", strerror(errno));
	loopback_up(listener);
	/* before listen(), or the window is what it was */
	if (rcvbuf)
		setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
	must(!bind(listener, (void *)&addr, sizeof(addr)) && !listen(listener, 1) &&
	     !getsockname(listener, (void *)&addr, &len), "listen: %s", strerror(errno));

	pair->tx = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sndbuf)
		setsockopt(pair->tx, SOL_SOCKET, SO_SNDBUFFORCE, &sndbuf, sizeof(sndbuf));
	must(!connect(pair->tx, (void *)&addr, len), "connect: %s", strerror(errno));
	pair->rx = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	must(pair->rx >= 0, "accept: %s", strerror(errno));
	close(listener);
}

void tcp_read(int fd, void *buf, size_t len)
{
	u8 *p = buf;

	while (len) {
		ssize_t ret = recv(fd, p, len, 0);

		must(ret > 0, "%zu bytes did not come: %zd", len, ret);
		p += ret;
		len -= ret;
	}
}

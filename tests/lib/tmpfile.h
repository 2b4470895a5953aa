/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files and disks to move data to and from.
 */
#ifndef TESTS_TMPFILE_H
#define TESTS_TMPFILE_H

#include "check.h"

/* A file of @size bytes in memory.  Buffered: io_uring always punts it to a worker. */
int file_mem(size_t size);
/*
 * A memory disk of 4 MiB or more, /dev/ramN, opened O_DIRECT and exclusively; its
 * contents are whatever an earlier test left.  Elsewhere than in the guest that may be
 * somebody's: there it is a null_blk disk of our own.
 */
int disk_ram(unsigned int nr);
/* The loop device of @file, opened with @flags.  Goes away with its last user. */
int disk_loop(int file, int flags);

/* What a null_blk disk is made with; 0 or NULL is the driver's default. */
struct null_disk {
	unsigned int mb;		/* [16] */
	unsigned int max_sectors;	/* of one request: splits */
	unsigned int depth;		/* tags */
	unsigned int block;		/* bytes [512] */
	unsigned int cache_mb;		/* of a volatile write cache */
	unsigned int poll_queues;
	bool discard;
	bool virt_boundary;		/* segments begin and end at pages */
	unsigned int delay_us;		/* until a request completes */
	const char *badblocks;		/* "+first-last" */
};
/* All names begin with this, so that what a failed test left can be told from others. */
#define DISK_NULL_PREFIX	"lend-"

/*
 * A null_blk disk that keeps its data, opened with @flags.  Goes away with
 * disk_null_remove(), or with the next one of the same name.
 */
int disk_null(const char *name, const struct null_disk *opt, int flags);
void disk_null_remove(const char *name);
/* The path of the disk, valid until the next call. */
const char *disk_null_path(const char *name);
/* Removes all that failed tests left. */
void disk_null_sweep(void);
/* Calls @fn for each entry of directory @path, if there is one, whose name is a test's. */
void disk_for_ours(const char *path, void (*fn)(const char *name));

/* The number that /sys/block has in @attr of the disk at @path, which stands in /dev. */
u64 disk_attr(const char *path, const char *attr);

/* Of the numbers in its stat: requests that are done, and sectors of them. */
enum disk_stat {
	DISK_READS = 0,
	DISK_WRITES = 4,
	DISK_SECTORS_WRITTEN = 6,
	DISK_DISCARDS = 11,
	DISK_FLUSHES = 15,
};
u64 disk_stat(const char *path, enum disk_stat nr);

/* Opens what is there, with O_CLOEXEC, or the test ends. */
int file_open(const char *path, int flags);
/* All of it, or the test ends. */
void file_read(int fd, void *buf, size_t len, u64 pos);
void file_write(int fd, const void *buf, size_t len, u64 pos);
/* 4096 bytes that are all @byte; O_DIRECT or not. */
void file_write_block(int fd, u64 pos, u8 byte);
void file_block_is(int fd, u64 pos, u8 byte, const char *what);

/* A directory of the host, over 9p, that can be written; NULL: there is none. */
const char *file_host_directory(void);

/* @size bytes, aligned for direct I/O, zeroed. */
void *page_alloc(size_t size);
/* 2 MiB of ones, one huge page if the kernel has them. */
void *huge_page_alloc(void);

/* The two ends of a TCP connection over loopback. */
struct tcp_pair {
	int tx, rx;
};
/*
 * @sndbuf, @rcvbuf: bytes, 0 for what the system chooses.  Pages that are sent without
 * a copy count for much more than their size.
 */
void tcp_pair(struct tcp_pair *pair, int sndbuf, int rcvbuf);
/* Receives exactly @len bytes, however slowly they come. */
void tcp_read(int fd, void *buf, size_t len);

#endif

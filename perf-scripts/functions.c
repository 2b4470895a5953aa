// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU's: counts the instructions that the guest executes. It counts by blocks, which
 * is what QEMU translates at a time; one ends at each jump. The guest says when, by calling the
 * function of its kernel at $MARK, a hexadecimal address: at the first call counting begins, at
 * the second it ends, and so on. At the end number N, from 1 on, $COUNTS.N is written. It has a
 * line `ADDRESS N INSTRUCTIONS` for each block of the kernel, the address with 16 hexadecimal
 * digits, and lines of the address 0 for those of programs. A block counts as a whole when it is
 * entered, though an interrupt may leave it in its middle: that is some tenths of a percent.
 *
 * Debian's packages of QEMU have no header for plugins. What is declared here is the same in each
 * version of the interface, which -DQEMU_API=N names: 1 up to QEMU 8, 2 from 9 on. (Source:
 * include/qemu/qemu-plugin.h and plugins/plugin.h of QEMU.)
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define QEMU_PUBLIC __attribute__((visibility("default")))
#define LISTS (1 << 16)

struct qemu_plugin_tb;

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned int cpu, void *data),
					  int flags, void *data);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);

QEMU_PUBLIC int qemu_plugin_version = QEMU_API;

/* One for each block that was ever translated; never freed. One thread translates and executes: --icount. */
struct block {
	uint64_t address, instructions, times;
	struct block *next;
};

static struct block *lists[LISTS];
static uint64_t mark;
static unsigned int marks;

static struct block *find(uint64_t address, uint64_t instructions)
{
	struct block **list = &lists[address % LISTS], *b;

	for (b = *list; b; b = b->next)
		if (b->address == address && b->instructions == instructions)
			return b;
	b = calloc(1, sizeof(*b));
	if (!b)
		abort();
	*b = (struct block){ .address = address, .instructions = instructions, .next = *list };
	*list = b;
	return b;
}

static void write_counts(unsigned int n)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s.%u", getenv("COUNTS"), n);
	f = fopen(path, "w");
	if (!f) {
		perror(path);
		exit(1);
	}
	for (size_t i = 0; i < LISTS; i++)
		for (struct block *b = lists[i]; b; b = b->next) {
			if (b->times)
				fprintf(f, "%016" PRIx64 " N %" PRIu64 "\n", b->address, b->instructions * b->times);
			b->times = 0;
		}
	if (fclose(f)) {
		perror(path);
		exit(1);
	}
}

static void executed(unsigned int cpu, void *data)
{
	struct block *b = data;

	(void)cpu;
	b->times += marks % 2;
}

static void marked(unsigned int cpu, void *data)
{
	(void)cpu;
	(void)data;
	if (++marks % 2 == 0)
		write_counts(marks / 2);
}

static void translated(uint64_t id, struct qemu_plugin_tb *tb)
{
	uint64_t address = qemu_plugin_tb_vaddr(tb);
	bool kernel = address >> 63;

	(void)id;
	if (address == mark)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, marked, 0, NULL);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, find(kernel ? address : 0, qemu_plugin_tb_n_insns(tb)));
}

/* Zero if the plugin can be used */
QEMU_PUBLIC int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv);
QEMU_PUBLIC int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv)
{
	const char *at = getenv("MARK");

	(void)info;
	(void)argc;
	(void)argv;
	mark = at ? strtoull(at, NULL, 16) : 0;
	if (!mark || !getenv("COUNTS")) {
		fprintf(stderr, "functions.so: MARK is the address of a function, COUNTS the beginning of a file's name\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}

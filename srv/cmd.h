/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The commands of regbuf.  Each gets its own name as argv[0] and returns the
 * exit status: 0, 1 for a failure, 2 for wrong usage.
 */
#ifndef SRV_CMD_H
#define SRV_CMD_H

#define EXIT_USAGE	2

int cmd_add(int argc, char **argv);
int cmd_add_check(int argc, char **argv);	/* looks at the options only */
int cmd_recover(int argc, char **argv);
int cmd_del(int argc, char **argv);
int cmd_quiesce(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_mirror(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_stat(int argc, char **argv);
int cmd_udev(int argc, char **argv);
int cmd_check_config(int argc, char **argv);
int cmd_features(int argc, char **argv);

#endif

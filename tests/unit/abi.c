// SPDX-License-Identifier: GPL-2.0
/* What user space and kernel agreed on; none of it may ever move. */
#include <criterion/criterion.h>
#include <liburing.h>
#include <linux/io_uring_fused.h>
#include <linux/io_uring_lend.h>
#include <linux/lend_test.h>
#include <linux/ublk_cmd.h>
#include <string.h>

#include "mainline.h"
#include "types.h"

_Static_assert(sizeof(struct ublksrv_io_cmd) == 16, "");
_Static_assert(sizeof(struct ublksrv_io_desc) == 24, "");
_Static_assert(sizeof(struct ublksrv_ctrl_cmd) == 32, "");
_Static_assert(sizeof(struct ublksrv_ctrl_dev_info) == 64, "");

Test(abi, opcodes_are_far_from_mainline)
{
	cr_assert_eq(IORING_OP_LENT_BUF_REGISTER, 192);
	cr_assert_eq(IORING_OP_LENT_BUF_UNREGISTER, 193);
	cr_assert_eq(IORING_LENT_BUF_PICK_SLOT, 1);
	cr_assert_eq(IORING_OP_FUSED_CMD, 194);
	cr_assert_eq(IORING_FUSED_MAX_SECONDARIES, 8);
	cr_assert_gt(IORING_OP_LENT_BUF_REGISTER, IORING_OP_LAST);
}

Test(abi, opcodes_fit_an_sqe)
{
	cr_assert_leq(IORING_OP_LENT_BUF_UNREGISTER, 255);
}

Test(abi, sqe_fields_that_the_operations_use)
{
	cr_assert_eq(sizeof(struct io_uring_sqe), 64);
	cr_assert_eq(offsetof(struct io_uring_sqe, fd), 4);
	cr_assert_eq(offsetof(struct io_uring_sqe, off), 8);
	cr_assert_eq(offsetof(struct io_uring_sqe, cmd_op), 8);
	cr_assert_eq(offsetof(struct io_uring_sqe, addr), 16);
	cr_assert_eq(offsetof(struct io_uring_sqe, len), 24);
	cr_assert_eq(offsetof(struct io_uring_sqe, rw_flags), 28);
	cr_assert_eq(offsetof(struct io_uring_sqe, buf_index), 40);
	cr_assert_eq(offsetof(struct io_uring_sqe, cmd), 48);
	cr_assert_eq(offsetof(struct io_uring_sqe, addr3), 48);
}

Test(abi, ublk_commands)
{
	cr_assert_eq(UBLK_U_IO_FETCH_REQ, 0xc0107520);
	cr_assert_eq(UBLK_U_IO_COMMIT_AND_FETCH_REQ, 0xc0107521);
	cr_assert_eq(UBLK_U_CMD_ADD_DEV, 0xc0207504);
	cr_assert_eq(UBLK_F_SUPPORT_ZERO_COPY, 1);
	cr_assert_eq(UBLK_F_STABLE_PAGES, 1ULL << 62);
	cr_assert_eq(UBLK_IO_F_STABLE_PAGES, 1U << 31);
	cr_assert_eq(UBLK_F_HANDOFF, 1ULL << 61);
	cr_assert_eq(UBLK_U_IO_HANDOFF_AND_FETCH_REQ, 0xc0107560);
	cr_assert_eq(UBLK_IO_RES_HANDED_BACK, 96);
	cr_assert_eq(UBLK_U_IO_REGISTER_IO_BUF, 0xc0107523);
	cr_assert_eq(UBLK_U_IO_UNREGISTER_IO_BUF, 0xc0107524);
	cr_assert_eq(UBLK_F_AUTO_BUF_REG, 1 << 11);
	cr_assert_eq(UBLK_IO_F_NEED_REG_BUF, 1U << 17);
	cr_assert_eq(mainline_lend_addr(0x1234, UBLK_AUTO_BUF_REG_FALLBACK), 0x11234);
}

Test(abi, lending_as_mainline_does)
{
	const struct ublk_auto_buf_reg reg = {
		.index = 0x1234, .flags = 0x56, .reserved0 = 0x78, .reserved1 = 0x9abcdef0,
	};
	struct ublk_auto_buf_reg back = ublk_sqe_addr_to_auto_buf_reg(0x9abcdef078561234);

	cr_assert_eq(UBLK_U_IO_REGISTER_IO_BUF, 0xc0107523);
	cr_assert_eq(UBLK_U_IO_UNREGISTER_IO_BUF, 0xc0107524);
	cr_assert_eq(UBLK_F_AUTO_BUF_REG, 1ULL << 11);
	cr_assert_eq(UBLK_F_BUF_REG_OFF_DAEMON, 1ULL << 14);
	cr_assert_eq(UBLK_AUTO_BUF_REG_FALLBACK, 1);
	cr_assert_eq(UBLK_IO_F_NEED_REG_BUF, 1U << 17);
	cr_assert_eq(sizeof(reg), 8);
	cr_assert_eq(ublk_auto_buf_reg_to_sqe_addr(&reg), 0x9abcdef078561234);
	cr_assert_eq(memcmp(&reg, &back, sizeof(reg)), 0);
}

Test(abi, io_command_layout)
{
	cr_assert_eq(offsetof(struct ublksrv_io_cmd, q_id), 0);
	cr_assert_eq(offsetof(struct ublksrv_io_cmd, tag), 2);
	cr_assert_eq(offsetof(struct ublksrv_io_cmd, result), 4);
	cr_assert_eq(offsetof(struct ublksrv_io_cmd, addr), 8);
}

Test(abi, lend_test_setup_layout)
{
	cr_assert_eq(sizeof(struct lend_test_seg), 8);
	cr_assert_eq(sizeof(struct lend_test_setup), 40);
	cr_assert_eq(offsetof(struct lend_test_setup, index), 0);
	cr_assert_eq(offsetof(struct lend_test_setup, nr_segs), 4);
	cr_assert_eq(offsetof(struct lend_test_setup, segs), 8);
	cr_assert_eq(offsetof(struct lend_test_setup, dir), 16);
	cr_assert_eq(offsetof(struct lend_test_setup, error), 20);
	cr_assert_eq(offsetof(struct lend_test_setup, skip), 24);
	cr_assert_eq(offsetof(struct lend_test_setup, fault), 28);
	cr_assert_eq(offsetof(struct lend_test_setup, learn), 32);
}

Test(abi, lend_test_sum_layout)
{
	cr_assert_eq(sizeof(struct lend_test_sum), 32);
	cr_assert_eq(offsetof(struct lend_test_sum, nr_full), 8);
	cr_assert_eq(offsetof(struct lend_test_sum, error), 16);
	cr_assert_eq(offsetof(struct lend_test_sum, units), 24);
	cr_assert_eq(LEND_TEST_SUM, 0xc0204ce2);
}

Test(abi, lend_test_stats_layout)
{
	cr_assert_eq(sizeof(struct lend_test_stats), 24);
	cr_assert_eq(offsetof(struct lend_test_stats, lent), 8);
	cr_assert_eq(offsetof(struct lend_test_stats, released), 16);
}

Test(abi, lend_test_command_fits_an_sqe)
{
	cr_assert_eq(sizeof(struct lend_test_cmd), 16);
	cr_assert_eq(LEND_TEST_SETUP, 0x40284ce0);
	cr_assert_eq(LEND_TEST_STATS, 0xc0184ce1);
}

Test(abi, lend_test_positions_do_not_overlap)
{
	cr_assert_eq(LEND_TEST_POS(0, UINT32_MAX), UINT32_MAX);
	cr_assert_eq(LEND_TEST_POS(1, 0), 1ULL << 32);
	cr_assert_eq(LEND_TEST_POS(LEND_TEST_BUFS - 1, 1), ((u64)(LEND_TEST_BUFS - 1) << 32) + 1);
}

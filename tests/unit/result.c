// SPDX-License-Identifier: GPL-2.0
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "result.h"

Test(result, what_says_something_of_the_request_is_told)
{
	static const int told[] = {
		EBADE, EILSEQ, EINVAL, EIO, ENODATA, ENOLINK, ENOSPC, EOPNOTSUPP, EREMOTEIO, ETIMEDOUT,
	};

	for (unsigned int i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		cr_assert_eq(result_for_client(-told[i]), -told[i], "%s", strerror(told[i]));
}

/* Those that the kernel would give a meaning of its own come first. */
Test(result, what_says_something_of_the_server_only_is_eio)
{
	static const int internal[] = {
		EAGAIN, EBUSY, ENODEV, ENOMEM, EOVERFLOW, EREMCHG, ETIME, ETOOMANYREFS,
		EBADF, ECANCELED, EFAULT, EFBIG, EINTR, ENXIO, EPERM, ESHUTDOWN, 512, 4095,
	};

	for (unsigned int i = 0; i < sizeof(internal) / sizeof(internal[0]); i++)
		cr_assert_eq(result_for_client(-internal[i]), -EIO, "%s", strerror(internal[i]));
}

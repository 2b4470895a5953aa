// SPDX-License-Identifier: GPL-2.0
#include <errno.h>

#include "result.h"

/* What passes is listed, and not what does not: nobody knows all of the latter. */
s32 result_for_client(s32 err)
{
	switch (err) {
	case -EBADE:		/* reserved by another host */
	case -EILSEQ:		/* the checksum is wrong */
	case -EINVAL:		/* not in this shape */
	case -ENODATA:		/* the medium is bad there */
	case -ENOLINK:		/* the path to the disk is down */
	case -ENOSPC:
	case -EOPNOTSUPP:
	case -EREMOTEIO:	/* the disk itself fails */
	case -ETIMEDOUT:
		return err;
	}
	return -EIO;
}

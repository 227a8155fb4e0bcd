// SPDX-License-Identifier: GPL-2.0
/*
 * Audits: have the device compare all that it holds with the process's page
 * table, without any DMA.  What is stale comes as violation records, like a
 * stale access (violation.c); here is the sum.
 */

#include "context.h"

/*
 * Is the last one, that was given up, answered by now?  It has to be: the
 * answer of two would go to the same place.
 */
static bool dmirage_audit_ready(struct dmirage_dev *dd,
				const struct dmirage_audit *answer)
{
	lockdep_assert_held(&dd->query_lock);

	if (dd->audit_open &&
	    READ_ONCE(answer->value) == cpu_to_le32(dd->audit_value))
		dd->audit_open = false;
	return !dd->audit_open;
}

static int dmirage_audit_ask(struct dmirage_ctx *ctx, u64 addr, u64 len,
			     struct dmirage_audit_result *result)
{
	struct dmirage_dev *dd = ctx->dd;
	struct dmirage_audit *answer =
		(void *)dd->status + DMIRAGE_STATUS_AUDIT;
	struct dmirage_cmd cmd = {
		.opcode = DMIRAGE_CMD_AUDIT,
		.asid = cpu_to_le16(ctx->asid),
		.addr = cpu_to_le64(addr),
		.len = cpu_to_le64(len),
		.status_addr = cpu_to_le64(dd->status_dma +
					   DMIRAGE_STATUS_AUDIT),
	};
	int ret;

	if (!dmirage_audit_ready(dd, answer))
		return -EBUSY;
	cmd.value = cpu_to_le32(++dd->audit_value);
	ret = dmirage_query(dd, &cmd, &answer->value, answer->value);
	dd->audit_open = ret == -ETIMEDOUT;
	if (ret)
		return ret;
	/* the records were in the queue before the answer was in memory */
	dmirage_violation_drain(dd);
	*result = (struct dmirage_audit_result) {
		.done = true,
		.cut = answer->violations ==
		       cpu_to_le32(DMIRAGE_AUDIT_CUT),
		.translations = le32_to_cpu(answer->translations),
		.pages = le32_to_cpu(answer->pages),
		.violations = le32_to_cpu(answer->violations),
	};
	return 0;
}

/**
 * dmirage_audit_run - audit a context, and wait for the result
 * @ctx:  the context; its ASID stays its own meanwhile
 * @addr: first address
 * @len:  bytes, not 0; cut at the end of the address space
 * @result: filled in if this returns 0
 *
 * When this returns 0, ctx->audit is the result, too, and what was found is with
 * the context's readers.
 *
 * Context: a debugfs handler, so the end of the context waits for it; or an
 * ioctl, so it is not closed, and the removal of the device, after which no ASID
 * is given out, waits for query_lock.  Takes the life lock only for a moment:
 * who wants counters should not have to wait.
 *
 * Return: 0; -EOPNOTSUPP the device has no audits; -ENODEV the context has
 * ended, or the device is gone; -ECANCELED the context ended meanwhile; -EBUSY
 * an audit that was given up is still going on; -ETIMEDOUT this one is; -EIO the
 * device is broken; -EINTR.
 */
int dmirage_audit_run(struct dmirage_ctx *ctx, u64 addr, u64 len,
		      struct dmirage_audit_result *result)
{
	struct dmirage_dev *dd = ctx->dd;
	bool mine;
	int ret;

	if (!(dd->caps & DMIRAGE_CAP_ORACLE_AUDIT))
		return -EOPNOTSUPP;
	if (mutex_lock_interruptible(&dd->query_lock))
		return -EINTR;

	mutex_lock(&ctx->life);
	mine = ctx->has_asid;
	mutex_unlock(&ctx->life);
	ret = mine ? dmirage_audit_ask(ctx, addr, len, result) : -ENODEV;
	mutex_unlock(&dd->query_lock);
	if (ret)
		return ret;

	mutex_lock(&ctx->life);
	ctx->audit = *result;
	mutex_unlock(&ctx->life);
	return result->cut ? -ECANCELED : 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * The mutants: see mutant.h, and docs/mutants.md for what each of them shows, how a row
 * is added, and which bugs are not here.
 */

#include <linux/kernel.h>
#include <linux/pgtable.h>
#include <linux/sizes.h>

#include "mutant.h"

#define NOT_AT_END	"the end of a notification flushes nothing since 6.6"

const struct mutant mutants[] = {
	/* ---- Notifications ---------------------------------------------------------- */
	{
		.name = "first-page",
		.commit = "369ea8242c0f",
		.title = "mm/rmap: update to new mmu_notifier semantic v2",
		.wrong = "a huge page is unmapped, and its first 4 KiB are notified",
		.how = MUTANT_CLIP,
		.events = MUTANT_EVENT(CLEAR),
		.min_len = SZ_8K,
		.bytes = SZ_4K,
		.on = {
			[MUTANT_6_1] = {
				.callers = "try_to_migrate_one try_to_unmap_one",
				.report = "try_to_migrate_one",
			},
			[MUTANT_6_12] = {
				.callers = "try_to_migrate_one try_to_unmap_one",
				.report = "try_to_migrate_one",
			},
		},
	},
	{
		.name = "shared-pmd-migrate",
		.commit = "017b1660df89",
		.title = "mm: migration: fix migration of huge PMD shared pages",
		.wrong = "a page of a shared table is migrated: 1 GiB goes, 2 MiB are notified",
		.how = MUTANT_CLIP,
		.events = MUTANT_EVENT(CLEAR),
		.min_len = PUD_SIZE,
		.bytes = PMD_SIZE,
		.on = {
			[MUTANT_6_1] = {
				.callers = "try_to_migrate_one",
				.report = "try_to_migrate_one",
			},
			[MUTANT_6_12] = {
				.callers = "try_to_migrate_one",
				.report = "try_to_migrate_one",
			},
		},
	},
	{
		.name = "shared-pmd-protect",
		.commit = "dff11abe280b",
		.title = "hugetlb: take PMD sharing into account when flushing tlb/caches",
		.wrong = "mprotect() drops a shared page table of 1 GiB, and 2 MiB are notified",
		.how = MUTANT_CLIP,
		.events = MUTANT_EVENT(PROTECTION_VMA),
		.min_len = PUD_SIZE,
		.bytes = PMD_SIZE,
		.on = {
			[MUTANT_6_1] = {
				.callers = "hugetlb_change_protection",
				.report = "hugetlb_change_protection",
			},
			[MUTANT_6_12] = {
				.callers = "hugetlb_change_protection",
				.report = "hugetlb_change_protection",
			},
		},
	},
	{
		.name = "pud-adjust",
		.commit = "75802ca66354",
		.title = "mm/hugetlb: fix calculation of adjust_range_if_pmd_sharing_possible",
		.wrong = "two shared tables are dropped, and the end of the second is not notified",
		.how = MUTANT_CLIP_LAST,
		.min_len = 2 * PUD_SIZE,
		.bytes = PMD_SIZE,
		.on = {
			/* two notifications, one in the other */
			[MUTANT_6_1] = {
				.callers = "zap_page_range_single __unmap_hugepage_range",
				.report = "zap_page_range_single",
			},
			[MUTANT_6_12] = {
				.callers = "zap_page_range_single",
				.report = "zap_page_range_single",
			},
		},
	},
	{
		.name = "dontneed-hugetlb",
		.commit = "21b85b09527c",
		.title = "madvise: use zap_page_range_single for madvise dontneed",
		.wrong = "MADV_DONTNEED drops a shared page table of 1 GiB, and 2 MiB are notified",
		.how = MUTANT_CLIP,
		.min_len = PUD_SIZE,
		.bytes = PMD_SIZE,
		.on = {
			[MUTANT_6_1] = {
				.callers = "zap_page_range_single __unmap_hugepage_range",
				.report = "zap_page_range_single",
			},
			[MUTANT_6_12] = {
				.callers = "zap_page_range_single",
				.report = "zap_page_range_single",
			},
		},
	},
	{
		.name = "split-unshare",
		.commit = "b30c14cd6102",
		.title = "hugetlb: unshare some PMDs when splitting VMAs",
		.wrong = "a VMA is split, so its table is shared no more, and nobody is told",
		.how = MUTANT_KILL,
		.events = MUTANT_EVENT(CLEAR),
		.on = {
			[MUTANT_6_1] = {
				.callers = "hugetlb_unshare_pmds",
				.report = "hugetlb_unshare_pmds",
			},
			[MUTANT_6_12] = {
				.callers = "hugetlb_unshare_pmds",
				.report = "hugetlb_unshare_pmds",
			},
		},
	},
	{
		/* of 5.10: b30c14cd6102 as it came there */
		.name = "unshare-first",
		.commit = "f1082f5f3d02",
		.title = "hugetlb: unshare some PMDs when splitting VMAs",
		.wrong = "a loop over shared page tables goes astray after the first one",
		.how = MUTANT_CLIP,
		.events = MUTANT_EVENT(CLEAR),
		.min_len = 2 * PUD_SIZE,
		.bytes = PUD_SIZE,
		.on = {
			[MUTANT_6_1] = {
				.callers = "hugetlb_unshare_pmds",
				.report = "hugetlb_unshare_pmds",
			},
			[MUTANT_6_12] = {
				.callers = "hugetlb_unshare_pmds",
				.report = "hugetlb_unshare_pmds",
			},
		},
	},
	{
		.name = "collapse-range",
		.commit = "723a80dafed5",
		.title = "khugepaged: collapse_pte_mapped_thp() flush the right range",
		.wrong = "a page table of a huge page is dropped, and the 2 MiB behind it are flushed",
		.how = MUTANT_SHIFT,
		.events = MUTANT_EVENT(CLEAR),
		.min_len = PMD_SIZE,
		.on = {
			[MUTANT_6_1] = {
				.callers = "collapse_and_free_pmd",
				.report = "collapse_and_free_pmd",
			},
			[MUTANT_6_12] = {
				.callers = "collapse_pte_mapped_thp",
				.report = "collapse_pte_mapped_thp",
			},
		},
	},
	{
		.name = "collapse-silent",
		.commit = "f268f6cf875f",
		.title = "mm/khugepaged: invoke MMU notifiers in shmem/file collapse paths",
		.wrong = "a page table of a huge page is dropped, and nobody is told",
		.how = MUTANT_KILL,
		.events = MUTANT_EVENT(CLEAR),
		.min_len = PMD_SIZE,
		.on = {
			[MUTANT_6_1] = {
				.callers = "collapse_and_free_pmd",
				.report = "collapse_and_free_pmd",
			},
			[MUTANT_6_12] = {
				.callers = "collapse_pte_mapped_thp retract_page_tables",
				.report = "collapse_pte_mapped_thp",
			},
		},
	},
	{
		.name = "mremap-late",
		.commit = "eb66ae030829",
		.title = "mremap: properly flush TLB before releasing the page",
		.wrong = "pages are moved, and the old place is flushed when others may have them",
		.how = MUTANT_LATE,
		.events = MUTANT_EVENT(UNMAP),
		.on = {
			[MUTANT_6_1] = {
				.callers = "move_page_tables",
				.report = "move_page_tables",
			},
			[MUTANT_6_12] = {
				.callers = "move_page_tables",
				.report = "move_page_tables",
			},
		},
	},
	{
		.name = "unmap-late",
		.commit = "785373b4c387",
		.title = "Revert \"rmap: do not call mmu_notifier_invalidate_page() under ptl\"",
		.wrong = "a page is unmapped, and that is notified when the lock has been given up",
		.how = MUTANT_LATE,
		.events = MUTANT_EVENT(CLEAR),
		.on = {
			[MUTANT_6_1] = {
				.callers = "try_to_migrate_one try_to_unmap_one",
				.report = "try_to_migrate_one",
			},
			[MUTANT_6_12] = {
				.callers = "try_to_migrate_one try_to_unmap_one",
				.report = "try_to_migrate_one",
			},
		},
	},

	/* ---- Flushes ------------------------------------------------------------------ */
	{
		.name = "unshare-no-flush",
		.commit = "a4a118f2eead",
		.title = "hugetlbfs: flush TLBs correctly after huge_pmd_unshare",
		.wrong = "a shared page table is dropped, and no TLB is flushed (CVE-2021-4002)",
		.how = MUTANT_NO_FLUSH,
		.on = {
			[MUTANT_6_1] = {
				.callers = "__unmap_hugepage_range zap_page_range_single",
				.report = "__unmap_hugepage_range",
			},
			[MUTANT_6_12] = {
				.callers = "__unmap_hugepage_range zap_page_range_single",
				.report = "__unmap_hugepage_range",
			},
		},
	},
	{
		.name = "numa-thp",
		.commit = "7066f0f933a1",
		.title = "mm: thp: fix mmu_notifier in migrate_misplaced_transhuge_page()",
		.wrong = "a huge page is copied before the secondary TLBs are flushed",
		.how = MUTANT_NO_FLUSH,
		.events = MUTANT_EVENT(CLEAR),
		.min_len = PMD_SIZE,
		.on = {
			[MUTANT_6_1] = {
				.callers = "try_to_migrate_one",
				.report = "try_to_migrate_one",
			},
			[MUTANT_6_12] = {
				.callers = "set_pmd_migration_entry",
				.report = "set_pmd_migration_entry",
			},
		},
	},
	{
		.name = "shared-pmd-flush",
		.commit = "dff11abe280b",
		.title = "hugetlb: take PMD sharing into account when flushing tlb/caches",
		.wrong = "mprotect() drops a shared page table of 1 GiB, and 2 MiB are flushed",
		.how = MUTANT_CLIP_FLUSH,
		.min_len = PUD_SIZE,
		.bytes = PMD_SIZE,
		.on = {
			[MUTANT_6_1] = {
				.callers = "hugetlb_change_protection",
				.report = "hugetlb_change_protection",
			},
		},
		.why_not = "1 GiB is so much that all is flushed since 6.6, and names no range",
	},
	{
		.name = "cow-no-flush",
		.commit = "0f10851ea475",
		.title = "mm/mmu_notifier: avoid double notification when it is useless",
		.wrong = "a copy on write flushes at the end, or under the lock; here not at all",
		.how = MUTANT_NO_FLUSH,
		.on = {
			[MUTANT_6_1] = {
				.callers = "wp_page_copy",
				.report = "wp_page_copy",
			},
		},
		.why_not = NOT_AT_END,
	},
	{
		.name = "range-end-silent",
		.commit = "ec8832d007cb",
		.title = "mmu_notifiers: don't invalidate secondary TLBs as part of mmu_notifier_invalidate_range_end()",
		.wrong = "a hugetlb page is migrated, which only the end of it used to flush",
		.how = MUTANT_NO_FLUSH,
		.events = MUTANT_EVENT(CLEAR),
		.min_len = PMD_SIZE,
		.on = {
			[MUTANT_6_1] = {
				.callers = "try_to_migrate_one",
				.report = "try_to_migrate_one",
			},
		},
		.why_not = NOT_AT_END,
	},
	{
		.name = "no-secondary",
		.commit = "34ee645e83b6",
		.title = "mmu_notifier: call mmu_notifier_invalidate_range() from VMM",
		.wrong = "who walks the process's page table is not told of any change",
		.how = MUTANT_NO_FLUSH,
		.on = {
			[MUTANT_6_1] = {
				.callers = MUTANT_ANYBODY,
				.report = "try_to_migrate_one",
			},
		},
		.why_not = "the architecture flushes since 6.6: see arch-silent",
	},
	{
		.name = "arch-silent",
		.commit = "d9be2b9b6049",
		.title = "riscv: Call secondary mmu notifier when flushing the tlb",
		.wrong = "an architecture flushes its TLBs, and not the secondary ones",
		.how = MUTANT_NO_FLUSH,
		.on = {
			[MUTANT_6_12] = {
				.callers = MUTANT_ANYBODY,
				.report = "try_to_migrate_one",
			},
		},
		.why_not = "the architecture does not flush before 6.6: see no-secondary",
	},
};

const unsigned int mutants_count = ARRAY_SIZE(mutants);

// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>

#include "site_table.h"
#include "symbols.h"

#define NO_DEVICE_MEMORY "needs a driver with memory of its own (migrate_vma_setup())"
#define NO_EXCLUSIVE	 "needs CONFIG_DEVICE_PRIVATE, and a driver (make_device_exclusive_range())"
#define NO_VMWGFX	 "only vmwgfx asks for it (wp_shared_mapping_range())"
#define NO_HUGE_PUD	 "needs a transparent entry of 1 GiB: a driver or DAX memory"
#define NO_WRITE_BACK	 "needs a file system that writes back: all are modules, FUSE as well"
#define NO_DAX		 "needs a file system with DAX"
#define NO_PTI		 "needs page-table isolation, which is off (mitigations=off)"
#define NO_HYPERVISOR	 "is for guests that let a hypervisor flush for them"
#define NO_ADVICE	 "is for entries of device registers, of which madvise() takes none"
#define NO_COLLAPSE_RACE "needs an entry that changes between two looks of one collapse"
#define NO_HOLE_RACE	 "needs a fault between two steps of one scan, which find nothing there"
#define NO_SUBSCRIBER	 "is about the address space for patching code, which has no subscriber"

#define ALL	0, 0
#define FROM(v)	v, 0
#define TO(v)	0, v

/* In each part by file; a line has the kernels, the symbols, and why it cannot be reached. */
const struct site site_table[] = {
	/* ---- What begins an invalidation ---- */
	{ "rmap:try_to_unmap_one", SITE_CLEAR, ALL, { "try_to_unmap_one" }, NULL },
	{ "rmap:try_to_migrate_one", SITE_CLEAR, FROM(514), { "try_to_migrate_one" }, NULL },
	{ "rmap:page_mkclean_one", SITE_PROT_PAGE, TO(517), { "page_mkclean_one" },
	  NO_WRITE_BACK },
	{ "rmap:page_vma_mkclean_one", SITE_PROT_PAGE, 518, 601, { "page_vma_mkclean_one" },
	  NO_WRITE_BACK },
	{ "rmap:page_vma_mkclean_one", SITE_PROT_PAGE, FROM(602), { "page_vma_mkclean_one" },
	  NULL },
	{ "rmap:page_make_device_exclusive_one", SITE_EXCLUSIVE, FROM(514),
	  { "page_make_device_exclusive_one" }, NO_EXCLUSIVE },
	{ "memory:remove_device_exclusive_entry", SITE_EXCLUSIVE, FROM(514),
	  { "remove_device_exclusive_entry" }, NO_EXCLUSIVE },
	{ "memory:copy_page_range", SITE_PROT_PAGE, ALL, { "copy_page_range" }, NULL },
	{ "memory:unmap_vmas", SITE_UNMAP, ALL, { "unmap_vmas" }, NULL },
	{ "memory:zap_page_range", SITE_CLEAR, TO(602), { "zap_page_range" }, NULL },
	{ "memory:zap_page_range_single", SITE_CLEAR, ALL, { "zap_page_range_single" }, NULL },
	{ "memory:wp_page_copy", SITE_CLEAR, ALL, { "wp_page_copy", "do_wp_page" }, NULL },
	{ "memory:follow_invalidate_pte", SITE_CLEAR, TO(515), { "follow_invalidate_pte" }, NO_DAX },
	{ "oom_kill:__oom_reap_task_mm", SITE_UNMAP, ALL, { "__oom_reap_task_mm" }, NULL },
	{ "madvise:madvise_free_single_vma", SITE_CLEAR, ALL,
	  { "madvise_free_single_vma", "do_madvise" }, NULL },
	{ "mprotect:change_pmd_range", SITE_PROT_VMA, TO(611), { "change_protection" }, NULL },
	{ "mprotect:change_pud_range", SITE_PROT_VMA, FROM(612), { "change_protection" }, NULL },
	{ "mremap:move_page_tables", SITE_UNMAP, ALL, { "move_page_tables" }, NULL },
	{ "ksm:write_protect_page", SITE_CLEAR, ALL, { "write_protect_page" }, NULL },
	{ "ksm:replace_page", SITE_CLEAR, ALL, { "replace_page", "try_to_merge_one_page" }, NULL },
	{ "huge_memory:__split_huge_pmd", SITE_CLEAR, ALL, { "__split_huge_pmd" }, NULL },
	{ "huge_memory:__split_huge_pud", SITE_CLEAR, ALL, { "__split_huge_pud" }, NO_HUGE_PUD },
	{ "huge_memory:move_pages_huge_pmd", SITE_CLEAR, FROM(608), { "move_pages_huge_pmd" }, NULL },
	{ "userfaultfd:move_pages_pte", SITE_CLEAR, FROM(608), { "move_pages_pte", "move_pages" },
	  NULL },
	{ "khugepaged:collapse_huge_page", SITE_CLEAR, ALL, { "collapse_huge_page", "khugepaged" },
	  NULL },
	{ "khugepaged:collapse_and_free_pmd", SITE_CLEAR, 513, 604, { "collapse_and_free_pmd" },
	  NULL },
	{ "khugepaged:collapse_pte_mapped_thp", SITE_CLEAR, TO(512), { "collapse_pte_mapped_thp" },
	  NULL },
	{ "khugepaged:collapse_pte_mapped_thp", SITE_CLEAR, FROM(605),
	  { "collapse_pte_mapped_thp" }, NULL },
	{ "khugepaged:retract_page_tables", SITE_CLEAR, TO(512), { "retract_page_tables" }, NULL },
	{ "khugepaged:retract_page_tables", SITE_CLEAR, FROM(605), { "retract_page_tables" }, NULL },
	{ "hugetlb:copy_hugetlb_page_range", SITE_CLEAR, ALL, { "copy_hugetlb_page_range" }, NULL },
	{ "hugetlb:__unmap_hugepage_range", SITE_UNMAP, TO(602), { "__unmap_hugepage_range" }, NULL },
	{ "hugetlb:unmap_hugepage_range", SITE_CLEAR, FROM(603), { "unmap_hugepage_range" }, NULL },
	{ "hugetlb:hugetlb_cow", SITE_CLEAR, TO(517), { "hugetlb_cow" }, NULL },
	{ "hugetlb:hugetlb_wp", SITE_CLEAR, FROM(518), { "hugetlb_wp" }, NULL },
	{ "hugetlb:hugetlb_change_protection", SITE_PROT_VMA, ALL, { "hugetlb_change_protection" },
	  NULL },
	{ "hugetlb:move_hugetlb_page_tables", SITE_CLEAR, FROM(516), { "move_hugetlb_page_tables" },
	  NULL },
	{ "hugetlb:hugetlb_unshare_pmds", SITE_CLEAR, ALL, { "hugetlb_unshare_pmds" }, NULL },
	{ "migrate_device:migrate_vma_collect", SITE_MIGRATE, ALL,
	  { "migrate_vma_collect", "migrate_vma_setup" }, NO_DEVICE_MEMORY },
	{ "migrate_device:__migrate_device_pages", SITE_MIGRATE, ALL,
	  { "__migrate_device_pages", "migrate_vma_pages" }, NO_DEVICE_MEMORY },
	{ "mapping_dirty_helpers:wp_clean_pre_vma", SITE_PROT_PAGE, ALL, { "wp_clean_pre_vma" },
	  NO_VMWGFX },
	{ "task_mmu:clear_refs_write", SITE_SOFT_DIRTY, ALL, { "clear_refs_write" }, NULL },
	{ "task_mmu:do_pagemap_scan", SITE_PROT_VMA, FROM(607), { "do_pagemap_scan" }, NULL },
	{ "uprobes:__replace_page", SITE_CLEAR, ALL, { "__replace_page" }, NULL },

	/* ---- The end of an address space ---- */
	{ "mmu_notifier:mn_itree_release", SITE_RELEASE, ALL, { "exit_mmap" }, NULL },

	/*
	 * ---- Secondary TLBs ----
	 * Until 6.5 who calls invalidate_range by itself; each end of an invalidation does it
	 * too, with the range that it began with.
	 */
	{ "rmap:try_to_unmap_one", SITE_SECONDARY, TO(605), { "try_to_unmap_one" }, NULL },
	{ "rmap:try_to_migrate_one", SITE_SECONDARY, 514, 605, { "try_to_migrate_one" }, NULL },
	{ "memory:wp_page_copy", SITE_SECONDARY, TO(605), { "wp_page_copy" }, NULL },
	{ "huge_memory:do_huge_pmd_numa_page", SITE_SECONDARY, TO(513), { "do_huge_pmd_numa_page" },
	  NULL },
	{ "huge_memory:__split_huge_pmd", SITE_SECONDARY, TO(605), { "__split_huge_pmd" }, NULL },
	{ "huge_memory:__split_huge_pud", SITE_SECONDARY, TO(605), { "__split_huge_pud" },
	  NO_HUGE_PUD },
	{ "hugetlb:hugetlb_cow", SITE_SECONDARY, TO(517), { "hugetlb_cow" }, NULL },
	{ "hugetlb:hugetlb_wp", SITE_SECONDARY, 518, 605, { "hugetlb_wp" }, NULL },
	{ "migrate_device:__migrate_device_pages", SITE_SECONDARY, 601, 605,
	  { "__migrate_device_pages" }, NO_DEVICE_MEMORY },
	{ "uprobes:__replace_page", SITE_SECONDARY, TO(605), { "__replace_page" }, NULL },
	{ "mmu_gather:tlb_end_vma", SITE_SECONDARY, TO(605), { "tlb_end_vma" }, NO_ADVICE },
	{ "mmu_gather:tlb_flush_unshared_tables", SITE_SECONDARY, TO(605),
	  { "tlb_flush_unshared_tables" }, NULL },

	/* In both ways. */
	{ "memory:unmap_page_range", SITE_SECONDARY, ALL, { "unmap_page_range" }, NULL },
	{ "mmu_gather:tlb_remove_table", SITE_SECONDARY, ALL, { "tlb_remove_table" },
	  NO_HYPERVISOR },
	{ "mmu_gather:tlb_flush_mmu", SITE_SECONDARY, ALL, { "tlb_flush_mmu" }, NULL },
	{ "mmu_gather:tlb_finish_mmu", SITE_SECONDARY, ALL, { "tlb_finish_mmu" }, NULL },
	{ "mprotect:change_protection", SITE_SECONDARY, ALL, { "change_protection" }, NULL },
	{ "hugetlb:huge_pmd_unshare_flush", SITE_SECONDARY, ALL, { "huge_pmd_unshare_flush" }, NULL },
	{ "hugetlb:__unmap_hugepage_range", SITE_SECONDARY, FROM(606), { "__unmap_hugepage_range" },
	  NULL },
	{ "hugetlb:hugetlb_change_protection", SITE_SECONDARY, ALL,
	  { "hugetlb_change_protection" }, NULL },
	{ "hugetlb:hugetlb_unshare_pmds", SITE_SECONDARY, FROM(606), { "hugetlb_unshare_pmds" },
	  NULL },
	{ "hugetlb:move_hugetlb_page_tables", SITE_SECONDARY, FROM(516),
	  { "move_hugetlb_page_tables" }, NULL },

	/* Since 6.6, on x86, who flushes the processor's TLB: by flush_tlb_mm_range(). */
	{ "pgtable-generic:ptep_clear_flush", SITE_SECONDARY, FROM(606), { "ptep_clear_flush" },
	  NULL },
	{ "pgtable-generic:pmdp_clear_flush_young", SITE_SECONDARY, FROM(606),
	  { "pmdp_clear_flush_young" }, NULL },
	{ "pgtable-generic:pmdp_huge_clear_flush", SITE_SECONDARY, FROM(606),
	  { "pmdp_huge_clear_flush" }, NULL },
	{ "pgtable-generic:pmdp_collapse_flush", SITE_SECONDARY, FROM(606),
	  { "pmdp_collapse_flush" }, NULL },
	{ "pgtable-generic:pmdp_invalidate", SITE_SECONDARY, FROM(606), { "pmdp_invalidate" }, NULL },
	{ "pgtable-generic:pudp_huge_clear_flush", SITE_SECONDARY, FROM(606),
	  { "pudp_huge_clear_flush" }, NO_HUGE_PUD },
	{ "x86-pgtable:pudp_invalidate", SITE_SECONDARY, FROM(612), { "pudp_invalidate" },
	  NO_HUGE_PUD },
	{ "rmap:set_tlb_ubc_flush_pending", SITE_SECONDARY, FROM(606),
	  { "set_tlb_ubc_flush_pending", "try_to_unmap_one", "try_to_migrate_one" }, NULL },
	{ "rmap:flush_tlb_batched_pending", SITE_SECONDARY, FROM(606),
	  { "flush_tlb_batched_pending" }, NULL },
	{ "memory:do_wp_page", SITE_SECONDARY, FROM(606), { "do_wp_page" }, NULL },
	{ "madvise:do_madvise", SITE_SECONDARY, FROM(606), { "do_madvise" }, NO_ADVICE },
	{ "mremap:move_page_tables", SITE_SECONDARY, FROM(606), { "move_page_tables" }, NULL },
	{ "huge_memory:move_huge_pmd", SITE_SECONDARY, FROM(606), { "move_huge_pmd" }, NULL },
	{ "khugepaged:collapse_pte_mapped_thp", SITE_SECONDARY, FROM(606),
	  { "collapse_pte_mapped_thp" }, NO_COLLAPSE_RACE },
	{ "fork:dup_mmap", SITE_SECONDARY, FROM(606), { "dup_mmap", "copy_process" }, NULL },
	{ "task_mmu:clear_refs_write", SITE_SECONDARY, FROM(606), { "clear_refs_write" }, NULL },
	{ "task_mmu:pagemap_scan_pmd_entry", SITE_SECONDARY, FROM(607),
	  { "pagemap_scan_pmd_entry" }, NULL },
	{ "task_mmu:pagemap_scan_hugetlb_entry", SITE_SECONDARY, FROM(607),
	  { "pagemap_scan_hugetlb_entry" }, NULL },
	{ "task_mmu:pagemap_scan_pte_hole", SITE_SECONDARY, FROM(607), { "pagemap_scan_pte_hole" },
	  NO_HOLE_RACE },
	{ "migrate_device:migrate_vma_collect_pmd", SITE_SECONDARY, FROM(606),
	  { "migrate_vma_collect_pmd" }, NO_DEVICE_MEMORY },
	{ "mapping_dirty_helpers:wp_clean_post_vma", SITE_SECONDARY, FROM(606),
	  { "wp_clean_post_vma" }, NO_VMWGFX },
	{ "ldt:write_ldt", SITE_SECONDARY, FROM(606), { "write_ldt" }, NO_PTI },
	{ "alternative:__text_poke", SITE_SECONDARY, FROM(606), { "__text_poke" }, NO_SUBSCRIBER },

	/* ---- An entry is replaced ---- */
	{ "memory:wp_page_copy", SITE_CHANGE_PTE, TO(609), { "wp_page_copy" }, NULL },
	{ "ksm:write_protect_page", SITE_CHANGE_PTE, TO(609), { "write_protect_page" }, NULL },
	{ "ksm:replace_page", SITE_CHANGE_PTE, TO(609), { "replace_page", "try_to_merge_one_page" },
	  NULL },
	{ "uprobes:__replace_page", SITE_CHANGE_PTE, TO(609), { "__replace_page" }, NULL },
	{ "migrate_device:__migrate_device_pages", SITE_CHANGE_PTE, 601, 609,
	  { "__migrate_device_pages" }, NO_DEVICE_MEMORY },

	/* ---- Was it used? ---- */
	{ "rmap:folio_referenced_one", SITE_FLUSH_YOUNG, ALL,
	  { "folio_referenced_one", "page_referenced_one" }, NULL },
	{ "vmscan:walk_pte_range", SITE_CLEAR_YOUNG, FROM(612),
	  { "walk_pte_range", "walk_pud_range" }, NULL },
	{ "vmscan:walk_pmd_range_locked", SITE_CLEAR_YOUNG, FROM(612), { "walk_pmd_range_locked" },
	  NULL },
	{ "vmscan:lru_gen_look_around", SITE_CLEAR_YOUNG, FROM(612), { "lru_gen_look_around" },
	  NULL },
	{ "ops-common:damon_ptep_mkold", SITE_CLEAR_YOUNG, FROM(601), { "damon_ptep_mkold" }, NULL },
	{ "ops-common:damon_pmdp_mkold", SITE_CLEAR_YOUNG, FROM(601), { "damon_pmdp_mkold" }, NULL },
	{ "vaddr:damon_mkold_hugetlb_entry", SITE_CLEAR_YOUNG, FROM(601),
	  { "damon_mkold_hugetlb_entry" }, NULL },
	{ "khugepaged:collapse_huge_page", SITE_TEST_YOUNG, ALL,
	  { "collapse_huge_page", "khugepaged" }, NULL },
	{ "khugepaged:hpage_collapse_scan_pmd", SITE_TEST_YOUNG, FROM(601),
	  { "hpage_collapse_scan_pmd" }, NULL },
	{ "vaddr:damon_young_pmd_entry", SITE_TEST_YOUNG, FROM(601), { "damon_young_pmd_entry" },
	  NULL },
	{ "vaddr:damon_young_hugetlb_entry", SITE_TEST_YOUNG, FROM(601),
	  { "damon_young_hugetlb_entry" }, NULL },
	{ "paddr:damon_folio_young_one", SITE_TEST_YOUNG, FROM(601), { "damon_folio_young_one" },
	  NULL },
};

const unsigned int site_count = ARRAY_SIZE(site_table);

const char *site_event_name(unsigned int event)
{
	static const char *const names[SITE_EVENTS] = {
		[SITE_UNMAP] = "UNMAP",
		[SITE_CLEAR] = "CLEAR",
		[SITE_PROT_VMA] = "PROT_VMA",
		[SITE_PROT_PAGE] = "PROT_PAGE",
		[SITE_SOFT_DIRTY] = "SOFT_DIRTY",
		[SITE_RELEASE] = "RELEASE",
		[SITE_MIGRATE] = "MIGRATE",
		[SITE_EXCLUSIVE] = "EXCLUSIVE",
		[SITE_SECONDARY] = "SECONDARY",
		[SITE_CHANGE_PTE] = "CHANGE_PTE",
		[SITE_FLUSH_YOUNG] = "FLUSH_YOUNG",
		[SITE_CLEAR_YOUNG] = "CLEAR_YOUNG",
		[SITE_TEST_YOUNG] = "TEST_YOUNG",
	};
	static char number[32];

	if (event < SITE_EVENTS)
		return names[event];
	/* One of the kernel that was not there yet when this was written. */
	snprintf(number, sizeof(number), "EVENT-%u", event - SITE_EVENTS);
	return number;
}

static bool in_series(const struct site *site, unsigned int series)
{
	return series >= site->since && (!site->until || series <= site->until);
}

const struct site *site_find(const char *symbol, unsigned int event, unsigned int series)
{
	unsigned int i, k;

	for (i = 0; i < site_count; i++) {
		const struct site *site = &site_table[i];

		if (site->event != event || !in_series(site, series))
			continue;
		for (k = 0; k < ARRAY_SIZE(site->symbols) && site->symbols[k]; k++)
			if (symbols_same(symbol, site->symbols[k]))
				return site;
	}
	return NULL;
}

bool site_exists(const struct site *site, unsigned int series)
{
	unsigned int k;

	if (!in_series(site, series))
		return false;
	for (k = 0; k < ARRAY_SIZE(site->symbols) && site->symbols[k]; k++)
		if (symbols_have(site->symbols[k]))
			return true;
	return false;
}

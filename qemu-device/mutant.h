/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mutants of the device, for tests of tests: the property x-mutant puts one bug
 * into the device, or makes the oracle blind in one respect, while the machine
 * runs.  Each of them is to be noticed by something (make mutants).
 *
 * Whenever it is set, all that is cached is dropped: so nothing that one mutant
 * has left behind is taken for another's, and who asked sees that it is done.
 */
#ifndef DMIRAGE_MUTANT_H
#define DMIRAGE_MUTANT_H

typedef enum DmirageMutant {
    DMIRAGE_MUTANT_NONE,
    DMIRAGE_MUTANT_ACK_EARLY,       /* a flush awaits no chunk */
    DMIRAGE_MUTANT_DROP_FLUSH,      /* one range in three is lost */
    DMIRAGE_MUTANT_FLUSH_SMALL,     /* a range drops 4 KiB entries only */
    DMIRAGE_MUTANT_KEEP_WALK_CACHE, /* a range leaves the walk cache alone */
    DMIRAGE_MUTANT_ANY_ASID,        /* another context's entry will do */
    DMIRAGE_MUTANT_BLIND_FRAME,     /* see enum DmirageBlind */
    DMIRAGE_MUTANT_BLIND_WRITE,
    DMIRAGE_MUTANT_BLIND_LARGE,
    DMIRAGE_MUTANT_MAX,
} DmirageMutant;

#endif

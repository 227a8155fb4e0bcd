/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The watch set.  See watchset.h.
 *
 * A translation is found by its ASID, address and size; beside that, it is a
 * member of several groups: of its context, of its 2 MiB block (to find what a
 * range overlaps), and for each table of those that depend on the same entry
 * (to find what a store hits).  Groups are found by hashing, too, and are there
 * while they have members.  A hash grows, but does not shrink.
 */
#include "watchset.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#define PAGE_BITS   12
#define PAGE_MASK   (~((1ull << PAGE_BITS) - 1))
#define INDEX_BITS  9
#define ENTRIES     (1u << INDEX_BITS)
#define ENTRY_SIZE  8
#define LEVELS      DMIRAGE_WATCH_LEVELS

/* In place of an entry's number: all entries of the table. */
#define ALL         ENTRIES

#define MIN_BITS    6       /* log2 of a hash's chains at birth */

typedef struct Held Held;
typedef struct Group Group;

/* Something in a hash. */
typedef struct Link {
    struct Link *next;
    uint64_t key;           /* an address, and what it is of below bit 12 */
    uint16_t asid;
} Link;

typedef struct Hash {
    Link **chain;
    unsigned bits;          /* log2 of the number of chains */
    unsigned links;
} Hash;

/* A translation's place in a group; group NULL: in none. */
typedef struct Member {
    struct Member *next, **pprev;
    Group *group;
    Held *held;
} Member;

/* Found by its link, which is first. */
struct Group {
    Link link;
    Hash *hash;
    Member *first;
    unsigned members;
};

/* A table; those that depend on it are in the groups of its entries. */
typedef struct Table {
    Link link;
    unsigned uses;          /* by a level of a translation, or for a moment */
} Table;

/* What users see of it is first. */
struct Held {
    DmirageWatched w;
    Link link;
    uint64_t seen;          /* number of the write that hit it last */
    Member of_asid;
    Member of_block;        /* not if it is larger than a block */
    Member of_entry[LEVELS];
    Held *next_suspect, **pprev_suspect;
};

struct DmirageWatchset {
    const DmirageWatchOps *ops;
    void *opaque;
    unsigned max_tables;
    uint64_t refused;
    Hash held;              /* key: address, size */
    Hash asids;             /* key: 0 */
    Hash blocks;            /* key: address */
    Hash entries;           /* key: table, entry's number or ALL */
    Hash tables;            /* key: table */
    Held *suspects;
    uint64_t writes;        /* entries written, each with a number */
    Member *cursor;         /* whom a store comes to next */
};

/* log2 of what an entry of the table of level @i + 1 covers. */
static unsigned entry_order(unsigned i)
{
    return PAGE_BITS + INDEX_BITS * i;
}

/* Which entry it depends on in the table of level @i + 1; maybe ALL. */
static unsigned entry_of(const DmirageXlate *x, unsigned i)
{
    return x->order > entry_order(i) ? ALL
                                     : x->va >> entry_order(i) & (ENTRIES - 1);
}

static Held *held_of(DmirageWatched *w)
{
    return (Held *)((char *)w - offsetof(Held, w));
}

static Held *held_of_link(Link *l)
{
    return (Held *)((char *)l - offsetof(Held, link));
}

/* Hashes */

static bool hash_init(Hash *hash)
{
    hash->bits = MIN_BITS;
    hash->chain = calloc(1u << MIN_BITS, sizeof(Link *));
    return hash->chain;
}

static Link **chain_of(const Hash *hash, uint16_t asid, uint64_t key)
{
    uint64_t h = key + asid * 0x9e3779b97f4a7c15ull;

    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9ull;
    h = (h ^ h >> 27) * 0x94d049bb133111ebull;
    return &hash->chain[h >> (64 - hash->bits)];
}

static Link *hash_find(const Hash *hash, uint16_t asid, uint64_t key)
{
    Link *l = *chain_of(hash, asid, key);

    while (l && (l->key != key || l->asid != asid)) {
        l = l->next;
    }
    return l;
}

static void hash_put(Hash *hash, Link *l)
{
    Link **chain = chain_of(hash, l->asid, l->key);

    l->next = *chain;
    *chain = l;
}

/* Without memory for that, chains become longer. */
static void hash_grow(Hash *hash)
{
    Hash bigger = { .bits = hash->bits + 1, .links = hash->links };

    bigger.chain = calloc((size_t)1 << bigger.bits, sizeof(Link *));
    if (!bigger.chain) {
        return;
    }
    for (size_t i = 0; i < (size_t)1 << hash->bits; i++) {
        for (Link *l = hash->chain[i], *next; l; l = next) {
            next = l->next;
            hash_put(&bigger, l);
        }
    }
    free(hash->chain);
    *hash = bigger;
}

static void hash_add(Hash *hash, Link *l, uint16_t asid, uint64_t key)
{
    if (hash->links >> hash->bits) {
        hash_grow(hash);
    }
    l->asid = asid;
    l->key = key;
    hash_put(hash, l);
    hash->links++;
}

static void hash_remove(Hash *hash, Link *l)
{
    Link **at = chain_of(hash, l->asid, l->key);

    while (*at != l) {
        at = &(*at)->next;
    }
    *at = l->next;
    hash->links--;
}

/* Groups */

static Group *group_find(const Hash *hash, uint16_t asid, uint64_t key)
{
    return (Group *)hash_find(hash, asid, key);
}

/* False: no memory. */
static bool join(Hash *hash, uint16_t asid, uint64_t key, Member *m, Held *h)
{
    Group *g = group_find(hash, asid, key);

    if (!g) {
        g = calloc(1, sizeof(*g));
        if (!g) {
            return false;
        }
        g->hash = hash;
        hash_add(hash, &g->link, asid, key);
    }
    /* As the first: a store has passed there already. */
    m->held = h;
    m->group = g;
    m->next = g->first;
    m->pprev = &g->first;
    if (m->next) {
        m->next->pprev = &m->next;
    }
    g->first = m;
    g->members++;
    return true;
}

static void leave(DmirageWatchset *ws, Member *m)
{
    Group *g = m->group;

    if (!g) {
        return;
    }
    if (ws->cursor == m) {
        ws->cursor = m->next;
    }
    *m->pprev = m->next;
    if (m->next) {
        m->next->pprev = m->pprev;
    }
    m->group = NULL;
    if (--g->members == 0) {
        hash_remove(g->hash, &g->link);
        free(g);
    }
}

/* Tables */

static Table *table_find(const DmirageWatchset *ws, uint64_t table)
{
    return (Table *)hash_find(&ws->tables, 0, table);
}

/* False: no memory. */
static bool table_use(DmirageWatchset *ws, uint64_t table)
{
    Table *t = table_find(ws, table);

    if (!t) {
        t = calloc(1, sizeof(*t));
        if (!t) {
            return false;
        }
        hash_add(&ws->tables, &t->link, 0, table);
        ws->ops->watch(ws->opaque, table);
    }
    t->uses++;
    return true;
}

static void table_unuse(DmirageWatchset *ws, uint64_t table)
{
    Table *t = table_find(ws, table);

    if (--t->uses == 0) {
        hash_remove(&ws->tables, &t->link);
        free(t);
        ws->ops->unwatch(ws->opaque, table);
    }
}

/* False: no memory. */
static bool depend(DmirageWatchset *ws, Held *h, unsigned i, uint64_t table)
{
    if (!table_use(ws, table)) {
        return false;
    }
    if (!join(&ws->entries, 0, table | entry_of(&h->w.x, i), &h->of_entry[i],
              h)) {
        table_unuse(ws, table);
        return false;
    }
    h->w.table[i] = table;
    return true;
}

static void depend_no_more(DmirageWatchset *ws, Held *h, unsigned i)
{
    if (h->w.table[i]) {
        leave(ws, &h->of_entry[i]);
        table_unuse(ws, h->w.table[i]);
        h->w.table[i] = 0;
    }
}

/*
 * Exchanges the tables that @h depends on.  False: refused; then it depends on
 * any of them, which is for the caller to end.
 */
static bool exchange(DmirageWatchset *ws, Held *h, const uint64_t table[])
{
    uint64_t want[LEVELS];      /* @table may be @h's own */
    bool kept[LEVELS] = { false };
    unsigned more = 0;
    bool ok = true;

    for (unsigned i = 0; i < LEVELS; i++) {
        want[i] = table[i];
        assert(!(want[i] & ~PAGE_MASK));
    }
    /* What stays must not be let go, what goes goes before others come. */
    for (unsigned i = 0; i < LEVELS; i++) {
        kept[i] = want[i] && table_find(ws, want[i]);
        if (kept[i]) {
            table_use(ws, want[i]);
        }
    }
    for (unsigned i = 0; i < LEVELS; i++) {
        if (want[i] != h->w.table[i]) {
            depend_no_more(ws, h, i);
        }
    }
    for (unsigned i = 0; i < LEVELS; i++) {
        bool again = false;

        for (unsigned j = 0; j < i; j++) {
            again |= want[j] == want[i];
        }
        more += want[i] && !kept[i] && !again;
    }
    if (more > ws->max_tables - ws->tables.links) {
        ok = false;
    }
    for (unsigned i = 0; i < LEVELS && ok; i++) {
        if (want[i] != h->w.table[i]) {
            ok = depend(ws, h, i, want[i]);
        }
    }
    for (unsigned i = 0; i < LEVELS; i++) {
        if (kept[i]) {
            table_unuse(ws, want[i]);
        }
    }
    return ok;
}

/* The set itself */

DmirageWatchset *dmirage_watchset_new(unsigned max_tables,
                                      const DmirageWatchOps *ops,
                                      void *opaque)
{
    DmirageWatchset *ws = calloc(1, sizeof(*ws));

    if (!ws) {
        return NULL;
    }
    ws->ops = ops;
    ws->opaque = opaque;
    ws->max_tables = max_tables;
    if (!hash_init(&ws->held) || !hash_init(&ws->asids) ||
        !hash_init(&ws->blocks) || !hash_init(&ws->entries) ||
        !hash_init(&ws->tables)) {
        dmirage_watchset_free(ws);
        return NULL;
    }
    return ws;
}

void dmirage_watchset_free(DmirageWatchset *ws)
{
    if (!ws) {
        return;
    }
    for (size_t i = 0; ws->held.links; i++) {
        while (ws->held.chain[i]) {
            dmirage_watchset_remove(ws,
                                    &held_of_link(ws->held.chain[i])->w);
        }
    }
    free(ws->held.chain);
    free(ws->asids.chain);
    free(ws->blocks.chain);
    free(ws->entries.chain);
    free(ws->tables.chain);
    free(ws);
}

static Held *find(const DmirageWatchset *ws, uint16_t asid, uint64_t va,
                  unsigned order)
{
    Link *l = hash_find(&ws->held, asid, va | order);

    return l ? held_of_link(l) : NULL;
}

/* Held, but it depends on nothing yet.  NULL: no memory. */
static Held *hold(DmirageWatchset *ws, const DmirageXlate *x)
{
    Held *h = calloc(1, sizeof(*h));

    if (!h) {
        return NULL;
    }
    h->w.x = *x;
    hash_add(&ws->held, &h->link, x->asid, x->va | x->order);
    if (!join(&ws->asids, x->asid, 0, &h->of_asid, h) ||
        (x->order <= DMIRAGE_ORDER_2M &&
         !join(&ws->blocks, x->asid,
               x->va >> DMIRAGE_ORDER_2M << DMIRAGE_ORDER_2M, &h->of_block,
               h))) {
        dmirage_watchset_remove(ws, &h->w);
        return NULL;
    }
    return h;
}

DmirageWatched *dmirage_watchset_add(DmirageWatchset *ws,
                                     const DmirageXlate *x,
                                     const uint64_t table[])
{
    Held *h = find(ws, x->asid, x->va, x->order);

    assert(x->order == DMIRAGE_ORDER_4K || x->order == DMIRAGE_ORDER_2M ||
           x->order == DMIRAGE_ORDER_1G);
    assert(!(x->va & ((1ull << x->order) - 1)));
    if (h) {
        h->w.x = *x;
        h->w.first = (DmirageWatchStore){ 0 };
        dmirage_watchset_set_suspect(ws, &h->w, false);
    } else {
        h = hold(ws, x);
    }
    if (!h) {
        ws->refused++;
        return NULL;
    }
    return dmirage_watchset_move(ws, &h->w, table) ? &h->w : NULL;
}

DmirageWatched *dmirage_watchset_find(const DmirageWatchset *ws, uint16_t asid,
                                      uint64_t va, unsigned order)
{
    Held *h = find(ws, asid, va, order);

    return h ? &h->w : NULL;
}

bool dmirage_watchset_move(DmirageWatchset *ws, DmirageWatched *w,
                           const uint64_t table[])
{
    if (exchange(ws, held_of(w), table)) {
        return true;
    }
    dmirage_watchset_remove(ws, w);
    ws->refused++;
    return false;
}

void dmirage_watchset_remove(DmirageWatchset *ws, DmirageWatched *w)
{
    Held *h = held_of(w);

    for (unsigned i = 0; i < LEVELS; i++) {
        depend_no_more(ws, h, i);
    }
    dmirage_watchset_set_suspect(ws, w, false);
    leave(ws, &h->of_block);
    leave(ws, &h->of_asid);
    hash_remove(&ws->held, &h->link);
    free(h);
}

/* What is dropped, and who is told. */
typedef struct Drop {
    uint64_t first, last;
    DmirageWatchedFn *dropped;
    void *opaque;
    unsigned n;
} Drop;

static void drop_if_overlaps(DmirageWatchset *ws, Held *h, Drop *d)
{
    if (h->w.x.va > d->last || dmirage_xlate_last(&h->w.x) < d->first) {
        return;
    }
    if (d->dropped) {
        d->dropped(d->opaque, &h->w);
    }
    dmirage_watchset_remove(ws, &h->w);
    d->n++;
}

static void drop_group(DmirageWatchset *ws, Group *g, Drop *d)
{
    /* With its last member, the group itself is gone. */
    for (Member *m = g->first, *next; m; m = next) {
        next = m->next;
        drop_if_overlaps(ws, m->held, d);
    }
}

/* Drops a page, if it is held. */
static void drop_page(DmirageWatchset *ws, uint16_t asid, uint64_t va,
                      unsigned order, Drop *d)
{
    Held *h = find(ws, asid, va, order);

    if (h) {
        drop_if_overlaps(ws, h, d);
    }
}

/*
 * Drops from the 2 MiB block at @block: page by page, or whoever is a member,
 * whichever are fewer.
 */
static void drop_block(DmirageWatchset *ws, uint16_t asid, uint64_t block,
                       Drop *d)
{
    Group *g = group_find(&ws->blocks, asid, block);
    uint64_t first = block;
    uint64_t last = block + ((1ull << DMIRAGE_ORDER_2M) - 1);

    if (!g) {
        return;
    }
    first = (d->first > first ? d->first : first) >> PAGE_BITS;
    last = (d->last < last ? d->last : last) >> PAGE_BITS;
    if (last - first >= g->members) {
        drop_group(ws, g, d);
        return;
    }
    for (; first <= last; first++) {
        drop_page(ws, asid, first << PAGE_BITS, DMIRAGE_ORDER_4K, d);
    }
    drop_page(ws, asid, block, DMIRAGE_ORDER_2M, d);
}

unsigned dmirage_watchset_drop_range(DmirageWatchset *ws, uint16_t asid,
                                     uint64_t first, uint64_t last,
                                     DmirageWatchedFn *dropped, void *opaque)
{
    Drop d = {
        .first = first, .last = last, .dropped = dropped, .opaque = opaque,
    };
    Group *all = group_find(&ws->asids, asid, 0);
    uint64_t block = first >> DMIRAGE_ORDER_2M;
    uint64_t last_block = last >> DMIRAGE_ORDER_2M;
    uint64_t gib = first >> DMIRAGE_ORDER_1G;
    uint64_t last_gib = last >> DMIRAGE_ORDER_1G;

    assert(first <= last);
    if (!all) {
        return 0;
    }
    if (last_block - block >= all->members) {
        drop_group(ws, all, &d);
        return d.n;
    }
    for (; block <= last_block; block++) {
        drop_block(ws, asid, block << DMIRAGE_ORDER_2M, &d);
    }
    for (; gib <= last_gib; gib++) {
        drop_page(ws, asid, gib << DMIRAGE_ORDER_1G, DMIRAGE_ORDER_1G, &d);
    }
    return d.n;
}

unsigned dmirage_watchset_drop_asid(DmirageWatchset *ws, uint16_t asid,
                                    DmirageWatchedFn *dropped, void *opaque)
{
    return dmirage_watchset_drop_range(ws, asid, 0, UINT64_MAX, dropped,
                                       opaque);
}

/*
 * The part of the translation that entry number @entry of @table covers, from
 * first to last byte: at one level, it may be less than at another.
 */
static void part_of(const DmirageWatched *w, uint64_t table, unsigned entry,
                    uint64_t *first, uint64_t *last)
{
    *first = UINT64_MAX;
    *last = 0;
    for (unsigned i = 0; i < LEVELS; i++) {
        unsigned depends = entry_of(&w->x, i);
        uint64_t from = w->x.va;
        uint64_t to = dmirage_xlate_last(&w->x);

        if (w->table[i] != table || (depends != ALL && depends != entry)) {
            continue;
        }
        if (depends == ALL) {
            from += (uint64_t)entry << entry_order(i);
            to = from + ((1ull << entry_order(i)) - 1);
        }
        *first = from < *first ? from : *first;
        *last = to > *last ? to : *last;
    }
}

/* Hits those of a group that this write has not hit yet. */
static void hit_group(DmirageWatchset *ws, uint64_t table, unsigned entry,
                      unsigned which, DmirageWatchHitFn *hit, void *opaque)
{
    Group *g = group_find(&ws->entries, 0, table | which);

    ws->cursor = g ? g->first : NULL;
    while (ws->cursor) {
        Held *h = ws->cursor->held;
        uint64_t first, last;

        /* From here on, who leaves the group takes the cursor further. */
        ws->cursor = ws->cursor->next;
        if (h->seen == ws->writes) {
            continue;
        }
        h->seen = ws->writes;
        part_of(&h->w, table, entry, &first, &last);
        hit(opaque, &h->w, first, last);
    }
}

void dmirage_watchset_store(DmirageWatchset *ws, uint64_t addr, unsigned size,
                            DmirageWatchHitFn *hit, void *opaque)
{
    uint64_t table = addr & PAGE_MASK;
    unsigned at = addr & ~PAGE_MASK;
    unsigned last = (at + size - 1) / ENTRY_SIZE;

    assert(size >= 1 && size <= ENTRY_SIZE && last < ENTRIES);
    for (unsigned entry = at / ENTRY_SIZE; entry <= last; entry++) {
        ws->writes++;
        hit_group(ws, table, entry, entry, hit, opaque);
        hit_group(ws, table, entry, ALL, hit, opaque);
    }
}

bool dmirage_watchset_is_watched(const DmirageWatchset *ws, uint64_t addr)
{
    return table_find(ws, addr & PAGE_MASK);
}

void dmirage_watchset_set_suspect(DmirageWatchset *ws, DmirageWatched *w,
                                  bool suspect)
{
    Held *h = held_of(w);

    if (suspect == w->suspect) {
        return;
    }
    w->suspect = suspect;
    if (suspect) {
        h->next_suspect = ws->suspects;
        h->pprev_suspect = &ws->suspects;
        if (h->next_suspect) {
            h->next_suspect->pprev_suspect = &h->next_suspect;
        }
        ws->suspects = h;
    } else {
        *h->pprev_suspect = h->next_suspect;
        if (h->next_suspect) {
            h->next_suspect->pprev_suspect = h->pprev_suspect;
        }
        ws->ops->settled(ws->opaque, w->x.asid);
    }
}

void dmirage_watchset_suspects(DmirageWatchset *ws, DmirageWatchedFn *fn,
                               void *opaque)
{
    for (Held *h = ws->suspects, *next; h; h = next) {
        next = h->next_suspect;
        fn(opaque, &h->w);
    }
}

unsigned dmirage_watchset_held(const DmirageWatchset *ws)
{
    return ws->held.links;
}

unsigned dmirage_watchset_tables(const DmirageWatchset *ws)
{
    return ws->tables.links;
}

uint64_t dmirage_watchset_refused(const DmirageWatchset *ws)
{
    return ws->refused;
}

/* Spikes: the rows of weights of all that spiked, added up. */
#ifndef SPIKEC_ROWS_H
#define SPIKEC_ROWS_H

#include "reading.h"

/* Places of a part that are worked on together: from the first up to the last, in (sample, row, column). Their sums are
 * (steps, places, channels); so are what they receive and send, which lies as they do in whole maps. */
struct chunk {
    int first, last, rows, columns;
};

static int places_of(const struct chunk *chunk) { return chunk->last - chunk->first; }

struct place {
    int sample, y, x;
};

static struct place place_of(const struct chunk *chunk, int index) {
    int in_sample = index % (chunk->rows * chunk->columns);
    return (struct place){
        index / (chunk->rows * chunk->columns), in_sample / chunk->columns, in_sample % chunk->columns
    };
}

/* Where each of a chunk's places begins to read, at the first step. */
static void find_starts(const struct connection *c, const struct source *s, const struct chunk *chunk) {
    struct place at = place_of(chunk, chunk->first);
    for (int k = 0; k < places_of(chunk); k++) {
        size_t line = at.sample * s->sample + (size_t)at.y * c->stride[0] * s->line;
        int column = at.x * c->stride[1];
        s->places[k] = (struct start){line + (size_t)column, column};
        if (++at.x < chunk->columns) continue;
        at.x = 0;
        if (++at.y < chunk->rows) continue;
        at.y = 0;
        at.sample++;
    }
}

enum { BIAS = 128, ROWS_IN_16_BITS = 256, ROWS_AT_ONCE = 4, ROWS_AHEAD = 8, MOST_BLOCK = 4 * VECTOR_BYTES, MOST_PLANES = 8 };

/* Adds up to 256 rows of bytes, times 2^shift, to sums in 32 bits, or to offset: bytes[2 i] are weights 0..,
 * bytes[2 i + 1] those of the second half. */
INLINE void widen(halves all, halves odd, int shift, int32_t offset, int is_first, int32_t *sums) {
    enum { HALF = VECTOR_BYTES / 2 };
    halves even = all - (odd << 8);
    for (int i = 0; i < HALF; i++) sums[i] = (is_first ? offset : sums[i]) + (even[i] << shift);
    for (int i = 0; i < HALF; i++) sums[HALF + i] = (is_first ? offset : sums[HALF + i]) + (odd[i] << shift);
}

/* Rows that are added up, of a block. */
struct added {
    halves all[4], odd[4];
    int held, is_first;
};

INLINE void widen_added(struct added *added, int vectors, int shift, int32_t offset, int32_t *sums) {
    const halves none = {0};
    if (vectors == 1) added->all[0] += added->all[1], added->odd[0] += added->odd[1];
#pragma GCC unroll 4
    for (int k = 0; k < vectors; k++)
        widen(added->all[k], added->odd[k], shift, offset, added->is_first, sums + k * VECTOR_BYTES);
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) added->all[k] = added->odd[k] = none;
    added->held = added->is_first = 0;
}

/* A single vector's rows are added in turn to two sums, because an addition takes longer than the next row's; rows of four
 * vectors are in the second cache. */
INLINE void add_four_rows(struct added *added, const uint8_t *rows, const uint32_t *index, int vectors) {
    int turns = vectors == 1 ? 2 : 1;
#pragma GCC unroll 4
    for (int r = 0; r < ROWS_AT_ONCE; r++) {
        const uint8_t *row = rows + (size_t)index[r] * (vectors * VECTOR_BYTES);
        const uint8_t *ahead = rows + (size_t)index[r + ROWS_AHEAD] * (vectors * VECTOR_BYTES);
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) {
            if (vectors == 4) __builtin_prefetch(ahead + k * VECTOR_BYTES);
            halves both = kept(load_halves(row + k * VECTOR_BYTES));
            added->all[k + r % turns] += both;
            added->odd[k + r % turns] += both >> 8;
        }
    }
}

/* So many rows as at once, at least. */
static int in_whole(int rows) { return (rows + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE * ROWS_AT_ONCE; }

/* The rows of all planes, each of them twice as often as those of the plane beneath, from the highest plane on. */
INLINE int32_t rows_of_planes(const int *met, int planes) {
    int32_t rows = 0;
    for (int plane = 0; plane < planes; plane++) rows += met[plane] << plane;
    return rows;
}

/* A byte is w + 128, so that sums need no sign: all adds even + 256 odd modulo 2^16, odd what is above. Planes' rows follow
 * each other from the highest plane on, and before those of the next are added, what is added is doubled. */
INLINE void sum_bytes(
    const uint8_t *rows, const uint32_t *index, const int *met, int planes, int shift, int vectors, int32_t *sums
) {
    int32_t offset = -BIAS * (rows_of_planes(met, planes) << shift);
    struct added added = {.is_first = 1};
    for (int plane = planes - 1; plane >= 0; plane--) {
        for (int left = in_whole(met[plane]), now; left; left -= now, added.held += now) {
            if (added.held == ROWS_IN_16_BITS) widen_added(&added, vectors, plane + shift, offset, sums);
            now = ROWS_IN_16_BITS - added.held < left ? ROWS_IN_16_BITS - added.held : left;
            for (const uint32_t *last = index + now; index < last; index += ROWS_AT_ONCE)
                add_four_rows(&added, rows, index, vectors);
        }
        if (!plane) break;
        if (2 * added.held > ROWS_IN_16_BITS) widen_added(&added, vectors, plane + shift, offset, sums);
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++) added.all[k] += added.all[k], added.odd[k] += added.odd[k];
        added.held *= 2;
    }
    widen_added(&added, vectors, shift, offset, sums);
}

static void sum_words(
    const int32_t *rows, const uint32_t *index, const int *met, int planes, int shift, int block, int32_t *sums
) {
    memset(sums, 0, (size_t)block * sizeof *sums);
    for (int plane = planes - 1; plane >= 0; plane--) {
        for (int k = 0; k < block; k++) sums[k] *= 2;
        for (int i = 0; i < met[plane]; i++) {
            const int32_t *row = rows + (size_t)index[i] * block;
            for (int k = 0; k < block; k++) sums[k] += row[k];
        }
        index += in_whole(met[plane]);
    }
    for (int k = 0; shift && k < block; k++) sums[k] <<= shift;
}

/* The rows of a block, behind which there is an empty one. */
static uint32_t rows_of_block(const struct connection *c) {
    return (uint32_t)c->kernel[0] * c->kernel[1] * (c->channels / c->groups);
}

INLINE void sum_vectors(
    const uint8_t *rows, const uint32_t *index, const int *met, int planes, int shift, int vectors, int32_t *sums
) {
    if (planes == 1)
        sum_bytes(rows, index, met, 1, shift, vectors, sums);
    else
        sum_bytes(rows, index, met, planes, shift, vectors, sums);
}

/* The sums of a block's outputs, times 2^shift. */
static void sum_rows(
    const struct connection *c, size_t block, const uint32_t *index, const int *met, int planes, int shift, int32_t *sums
) {
    size_t first = block * (rows_of_block(c) + 1) * c->block;
    if (c->method == WORDS) {
        sum_words((const int32_t *)c->rows + first, index, met, planes, shift, c->block, sums);
        return;
    }
    const uint8_t *rows = (const uint8_t *)c->rows + first;
    switch (c->block / VECTOR_BYTES) {
    case 1: sum_vectors(rows, index, met, planes, shift, 1, sums); break;
    case 2: sum_vectors(rows, index, met, planes, shift, 2, sums); break;
    default: sum_vectors(rows, index, met, planes, shift, 4, sums);
    }
}

/* Entries with what turns them into rows of weights, several vectors at a time, as processors foresee few rounds badly;
 * reads and writes up to ENTRIES_AT_ONCE more. */
INLINE uint32_t *shifted(const uint32_t *entries, uint32_t count, uint32_t shift, uint32_t *to) {
    for (uint32_t k = 0; k < count; k += ENTRIES_AT_ONCE)
#pragma GCC unroll 4
        for (uint32_t r = k; r < k + ENTRIES_AT_ONCE; r += LANES)
            store_words(to + r, load_words(entries + r) + (int32_t)shift);
    return to + count;
}

/* The rows of weights that a place meets, plane by plane from the highest on, whose first list of the lowest plane is the
 * first of starts; empty ones make each plane's whole, and ROWS_AHEAD are behind the last. Met is how many each has. */
INLINE void rows_met(
    const struct source *s, const uint32_t *starts, uint32_t column, uint32_t empty, int planes, uint32_t *index, int *met
) {
    for (int plane = planes - 1; plane >= 0; plane--) {
        uint32_t *to = index;
        for (int k = 0; k < s->count; k++) {
            const uint32_t *start = starts + plane * s->plane + s->taps[k].list;
            to = shifted(s->entries + start[0], start[s->lists] - start[0], s->taps[k].shift - column, to);
        }
        for (int r = 0; r < ROWS_AT_ONCE + ROWS_AHEAD; r += LANES) store_words(to + r, (words){0} + (int32_t)empty);
        met[plane] = (int)(to - index);
        index += in_whole(met[plane]);
    }
}

INLINE void add_scaled(int32_t *restrict sums, const int32_t *restrict more, int32_t factor, int count) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) store_words(sums + i, load_words(sums + i) + load_words(more + i) * factor);
    for (; i < count; i++) sums[i] += factor * more[i];
}

INLINE void set_scaled(int32_t *restrict sums, const int32_t *restrict more, int32_t factor, int count) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) store_words(sums + i, load_words(more + i) * factor);
    for (; i < count; i++) sums[i] = factor * more[i];
}

/* What a (step, place) of messages adds, to the layer's sums of it, or of all steps where messages are the same at each;
 * or what these sums become, if nothing was added to them before. */
static void add_to_steps(
    const struct connection *c, const struct layer *l, int places, int row, int is_first, const int32_t *more,
    int32_t *sums, int count
) {
    int last = c->steps < l->received ? l->received * places : row + 1;
    for (; row < last; row += places) {
        if (is_first)
            set_scaled(sums + (size_t)row * l->channels, more, c->factor, count);
        else
            add_scaled(sums + (size_t)row * l->channels, more, c->factor, count);
    }
}

/* The taps of a kernel's row have lists that follow each other, unless they are dilated. */
static int find_taps(const struct connection *c, struct source *s) {
    int each = c->channels / c->groups;
    s->lists = c->dilation[1] == 1 ? c->kernel[1] : 1;
    s->taps = malloc((size_t)c->kernel[0] * c->kernel[1] * sizeof *s->taps);
    if (!s->taps) return 1;
    for (int j = 0; j < c->kernel[0]; j++)
        for (int i = 0; i < c->kernel[1]; i += s->lists) {
            int column = i * c->dilation[1], tap = j * c->kernel[1] + i;
            size_t list = j * c->dilation[0] * s->line + (size_t)column;
            s->taps[s->count++] = (struct taps){list, (uint32_t)((tap - column) * each)};
        }
    return 0;
}

/* Room for what add_rows finds out about the places of a chunk; 1 where memory is short. */
static int make_room_for_rows(const struct connection *c, int places, struct source *s) {
    size_t planes = (size_t)planes_of(c), most = rows_of_block(c) * (planes + 1) + planes * ROWS_AT_ONCE;
    s->places = malloc((size_t)places * sizeof *s->places);
    s->index = malloc((most + ENTRIES_AT_ONCE + LANES + ROWS_AT_ONCE + ROWS_AHEAD) * sizeof *s->index);
    return find_taps(c, s) || !s->places || !s->index;
}

/* Whether what is added is itself what the sums become, times a power of two. */
static int is_sum(const struct connection *c, const struct layer *l, int sets, int outputs) {
    return sets && outputs == c->block && !(c->factor & (c->factor - 1)) && c->steps == l->received;
}

/* Adds what a chunk's places receive at a step to sums of a block's outputs, or sets these. */
static void add_step(
    const struct connection *c, const struct layer *l, const struct source *s, int places, int step, size_t block,
    const uint32_t *starts, int sets, int outputs, int32_t *sums
) {
    uint32_t each = (uint32_t)(c->channels / c->groups), empty = rows_of_block(c);
    int planes = planes_of(c), is_direct = is_sum(c, l, sets, outputs), met[MOST_PLANES];
    int shift = is_direct ? __builtin_ctz((unsigned)c->factor) : 0;
    int32_t one[MOST_BLOCK];
    for (int k = 0; k < places; k++) {
        int row = step * places + k;
        uint32_t column = (uint32_t)s->places[k].column * each;
        rows_met(s, starts + s->places[k].first, column, empty, planes, s->index, met);
        if (is_direct) {
            sum_rows(c, block, s->index, met, planes, shift, sums + (size_t)row * l->channels);
        } else if (rows_of_planes(met, planes) || sets) {
            sum_rows(c, block, s->index, met, planes, 0, one);
            add_to_steps(c, l, places, row, sets, one, sums, outputs);
        }
    }
}

/* Adds what a chunk's places receive to their sums, or sets these where it is the first to do so. */
static void add_rows(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int is_first,
    int32_t *sums
) {
    int places = places_of(chunk), outputs = l->channels / c->groups;
    int blocks = (outputs + c->block - 1) / c->block;
    find_starts(c, s, chunk);
    for (int number = 0; number < c->groups * blocks; number++) {
        int group = number / blocks, from = number % blocks * c->block;
        int count = outputs - from < c->block ? outputs - from : c->block;
        const uint32_t *starts = s->starts + (size_t)group * s->window.columns;
        for (int step = 0; step < c->steps; step++, starts += s->step)
            add_step(c, l, s, places, step, (size_t)number, starts, is_first, count, sums + group * outputs + from);
    }
}

#endif

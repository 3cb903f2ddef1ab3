/* Spikes: the rows of weights of all that spiked, added up. */
#ifndef SPIKEC_ROWS_H
#define SPIKEC_ROWS_H

#include "source.h"

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

enum { BIAS = 128, ROWS_IN_16_BITS = 256, ROWS_AT_ONCE = 4, ROWS_AHEAD = 8, MOST_BLOCK = 4 * VECTOR_BYTES };

/* Adds up to 256 rows of bytes to sums in 32 bits, or to offset: bytes[2 i] are weights 0.., bytes[2 i + 1] those of the
 * second half. */
INLINE void widen(halves all, halves odd, int32_t offset, int is_first, int32_t *sums) {
    enum { HALF = VECTOR_BYTES / 2 };
    halves even = all - (odd << 8);
    for (int i = 0; i < HALF; i++) sums[i] = (is_first ? offset : sums[i]) + even[i];
    for (int i = 0; i < HALF; i++) sums[HALF + i] = (is_first ? offset : sums[HALF + i]) + odd[i];
}

/* A byte is w + 128, so that sums need no sign: all adds even + 256 odd modulo 2^16, odd what is above. The last rows of
 * index, up to a whole number of ROWS_AT_ONCE, are empty, and ROWS_AHEAD more. A single vector's rows are added in turn
 * to two sums, because an addition takes longer than the next row's; rows of four vectors are in the second cache. */
INLINE void sum_bytes(const uint8_t *rows, const uint32_t *index, int count, int vectors, int32_t *sums) {
    int turns = vectors == 1 ? 2 : 1;
    for (int first = 0; first == 0 || first < count; first += ROWS_IN_16_BITS) {
        int last = count - first < ROWS_IN_16_BITS ? count : first + ROWS_IN_16_BITS;
        halves all[4] = {0}, odd[4] = {0};
        for (const uint32_t *i = index + first; i < index + last; i += ROWS_AT_ONCE)
#pragma GCC unroll 4
            for (int r = 0; r < ROWS_AT_ONCE; r++) {
                const uint8_t *row = rows + (size_t)i[r] * (vectors * VECTOR_BYTES);
                const uint8_t *ahead = rows + (size_t)i[r + ROWS_AHEAD] * (vectors * VECTOR_BYTES);
#pragma GCC unroll 4
                for (int k = 0; k < vectors; k++) {
                    if (vectors == 4) __builtin_prefetch(ahead + k * VECTOR_BYTES);
                    halves both = kept(load_halves(row + k * VECTOR_BYTES));
                    all[k + r % turns] += both;
                    odd[k + r % turns] += both >> 8;
                }
            }
        if (turns == 2) all[0] += all[1], odd[0] += odd[1];
#pragma GCC unroll 4
        for (int k = 0; k < vectors; k++) widen(all[k], odd[k], -BIAS * count, first == 0, sums + k * VECTOR_BYTES);
    }
}

static void sum_words(const int32_t *rows, const uint32_t *index, int count, int block, int32_t *sums) {
    memset(sums, 0, (size_t)block * sizeof *sums);
    for (int i = 0; i < count; i++) {
        const int32_t *row = rows + (size_t)index[i] * block;
        for (int k = 0; k < block; k++) sums[k] += row[k];
    }
}

/* The rows of a block, behind which there is an empty one. */
static uint32_t rows_of_block(const struct connection *c) {
    return (uint32_t)c->kernel[0] * c->kernel[1] * (c->channels / c->groups);
}

static void sum_rows(const struct connection *c, size_t block, const uint32_t *index, int count, int32_t *sums) {
    size_t first = block * (rows_of_block(c) + 1) * c->block;
    if (c->method == WORDS) {
        sum_words((const int32_t *)c->rows + first, index, count, c->block, sums);
        return;
    }
    const uint8_t *rows = (const uint8_t *)c->rows + first;
    switch (c->block / VECTOR_BYTES) {
    case 1: sum_bytes(rows, index, count, 1, sums); break;
    case 2: sum_bytes(rows, index, count, 2, sums); break;
    default: sum_bytes(rows, index, count, 4, sums);
    }
}

/* Entries with what turns them into rows of weights, two vectors at a time, as processors foresee few rounds badly; writes
 * and reads up to two vectors more. */
INLINE uint32_t *shifted(const uint32_t *entries, uint32_t count, uint32_t shift, uint32_t *to) {
    for (uint32_t k = 0; k < count; k += 2 * LANES) {
        store_words(to + k, load_words(entries + k) + (int32_t)shift);
        store_words(to + k + LANES, load_words(entries + k + LANES) + (int32_t)shift);
    }
    return to + count;
}

/* The rows of weights that a place meets whose first list is the first of starts, and empty ones behind them; returns how
 * many it meets. */
INLINE int rows_met(const struct source *s, const uint32_t *starts, uint32_t column, uint32_t empty, uint32_t *index) {
    uint32_t *to = index;
    for (int k = 0; k < s->count; k++) {
        const uint32_t *start = starts + s->taps[k].list;
        to = shifted(s->entries + start[0], start[s->lists] - start[0], s->taps[k].shift - column, to);
    }
    for (int r = 0; r < ROWS_AT_ONCE + ROWS_AHEAD; r += LANES) store_words(to + r, (words){0} + (int32_t)empty);
    return (int)(to - index);
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
    const struct connection *c, const struct layer *l, int places, int row, int shift, int is_first, const int32_t *more,
    int32_t *sums, int count
) {
    int32_t factor = (int32_t)((uint32_t)c->factor << shift);
    int last = c->steps < l->received ? l->received * places : row + 1;
    for (; row < last; row += places) {
        if (is_first)
            set_scaled(sums + (size_t)row * l->channels, more, factor, count);
        else
            add_scaled(sums + (size_t)row * l->channels, more, factor, count);
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
    size_t most = (size_t)rows_of_block(c) * c->pool[0] * c->pool[1];
    s->places = malloc((size_t)places * sizeof *s->places);
    s->index = malloc((most + 3 * LANES + ROWS_AT_ONCE + ROWS_AHEAD) * sizeof *s->index);
    return find_taps(c, s) || !s->places || !s->index;
}

/* What is added is itself what the sums become. */
static int is_sum(const struct connection *c, const struct layer *l, int sets, int outputs) {
    return sets && outputs == c->block && c->factor == 1 && c->steps == l->received;
}

/* Adds what a chunk's places receive at a plane, a bit of a step, to sums of a block's outputs, or sets these. */
static void add_plane(
    const struct connection *c, const struct layer *l, const struct source *s, int places, int plane, size_t block,
    const uint32_t *starts, int sets, int outputs, int32_t *sums
) {
    uint32_t each = (uint32_t)(c->channels / c->groups), empty = rows_of_block(c);
    int first = plane / c->bits * places, bit = plane % c->bits;
    int is_direct = is_sum(c, l, sets, outputs);
    int32_t one[MOST_BLOCK];
    for (int k = 0; k < places; k++) {
        int met = rows_met(s, starts + s->places[k].first, (uint32_t)s->places[k].column * each, empty, s->index);
        if (is_direct) {
            sum_rows(c, block, s->index, met, sums + (size_t)(first + k) * l->channels);
        } else if (met || sets) {
            sum_rows(c, block, s->index, met, one);
            add_to_steps(c, l, places, first + k, bit, sets, one, sums, outputs);
        }
    }
}

/* Adds what a chunk's places receive to their sums, or sets these where it is the first to do so. */
static void add_rows(
    const struct connection *c, const struct layer *l, const struct source *s, const struct chunk *chunk, int is_first,
    int32_t *sums
) {
    int places = places_of(chunk), planes = c->steps * c->bits, outputs = l->channels / c->groups;
    int blocks = (outputs + c->block - 1) / c->block;
    find_starts(c, s, chunk);
    for (int number = 0; number < c->groups * blocks; number++) {
        int group = number / blocks, from = number % blocks * c->block;
        int count = outputs - from < c->block ? outputs - from : c->block;
        const uint32_t *starts = s->starts + (size_t)group * s->window.columns;
        for (int plane = 0; plane < planes; plane++, starts += s->step) {
            int sets = is_first && plane % c->bits == 0;
            add_plane(c, l, s, places, plane, (size_t)number, starts, sets, count, sums + group * outputs + from);
        }
    }
}

#endif
